"""Microsoft.KeyVault by ARM: vaults with soft delete and purge, secrets set without reach into the vault."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.azure import addresses, soft_delete, vault_secrets
from emulator.azure.errors import ArmError, bad_request, conflict, not_found
from emulator.azure.resource_type import Answer, Call, ResourceType
from emulator.azure.schema import Model
from emulator.azure.store import Resource
from emulator.azure.subscription_level import Route, route
from emulator.azure.table import NAME_CHECK

if TYPE_CHECKING:
    from emulator.azure.cloud import Cloud

_WHEEL, _MODELS = "azure-mgmt-keyvault", "azure.mgmt.keyvault.models"
_VERSIONS = frozenset({"2024-11-01", "2023-07-01", "2023-02-01", "2022-07-01", "2025-05-01"})
VAULT = "Microsoft.KeyVault/vaults"


class Vault(ResourceType):
    type = VAULT
    versions = _VERSIONS
    model = Model(_WHEEL, _MODELS, "VaultCreateOrUpdateParameters")
    patch_model = Model(_WHEEL, _MODELS, "VaultPatchParameters")
    asynchronous = True
    create_status = 200
    name_pattern = r"(?!.*--)[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]"
    name_rule = (
        "3 to 24 letters, digits and single hyphens, starting with a letter, ending with a letter or digit"
    )

    def bad_name(self, name: str) -> ArmError:
        return ArmError(400, "VaultNameNotValid", f"The vault name '{name}' is invalid: {self.name_rule}.")

    def prepare(self, call: Call, old: Resource | None, new: Resource) -> None:
        cloud, properties = call.cloud, new.properties
        if old is None:
            self._claim_name(cloud, new)
        if properties.get("tenantId", "").lower() != cloud.settings.tenant.lower():
            text = f"The vault's tenantId {properties.get('tenantId')} is not this subscription's tenant."
            raise bad_request(text, code="BadRequest", target="properties.tenantId")
        was_protected = old is not None and old.properties.get("enablePurgeProtection")
        if properties.get("enablePurgeProtection") is False and was_protected:
            text = 'The property "enablePurgeProtection" cannot be set to false: it is irreversible.'
            raise bad_request(text, code="BadRequest", target="properties.enablePurgeProtection")
        properties.pop("createMode", None)
        properties.setdefault("enableSoftDelete", True)
        properties.setdefault("softDeleteRetentionInDays", 90)
        properties.setdefault("enableRbacAuthorization", False)
        properties.setdefault("publicNetworkAccess", "Enabled")
        properties.setdefault("accessPolicies", [])
        new.private["host"] = cloud.addresses.allocate(addresses.VAULT, new.id)

    def _claim_name(self, cloud: Cloud, new: Resource) -> None:
        if next(cloud.store.find(VAULT, new.name), None):
            text = f"The vault name '{new.name}' is already in use. Vault names are globally unique."
            raise conflict(text, code="VaultAlreadyExists")
        deleted = soft_delete.find(cloud, VAULT, new.name)
        recovering = new.properties.get("createMode") == "recover"
        if deleted and not recovering:
            text = (
                "A vault with the same name already exists in deleted state. You need to either "
                "recover or purge "
                "existing key vault. Follow this link https://go.microsoft.com/fwlink/?linkid=2149745"
            )
            raise conflict(text, code="ConflictError")
        if recovering and not deleted:
            raise bad_request(f"There is no deleted vault '{new.name}' to recover.", code="VaultNotFound")
        if deleted:
            vault_secrets.restore(cloud, new.id, deleted["data"])
            soft_delete.forget(cloud, deleted)

    async def provision(self, cloud: Cloud, resource: Resource, data: Any) -> None:
        await cloud.gates.open_vault(resource)

    async def remove(self, cloud: Cloud, resource: Resource) -> None:
        days = resource.properties.get("softDeleteRetentionInDays", 90)
        soft_delete.keep(cloud, resource, days, data=vault_secrets.take(cloud, resource.id))
        await cloud.gates.close(resource)
        cloud.addresses.release(resource.id)

    def outputs(self, cloud: Cloud, resource: Resource) -> dict[str, Any]:
        from emulator.azure.resources.private_endpoints import connections_of

        properties: dict[str, Any] = {"vaultUri": cloud.addresses.url(resource.private["host"])}
        found = connections_of(cloud, resource)
        if found:
            properties["privateEndpointConnections"] = found
        return {"properties": properties}

    def view(self, cloud: Cloud, resource: Resource) -> dict[str, Any]:
        out = super().view(cloud, resource)
        # A vault knows RegisteringDns and Succeeded only (VaultProvisioningState of the SDK).
        if resource.state != "Succeeded":
            out["properties"]["provisioningState"] = "RegisteringDns"
        return out


class Secret(ResourceType):
    """A secret by ARM: PUT makes a new version; the value is never shown; ARM cannot delete it."""

    type = "Microsoft.KeyVault/vaults/secrets"
    versions = _VERSIONS
    model = Model(_WHEEL, _MODELS, "SecretCreateOrUpdateParameters")
    patch_model = Model(_WHEEL, _MODELS, "SecretPatchParameters")
    create_status = 200
    show_state = False
    deletable = False
    name_pattern = r"[A-Za-z0-9-]{1,127}"
    name_rule = "1 to 127 letters, digits and hyphens"

    def prepare(self, call: Call, old: Resource | None, new: Resource) -> None:
        value = new.properties.pop("value", None)
        if value is None and old is None:
            raise bad_request("The secret has no value.", target="properties.value")
        if value is not None:
            version = vault_secrets.put(call.cloud, new.parent_id, new.name, value, new.properties)
            new.private["version"] = version

    def outputs(self, cloud: Cloud, resource: Resource) -> dict[str, Any]:
        vault = cloud.store.get(resource.parent_id)
        base = cloud.addresses.url(vault.private["host"]) if vault else ""
        uri = f"{base}secrets/{resource.name}"
        versioned = f"{uri}/{resource.private.get('version', '')}"
        return {"properties": {"secretUri": uri, "secretUriWithVersion": versioned}}


def _deleted_view(call: Call, row: dict[str, Any]) -> dict[str, Any]:
    name = row["id"].rsplit("/", 1)[1]
    location = str(row["doc"].get("location", "")).lower()
    base = (
        f"/subscriptions/{call.cloud.settings.subscription}/providers/Microsoft.KeyVault/locations/{location}"
    )
    properties = {"vaultId": row["id"], "location": location, **soft_delete.dates(row)}
    kind = "Microsoft.KeyVault/deletedVaults"
    return {"id": f"{base}/deletedVaults/{name}", "name": name, "type": kind, "properties": properties}


def list_deleted(call: Call, values: dict[str, str]) -> Answer:
    return Answer({"value": [_deleted_view(call, row) for row in soft_delete.all_of(call.cloud, VAULT)]})


def get_deleted(call: Call, values: dict[str, str]) -> Answer:
    return Answer(_deleted_view(call, _deleted(call, values)))


def purge(call: Call, values: dict[str, str]) -> Answer:
    row = _deleted(call, values)
    if row["doc"]["properties"].get("enablePurgeProtection"):
        text = "Operation 'purge' is not allowed because purge protection is enabled for this vault."
        raise ArmError(403, "MethodNotAllowed", text)
    soft_delete.forget(call.cloud, row)
    return Answer(status=200)


def _deleted(call: Call, values: dict[str, str]) -> dict[str, Any]:
    row = soft_delete.find(call.cloud, VAULT, values["name"])
    if row is None:
        raise not_found(f"{call.target.scope}/providers/Microsoft.KeyVault/deletedVaults/{values['name']}")
    return row


def check_name(call: Call, values: dict[str, str]) -> Answer:
    name = call.body["name"]
    taken = next(call.cloud.store.find(VAULT, name), None) or soft_delete.find(call.cloud, VAULT, name)
    if taken:
        text = f"The vault name '{name}' is already in use."
        return Answer({"nameAvailable": False, "reason": "AlreadyExists", "message": text})
    return Answer({"nameAvailable": True})


def routes() -> list[Route]:
    base = "/providers/Microsoft.KeyVault"
    deleted = base + "/locations/{location}/deletedVaults/{name}"
    read = "Microsoft.KeyVault/deletedVaults/read"
    action = "Microsoft.KeyVault/locations/deletedVaults/purge/action"
    return [
        route("GET", base + "/deletedVaults", list_deleted, read),
        route("GET", deleted, get_deleted, "Microsoft.KeyVault/locations/deletedVaults/read"),
        route("POST", deleted + "/purge", purge, action),
        route(
            "POST",
            base + "/checkNameAvailability",
            check_name,
            "Microsoft.KeyVault/checkNameAvailability/read",
            NAME_CHECK,
        ),
    ]
