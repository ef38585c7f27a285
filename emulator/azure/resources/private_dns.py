"""Microsoft.Network/privateDnsZones: zones, A and other records, links to virtual networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.azure.errors import ArmError, bad_request, conflict
from emulator.azure.resource_type import Call, ResourceType
from emulator.azure.schema import Model
from emulator.azure.store import Resource

if TYPE_CHECKING:
    from emulator.azure.cloud import Cloud

_WHEEL, _MODELS = "azure-mgmt-privatedns", "azure.mgmt.privatedns.models"
_VERSIONS = frozenset({"2024-06-01", "2020-06-01", "2018-09-01"})
ZONE = "Microsoft.Network/privateDnsZones"
LINK = "Microsoft.Network/privateDnsZones/virtualNetworkLinks"
RECORD = "Microsoft.Network/privateDnsZones/A"


class Zone(ResourceType):
    type = ZONE
    versions = _VERSIONS
    model = Model(_WHEEL, _MODELS, "PrivateZone")
    patch_model = model
    asynchronous = True
    asynchronous_delete = True
    name_pattern = r"[\w-]{1,63}(\.[\w-]{1,63}){1,33}"
    name_rule = "2 to 34 labels of 1 to 63 letters, digits, underscores and hyphens"

    def prepare(self, call: Call, old: Resource | None, new: Resource) -> None:
        if new.location != "global":
            text = f"The location of a private DNS zone is 'global', not '{new.doc.get('location')}'."
            raise bad_request(text, code="LocationNotAvailableForResourceType")

    def check_delete(self, call: Call, resource: Resource) -> None:
        if call.cloud.store.all(LINK, under=resource.id):
            text = (
                "Cannot delete resource while nested resources exist. Some existing nested "
                "resource IDs include: "
            )
            links = ", ".join(item.id for item in call.cloud.store.all(LINK, under=resource.id))
            raise conflict(text + links, code="CannotDeleteResource")

    def outputs(self, cloud: Cloud, resource: Resource) -> dict[str, Any]:
        links = cloud.store.all(LINK, under=resource.id)
        records = cloud.store.all(RECORD, under=resource.id)
        counts = {"numberOfRecordSets": 1 + len(records), "numberOfVirtualNetworkLinks": len(links)}
        return {
            "properties": {**counts, "maxNumberOfRecordSets": 25000, "maxNumberOfVirtualNetworkLinks": 1000}
        }


class Link(ResourceType):
    type = LINK
    versions = _VERSIONS
    model = Model(_WHEEL, _MODELS, "VirtualNetworkLink")
    patch_model = model
    asynchronous = True
    asynchronous_delete = True
    create_only = ("properties.virtualNetwork.id",)

    def prepare(self, call: Call, old: Resource | None, new: Resource) -> None:
        if new.location != "global":
            text = f"The location of a virtual network link is 'global', not '{new.doc.get('location')}'."
            raise bad_request(text, code="LocationNotAvailableForResourceType")
        network = (new.properties.get("virtualNetwork") or {}).get("id", "")
        if call.cloud.resource(network) is None:
            raise bad_request(f"The virtual network {network!r} of the link was not found.")
        for other in call.cloud.store.all(LINK, under=new.parent_id):
            same = other.properties["virtualNetwork"]["id"].lower() == network.lower()
            if same and other.name.lower() != new.name.lower():
                text = f"A virtual network link for {network} already exists in the zone: {other.name}."
                raise conflict(text)

    def outputs(self, cloud: Cloud, resource: Resource) -> dict[str, Any]:
        return {"properties": {"virtualNetworkLinkState": "Completed"}}


class ARecord(ResourceType):
    type = RECORD
    versions = _VERSIONS
    model = Model(_WHEEL, _MODELS, "RecordSet")
    patch_model = model
    show_state = False

    def prepare(self, call: Call, old: Resource | None, new: Resource) -> None:
        records = new.properties.get("aRecords")
        if not records:
            raise ArmError(400, "BadRequest", "The record set of type A has no aRecords.")

    def outputs(self, cloud: Cloud, resource: Resource) -> dict[str, Any]:
        zone = resource.id.split("/privateDnsZones/")[1].split("/")[0]
        return {"properties": {"fqdn": f"{resource.name}.{zone}.", "isAutoRegistered": False}}


def put_record(cloud: Cloud, zone_id: str, name: str, address: str, owner: str) -> None:
    """Write an A record on behalf of a private endpoint."""
    document = {
        "properties": {"ttl": 10, "aRecords": [{"ipv4Address": address}], "metadata": {"creator": owner}}
    }
    cloud.store.save(
        Resource(f"{zone_id}/A/{name}", RECORD, document, {"owner": owner, "state": "Succeeded"})
    )


def remove_records(cloud: Cloud, owner: str) -> None:
    """Take back what a private endpoint has written."""
    for item in cloud.store.all(RECORD):
        if item.private.get("owner", "").lower() == owner.lower():
            cloud.store.remove(item.id)
