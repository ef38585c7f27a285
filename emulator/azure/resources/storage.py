"""Microsoft.Storage: accounts with their blob service, containers (really made in Azurite), keys."""

from __future__ import annotations

import base64
import secrets
from typing import TYPE_CHECKING, Any

from emulator.azure import addresses, identities
from emulator.azure.errors import ArmError, conflict
from emulator.azure.resource_type import Action, Answer, Call, ResourceType
from emulator.azure.schema import Model
from emulator.azure.store import Resource
from emulator.azure.subscription_level import Route, route
from emulator.azure.table import NAME_CHECK

if TYPE_CHECKING:
    from emulator.azure.cloud import Cloud

_WHEEL, _MODELS = "azure-mgmt-storage", "azure.mgmt.storage.models"
_VERSIONS = frozenset({"2024-01-01", "2023-05-01", "2023-01-01", "2022-09-01", "2025-01-01", "2025-06-01"})
ACCOUNT = "Microsoft.Storage/storageAccounts"
CONTAINER = "Microsoft.Storage/storageAccounts/blobServices/containers"


class Account(ResourceType):
    type = ACCOUNT
    versions = _VERSIONS
    model = Model(_WHEEL, _MODELS, "StorageAccountCreateParameters")
    patch_model = Model(_WHEEL, _MODELS, "StorageAccountUpdateParameters")
    create_only = ("kind", "properties.isHnsEnabled")
    asynchronous = True
    create_status = 202
    name_pattern = r"[a-z0-9]{3,24}"
    name_rule = "3 to 24 lower-case letters and digits"

    def bad_name(self, name: str) -> ArmError:
        text = (
            f"{name} is not a valid storage account name. Storage account name must be "
            "between 3 and 24 characters"
        )
        return ArmError(
            400, "AccountNameInvalid", text + " in length and use numbers and lower-case letters only."
        )

    def prepare(self, call: Call, old: Resource | None, new: Resource) -> None:
        cloud = call.cloud
        if old is None and not _free(cloud, new.name):
            raise conflict(
                f"The storage account named {new.name} is already taken.", code="StorageAccountAlreadyTaken"
            )
        identities.prepare(cloud, new)
        new.doc.setdefault("properties", {})
        defaults = {"supportsHttpsTrafficOnly": True, "publicNetworkAccess": "Enabled", "accessTier": "Hot"}
        for key, value in defaults.items():
            new.properties.setdefault(key, value)
        acls = {"bypass": "AzureServices", "defaultAction": "Allow", "ipRules": [], "virtualNetworkRules": []}
        new.properties["networkAcls"] = {**acls, **(new.properties.get("networkAcls") or {})}
        new.private["host"] = cloud.addresses.allocate(addresses.STORAGE, new.id)
        new.private.setdefault("keys", [_key(), _key()])

    async def provision(self, cloud: Cloud, resource: Resource, data: Any) -> None:
        cloud.blobs.slot(resource)
        await cloud.gates.open_account(resource)
        for service, kind in (("blobServices", BlobService()), ("fileServices", FileService())):
            resource_id = f"{resource.id}/{service}/default"
            if cloud.store.get(resource_id) is None:
                cloud.store.save(Resource(resource_id, kind.type, {"properties": {}}, {"state": "Succeeded"}))

    async def remove(self, cloud: Cloud, resource: Resource) -> None:
        await cloud.blobs.release(resource)
        await cloud.gates.close(resource)
        cloud.addresses.release(resource.id)
        identities.drop(cloud, resource)

    def outputs(self, cloud: Cloud, resource: Resource) -> dict[str, Any]:
        from emulator.azure.resources.private_endpoints import connections_of

        endpoints = {"blob": cloud.addresses.url(resource.private["host"])}
        for other in ("file", "queue", "table", "dfs", "web"):
            endpoints[other] = f"https://{resource.name}.{other}.core.azure.invalid/"
        sku = resource.doc.get("sku") or {}
        properties = {
            "primaryEndpoints": endpoints,
            "primaryLocation": resource.location,
            "statusOfPrimary": "available",
            "creationTime": resource.private.get("systemData", {}).get("createdAt", ""),
            "privateEndpointConnections": connections_of(cloud, resource),
        }
        tier = "Premium" if str(sku.get("name", "")).startswith("Premium") else "Standard"
        return {"properties": properties, "sku": {"tier": tier}, **identities.outputs(cloud, resource)}

    def actions(self) -> dict[str, Action]:
        return {"listkeys": self.list_keys}

    def list_keys(self, call: Call, resource: Resource) -> Answer:
        if resource.properties.get("allowSharedKeyAccess") is False:
            text = "Key based authentication is not permitted on this storage account."
            raise ArmError(403, "KeyBasedAuthenticationNotPermitted", text)
        rows = [
            {"keyName": f"key{at}", "value": value, "permissions": "FULL"}
            for at, value in enumerate(resource.private["keys"], 1)
        ]
        return Answer({"keys": rows})


