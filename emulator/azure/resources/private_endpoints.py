"""Private endpoints and their DNS zone groups: what they point at must be there, and they write A records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.azure.errors import bad_request
from emulator.azure.resource_type import Call
from emulator.azure.resources import private_dns
from emulator.azure.resources.network import ENDPOINT, MODELS, WHEEL, NetworkType, invalid, prefix_of
from emulator.azure.schema import Model
from emulator.azure.store import Resource

if TYPE_CHECKING:
    from emulator.azure.cloud import Cloud

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


class PrivateEndpoint(NetworkType):
    type = ENDPOINT
    model = Model(WHEEL, MODELS, "PrivateEndpoint")
    create_only = ("properties.subnet.id",)

    def prepare(self, call: Call, old: Resource | None, new: Resource) -> None:
        subnet = (new.properties.get("subnet") or {}).get("id")
        if not subnet or call.cloud.resource(subnet) is None:
            raise invalid(f"The private endpoint refers to the subnet {subnet!r}, which was not found.")
        connections = links(new)
        if len(connections) != 1:
            raise bad_request("A private endpoint needs exactly one private link service connection.")
        self._check_connection(call.cloud, connections[0].get("properties") or {})
        new.private.setdefault("address", _free_address(call.cloud, subnet))

    def _check_connection(self, cloud: Cloud, connection: dict[str, Any]) -> None:
        target_id = connection.get("privateLinkServiceId", "")
        target = cloud.resource(target_id)
        if target is None:
            raise invalid(f"The private link resource {target_id!r} was not found.")
        known = GROUPS.get(target.type.lower())
        if known is None:
            raise invalid(f"{target.type} has no private link.")
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
        for item in links(resource):
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


class ZoneGroup(NetworkType):
    """Ties a private endpoint to its DNS zones: writes A records and takes them back."""

    type = "Microsoft.Network/privateEndpoints/privateDnsZoneGroups"
    model = Model(WHEEL, MODELS, "PrivateDnsZoneGroup")

    def prepare(self, call: Call, old: Resource | None, new: Resource) -> None:
        for item in new.properties.get("privateDnsZoneConfigs") or []:
            zone = (item.get("properties") or {}).get("privateDnsZoneId", "")
            if call.cloud.resource(zone) is None:
                raise invalid(f"The private DNS zone {zone!r} of the zone group was not found.")

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
    connection = links(endpoint)[0]["properties"]
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
        for item in links(endpoint):
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


def linked(cloud: Cloud, target: Resource) -> bool:
    """Say whether a resource is reached by private link: a private endpoint names it, a record in its group's
    zone has the endpoint's address, and that zone is linked to a virtual network. For a workspace the record
    is the wildcard of its endpoints (learn.microsoft.com, "Secure managed online endpoints with network
    isolation").
    """
    zone_name, record_name = _name_inside(target)
    addresses = {
        endpoint.private.get("address")
        for endpoint in cloud.store.all(ENDPOINT)
        for item in links(endpoint)
        if (item.get("properties") or {}).get("privateLinkServiceId", "").lower() == target.id.lower()
    }
    for record in cloud.store.all(private_dns.RECORD):
        zone = record.parent_id
        here = record.name.lower() == record_name.lower() and zone.lower().endswith(f"/{zone_name}")
        named = {item.get("ipv4Address") for item in record.properties.get("aRecords") or []}
        if here and named & addresses and cloud.store.all(private_dns.LINK, under=zone):
            return True
    return False


def _name_inside(target: Resource) -> tuple[str, str]:
    """Return the private zone and the record by which a resource's data plane is found."""
    kind = target.type.lower()
    if kind == "microsoft.machinelearningservices/workspaces":
        wildcard = f"*.{target.private.get('guid', '')}.inference.{target.location}"
        return "privatelink.api.azureml.ms", wildcard
    group = {"storageaccounts": "blob", "vaults": "vault", "registries": "registry"}[kind.rsplit("/", 1)[1]]
    return next(iter(ZONES[group])), target.name


def shut_out(cloud: Cloud, target: Resource, principal_id: str) -> bool:
    """Say whether a data plane refuses a caller for where it comes from.

    Public access is disabled, or denied without an exception, and there is no private link. Whoever runs the
    program counts as inside the virtual network, so private link lets it in; exceptions for addresses and
    subnets count as made for it. Identities of services come by ways of their own (trusted services, the
    private endpoints of managed deployments).
    """
    properties = target.properties
    rules = properties.get("networkAcls") or properties.get("networkRuleSet") or {}
    excepted = any(rules.get(name) for name in ("ipRules", "virtualNetworkRules", "resourceAccessRules"))
    denied = rules.get("defaultAction") == "Deny" and not excepted
    if properties.get("publicNetworkAccess") != "Disabled" and not denied:
        return False
    caller = cloud.principals.get(principal_id)
    return not (caller is not None and caller.resource_id) and not linked(cloud, target)


def links(endpoint: Resource) -> list[dict[str, Any]]:
    properties = endpoint.properties
    automatic = properties.get("privateLinkServiceConnections") or []
    return automatic + (properties.get("manualPrivateLinkServiceConnections") or [])


def _free_address(cloud: Cloud, subnet_id: str) -> str:
    subnet = cloud.store.get(subnet_id)
    assert subnet is not None
    properties = subnet.properties
    prefix = prefix_of((properties.get("addressPrefixes") or [properties.get("addressPrefix")])[0])
    taken = {item.private.get("address") for item in cloud.store.all(ENDPOINT)}
    # Azure keeps the first four addresses of a subnet for itself.
    for at, host in enumerate(prefix.hosts()):
        if at >= 3 and str(host) not in taken:
            return str(host)
    raise bad_request(f"Subnet {subnet.name} is full.", code="SubnetIsFull")


def _dns(address: str) -> list[dict[str, Any]]:
    return [{"fqdn": "", "ipAddresses": [address]}] if address else []
