"""Microsoft.Network without DNS: virtual networks, subnets, security groups, private endpoints and their
zone groups.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from emulator.azure.errors import ArmError, bad_request
from emulator.azure.resource_type import Call, ResourceType
from emulator.azure.resources import private_dns
from emulator.azure.schema import Model
from emulator.azure.store import Resource

if TYPE_CHECKING:
    from emulator.azure.cloud import Cloud

_WHEEL, _MODELS = "azure-mgmt-network", "azure.mgmt.network.models"
_VERSIONS = frozenset({"2024-05-01", "2024-01-01", "2024-07-01", "2025-01-01", "2023-11-01"})
NETWORK = "Microsoft.Network/virtualNetworks"
SUBNET = "Microsoft.Network/virtualNetworks/subnets"
SECURITY_GROUP = "Microsoft.Network/networkSecurityGroups"
ENDPOINT = "Microsoft.Network/privateEndpoints"

# Sub-resources of a private link (learn.microsoft.com, "What is a private endpoint?", private-link resource).
GROUPS = {
    "microsoft.machinelearningservices/workspaces": {"amlworkspace"},
    "microsoft.storage/storageaccounts": {"blob", "file", "queue", "table", "dfs", "web"},
    "microsoft.keyvault/vaults": {"vault"},
    "microsoft.containerregistry/registries": {"registry"},
}
# The zones of each sub-resource (learn.microsoft.com, "Azure Private Endpoint private DNS zone values").
ZONES = {
    "amlworkspace": {"privatelink.api.azureml.ms", "privatelink.notebooks.azure.net"},
    "blob": {"privatelink.blob.core.windows.net"},
    "file": {"privatelink.file.core.windows.net"},
    "vault": {"privatelink.vaultcore.azure.net"},
    "registry": {"privatelink.azurecr.io"},
}


class _Network(ResourceType):
    versions = _VERSIONS
    asynchronous = True
    asynchronous_delete = True
    name_pattern = r"[A-Za-z0-9]([\w.-]{0,78}\w)?"
    name_rule = "1 to 80 letters, digits, underscores, periods and hyphens, starting with a letter or digit"


class SecurityGroup(_Network):
    type = SECURITY_GROUP
    model = Model(_WHEEL, _MODELS, "NetworkSecurityGroup")
    patch_model = Model(_WHEEL, _MODELS, "TagsObject")

    def check_delete(self, call: Call, resource: Resource) -> None:
        for subnet in call.cloud.store.all(SUBNET):
            used = (subnet.properties.get("networkSecurityGroup") or {}).get("id", "")
            if used.lower() == resource.id.lower():
                text = (
                    f"Network security group {resource.id} cannot be deleted because it is in "
                    f"use by {subnet.id}."
                )
                raise bad_request(text, code="InUseNetworkSecurityGroupCannotBeDeleted")


class VirtualNetwork(_Network):
    """Subnets given in the body become resources; a body without them leaves existing ones alone
    (unverified).
    """

    type = NETWORK
    model = Model(_WHEEL, _MODELS, "VirtualNetwork")
    patch_model = Model(_WHEEL, _MODELS, "TagsObject")

    def prepare(self, call: Call, old: Resource | None, new: Resource) -> None:
        space = (new.properties.get("addressSpace") or {}).get("addressPrefixes") or []
        if not space:
            raise bad_request("The virtual network has no address space.", code="MissingAddressSpace")
        for prefix in space:
            _prefix(prefix)
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


class Subnet(_Network):
    type = SUBNET
    model = Model(_WHEEL, _MODELS, "Subnet")

    def prepare(self, call: Call, old: Resource | None, new: Resource) -> None:
        network = call.cloud.store.get(new.parent_id)
        if network:
            check_subnet(call.cloud, network, new)

    def check_delete(self, call: Call, resource: Resource) -> None:
        check_subnet_free(call.cloud, resource)


class PrivateEndpoint(_Network):
    type = ENDPOINT
    model = Model(_WHEEL, _MODELS, "PrivateEndpoint")
    create_only = ("properties.subnet.id",)

    def prepare(self, call: Call, old: Resource | None, new: Resource) -> None:
        subnet = (new.properties.get("subnet") or {}).get("id")
        if not subnet or call.cloud.resource(subnet) is None:
            raise _invalid(f"The private endpoint refers to the subnet {subnet!r}, which was not found.")
        connections = _connections(new)
        if len(connections) != 1:
            raise bad_request("A private endpoint needs exactly one private link service connection.")
        self._check_connection(call.cloud, connections[0]["properties"])
        new.private.setdefault("address", _free_address(call.cloud, subnet))

    def _check_connection(self, cloud: Cloud, connection: dict[str, Any]) -> None:
        target_id = connection.get("privateLinkServiceId", "")
        target = cloud.resource(target_id)
        if target is None:
            raise _invalid(f"The private link resource {target_id!r} was not found.")
        known = GROUPS.get(target.type.lower())
        if known is None:
            raise _invalid(f"{target.type} has no private link.")
        groups = connection.get("groupIds") or []
        if len(groups) != 1 or groups[0] not in known:
            listed = ", ".join(sorted(known))
            text = f"groupIds {groups} of the private endpoint to {target.type} must be one of {listed}."
            raise bad_request(text, code="InvalidPrivateLinkServiceConnectionGroupId")
        sku = (target.doc.get("sku") or {}).get("name", "")
        if groups[0] == "registry" and sku.lower() != "premium":
            text = f"The registry {target.name} has SKU {sku}: private endpoints need Premium."
            raise bad_request(text, code="RegistrySkuNotSupported")

    def outputs(self, cloud: Cloud, resource: Resource) -> dict[str, Any]:
        name = f"{resource.name}.nic.{resource.private.get('created', 0):.0f}"
        group = resource.id.split("/providers/")[0]
        nic = f"{group}/providers/Microsoft.Network/networkInterfaces/{name}"
        connections: list[dict[str, Any]] = []
        for item in _connections(resource):
            state = {"status": "Approved", "description": "Auto-approved", "actionsRequired": "None"}
            properties = {**item["properties"], "provisioningState": "Succeeded"}
            properties["privateLinkServiceConnectionState"] = state
            connections.append(
                {**item, "id": f"{resource.id}/privateLinkServiceConnections/{item.get('name')}"}
            )
            connections[-1]["properties"] = properties
        key = "privateLinkServiceConnections"
        if resource.properties.get("manualPrivateLinkServiceConnections"):
            key = "manualPrivateLinkServiceConnections"
        address = resource.private.get("address", "")
        return {
            "properties": {
                key: connections,
                "networkInterfaces": [{"id": nic}],
                "customDnsConfigs": _dns(address),
            }
        }

    async def remove(self, cloud: Cloud, resource: Resource) -> None:
        private_dns.remove_records(cloud, resource.id)


class ZoneGroup(_Network):
    """Ties a private endpoint to its DNS zones: writes A records and takes them back."""

    type = "Microsoft.Network/privateEndpoints/privateDnsZoneGroups"
    model = Model(_WHEEL, _MODELS, "PrivateDnsZoneGroup")

    def prepare(self, call: Call, old: Resource | None, new: Resource) -> None:
        for item in new.properties.get("privateDnsZoneConfigs") or []:
            zone = (item.get("properties") or {}).get("privateDnsZoneId", "")
            if call.cloud.resource(zone) is None:
                raise _invalid(f"The private DNS zone {zone!r} of the zone group was not found.")

    async def provision(self, cloud: Cloud, resource: Resource, data: Any) -> None:
        endpoint = cloud.store.get(resource.parent_id)
        if endpoint is None:
            return
        private_dns.remove_records(cloud, endpoint.id)
        for zone in self._zones(resource):
            for name in record_names(cloud, endpoint, zone.rsplit("/", 1)[1]):
                private_dns.put_record(cloud, zone, name, endpoint.private["address"], endpoint.id)

    async def remove(self, cloud: Cloud, resource: Resource) -> None:
        private_dns.remove_records(cloud, resource.parent_id)

    def _zones(self, resource: Resource) -> list[str]:
        configs = resource.properties.get("privateDnsZoneConfigs") or []
        return [item["properties"]["privateDnsZoneId"] for item in configs if item.get("properties")]


def record_names(cloud: Cloud, endpoint: Resource, zone: str) -> list[str]:
    """Return the A records that a private endpoint gets in a zone."""
    connection = _connections(endpoint)[0]["properties"]
    target = cloud.store.get(connection["privateLinkServiceId"])
    group = connection["groupIds"][0]
    if target is None or zone.lower() not in ZONES.get(group, set()):
        return []
    if group == "registry":
        return [target.name, f"{target.name}.{target.location}.data"]
    if group != "amlworkspace":
        return [target.name]
    guid = target.private.get("guid", "")
    if zone.startswith("privatelink.notebooks"):
        return [f"ml-{target.name}-{target.location}-{guid}"]
    return [f"{guid}.workspace.{target.location}", f"*.{guid}.inference.{target.location}"]


def connections_of(cloud: Cloud, target: Resource) -> list[dict[str, Any]]:
    """Return the `privateEndpointConnections` of a resource that private endpoints point at."""
    found = []
    for endpoint in cloud.store.all(ENDPOINT):
        for item in _connections(endpoint):
            if item["properties"].get("privateLinkServiceId", "").lower() != target.id.lower():
                continue
            name = f"{endpoint.name}.{target.name}"
            state = {"status": "Approved", "description": "Auto-Approved"}
            properties: dict[str, Any] = {"privateEndpoint": {"id": endpoint.id}}
            properties["privateLinkServiceConnectionState"] = state
            properties["provisioningState"] = "Succeeded"
            resource_id = f"{target.id}/privateEndpointConnections/{name}"
            kind = f"{target.type}/privateEndpointConnections"
            found.append({"id": resource_id, "name": name, "type": kind, "properties": properties})
    return found


def check_subnet(cloud: Cloud, network: Resource, subnet: Resource) -> None:
    """Refuse a subnet that is outside its network or overlaps another."""
    properties = subnet.properties
    prefixes = properties.get("addressPrefixes") or [properties.get("addressPrefix")]
    space = [_prefix(item) for item in network.properties["addressSpace"]["addressPrefixes"]]
    for text in prefixes:
        prefix = _prefix(text)
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
            if any(prefix.overlaps(_prefix(item)) for item in taken):
                message = f"Subnet '{subnet.name}' is not valid because its IP address range overlaps with "
                raise bad_request(
                    message + f"that of subnet '{other.name}'.", code="NetcfgSubnetRangesOverlap"
                )
    group = (properties.get("networkSecurityGroup") or {}).get("id")
    if group and cloud.resource(group) is None:
        raise _invalid(f"The network security group {group!r} of the subnet was not found.")


def check_subnet_free(cloud: Cloud, subnet: Resource) -> None:
    """Refuse to delete a subnet that a private endpoint uses."""
    for endpoint in cloud.store.all(ENDPOINT):
        if endpoint.properties["subnet"]["id"].lower() == subnet.id.lower():
            text = f"Subnet {subnet.name} is in use by {endpoint.id} and cannot be deleted."
            raise bad_request(text, code="InUseSubnetCannotBeDeleted")


def _connections(endpoint: Resource) -> list[dict[str, Any]]:
    properties = endpoint.properties
    automatic = properties.get("privateLinkServiceConnections") or []
    return automatic + (properties.get("manualPrivateLinkServiceConnections") or [])


def _free_address(cloud: Cloud, subnet_id: str) -> str:
    subnet = cloud.store.get(subnet_id)
    assert subnet is not None
    properties = subnet.properties
    prefix = _prefix((properties.get("addressPrefixes") or [properties.get("addressPrefix")])[0])
    taken = {item.private.get("address") for item in cloud.store.all(ENDPOINT)}
    # Azure keeps the first four addresses of a subnet for itself.
    for at, host in enumerate(prefix.hosts()):
        if at >= 3 and str(host) not in taken:
            return str(host)
    raise bad_request(f"Subnet {subnet.name} is full.", code="SubnetIsFull")


def _prefix(text: Any) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(str(text))
    except ValueError as error:
        raise bad_request(
            f"{text!r} is not an address prefix: {error}.", code="InvalidCIDRNotation"
        ) from None


def _dns(address: str) -> list[dict[str, Any]]:
    return [{"fqdn": "", "ipAddresses": [address]}] if address else []


def _invalid(text: str) -> ArmError:
    return ArmError(400, "InvalidResourceReference", text)
