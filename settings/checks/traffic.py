"""Traffic and mirrored traffic, by Azure's rules.

Source: "Perform safe rollout of new deployments" (Microsoft Learn): shares sum to 0 or 100; one mirrored
deployment, at most 50 percent, and none that has live traffic. Limits: "Manage resources and quotas": 20
deployments an endpoint.
"""

from collections.abc import Iterator

from settings.endpoint import Endpoint
from settings.errors import Path, Problem
from settings.messages import nearest
from settings.stack import StackSettings

MAX_DEPLOYMENTS = 20
MAX_ENDPOINTS = 100


def check(stack: StackSettings) -> Iterator[Problem]:
    """Every endpoint's split."""
    if len(stack.endpoints) > MAX_ENDPOINTS:
        reason = f"has {len(stack.endpoints)} endpoints; a subscription can have {MAX_ENDPOINTS} in a region."
        yield Problem(("endpoints",), reason, "Spread them over stacks in other regions.")
    for name, endpoint in stack.endpoints.items():
        at: Path = ("endpoints", name)
        if len(endpoint.deployments) > MAX_DEPLOYMENTS:
            reason = f"has {len(endpoint.deployments)} deployments; an endpoint can have {MAX_DEPLOYMENTS}."
            yield Problem((*at, "deployments"), reason, "Spread them over several endpoints.")
        yield from _live(endpoint, at)
        yield from _mirror(endpoint, at)


def _live(endpoint: Endpoint, at: Path) -> Iterator[Problem]:
    where = (*at, "traffic")
    if endpoint.traffic is None:
        if len(endpoint.deployments) > 1:
            names = ", ".join(endpoint.deployments)
            fix = f"Write `traffic` with a share for each of {names}, summing to 100."
            yield Problem(
                at, f"has {len(endpoint.deployments)} deployments and does not say who gets the traffic.", fix
            )
        return
    yield from _names(endpoint, endpoint.traffic, where)
    for name, share in endpoint.traffic.items():
        if not 0 <= share <= 100:
            yield Problem((*where, name), f"{share} is not a percentage.", "Write a number from 0 to 100.")
    total = sum(endpoint.traffic.values())
    if all(0 <= share <= 100 for share in endpoint.traffic.values()) and total not in (0, 100):
        yield Problem(where, f"sums to {total}; Azure takes 0 or 100.", "Make the shares sum to 100.")


def _mirror(endpoint: Endpoint, at: Path) -> Iterator[Problem]:
    where = (*at, "mirror_traffic")
    mirror = {name: share for name, share in (endpoint.mirror_traffic or {}).items() if share != 0}
    if not mirror:
        return
    yield from _names(endpoint, mirror, where)
    if len(mirror) > 1:
        yield Problem(where, f"names {len(mirror)} deployments; Azure mirrors to one.", "Keep one of them.")
    live = endpoint.traffic if endpoint.traffic is not None else dict.fromkeys(endpoint.deployments, 100)
    for name, share in mirror.items():
        if not 0 < share <= 50:
            yield Problem(
                (*where, name),
                f"{share} is not allowed: at most 50 percent can be mirrored.",
                "Write 1 to 50.",
            )
        if live.get(name, 0) > 0:
            fix = "Mirror to a deployment without live traffic."
            yield Problem(
                (*where, name), "has live traffic, and a deployment gets either live or mirrored.", fix
            )
    if not any(share > 0 for share in live.values()):
        yield Problem(
            where, "has nothing to mirror: no deployment has live traffic.", "Give one of them 100 percent."
        )


def _names(endpoint: Endpoint, shares: dict[str, int], where: Path) -> Iterator[Problem]:
    for name in shares:
        if name not in endpoint.deployments:
            guess = nearest(name, endpoint.deployments)
            known = ", ".join(endpoint.deployments) or "it has none"
            fix = f"Did you mean `{guess}`?" if guess else f"Its deployments: {known}."
            yield Problem((*where, name), "is no deployment of this endpoint.", fix)
