"""What the instances cost, from a price table in the repository. A price that is not there is unknown.

Only the virtual machines: storage, the registry's tier, private endpoints, traffic and a managed network's
firewall come on top and are not estimated. The table's format is written by `prices.py`:

    {"read": "2026-11-22", "currency": "EUR", "source": URL, "regions": {REGION: {SKU: PRICE_PER_HOUR}}}
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from serving.errors import ServingError
from serving.quota import Fleet

HOURS_PER_MONTH = 730  # Azure's own price pages calculate with it


@dataclass(frozen=True)
class PriceTable:
    """Prices an hour by region and SKU, and when they were read. Empty: every price is unknown."""

    read: str | None = None
    currency: str | None = None
    regions: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def hourly(self, region: str, sku: str) -> float | None:
        for name, price in self.in_region(region).items():
            if name.lower() == sku.lower():
                return price
        return None

    def in_region(self, region: str) -> Mapping[str, float]:
        return self.regions.get(_plain(region), {})


@dataclass(frozen=True)
class Cost:
    """None: unknown. `monthly` is for `instances` that run all month."""

    name: str
    sku: str
    instances: int
    hourly: float | None
    monthly: float | None


@dataclass(frozen=True)
class Total:
    """The sum, unknown when any part is."""

    costs: tuple[Cost, ...]
    hourly: float | None
    monthly: float | None


def load_prices(path: Path | str) -> PriceTable:
    """The table, or an empty one when nobody has fetched it.

    Raises for a file that is there and not readable.
    """
    target = Path(path)
    if not target.exists():
        return PriceTable()
    try:
        return price_table(json.loads(target.read_text(encoding="utf-8")))
    except (ValueError, OSError) as error:
        raise ServingError(
            f"the price table {target} cannot be read ({error}). Fetch it again: {COMMAND}"
        ) from error


COMMAND = "python -m serving.prices --region REGION --out serving/data/prices.json"


def price_table(raw: Any) -> PriceTable:
    if not isinstance(raw, Mapping) or not isinstance(raw.get("regions"), Mapping):
        raise ValueError("it has no regions")
    regions: dict[str, dict[str, float]] = {}
    for region, prices in raw["regions"].items():
        if not isinstance(prices, Mapping):
            raise ValueError(f"{region} is not an object")
        for sku, price in prices.items():
            if isinstance(price, bool) or not isinstance(price, int | float) or price < 0:
                raise ValueError(f"the price of {sku} in {region} is {price!r}")
        regions[_plain(region)] = {sku: float(price) for sku, price in prices.items()}
    return PriceTable(raw.get("read"), raw.get("currency"), regions)


def cost(fleets: Iterable[Fleet], table: PriceTable, region: str) -> Total:
    found = []
    for fleet in fleets:
        price = table.hourly(region, fleet.sku)
        hourly = None if price is None else price * fleet.instances
        monthly = None if hourly is None else hourly * HOURS_PER_MONTH
        found.append(Cost(fleet.name, fleet.sku, fleet.instances, hourly, monthly))
    return Total(tuple(found), _sum([c.hourly for c in found]), _sum([c.monthly for c in found]))


def _sum(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _plain(region: str) -> str:
    """`West Europe` and `westeurope` are the same region."""
    return "".join(region.split()).lower()
