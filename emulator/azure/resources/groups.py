"""Microsoft.Resources/resourceGroups: holds resources; its deletion deletes them in the order their links
ask for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.azure import ids
from emulator.azure.errors import ArmError
from emulator.azure.resource_type import Call, ResourceType
from emulator.azure.resources.locks import check_locks
from emulator.azure.schema import Model
from emulator.azure.store import Resource

if TYPE_CHECKING:
    from emulator.azure.cloud import Cloud

_MODELS = "azure.mgmt.resource.resources.models"


class ResourceGroup(ResourceType):
    type = ids.GROUP_TYPE
    versions = frozenset({"2024-03-01", "2025-04-01", "2024-11-01", "2022-09-01", "2021-04-01", "2020-06-01"})
    model = Model("azure-mgmt-resource", _MODELS, "ResourceGroup")
    patch_model = Model("azure-mgmt-resource", _MODELS, "ResourceGroupPatchable")
    asynchronous_delete = True
    # learn.microsoft.com, "Naming rules and restrictions for Azure resources", Microsoft.Resources
    name_pattern = r"[-\w.()]{0,89}[-\w()]"
    name_rule = (
        "1 to 90 letters, digits, underscores, hyphens, periods and parentheses, not ending in a period"
    )

    def check_delete(self, call: Call, resource: Resource) -> None:
        for item in call.cloud.store.all(under=resource.id):
            check_locks(call.cloud, item.id, "delete")

    def outputs(self, cloud: Cloud, resource: Resource) -> dict[str, Any]:
        return {"properties": {}}

    def bad_name(self, name: str) -> ArmError:
        return ArmError(
            400, "InvalidResourceGroup", f"'{name}' is not a resource group name: {self.name_rule}."
        )
