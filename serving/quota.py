"""Cores a stack needs, by quota family: running, and while deployments are replaced.

The 20 % upgrade reserve (`ceil(1.2 x instances) x cores`) applies to the SKUs the list marks so, not to the
large GPU ones. Source: includes/quota-allocation-online-deployment.md (2023-12-07) and the SKU list
(data/skus.json). What the subscription has is the caller's to ask; without it the answer says "not
checked".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from serving.errors import UnknownHardwareError
from serving.skus import find_size


@dataclass(frozen=True)
class Fleet:
    """One deployment. `maximum` is autoscale's upper bound.

    `blue_green` keeps the old one up while the new starts.
    """

    name: str
    sku: str
    instances: int
    maximum: int | None = None
    blue_green: bool = True


@dataclass(frozen=True)
class FamilyNeed:
    """Cores in one family: while running, at autoscale's maximum, and at the peak of a roll."""

    family: str
    steady: int
    maximum: int
    peak: int
    reserve: bool
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Shortfall:
    """`available` is None where nobody looked; `used` is what this stack holds already."""

    family: str
    needed: int
    available: int | None
    enough: bool | None
    used: int = 0


def needs(fleets: Iterable[Fleet]) -> tuple[list[FamilyNeed], list[str]]:
    """By family, and the deployments whose SKU is in no list (their need is unknown)."""
    found: dict[str, list[tuple[int, int, int, bool, str]]] = {}
    unknown = []
    for fleet in fleets:
        try:
            size = find_size(fleet.sku)
        except UnknownHardwareError as error:
            unknown.append(f"{fleet.name}: {error}")
            continue
        steady = size.cores * reserved(fleet.instances, size.reserve)
        most = size.cores * reserved(max(fleet.instances, fleet.maximum or 0), size.reserve)
        # A roll starts as many instances beside the old ones as there are.
        peak = most * 2 if fleet.blue_green else most
        line = f"{fleet.name}: {fleet.instances} x {size.name} ({size.cores} cores)"
        found.setdefault(size.family, []).append((steady, most, peak, size.reserve, line))
    return [_family(name, rows) for name, rows in sorted(found.items())], unknown


def _family(name: str, rows: list[tuple[int, int, int, bool, str]]) -> FamilyNeed:
    steady, most, peak = (sum(column) for column in zip(*[row[:3] for row in rows], strict=True))
    reserve = any(row[3] for row in rows)
    return FamilyNeed(name, steady, most, peak, reserve, tuple(row[4] for row in rows))


def reserved(instances: int, reserve: bool) -> int:
    """Instances that count against the quota: `ceil(1.2 n)` in whole numbers, or n."""
    return (12 * instances + 9) // 10 if reserve else instances


def compare(
    wanted: Iterable[FamilyNeed],
    available: Mapping[str, int] | None,
    *,
    used_by_this_stack: Mapping[str, int] | None = None,
) -> list[Shortfall]:
    """`available`: family to cores left (limit minus used).

    Cores this stack already uses are not needed again.
    """
    left = None if available is None else {_plain(name): cores for name, cores in available.items()}
    own = {_plain(name): cores for name, cores in (used_by_this_stack or {}).items()}
    found = []
    for need in wanted:
        used = own.get(_plain(need.family), 0)
        extra = need.peak - used
        have = None if left is None else left.get(_plain(need.family))
        found.append(Shortfall(need.family, extra, have, None if have is None else have >= extra, used))
    return found


def _plain(family: str) -> str:
    """The list and the usage API write the same family with other capitals and spaces."""
    return "".join(family.split()).lower()
