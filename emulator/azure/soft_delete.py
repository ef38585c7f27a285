"""Names that stay blocked: soft-deleted workspaces and vaults, and names held while a delete is under way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.azure.clock import iso, now
from emulator.azure.store import Resource

if TYPE_CHECKING:
    from emulator.azure.cloud import Cloud

_DELETED = "soft-deleted"
_HELD = "held-name"


def keep(cloud: Cloud, resource: Resource, days: int, *, data: Any = None) -> None:
    """Remember a soft-deleted resource until it is purged or its days are over."""
    row = {
        "id": resource.id,
        "type": resource.type,
        "doc": resource.doc,
        "private": {k: v for k, v in resource.private.items() if k != "state"},
        "deleted": now(),
        "until": now() + days * 86400,
        "data": data,
    }
    cloud.store.put(_DELETED, key(resource.type, resource.id), row)


def key(kind: str, resource_id: str) -> str:
    return f"{kind}|{resource_id}".lower()


def find(cloud: Cloud, kind: str, name: str, *, under: str = "") -> dict[str, Any] | None:
    """Return the soft-deleted resource of that name, `under` a resource group or anywhere."""
    for row in list(cloud.store.table(_DELETED).values()):
        if row["until"] < now():
            cloud.store.drop(_DELETED, key(row["type"], row["id"]))
            continue
        same = row["type"].lower() == kind.lower() and row["id"].rsplit("/", 1)[1].lower() == name.lower()
        if same and row["id"].lower().startswith(under.lower()):
            return row
    return None


def all_of(cloud: Cloud, kind: str) -> list[dict[str, Any]]:
    return [row for row in cloud.store.table(_DELETED).values() if row["type"].lower() == kind.lower()]


def forget(cloud: Cloud, row: dict[str, Any]) -> None:
    cloud.store.drop(_DELETED, key(row["type"], row["id"]))


def dates(row: dict[str, Any]) -> dict[str, str]:
    return {"deletionDate": iso(row["deleted"]), "scheduledPurgeDate": iso(row["until"])}


def hold(cloud: Cloud, kind: str, name: str, seconds: float) -> None:
    """Hold a name for a while after its resource is gone."""
    cloud.store.put(_HELD, key(kind, name), now() + seconds)


def held(cloud: Cloud, kind: str, name: str) -> bool:
    until = cloud.store.table(_HELD).get(key(kind, name))
    if until is None:
        return False
    if until <= now():
        cloud.store.drop(_HELD, key(kind, name))
        return False
    return True
