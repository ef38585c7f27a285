"""Gives each emulated host its address and keeps it with the resource for as long as the resource lives."""

from __future__ import annotations

from emulator.azure.store import Store
from emulator.settings import Settings

STORAGE, VAULT, REGISTRY, FRONT_DOOR = 1, 2, 3, 4
_KIND = "address"


class Addresses:
    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._store = store

    def allocate(self, third: int, resource_id: str) -> str:
        """Return the resource's address, a new one when it has none; the lowest that is free."""
        table = self._store.table(_KIND)
        known = table.get(resource_id.lower())
        if known:
            return known
        taken = set(table.values())
        for fourth in range(1, 255):
            host = self._settings.host(third, fourth)
            if host not in taken:
                self._store.put(_KIND, resource_id.lower(), host)
                return host
        raise RuntimeError(f"no address is left in {self._settings.network}.{third}.0/24; delete resources")

    def of(self, resource_id: str) -> str | None:
        return self._store.table(_KIND).get(resource_id.lower())

    def release(self, resource_id: str) -> None:
        self._store.drop(_KIND, resource_id.lower())

    def url(self, host: str) -> str:
        """Return `https://HOST:PORT/` with the slash, as Azure writes service endpoints."""
        return f"https://{host}:{self._settings.port}/"
