"""Microsoft.ManagedIdentity/userAssignedIdentities: an identity that outlives what uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.azure.identities import USER_ASSIGNED
from emulator.azure.resource_type import Call, ResourceType
from emulator.azure.schema import Model
from emulator.azure.store import Resource

if TYPE_CHECKING:
    from emulator.azure.cloud import Cloud

_MODELS = "azure.mgmt.msi.v2024_11_30.models"


class UserAssignedIdentity(ResourceType):
    type = USER_ASSIGNED
    versions = frozenset({"2023-01-31", "2024-11-30", "2018-11-30"})
    model = Model("azure-mgmt-msi", _MODELS, "Identity")
    patch_model = Model("azure-mgmt-msi", _MODELS, "IdentityUpdate")
    name_pattern = r"[A-Za-z0-9][\w-]{2,127}"
    name_rule = "3 to 128 letters, digits, hyphens and underscores, starting with a letter or digit"
    show_state = False

    def prepare(self, call: Call, old: Resource | None, new: Resource) -> None:
        if "principal" not in new.private:
            principal = call.cloud.principals.create(new.id, new.name)
            new.private.update(principal=principal.id, client=principal.client_id)

    async def remove(self, cloud: Cloud, resource: Resource) -> None:
        cloud.principals.remove(resource.private["principal"])

    def outputs(self, cloud: Cloud, resource: Resource) -> dict[str, Any]:
        ids = {"principalId": resource.private["principal"], "clientId": resource.private["client"]}
        return {"properties": {**ids, "tenantId": cloud.settings.tenant}}
