"""Microsoft.ContainerRegistry/registries: the resource; pushing and pulling go through the registry's
gate.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from emulator.azure import addresses, identities
from emulator.azure.errors import ArmError, bad_request, conflict
from emulator.azure.resource_type import Action, Answer, Call, ResourceType
from emulator.azure.schema import Model
from emulator.azure.store import Resource
from emulator.azure.subscription_level import Route, route
from emulator.azure.table import NAME_CHECK

if TYPE_CHECKING:
    from emulator.azure.cloud import Cloud

_WHEEL, _MODELS = "azure-mgmt-containerregistry", "azure.mgmt.containerregistry.models"
REGISTRY = "Microsoft.ContainerRegistry/registries"


class Registry(ResourceType):
    type = REGISTRY
    versions = frozenset({"2023-01-01-preview", "2023-07-01", "2025-04-01", "2025-11-01", "2019-05-01"})
    model = Model(_WHEEL, _MODELS, "Registry")
    patch_model = Model(_WHEEL, _MODELS, "RegistryUpdateParameters")
    asynchronous = True
    asynchronous_delete = True
    name_pattern = r"[A-Za-z0-9]{5,50}"
    name_rule = "5 to 50 letters and digits"

    def prepare(self, call: Call, old: Resource | None, new: Resource) -> None:
        cloud = call.cloud
        if old is None and registry_named(cloud, new.name):
            text = f"The registry {new.name} is already in use."
            raise conflict(text, code="AlreadyInUse")
        identities.prepare(cloud, new)
        new.doc.setdefault("properties", {})
        sku = new.doc["sku"]["name"]
        defaults = {
            "adminUserEnabled": False,
            "publicNetworkAccess": "Enabled",
            "anonymousPullEnabled": False,
        }
        for key, value in {**defaults, "networkRuleBypassOptions": "AzureServices"}.items():
            new.properties.setdefault(key, value)
        if sku != "Premium":
            self._check_sku(sku, new.properties)
        new.private["host"] = cloud.addresses.allocate(addresses.REGISTRY, new.id)
        new.private.setdefault("passwords", [secrets.token_urlsafe(24), secrets.token_urlsafe(24)])

    def _check_sku(self, sku: str, properties: dict[str, Any]) -> None:
        """Refuse what only Premium has (learn.microsoft.com, "Azure Container Registry SKU features")."""
        if properties["publicNetworkAccess"] == "Disabled":
            text = f"Disabling public network access is not supported for the SKU {sku}."
            raise bad_request(text, code="CannotDisablePublicNetworkAccess")
        if properties.get("networkRuleSet"):
            raise bad_request(
                f"Network rules are not supported for the SKU {sku}.", code="NetworkRuleSetNotSupported"
            )
        if properties["anonymousPullEnabled"] and sku == "Basic":
            raise bad_request(
                "Anonymous pull is not supported for the SKU Basic.", code="AnonymousPullNotSupported"
            )

    async def provision(self, cloud: Cloud, resource: Resource, data: Any) -> None:
        await cloud.gates.open_registry(resource)

    async def remove(self, cloud: Cloud, resource: Resource) -> None:
        await cloud.gates.close(resource)
        cloud.addresses.release(resource.id)
        identities.drop(cloud, resource)

    def outputs(self, cloud: Cloud, resource: Resource) -> dict[str, Any]:
        from emulator.azure.resources.private_endpoints import connections_of

        properties = {
            "loginServer": login_server(cloud, resource),
            "creationDate": resource.private.get("systemData", {}).get("createdAt", ""),
            "privateEndpointConnections": connections_of(cloud, resource),
        }
        tier = {"tier": resource.doc["sku"]["name"]}
        return {"properties": properties, "sku": tier, **identities.outputs(cloud, resource)}

    def actions(self) -> dict[str, Action]:
        return {"listcredentials": self.list_credentials}

    def list_credentials(self, call: Call, resource: Resource) -> Answer:
        if not resource.properties["adminUserEnabled"]:
            text = (
                f"Unable to get credentials because the admin user is disabled for registry {resource.name}."
            )
            raise ArmError(400, "UnAuthorizedForCredentialOperations", text)
        rows = zip(("password", "password2"), resource.private["passwords"], strict=True)
        passwords = [{"name": name, "value": value} for name, value in rows]
        return Answer({"username": resource.name, "passwords": passwords})


def login_server(cloud: Cloud, resource: Resource) -> str:
    """Return host and port: what stands before the slash in an image's name."""
    return f"{resource.private['host']}:{cloud.settings.port}"


def registry_named(cloud: Cloud, name: str) -> Resource | None:
    return next(cloud.store.find(REGISTRY, name), None)


def registry_at(cloud: Cloud, server: str) -> Resource | None:
    """Return the registry whose login server this is."""
    for item in cloud.store.all(REGISTRY):
        if login_server(cloud, item).lower() == server.lower():
            return item
    return None


def check_name(call: Call, values: dict[str, str]) -> Answer:
    name = call.body["name"]
    if registry_named(call.cloud, name):
        text = f"The registry {name} is already in use."
        return Answer({"nameAvailable": False, "reason": "AlreadyExists", "message": text})
    try:
        Registry().check_name(name)
    except ArmError as error:
        return Answer({"nameAvailable": False, "reason": "Invalid", "message": error.message})
    return Answer({"nameAvailable": True})


def routes() -> list[Route]:
    path = "/providers/Microsoft.ContainerRegistry/checkNameAvailability"
    return [
        route("POST", path, check_name, "Microsoft.ContainerRegistry/checkNameAvailability/read", NAME_CHECK)
    ]
