"""Microsoft.Network: virtual networks, subnets and security groups."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from emulator.azure.errors import ArmError, bad_request
from emulator.azure.resource_type import Call, ResourceType
from emulator.azure.schema import Model
from emulator.azure.store import Resource

if TYPE_CHECKING:
    from emulator.azure.cloud import Cloud

WHEEL, MODELS = "azure-mgmt-network", "azure.mgmt.network.models"
VERSIONS = frozenset({"2024-05-01", "2024-01-01", "2024-07-01", "2025-01-01", "2023-11-01"})
NETWORK = "Microsoft.Network/virtualNetworks"
SUBNET = "Microsoft.Network/virtualNetworks/subnets"
SECURITY_GROUP = "Microsoft.Network/networkSecurityGroups"
ENDPOINT = "Microsoft.Network/privateEndpoints"


class NetworkType(ResourceType):
    versions = VERSIONS
    asynchronous = True
    asynchronous_delete = True
    name_pattern = r"[A-Za-z0-9]([\w.-]{0,78}\w)?"
    name_rule = "1 to 80 letters, digits, underscores, periods and hyphens, starting with a letter or digit"


class SecurityGroup(NetworkType):
    type = SECURITY_GROUP
    model = Model(WHEEL, MODELS, "NetworkSecurityGroup")
    patch_model = Model(WHEEL, MODELS, "TagsObject")

    def check_delete(self, call: Call, resource: Resource) -> None:
        for subnet in call.cloud.store.all(SUBNET):
            used = (subnet.properties.get("networkSecurityGroup") or {}).get("id", "")
            if used.lower() == resource.id.lower():
                text = (
                    f"Network security group {resource.id} cannot be deleted because it is in "
                    f"use by {subnet.id}."
                )
                raise bad_request(text, code="InUseNetworkSecurityGroupCannotBeDeleted")


class VirtualNetwork(NetworkType):
    """Subnets given in the body become resources; a body without them leaves existing ones alone
    (unverified).
    """

    type = NETWORK
    model = Model(WHEEL, MODELS, "VirtualNetwork")
    patch_model = Model(WHEEL, MODELS, "TagsObject")

    def prepare(self, call: Call, old: Resource | None, new: Resource) -> None:
        space = (new.properties.get("addressSpace") or {}).get("addressPrefixes") or []
        if not space:
            raise bad_request("The virtual network has no address space.", code="MissingAddressSpace")
        for prefix in space:
            prefix_of(prefix)
        subnets = new.properties.pop("subnets", None)
        if subnets is not None:
            self._set_subnets(call.cloud, new, subnets)

    def _set_subnets(self, cloud: Cloud, network: Resource, subnets: list[dict[str, Any]]) -> None:
        wanted = {str(item.get("name", "")).lower() for item in subnets}
        for existing in cloud.store.all(SUBNET, under=network.id):
            if existing.name.lower() not in wanted:
                check_subnet_free(cloud, existing)
                cloud.store.remove(existing.id)
        for item in subnets:
            resource_id = f"{network.id}/subnets/{item.get('name', '')}"
            subnet = Resource(
                resource_id, SUBNET, {"properties": item.get("properties", {})}, {"state": "Succeeded"}
            )
            check_subnet(cloud, network, subnet)
            cloud.store.save(subnet)

    def check_delete(self, call: Call, resource: Resource) -> None:
        for subnet in call.cloud.store.all(SUBNET, under=resource.id):
            check_subnet_free(call.cloud, subnet)

    def outputs(self, cloud: Cloud, resource: Resource) -> dict[str, Any]:
        kind = Subnet()
        subnets = [kind.view(cloud, item) for item in cloud.store.all(SUBNET, under=resource.id)]
        return {"properties": {"subnets": subnets}}


class Subnet(NetworkType):
    type = SUBNET
    model = Model(WHEEL, MODELS, "Subnet")

    def prepare(self, call: Call, old: Resource | None, new: Resource) -> None:
        network = call.cloud.store.get(new.parent_id)
        if network:
            check_subnet(call.cloud, network, new)

    def check_delete(self, call: Call, resource: Resource) -> None:
        check_subnet_free(call.cloud, resource)


def check_subnet(cloud: Cloud, network: Resource, subnet: Resource) -> None:
    """Refuse a subnet that is outside its network or overlaps another."""
    properties = subnet.properties
    prefixes = properties.get("addressPrefixes") or [properties.get("addressPrefix")]
    space = [prefix_of(item) for item in network.properties["addressSpace"]["addressPrefixes"]]
    for text in prefixes:
        prefix = prefix_of(text)
        if not any(prefix.version == item.version and prefix.subnet_of(item) for item in space):  # type: ignore[arg-type]
            message = (
                f"Subnet '{subnet.name}' ({text}) is not valid because its IP address range is outside the "
            )
            raise bad_request(
                message + f"address space of virtual network '{network.name}'.", code="NetcfgInvalidSubnet"
            )
        for other in cloud.store.all(SUBNET, under=network.id):
            if other.name.lower() == subnet.name.lower():
                continue
            taken = other.properties.get("addressPrefixes") or [other.properties.get("addressPrefix")]
            if any(prefix.overlaps(prefix_of(item)) for item in taken):
                message = f"Subnet '{subnet.name}' is not valid because its IP address range overlaps with "
                raise bad_request(
                    message + f"that of subnet '{other.name}'.", code="NetcfgSubnetRangesOverlap"
                )
    group = (properties.get("networkSecurityGroup") or {}).get("id")
    if group and cloud.resource(group) is None:
        raise invalid(f"The network security group {group!r} of the subnet was not found.")


def check_subnet_free(cloud: Cloud, subnet: Resource) -> None:
    """Refuse to delete a subnet that a private endpoint uses."""
    for endpoint in cloud.store.all(ENDPOINT):
        if endpoint.properties["subnet"]["id"].lower() == subnet.id.lower():
            text = f"Subnet {subnet.name} is in use by {endpoint.id} and cannot be deleted."
            raise bad_request(text, code="InUseSubnetCannotBeDeleted")


def prefix_of(text: Any) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(str(text))
    except ValueError as error:
        raise bad_request(
            f"{text!r} is not an address prefix: {error}.", code="InvalidCIDRNotation"
        ) from None


def invalid(text: str) -> ArmError:
    return ArmError(400, "InvalidResourceReference", text)
