"""What can go wrong in a plugin, in the forms that Pulumi's engine understands."""

from __future__ import annotations

from typing import Any


class PluginError(Exception):
    """An operation failed; the text says what, why and, where known, how to fix it."""


class PartialFailureError(PluginError):
    """A resource exists, but its operation failed: the engine records it, the next `up` updates it."""

    def __init__(self, message: str, *, id_: str, properties: dict[str, Any], inputs: dict[str, Any]) -> None:
        super().__init__(message)
        self.id = id_
        self.properties = properties
        self.inputs = inputs


class CancelledError(PluginError):
    """The engine asked to stop, or the operation's customTimeouts ran out."""
