"""The secrets of vaults: versions by name, shared by ARM's `vaults/secrets` and the vault's own data
plane.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from emulator.azure.clock import now

if TYPE_CHECKING:
    from emulator.azure.cloud import Cloud

_KIND = "secret"


def put(cloud: Cloud, vault_id: str, name: str, value: str, properties: dict[str, Any]) -> str:
    """Add a version and return its name."""
    version = uuid.uuid4().hex
    row = {
        "version": version,
        "value": value,
        "contentType": properties.get("contentType"),
        "tags": properties.get("tags"),
        "attributes": {"enabled": True, **(properties.get("attributes") or {})},
        "created": int(now()),
    }
    rows = [*versions(cloud, vault_id, name), row]
    cloud.store.put(_KIND, _key(vault_id, name), {"name": name, "vault": vault_id.lower(), "versions": rows})
    return version


def versions(cloud: Cloud, vault_id: str, name: str) -> list[dict[str, Any]]:
    """Return the versions of a secret, oldest first."""
    return cloud.store.table(_KIND).get(_key(vault_id, name), {}).get("versions", [])


def names(cloud: Cloud, vault_id: str) -> list[str]:
    rows = cloud.store.table(_KIND).values()
    return [row["name"] for row in rows if row["vault"] == vault_id.lower()]


def remove(cloud: Cloud, vault_id: str, name: str) -> None:
    cloud.store.drop(_KIND, _key(vault_id, name))


def take(cloud: Cloud, vault_id: str) -> list[dict[str, Any]]:
    """Take a vault's secrets out, to go with it where deleted vaults are."""
    rows = [row for row in cloud.store.table(_KIND).values() if row["vault"] == vault_id.lower()]
    for row in rows:
        remove(cloud, vault_id, row["name"])
    return rows


def restore(cloud: Cloud, vault_id: str, rows: list[dict[str, Any]] | None) -> None:
    for row in rows or []:
        cloud.store.put(_KIND, _key(vault_id, row["name"]), {**row, "vault": vault_id.lower()})


def _key(vault_id: str, name: str) -> str:
    return f"{vault_id}|{name}".lower()
