"""Microsoft.Authorization: role assignments as resources, and the built-in role definitions to look up."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from emulator.azure import filters, roles
from emulator.azure.clock import iso, now
from emulator.azure.errors import ArmError
from emulator.azure.rbac import ASSIGNMENT
from emulator.azure.resource_type import Call, ResourceType
from emulator.azure.schema import Model
from emulator.azure.store import Resource

if TYPE_CHECKING:
    from emulator.azure.cloud import Cloud

_MODELS = "azure.mgmt.authorization.v2022_04_01.models"


class RoleAssignment(ResourceType):
    type = ASSIGNMENT
    versions = frozenset({"2022-04-01", "2020-10-01-preview", "2020-04-01-preview"})
    model = Model("azure-mgmt-authorization", _MODELS, "RoleAssignmentCreateParameters")
    extension = True
    show_state = False

    def check_name(self, name: str) -> None:
        try:
            uuid.UUID(name)
        except ValueError:
            text = f"The role assignment ID '{name}' is not valid. The role assignment ID must be a GUID."
            raise ArmError(400, "InvalidRoleAssignmentId", text) from None

    def prepare(self, call: Call, old: Resource | None, new: Resource) -> None:
        properties, cloud = new.properties, call.cloud
        role = properties["roleDefinitionId"].rsplit("/", 1)[-1].lower()
        if role not in roles.BY_ID:
            text = f"The specified role definition with ID '{role}' does not exist."
            raise ArmError(400, "RoleDefinitionDoesNotExist", text)
        principal = properties["principalId"]
        if cloud.principals.get(principal) is None and "principalType" not in properties:
            # Azure cannot see a fresh identity at once; with principalType it does not look
            # (learn.microsoft.com, "Troubleshoot Azure RBAC", symptom: assigning a role to a new principal
            # sometimes fails).
            text = f"Principal {principal} does not exist in the directory {cloud.settings.tenant}."
            raise ArmError(400, "PrincipalNotFound", text)
        properties.setdefault("scope", call.target.scope)
        properties.setdefault("principalType", "ServicePrincipal")
        new.private.setdefault("since", now())
        new.private.setdefault("createdOn", iso())
        self._check_unique(cloud, old, new)

    def _check_unique(self, cloud: Cloud, old: Resource | None, new: Resource) -> None:
        key = _identity(new)
        if old is not None and _identity(old) != key:
            text = "Tenant ID, application ID, principal ID, and scope are not allowed to be updated."
            raise ArmError(400, "RoleAssignmentUpdateNotPermitted", text)
        for other in cloud.store.all(ASSIGNMENT):
            if other.id.lower() != new.id.lower() and _identity(other) == key:
                text = (
                    "The role assignment already exists. The ID of the existing role "
                    f"assignment is {other.name}."
                )
                raise ArmError(409, "RoleAssignmentExists", text)

    def list(self, call: Call) -> list[Resource]:
        """Assignments at the scope, below it and above it; `atScope()` leaves out what is below."""
        scope = call.target.id.lower()
        asked = filters.parse(call.query.get("$filter", ""), ("principalId", "atScope()"))
        wanted, at_scope = asked.get("principalid"), "atscope()" in asked
        found = []
        for item in call.cloud.store.all(ASSIGNMENT):
            where = item.properties["scope"].lower()
            above = scope == where or scope.startswith(where + "/")
            below = where.startswith(scope + "/") and not at_scope
            if (above or below) and (not wanted or item.properties["principalId"] == wanted):
                found.append(item)
        return found

    def outputs(self, cloud: Cloud, resource: Resource) -> dict[str, Any]:
        return {
            "properties": {
                "createdOn": resource.private["createdOn"],
                "updatedOn": resource.private["createdOn"],
            }
        }


class RoleDefinition(ResourceType):
    """Built-in roles only; custom roles are left out and refused."""

    type = "Microsoft.Authorization/roleDefinitions"
    versions = frozenset({"2022-04-01", "2018-01-01-preview", "2022-05-01-preview"})
    fields: dict[str, Any] | None = {"root": "RoleDefinition", "models": {"RoleDefinition": {"fields": {}}}}
    extension = True
    show_state = False
    deletable = False

    def prepare(self, call: Call, old: Resource | None, new: Resource) -> None:
        raise ArmError(400, "NotEmulated", "Custom roles are not emulated; use a built-in role.")

    def find(self, call: Call) -> Resource | None:
        role = roles.BY_ID.get(call.target.name.lower())
        return _as_resource(role, call.target.scope) if role else None

    def list(self, call: Call) -> list[Resource]:
        wanted = filters.parse(call.query.get("$filter", ""), ("roleName", "atScope()")).get("rolename")
        scope = call.target.id
        return [_as_resource(role, scope) for role in roles.ROLES if not wanted or role.name == wanted]


def _as_resource(role: roles.Role, scope: str) -> Resource:
    document = role.document(scope)
    return Resource(document["id"], document["type"], {"properties": document["properties"]})


def _identity(item: Resource) -> tuple[str, str, str]:
    properties = item.properties
    role = properties["roleDefinitionId"].rsplit("/", 1)[-1].lower()
    return properties["principalId"], role, properties["scope"].lower()