class _Service(ResourceType):
    versions = _VERSIONS
    create_status = 200
    show_state = False
    deletable = False
    name_pattern = "default"
    name_rule = "the service is called default"


class BlobService(_Service):
    type = "Microsoft.Storage/storageAccounts/blobServices"
    model = Model(_WHEEL, _MODELS, "BlobServiceProperties")


class FileService(_Service):
    type = "Microsoft.Storage/storageAccounts/fileServices"
    model = Model(_WHEEL, _MODELS, "FileServiceProperties")


class Container(ResourceType):
    type = CONTAINER
    versions = _VERSIONS
    model = Model(_WHEEL, _MODELS, "BlobContainer")
    patch_model = model
    asynchronous = False
    show_state = False
    name_pattern = r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*|\$(root|web|logs)"
    name_rule = "3 to 63 lower-case letters, digits and single hyphens"

    def prepare(self, call: Call, old: Resource | None, new: Resource) -> None:
        public = new.properties.get("publicAccess", "None")
        account = call.cloud.store.get(_account_id(new))
        if public != "None" and account and not account.properties.get("allowBlobPublicAccess"):
            text = "Public access is not permitted on this storage account."
            raise ArmError(409, "PublicAccessNotPermitted", text)

    async def settle(self, cloud: Cloud, resource: Resource) -> None:
        """Make the container before the PUT is answered."""
        account = cloud.store.get(_account_id(resource))
        if account:
            await cloud.blobs.create_container(account, resource.name)

    async def remove(self, cloud: Cloud, resource: Resource) -> None:
        account = cloud.store.get(_account_id(resource))
        if account:
            await cloud.blobs.delete_container(account, resource.name)

    def outputs(self, cloud: Cloud, resource: Resource) -> dict[str, Any]:
        defaults = {
            "publicAccess": resource.properties.get("publicAccess", "None"),
            "leaseState": "Available",
        }
        return {"properties": {**defaults, "hasImmutabilityPolicy": False, "hasLegalHold": False}}


class Share(ResourceType):
    """File shares exist in name only: no data plane stands behind them."""

    type = "Microsoft.Storage/storageAccounts/fileServices/shares"
    versions = _VERSIONS
    model = Model(_WHEEL, _MODELS, "FileShare")
    patch_model = model
    show_state = False


def check_name(call: Call, values: dict[str, str]) -> Answer:
    name = call.body["name"]
    kind = Account()
    try:
        kind.check_name(name)
    except ArmError as error:
        return Answer({"nameAvailable": False, "reason": error.code, "message": error.message})
    if not _free(call.cloud, name):
        text = f"The storage account named {name} is already taken."
        return Answer({"nameAvailable": False, "reason": "AlreadyExists", "message": text})
    return Answer({"nameAvailable": True})


def routes() -> list[Route]:
    path = "/providers/Microsoft.Storage/checkNameAvailability"
    return [route("POST", path, check_name, "Microsoft.Storage/checknameavailability/read", NAME_CHECK)]


def account_named(cloud: Cloud, name: str) -> Resource | None:
    return next(cloud.store.find(ACCOUNT, name), None)


def _free(cloud: Cloud, name: str) -> bool:
    return account_named(cloud, name) is None


def _account_id(resource: Resource) -> str:
    return resource.id.split("/blobServices/")[0]


def _key() -> str:
    return base64.b64encode(secrets.token_bytes(64)).decode()
