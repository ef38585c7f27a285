"""What the emulated Azure remembers: resources and small tables, in memory and in one SQLite file.

Every change is committed before it is answered, so that a killed process loses nothing that it has said.
Resource ids are compared without regard to case, as ARM does.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Resource:
    """One resource: `doc` is what ARM shows, `private` what only the emulated service knows."""

    id: str
    type: str
    doc: dict[str, Any]
    private: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.id.rsplit("/", 1)[1]

    @property
    def properties(self) -> dict[str, Any]:
        return self.doc.setdefault("properties", {})

    @property
    def parent_id(self) -> str:
        return self.id.rsplit("/", 2)[0]

    @property
    def state(self) -> str:
        return self.private.get("state", "Succeeded")

    @property
    def location(self) -> str:
        return str(self.doc.get("location", "")).replace(" ", "").lower()


class Store:
    """Resources by id, and named tables of JSON values (operations, soft-deleted names, secrets, ...)."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)  # keys and secrets of the emulated services are in it
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute(
            "PRAGMA synchronous=NORMAL"
        )  # survives a killed process; a power cut is not our case
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS items (kind TEXT, key TEXT, value TEXT, PRIMARY KEY (kind, key))"
        )
        self._resources: dict[str, Resource] = {}
        self._tables: dict[str, dict[str, Any]] = {}
        self._load()

    def _load(self) -> None:
        for kind, key, value in self._db.execute("SELECT kind, key, value FROM items"):
            data = json.loads(value)
            if kind == "resource":
                self._resources[key] = Resource(**data)
            else:
                self._tables.setdefault(kind, {})[key] = data

    def get(self, resource_id: str) -> Resource | None:
        return self._resources.get(resource_id.lower())

    def save(self, resource: Resource) -> None:
        self._resources[resource.id.lower()] = resource
        value = {
            "id": resource.id,
            "type": resource.type,
            "doc": resource.doc,
            "private": resource.private,
        }
        self._write("resource", resource.id.lower(), value)

    def remove(self, resource_id: str) -> None:
        self._resources.pop(resource_id.lower(), None)
        self._db.execute("DELETE FROM items WHERE kind='resource' AND key=?", (resource_id.lower(),))

    def all(self, type_: str | None = None, under: str = "") -> list[Resource]:
        """Return resources, oldest first; `type_` exactly, `under` everything below that id."""
        prefix = under.rstrip("/").lower() + "/" if under else ""
        wanted = type_.lower() if type_ else None
        return [
            item
            for key, item in self._resources.items()
            if key.startswith(prefix) and (wanted is None or item.type.lower() == wanted)
        ]

    def find(self, type_: str, name: str) -> Iterator[Resource]:
        """Yield resources of a type with this name, wherever they are (names that are unique worldwide)."""
        for item in self._resources.values():
            if item.type.lower() == type_.lower() and item.name.lower() == name.lower():
                yield item

    def table(self, kind: str) -> dict[str, Any]:
        """Return a table to read; change it with `put` and `drop` only."""
        return self._tables.setdefault(kind, {})

    def put(self, kind: str, key: str, value: Any) -> None:
        self.table(kind)[key] = value
        self._write(kind, key, value)

    def drop(self, kind: str, key: str) -> None:
        self.table(kind).pop(key, None)
        self._db.execute("DELETE FROM items WHERE kind=? AND key=?", (kind, key))

    def close(self) -> None:
        self._db.close()

    def _write(self, kind: str, key: str, value: Any) -> None:
        self._db.execute("INSERT OR REPLACE INTO items VALUES (?,?,?)", (kind, key, json.dumps(value)))
