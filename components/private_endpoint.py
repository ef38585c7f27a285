"""A private endpoint of one resource, registered in its private DNS zones.

The zone group keeps the records in step with the endpoint's addresses; records of one's own would not follow.
https://learn.microsoft.com/azure/private-link/private-endpoint-dns-integration
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi

from components.native import Native


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
        connection = {
            "name": args.name,
            "privateLinkServiceId": args.target_id,
            "groupIds": [args.group],
        }
        endpoint = Native(
            "network:PrivateEndpoint",
            name,
            {
                "privateEndpointName": args.name,
                "resourceGroupName": args.resource_group_name,
                "location": args.location,
                "subnet": {"id": args.subnet_id},
                "privateLinkServiceConnections": [connection],
                "tags": dict(args.tags),
            },
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.ready = Native(
            "network:PrivateDnsZoneGroup",
            name,
            {
                "privateDnsZoneGroupName": "default",
                "privateEndpointName": endpoint.name,
                "resourceGroupName": args.resource_group_name,
                "privateDnsZoneConfigs": [
                    {"name": f"{args.group}-{index}", "privateDnsZoneId": zone}
                    for index, zone in enumerate(args.zone_ids)
                ],
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=[endpoint]),
        )
        self.endpoint_id = endpoint.id
        self.register_outputs({"endpoint_id": self.endpoint_id})
