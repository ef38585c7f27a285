"""Autoscale: bounds that contain each other, rules that cannot chase each other."""

import re
from collections.abc import Iterator

from settings.deployment import Deployment
from settings.errors import Path, Problem
from settings.rollout import Autoscale, QuietHours
from settings.stack import StackSettings

CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def check(stack: StackSettings) -> Iterator[Problem]:
    """The stack's own autoscale and every deployment's."""
    if stack.autoscale is not None:
        yield from _autoscale(stack.autoscale, ("autoscale",))
    for endpoint, key, deployment in stack.deployments():
        at: Path = ("endpoints", endpoint, "deployments", key)
        if deployment.autoscale is not None:
            yield from _autoscale(deployment.autoscale, (*at, "autoscale"))
        yield from _count(deployment, deployment.autoscale or stack.autoscale, at)


def _autoscale(scale: Autoscale, at: Path) -> Iterator[Problem]:
    yield from _bounds(scale.minimum, scale.maximum, scale.default, at)
    for name in ("gpu_utilization", "cpu_utilization"):
        rules = getattr(scale, name)
        if rules is not None and rules.down.threshold >= rules.up.threshold:
            reason = f"scales down at {rules.down.threshold:g} and up at {rules.up.threshold:g}, in turn."
            yield Problem((*at, name), reason, "Make down.threshold clearly smaller than up.threshold.")
    if (
        scale.enabled
        and scale.gpu_utilization is None
        and scale.cpu_utilization is None
        and scale.quiet_hours is None
    ):
        fix = "Add for example `gpu_utilization: {up: {threshold: 70}, down: {threshold: 25}}`."
        yield Problem(at, "has no rule, so it never scales.", fix)
    if scale.quiet_hours is not None:
        yield from _quiet(scale.quiet_hours, (*at, "quiet_hours"))
    for index, address in enumerate(scale.notify):
        if not MAIL.fullmatch(address):
            yield Problem(
                (*at, "notify", index), f"`{address[:80]}` is not an e-mail address.", "Write NAME@HOST."
            )


def _bounds(minimum: int, maximum: int, default: int | None, at: Path) -> Iterator[Problem]:
    if minimum > maximum:
        yield Problem(
            (*at, "minimum"), f"{minimum} is above the maximum of {maximum}.", "Swap or widen them."
        )
    elif default is not None and not minimum <= default <= maximum:
        yield Problem(
            (*at, "default"), f"{default} is not between {minimum} and {maximum}.", "Choose one in between."
        )


def _quiet(quiet: QuietHours, at: Path) -> Iterator[Problem]:
    for name in ("start", "end"):
        if not CLOCK.fullmatch(getattr(quiet, name)):
            reason = f"`{getattr(quiet, name)[:80]}` is not a time of day."
            yield Problem((*at, name), reason, 'Write "HH:MM" in quotes, for example "20:00".')
    if quiet.start == quiet.end:
        yield Problem((*at, "end"), "is the start, so the quiet hours never begin.", "Choose another time.")
    yield from _bounds(quiet.minimum, quiet.maximum, quiet.default, at)


def _count(deployment: Deployment, scale: Autoscale | None, at: Path) -> Iterator[Problem]:
    count = deployment.instance_count
    if scale is None or not scale.enabled or count is None or scale.minimum <= count <= scale.maximum:
        return
    reason = f"{count} is outside of autoscale's {scale.minimum} to {scale.maximum}."
    yield Problem((*at, "instance_count"), reason, "Choose one in between, or leave it out.")
