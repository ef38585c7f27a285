"""Opens and closes the listeners of resources that have an address of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.azure.gates.registry import RegistryGate
from emulator.azure.gates.storage import StorageGate
from emulator.azure.gates.vault import VaultGate
from emulator.azure.store import Resource

if TYPE_CHECKING:
    from emulator.azure.cloud import Cloud


class Gates:
    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    async def open_all(self) -> None:
        """Open what a restarted server finds in its store."""
        for resource in self._cloud.store.all():
            kind = resource.type.lower()
            if "host" not in resource.private:
                continue
            if kind == "microsoft.storage/storageaccounts":
                await self.open_account(resource)
            elif kind == "microsoft.keyvault/vaults":
                await self.open_vault(resource)
            elif kind == "microsoft.containerregistry/registries":
                await self.open_registry(resource)
            elif kind == "microsoft.machinelearningservices/workspaces/onlineendpoints":
                await self.open_endpoint(resource)

    async def open_account(self, resource: Resource) -> None:
        await self._cloud.listeners.add(resource.private["host"], StorageGate(self._cloud, resource.id))

    async def open_vault(self, resource: Resource) -> None:
        await self._cloud.listeners.add(resource.private["host"], VaultGate(self._cloud, resource.id).app())

    async def open_registry(self, resource: Resource) -> None:
        await self._cloud.listeners.add(
            resource.private["host"], RegistryGate(self._cloud, resource.id).app()
        )

    async def open_endpoint(self, resource: Resource) -> None:
        if self._cloud.front_doors:
            await self._cloud.front_doors.open(resource)

    async def close(self, resource: Resource) -> None:
        host = resource.private.get("host")
        if host:
            await self._cloud.listeners.remove(host)
