"""A managed online deployment: one server behind an endpoint, and the requests that it must answer first.

Instance count is `sku.capacity`. Under autoscale the service writes it too, so it is ignored and, with
`refresh: always`, what is live is what an update PUTs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi

from components import adoption, progress
from components.bodies import arm
from components.online_endpoint import OnlineEndpoint
from components.rollout import Server
from components.workspace import created_at
from providers.smoke_test import SmokeTest

# What would be PUT into a server that keeps its name; `rollout: recreate` replaces it instead, with the
# outage shown.
REPLACED = [
    "properties.appInsightsEnabled",
    "properties.dataCollector",
    "properties.egressPublicNetworkAccess",
    "properties.environmentId",
    "properties.environmentVariables",
    "properties.instanceType",
    "properties.livenessProbe",
    "properties.model",
    "properties.modelMountPath",
    "properties.readinessProbe",
    "properties.startupProbe",
]


@dataclass(frozen=True, kw_only=True)
class SmokeTestArgs:
    """`subject` is a hash of everything that makes the deployment answer as it does."""

    subject: str
    private_address: str = ""
    prompt: str = "Say hello."
    model: str = ""
    path: str = ""
    max_tokens: int = 16
    stream: bool = True
    expect: str = ""
    timeout_seconds: float = 300


@dataclass(frozen=True, kw_only=True)
class DeploymentArgs:
    """`body` is ARM's `ManagedOnlineDeployment` in ARM's own names, without `environmentId` and `model`.

    `deployment_id` is the ARM id that follows from the names. Without `smoke_test` nothing is asked; without
    `instance_count` it is one, or what a server that is taken over has.
    """

    server: Server
    endpoint: OnlineEndpoint
    deployment_id: str
    resource_group_name: pulumi.Input[str]
    workspace_name: pulumi.Input[str]
    location: str
    body: Mapping[str, Any]
    environment_id: pulumi.Input[str] | None
    auth_mode: str
    private: bool
    instance_count: int | None = 1
    model_id: pulumi.Input[str] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    autoscaled: bool = False
    smoke_test: SmokeTestArgs | None = None
    depends_on: Sequence[pulumi.Resource] = ()


class Deployment(pulumi.ComponentResource):
    """`gate` is what traffic depends on: the smoke test, or the deployment itself."""

    name: pulumi.Output[str]
    deployment_id: pulumi.Output[str]
    served_model_names: pulumi.Output[list[str]]
    gate: pulumi.Resource

    def __init__(self, name: str, args: DeploymentArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vllm-azureml:components:Deployment", name, None, opts)
        from pulumi_azure_native import machinelearningservices as ml

        server = args.server
        deployment = ml.OnlineDeployment(
            name,
            deployment_name=server.physical,
            endpoint_name=args.endpoint.name,
            resource_group_name=args.resource_group_name,
            workspace_name=args.workspace_name,
            location=args.location,
            properties=arm(args.body, {"environmentId": args.environment_id, "model": args.model_id}),
            sku=arm({"name": "Default", "capacity": args.instance_count or 1}),
            tags=dict(args.tags),
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[args.endpoint.resource, *args.depends_on],
                ignore_changes=_ignored(args) or None,
                replace_on_changes=REPLACED if server.fixed else None,
                # The name is taken until the old one is gone; azure-native says so only for what it
                # replaces itself.
                delete_before_replace=server.fixed or None,
                import_=args.deployment_id if server.adopted else None,
                hooks=progress.hooks(name, args.deployment_id),
                custom_timeouts=pulumi.CustomTimeouts(create="3h", update="3h"),
            ),
        )
        self.resource = deployment
        self.name, self.deployment_id = deployment.name, deployment.id
        self.gate, self.served_model_names = deployment, pulumi.Output.from_input([])
        if args.smoke_test:
            test = self._smoke_test(name, args, args.smoke_test)
            self.gate, self.served_model_names = test, test.served_model_names
        self.register_outputs({"deployment_id": self.deployment_id})

    def _smoke_test(self, name: str, args: DeploymentArgs, test: SmokeTestArgs) -> SmokeTest:
        return SmokeTest(
            name,
            endpoint_id=args.endpoint.endpoint_id,
            endpoint_generation=args.endpoint.generation,
            deployment_id=self.resource.id,
            deployment_generation=created_at(self.resource.system_data),
            deployment=args.server.physical,
            scoring_uri=args.endpoint.scoring_uri,
            auth_mode=args.auth_mode,
            private=args.private,
            opts=pulumi.ResourceOptions(parent=self),
            **vars(test),
        )


def _ignored(args: DeploymentArgs) -> list[str]:
    scaled = ["sku.capacity"] if args.autoscaled else []
    if not args.server.adopted:
        return scaled
    counted = args.instance_count is not None
    return list(dict.fromkeys([*scaled, *adoption.deployment(args.body, args.tags, counted=counted)]))
