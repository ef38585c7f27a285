"""From plain data or Pulumi's configuration to a StackSettings."""

import json
from collections.abc import Mapping
from typing import Any

from settings.errors import NAMESPACE
from settings.stack import StackSettings


def load(raw: Mapping[str, Any]) -> StackSettings:
    """Check everything that needs no network; raise SettingsError with every problem at once."""
    return StackSettings.model_validate(
        {key.removeprefix(f"{NAMESPACE}:"): value for key, value in raw.items()}
    )


def from_pulumi_config() -> StackSettings:
    """Read the stack the running Pulumi program belongs to."""
    from pulumi.runtime.config import CONFIG

    raw: dict[str, Any] = {}
    for key, text in CONFIG.get().items():
        namespace, _, name = key.partition(":")
        if namespace == NAMESPACE:
            raw[name] = _value(text)
        elif key == "azure-native:location":
            raw["location"] = text
    return load(raw)


def _value(text: Any) -> Any:
    """Pulumi hands objects over as JSON and text as it is."""
    if not isinstance(text, str) or not text.startswith(("{", "[")):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text
