"""Managed identities of resources: the system-assigned one made with it, user-assigned ones looked up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.azure.errors import ArmError
from emulator.azure.store import Resource

if TYPE_CHECKING:
    from emulator.azure.cloud import Cloud

USER_ASSIGNED = "Microsoft.ManagedIdentity/userAssignedIdentities"


def prepare(cloud: Cloud, resource: Resource) -> None:
    """Make or drop the system-assigned identity and check the user-assigned ones; raises ArmError."""
    identity = resource.doc.get("identity") or {}
    kind = str(identity.get("type", "None")).replace(" ", "")
    assigned = identity.get("userAssignedIdentities") or {}
    for wanted in assigned:
        if cloud.resource(wanted) is None:
            text = f"Resource '{wanted}' was not found: the user assigned identity does not exist."
            raise ArmError(400, "FailedIdentityOperation", text, target="identity")
    if "UserAssigned" in kind and not assigned:
        text = "The identity type UserAssigned needs at least one entry in userAssignedIdentities."
        raise ArmError(400, "InvalidIdentityOperation", text, target="identity")
    if "UserAssigned" not in kind and assigned:
        text = f"userAssignedIdentities is given, but the identity type is {kind}."
        raise ArmError(400, "InvalidIdentityOperation", text, target="identity")
    if "SystemAssigned" in kind and "principal" not in resource.private:
        principal = cloud.principals.create(resource.id, resource.name)
        resource.private["principal"] = principal.id
    elif "SystemAssigned" not in kind and "principal" in resource.private:
        cloud.principals.remove(resource.private.pop("principal"))


def outputs(cloud: Cloud, resource: Resource) -> dict[str, Any]:
    """Return the identity block's read-only half, for `outputs` of a type."""
    identity = resource.doc.get("identity")
    if not identity:
        return {}
    out: dict[str, Any] = {}
    if "principal" in resource.private:
        out.update(principalId=resource.private["principal"], tenantId=cloud.settings.tenant)
    assigned = {}
    for wanted in identity.get("userAssignedIdentities") or {}:
        found = cloud.store.get(wanted)
        if found:
            ids = found.private
            assigned[wanted] = {"principalId": ids["principal"], "clientId": ids["client"]}
    if assigned:
        out["userAssignedIdentities"] = assigned
    return {"identity": out} if out else {}


def principals(cloud: Cloud, resource: Resource) -> list[str]:
    """Return the object ids as which a resource may act, the system-assigned one first."""
    found = [resource.private["principal"]] if "principal" in resource.private else []
    for wanted in (resource.doc.get("identity") or {}).get("userAssignedIdentities") or {}:
        other = cloud.store.get(wanted)
        if other:
            found.append(other.private["principal"])
    return found


def drop(cloud: Cloud, resource: Resource) -> None:
    """Remove the identity that dies with its resource."""
    if "principal" in resource.private:
        cloud.principals.remove(resource.private["principal"])
