"""Builds one stack: settings in, components out, outputs back. One module an area."""

from __future__ import annotations

from typing import Any

from settings import StackSettings


def deploy(settings: StackSettings) -> dict[str, Any]:
    """Declare everything a stack is made of; return its outputs."""
    from stack import endpoints, images, models, platform
    from stack.context import context
    from stack.outputs import outputs

    base = platform.build(context(settings))
    environments = images.Environments(base, images.build(base))
    registered = models.Models(base, models.read_lock(settings.lock))
    registered.register_all()
    return outputs(base, endpoints.build(base, registered, environments))
