"""Who an endpoint is.

A system assigned identity gets its roles from Azure; a user assigned one gets nothing by itself, and az
ml allows one.
"""

from collections.abc import Iterator

from settings.checks.platform import arm_id
from settings.endpoint import Endpoint
from settings.errors import Path, Problem
from settings.stack import StackSettings


def check(stack: StackSettings) -> Iterator[Problem]:
    """Identities and keys of every endpoint."""
    for name, endpoint in stack.endpoints.items():
        at: Path = ("endpoints", name)
        yield from _identity(endpoint, (*at, "identity"))
        if endpoint.key_secret_name and endpoint.auth_mode != "key":
            reason = f"has no effect: an endpoint with auth_mode {endpoint.auth_mode} has no key."
            yield Problem((*at, "key_secret_name"), reason, "Remove it, or write `auth_mode: key`.")


def _identity(endpoint: Endpoint, at: Path) -> Iterator[Problem]:
    identity = endpoint.identity
    if identity is None:
        return
    listed = identity.user_assigned_identities
    where = (*at, "user_assigned_identities")
    if identity.type == "UserAssigned" and not listed:
        fix = "Write `user_assigned_identities: [{resource_id: ARM id}]`."
        yield Problem(at, "is user_assigned without an identity.", fix)
    if identity.type != "UserAssigned" and listed:
        yield Problem(
            where, f"do not go with type {identity.type}.", "Write `type: user_assigned`, or remove them."
        )
    if len(listed) > 1:
        yield Problem(where, f"has {len(listed)} entries; Azure ML takes one.", "Keep one of them.")
    for index, item in enumerate(listed):
        if item.resource_id is None:
            fix = "Write the ARM id of the identity."
            yield Problem((*where, index, "resource_id"), "is missing: az ml sends nothing else.", fix)
        yield from arm_id(
            item.resource_id,
            (*where, index, "resource_id"),
            "Microsoft.ManagedIdentity/userAssignedIdentities",
        )
