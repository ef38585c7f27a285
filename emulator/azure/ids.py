"""Reads ARM paths: which resource, collection or action a request means.

A path is a scope, then `/providers/NAMESPACE/TYPE/NAME[/TYPE/NAME...]`, possibly several times (extension
resources such as role assignments). Resource groups count as resources of
`Microsoft.Resources/resourceGroups`.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

GROUP_TYPE = "Microsoft.Resources/resourceGroups"


@dataclass(frozen=True)
class Target:
    """What a path names. `id` is the resource's, or for a collection the id of what it hangs under."""

    id: str
    type: str
    scope: str  # what the last provider segment hangs under: a group, a subscription, a resource
    tail: str = ""  # a last segment without a name: a collection (GET) or an action (POST)

    @property
    def name(self) -> str:
        return self.id.rsplit("/", 1)[1] if not self.tail else ""


def parse(path: str) -> Target | None:
    """Return what the path names, None when it is not an ARM resource path."""
    path = unquote(path).rstrip("/")
    before, marker, provider = _last_provider(path)
    if not marker:
        return _group_target(path)
    segments = provider.split("/")
    namespace, rest = segments[0], segments[1:]
    if not namespace or not rest:
        return None
    names = rest[0::2]
    if len(rest) % 2 == 0:
        return Target(path, "/".join([namespace, *names]), before)
    owner = "/".join([before + "/providers", namespace, *rest[:-1]]) if len(rest) > 1 else before
    owner_type = "/".join([namespace, *names[:-1]])
    return Target(owner, owner_type, before, tail=rest[-1])


def _last_provider(path: str) -> tuple[str, str, str]:
    at = path.lower().rfind("/providers/")
    if at < 0:
        return path, "", ""
    return path[:at], "/providers/", path[at + len("/providers/") :]


def _group_target(path: str) -> Target | None:
    parts = path.strip("/").split("/")
    if len(parts) < 3 or parts[0].lower() != "subscriptions" or parts[2].lower() != "resourcegroups":
        return None
    subscription = "/".join(["", *parts[:2]])
    if len(parts) == 3:
        return Target(subscription, "Microsoft.Resources", subscription, tail="resourceGroups")
    group = "/".join(["", *parts[:2], "resourceGroups", parts[3]])
    if len(parts) == 4:
        return Target(group, GROUP_TYPE, subscription)
    return Target(group, GROUP_TYPE, subscription, tail=parts[4]) if len(parts) == 5 else None


def group_of(resource_id: str) -> str | None:
    """Return the id of the resource group that holds a resource."""
    parts = resource_id.split("/")
    if len(parts) > 4 and parts[3].lower() == "resourcegroups":
        return "/".join(parts[:5])
    return None


def subscription_of(resource_id: str) -> str:
    parts = resource_id.split("/")
    return parts[2] if len(parts) > 2 else ""


def child_id(resource_id: str, *segments: str) -> str:
    return "/".join([resource_id, *segments])
