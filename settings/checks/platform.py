"""The workspace and what it stands on: tiers, ids, and what belongs to a workspace that exists already."""

import re
from collections.abc import Iterator

from settings.errors import Path, Problem
from settings.stack import StackSettings
from settings.workspace import Workspace

ARM_ID = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/[^/]+(/[^/]+/[^/]+)+", re.IGNORECASE
)
ARM_ID_SHAPE = "/subscriptions/ID/resourceGroups/NAME/providers/TYPE/NAME"
PARTS = ("storage_account", "key_vault", "container_registry", "application_insights")
TYPES = {
    "storage_account": "Microsoft.Storage/storageAccounts",
    "key_vault": "Microsoft.KeyVault/vaults",
    "container_registry": "Microsoft.ContainerRegistry/registries",
    "application_insights": "Microsoft.Insights/components",
}


def check(stack: StackSettings) -> Iterator[Problem]:
    """What Azure refuses before any model or endpoint is involved."""
    space = stack.workspace
    yield from _existing(space)
    if stack.resource_group.existing and stack.resource_group.tags:
        fix = "Remove them, or set `existing: false` to have the stack make the group."
        yield Problem(("resource_group", "tags"), "belong to a group that exists already.", fix)
    for key in PARTS:
        part = getattr(space, key)
        if part is not None:
            yield from _id_or_name(key, part.name, part.id)
    yield from _registry(stack)
    yield from _managed_network(space)
    yield from _identity(space)
    for name, diagnostic in space.diagnostic_settings.items():
        if not (diagnostic.log_analytics_workspace_id or diagnostic.storage_account_id):
            fix = "Give log_analytics_workspace_id or storage_account_id."
            yield Problem(("workspace", "diagnostic_settings", name), "sends the logs nowhere.", fix)
    yield from _tags(stack)


def arm_id(value: str | None, at: Path, resource_type: str | None = None) -> Iterator[Problem]:
    """An ARM id of the right type."""
    if value is None:
        return
    if not ARM_ID.fullmatch(value):
        yield Problem(at, "is not an ARM id.", f"Write {ARM_ID_SHAPE}.")
    elif resource_type and f"/providers/{resource_type}/".lower() not in value.lower():
        yield Problem(at, f"is not the id of a {resource_type}.", "Write the id of such a resource.")


def _existing(space: Workspace) -> Iterator[Problem]:
    if not space.existing:
        return
    mine = (*PARTS, "managed_network", "identity", "customer_managed_key", "image_build_compute")
    for key in mine:
        if key in space.model_fields_set and getattr(space, key) is not None:
            fix = "Remove it, or set `existing: false` to have the stack make the workspace."
            yield Problem(
                ("workspace", key), "belongs to a workspace that exists already (`existing: true`).", fix
            )


def _id_or_name(key: str, name: str | None, identity: str | None) -> Iterator[Problem]:
    if name and identity:
        yield Problem(
            ("workspace", key),
            "has both a name and an id.",
            "Keep `id` for one that exists, `name` for a new one.",
        )
    yield from arm_id(identity, ("workspace", key, "id"), TYPES[key])


def _registry(stack: StackSettings) -> Iterator[Problem]:
    registry = stack.workspace.container_registry
    if registry is None or registry.id or registry.sku == "Premium":
        return
    at = ("workspace", "container_registry", "sku")
    if stack.network is not None and stack.workspace.private_endpoints.container_registry:
        reason = f"is {registry.sku}, and only Premium registries can have a private endpoint."
        yield Problem(
            at, reason, "Write `sku: Premium`, or `private_endpoints: {container_registry: false}`."
        )
    elif registry.public_network_access == "Disabled":
        reason = f"is {registry.sku}, and only Premium registries can turn public access off."
        yield Problem(at, reason, "Write `sku: Premium`.")


def _managed_network(space: Workspace) -> Iterator[Problem]:
    network = space.managed_network
    for name, rule in network.outbound_rules.items():
        at = ("workspace", "managed_network", "outbound_rules", name)
        if network.isolation_mode == "Disabled":
            fix = "Choose an isolation mode, or remove the rule."
            yield Problem(
                at, "has no effect: isolation_mode is Disabled, so there is no managed network.", fix
            )
        elif rule.type in ("fqdn", "service_tag") and network.isolation_mode == "AllowInternetOutbound":
            fix = "Use `isolation_mode: allow_only_approved_outbound`, or remove the rule."
            yield Problem(at, f"is a {rule.type} rule, which Azure takes in approved mode only.", fix)


def _identity(space: Workspace) -> Iterator[Problem]:
    identity = space.identity
    at = ("workspace", "identity")
    if "UserAssigned" in identity.type and not identity.user_assigned_identities:
        yield Problem(
            at, f"is {identity.type} without an identity.", "List it under user_assigned_identities."
        )
    if identity.type == "UserAssigned" and not identity.primary:
        fix = "Write `primary:` with one of user_assigned_identities."
        yield Problem(at, "does not say which identity the workspace acts as.", fix)
    if identity.primary and identity.primary not in identity.user_assigned_identities:
        fix = "Add it to user_assigned_identities."
        yield Problem((*at, "primary"), "is not one of the workspace's identities.", fix)
    if identity.type == "SystemAssigned" and identity.user_assigned_identities:
        fix = "Write `type: SystemAssigned,UserAssigned`, or remove them."
        yield Problem((*at, "user_assigned_identities"), "do not go with `type: SystemAssigned`.", fix)


def _tags(stack: StackSettings) -> Iterator[Problem]:
    """Azure's limits: 50 tags, names of 512 characters without <>%&\\?/, values of 256."""
    places: list[tuple[Path, dict[str, str]]] = [
        (("tags",), stack.tags),
        (("resource_group", "tags"), stack.resource_group.tags),
        (("workspace", "tags"), stack.workspace.tags),
    ]
    for name, endpoint in stack.endpoints.items():
        places.append((("endpoints", name, "tags"), endpoint.tags))
        for key, deployment in endpoint.deployments.items():
            places.append((("endpoints", name, "deployments", key, "tags"), deployment.tags))
    for at, tags in places:
        if len(tags) > 50:
            yield Problem(at, f"has {len(tags)} tags; a resource can have 50.", "Remove some.")
        for tag, value in tags.items():
            if not tag or len(tag) > 512 or re.search(r"[<>%&\\?/]", tag):
                yield Problem(
                    (*at, tag), "is no name for a tag.", "Use up to 512 characters without <>%&\\?/."
                )
            if len(value) > 256:
                yield Problem(
                    (*at, tag), f"is {len(value)} characters long; a tag can have 256.", "Shorten it."
                )
