"""The managed network of a workspace: its outbound rules, and its provisioning before the first
deployment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi

from providers.managed_network import ManagedNetwork as Provisioning


@dataclass(frozen=True, kw_only=True)
class ManagedNetworkArgs:
    """`rules` by name, each with `type` (`fqdn`, `service_tag`, `private_endpoint`) and that type's
    fields."""

    resource_group_name: pulumi.Input[str]
    workspace_name: pulumi.Input[str]
    workspace_id: pulumi.Input[str]
    workspace_generation: pulumi.Input[str]
    isolation_mode: str
    rules: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    provision: bool = True


class ManagedNetwork(pulumi.ComponentResource):
    """`ready` holds what deployments depend on: the rules, and the provisioning if there is one."""

    ready: list[pulumi.Resource]

    def __init__(
        self, name: str, args: ManagedNetworkArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("vllm-azureml:components:ManagedNetwork", name, None, opts)
        from pulumi_azure_native import machinelearningservices as ml

        rules = [
            ml.ManagedNetworkSettingsRule(
                f"{name}-{rule}",
                rule_name=rule,
                resource_group_name=args.resource_group_name,
                workspace_name=args.workspace_name,
                properties=_rule(entry),
                opts=pulumi.ResourceOptions(parent=self),
            )
            for rule, entry in args.rules.items()
        ]
        self.ready = [*rules]
        if args.provision:
            provisioning = Provisioning(
                name,
                workspace_id=args.workspace_id,
                workspace_generation=args.workspace_generation,
                isolation_mode=args.isolation_mode,
                rules=[rule.id for rule in rules],
                opts=pulumi.ResourceOptions(parent=self, depends_on=rules),
            )
            self.ready.append(provisioning)
        self.register_outputs({})


def _rule(entry: Mapping[str, Any]) -> Any:
    from pulumi_azure_native import machinelearningservices as ml

    if entry["type"] == "fqdn":
        return ml.FqdnOutboundRuleArgs(type="FQDN", category="UserDefined", destination=entry["destination"])
    if entry["type"] == "service_tag":
        tag = ml.ServiceTagDestinationArgs(
            service_tag=entry["service_tag"], protocol=entry["protocol"], port_ranges=entry["port_ranges"]
        )
        return ml.ServiceTagOutboundRuleArgs(type="ServiceTag", category="UserDefined", destination=tag)
    target = ml.PrivateEndpointDestinationArgs(
        service_resource_id=entry["service_resource_id"],
        subresource_target=entry["subresource_target"],
        spark_enabled=entry.get("spark_enabled", False),
    )
    return ml.PrivateEndpointOutboundRuleArgs(
        type="PrivateEndpoint", category="UserDefined", destination=target
    )
