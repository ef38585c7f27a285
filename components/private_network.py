"""A virtual network for private endpoints, and the private DNS zones in which they are found.

Zone names: https://learn.microsoft.com/azure/private-link/private-endpoint-dns (one table a cloud). A
workspace needs two zones; its online endpoints are found in the first of them. Left out: firewalls,
peering and routes, which belong to a team's hub network.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi

from components.native import Native

# Group id of a private link service -> its zones.
ZONES: dict[str, dict[str, tuple[str, ...]]] = {
    "public": {
        "amlworkspace": ("privatelink.api.azureml.ms", "privatelink.notebooks.azure.net"),
        "blob": ("privatelink.blob.core.windows.net",),
        "file": ("privatelink.file.core.windows.net",),
        "vault": ("privatelink.vaultcore.azure.net",),
        "registry": ("privatelink.azurecr.io",),
    },
    "usgovernment": {
        "amlworkspace": ("privatelink.api.ml.azure.us", "privatelink.notebooks.usgovcloudapi.net"),
        "blob": ("privatelink.blob.core.usgovcloudapi.net",),
        "file": ("privatelink.file.core.usgovcloudapi.net",),
        "vault": ("privatelink.vaultcore.usgovcloudapi.net",),
        "registry": ("privatelink.azurecr.us",),
    },
    "china": {
        "amlworkspace": ("privatelink.api.ml.azure.cn", "privatelink.notebooks.chinacloudapi.cn"),
        "blob": ("privatelink.blob.core.chinacloudapi.cn",),
        "file": ("privatelink.file.core.chinacloudapi.cn",),
        "vault": ("privatelink.vaultcore.azure.cn",),
        "registry": ("privatelink.azurecr.cn",),
    },
}
PRIVATE_ENDPOINTS = "private_endpoints"


@dataclass(frozen=True, kw_only=True)
class PrivateNetworkArgs:
    """`subnets` maps names to address ranges, or, with `existing_id`, to names or ids of subnets that are
    there.

    `groups` are the private link groups that will get an endpoint; only their zones are made.
    `zones_group_id` is the id of a resource group that already holds the zones.
    """

    name: str
    resource_group_name: pulumi.Input[str]
    location: str
    groups: Sequence[str]
    existing_id: str | None = None
    address_space: Sequence[str] = ()
    subnets: Mapping[str, str] = field(default_factory=dict)
    zones_group_id: str | None = None
    link_zones: bool = True
    cloud: str = "public"
    tags: Mapping[str, str] = field(default_factory=dict)


class PrivateNetwork(pulumi.ComponentResource):
    """`subnet_ids` by subnet name; `zone_ids` by private link group."""

    network_id: pulumi.Output[str]
    subnet_ids: dict[str, pulumi.Output[str]]
    zone_ids: dict[str, list[pulumi.Output[str]]]

    def __init__(
        self, name: str, args: PrivateNetworkArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("vllm-azureml:components:PrivateNetwork", name, None, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        if args.existing_id:
            self.network_id = pulumi.Output.from_input(args.existing_id)
            self.subnet_ids = _existing_subnets(args.existing_id, args.subnets)
        else:
            self._make_network(name, args)
        self.zone_ids = {group: self._zones(name, args, group) for group in args.groups}
        self.register_outputs({"network_id": self.network_id, "subnet_ids": self.subnet_ids})

    def _make_network(self, name: str, args: PrivateNetworkArgs) -> None:
        space = list(args.address_space) or ["10.20.0.0/16"]
        wanted = dict(args.subnets)
        wanted.setdefault(PRIVATE_ENDPOINTS, first_subnet(space[0]))
        vnet = Native(
            "network:VirtualNetwork",
            name,
            {
                "virtualNetworkName": args.name,
                "resourceGroupName": args.resource_group_name,
                "location": args.location,
                "addressSpace": {"addressPrefixes": space},
                # In the network's own body: separate subnets would be removed by the next PUT of the network.
                "subnets": [
                    {"name": subnet.replace("_", "-"), "addressPrefix": prefix}
                    for subnet, prefix in wanted.items()
                ],
                "tags": dict(args.tags),
            },
            opts=self._child,
        )
        self.network_id = vnet.id
        self.subnet_ids = {subnet: _subnet_id(vnet.id, subnet) for subnet in wanted}

    def _zones(self, name: str, args: PrivateNetworkArgs, group: str) -> list[pulumi.Output[str]]:
        from pulumi_azure_native import privatedns

        if args.zones_group_id:
            provider = f"{args.zones_group_id}/providers/Microsoft.Network/privateDnsZones"
            return [pulumi.Output.from_input(f"{provider}/{zone}") for zone in ZONES[args.cloud][group]]
        ids = []
        for zone in ZONES[args.cloud][group]:
            made = privatedns.PrivateZone(
                f"{name}-{zone}",
                private_zone_name=zone,
                resource_group_name=args.resource_group_name,
                location="global",  # private DNS zones have no region
                tags=dict(args.tags),
                opts=self._child,
            )
            if args.link_zones:
                link = privatedns.VirtualNetworkLink(
                    f"{name}-{zone}",
                    virtual_network_link_name=args.name,
                    private_zone_name=made.name,
                    resource_group_name=args.resource_group_name,
                    location="global",
                    registration_enabled=False,
                    virtual_network=privatedns.SubResourceArgs(id=self.network_id),
                    opts=pulumi.ResourceOptions(parent=self, depends_on=[made]),
                )
                # Whoever waits for a zone waits until names in the network resolve by it.
                ids.append(pulumi.Output.all(made.id, link.id).apply(lambda both: both[0]))
            else:
                ids.append(made.id)
        return ids


def first_subnet(space: str) -> str:
    """The first /24 of an address range, or all of a smaller one."""
    network = ipaddress.ip_network(space)
    return str(network if network.prefixlen >= 24 else next(network.subnets(new_prefix=24)))


def _subnet_id(network_id: pulumi.Output[str], subnet: str) -> pulumi.Output[str]:
    return pulumi.Output.concat(network_id, "/subnets/", subnet.replace("_", "-"))


def _existing_subnets(network_id: str, subnets: Mapping[str, str]) -> dict[str, pulumi.Output[str]]:
    return {
        name: pulumi.Output.from_input(value if value.startswith("/") else f"{network_id}/subnets/{value}")
        for name, value in (subnets or {PRIVATE_ENDPOINTS: "private-endpoints"}).items()
    }
