"""Builds one stack: settings in, components out, outputs back. One module an area."""

from __future__ import annotations

from typing import Any

from settings import StackSettings


def deploy(settings: StackSettings) -> dict[str, Any]:
    """Declare everything a stack is made of; return its outputs."""
    import pulumi

    from stack import endpoints, images, models, pinned, platform
    from stack.context import context
    from stack.outputs import outputs

    lock = pinned.read(settings.lock)
    pinned.check(settings, lock)
    if pulumi.runtime.is_dry_run():  # an `up` has had its preview, and starts sooner without
        from stack import known

        known.say(settings, lock)
    base = platform.build(context(settings))
    environments = images.Environments(base, images.build(base))
    environments.register_all()
    registered = models.Models(base, lock)
    registered.register_all()
    return outputs(base, endpoints.build(base, registered, environments))
