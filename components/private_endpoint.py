"""A private endpoint of one resource, registered in its private DNS zones.

The zone group keeps the records in step with the endpoint's addresses; records of one's own would not follow.
https://learn.microsoft.com/azure/private-link/private-endpoint-dns-integration
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi


@dataclass(frozen=True, kw_only=True)
class PrivateEndpointArgs:
    """`group` is the private link group (`amlworkspace`, `blob`, `vault`, `registry`, ...) of `target_id`."""

    name: str
    resource_group_name: pulumi.Input[str]
    location: str
    target_id: pulumi.Input[str]
    group: str
    subnet_id: pulumi.Input[str]
    zone_ids: Sequence[pulumi.Input[str]]
    tags: Mapping[str, str] = field(default_factory=dict)


class PrivateEndpoint(pulumi.ComponentResource):
    """`ready` is known once names resolve to the endpoint: what talks to the target depends on it."""

    endpoint_id: pulumi.Output[str]
    ready: pulumi.Resource

    def __init__(
        self, name: str, args: PrivateEndpointArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("vllm-azureml:components:PrivateEndpoint", name, None, opts)
        from pulumi_azure_native import network

        endpoint = network.PrivateEndpoint(
            name,
            private_endpoint_name=args.name,
            resource_group_name=args.resource_group_name,
            location=args.location,
            subnet=network.SubnetArgs(id=args.subnet_id),
            private_link_service_connections=[
                network.PrivateLinkServiceConnectionArgs(
                    name=args.name, private_link_service_id=args.target_id, group_ids=[args.group]
                )
            ],
            tags=dict(args.tags),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.ready = network.PrivateDnsZoneGroup(
            name,
            private_dns_zone_group_name="default",
            private_endpoint_name=endpoint.name,
            resource_group_name=args.resource_group_name,
            private_dns_zone_configs=[
                network.PrivateDnsZoneConfigArgs(name=f"{args.group}-{index}", private_dns_zone_id=zone)
                for index, zone in enumerate(args.zone_ids)
            ],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[endpoint]),
        )
        self.endpoint_id = endpoint.id
        self.register_outputs({"endpoint_id": self.endpoint_id})
