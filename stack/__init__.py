"""Builds one stack: settings in, components out, outputs back. One module an area."""

from __future__ import annotations

from typing import Any

from settings import StackSettings


def deploy(settings: StackSettings) -> dict[str, Any]:
    """Declare everything a stack is made of; return its outputs."""
    import pulumi

    from stack import endpoints, images, known, models, pinned, platform
    from stack.context import context
    from stack.outputs import outputs

    lock = pinned.read(settings.lock)
    pinned.check(settings, lock)
    where = context(settings)
    if pulumi.runtime.is_dry_run():  # an `up` has had its preview, and starts sooner without
        known.say(settings, lock, _ask(settings, where.caller.subscription_id))
    base = platform.build(where)
    environments = images.Environments(base, images.build(base))
    environments.register_all()
    registered = models.Models(base, lock)
    registered.register_all()
    return outputs(base, endpoints.build(base, registered, environments))


def _ask(settings: StackSettings, subscription: str) -> Any:
    """Quota, SKUs and names, asked with azure-native's own token while the rest goes on."""
    from pulumi_azure_native import authorization

    from stack import asked

    try:
        token = authorization.get_client_token().token
    except Exception as problem:  # noqa: BLE001 - the page says that nobody asked; the preview goes on
        return asked.Unasked(f"azure-native gives no token ({problem})")
    return asked.begin(settings, subscription, token)
