"""The emulated resource types, one module a provider namespace (Machine Learning split further)."""

from __future__ import annotations

from emulator.azure.resource_type import ResourceType


def all_types() -> list[ResourceType]:
    """Return one instance of every emulated type."""
    from emulator.azure.resources import groups, locks

    return [groups.ResourceGroup(), locks.Lock()]


def all_routes() -> list:
    """Return the providers' paths that are not resources."""
    return []
