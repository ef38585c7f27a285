"""Request bodies in ARM's own names, handed to azure-native as they are.

azure-native's Args classes send defaults that nobody asked for (`maxQueueWait`, `successThreshold`, ...),
so a body that must be exactly what the configuration says is a dictionary. Keys in ARM's camelCase pass
through Pulumi unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def arm(*parts: Mapping[str, Any]) -> Any:
    """One body of several parts; typed Any because the SDK's types know its own names only."""
    return {name: value for part in parts for name, value in part.items() if value is not None}
