"""Fills the price table from Azure's public retail price API, dated.

    python -m serving.prices --region westeurope [--currency EUR] [--out serving/data/prices.json]

No account is needed. Documentation: learn.microsoft.com/rest/api/cost-management/retail-prices/azure-
retail-prices. Unverified: written after that page and tested against answers of its shape; where this was
written the API could not be reached.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from serving.errors import ServingError
from serving.skus import skus

API = "https://prices.azure.com/api/retail/prices"
Fetch = Callable[[str], Mapping[str, Any]]


def fetch(url: str) -> Mapping[str, Any]:
    """One page of the API."""
    import httpx

    try:
        answer = httpx.get(url, timeout=30, follow_redirects=False)
        answer.raise_for_status()
        found: Mapping[str, Any] = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise ServingError(
            f"the price API did not answer {url}: {error}. Prices stay as they were."
        ) from error
    return found


def query(region: str, currency: str, names: Iterable[str], api: str = API) -> str:
    either = " or ".join(f"armSkuName eq '{name}'" for name in names)
    wanted = (
        f"serviceName eq 'Virtual Machines' and priceType eq 'Consumption' and armRegionName eq '{region}'"
    )
    return f"{api}?{urlencode({'currencyCode': currency, '$filter': f'{wanted} and ({either})'})}"


def read_region(region: str, currency: str, ask: Fetch = fetch, api: str = API) -> dict[str, float]:
    """SKU to price an hour: Linux, pay as you go. SKUs the region does not price are absent."""
    names = list(skus())
    found: dict[str, float] = {}
    for start in range(0, len(names), 10):  # ten names a question keep the address short
        url: str | None = query(region, currency, names[start : start + 10], api)
        while url:
            page = ask(url)
            items = page.get("Items") if isinstance(page, Mapping) else None
            if not isinstance(items, list):
                raise ServingError(f"the price API's answer has no Items: {url}. Prices stay as they were.")
            found |= linux_prices(items)
            url = page.get("NextPageLink") or None
    return dict(sorted(found.items()))


def linux_prices(items: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """The plain hourly price of each SKU among the answer's meters."""
    known = {name.lower(): name for name in skus()}
    found = {}
    for item in items:
        name = known.get(str(item.get("armSkuName", "")).lower())
        price = item.get("retailPrice")
        if name is None or not isinstance(price, int | float) or item.get("unitOfMeasure") != "1 Hour":
            continue
        words = f"{item.get('productName')} {item.get('skuName')} {item.get('meterName')}"
        if any(
            word in words for word in ("Windows", "Spot", "Low Priority", "Dedicated Host", "CloudServices")
        ):
            continue
        if item.get("type") != "Consumption" or item.get("tierMinimumUnits", 0):
            continue
        found[name] = float(price)
    return found


def update(path: Path, region: str, currency: str, today: str, ask: Fetch = fetch, api: str = API) -> int:
    """Put one region's prices into the table; other regions stay only if they have the same currency."""
    prices = read_region(region, currency, ask, api)
    before = _before(path)
    regions = dict(before.get("regions", {})) if before.get("currency") == currency else {}
    regions[region] = prices
    table = {"read": today, "currency": currency, "source": api, "regions": dict(sorted(regions.items()))}
    path.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    return len(prices)


def _before(path: Path) -> Mapping[str, Any]:
    """The table that is there; one that cannot be read is replaced."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    whole = isinstance(found, dict) and isinstance(found.get("regions"), dict)
    return found if whole else {}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m serving.prices", description="Fetch public Azure prices."
    )
    parser.add_argument("--region", required=True, action="append", help="for example westeurope; may repeat")
    parser.add_argument("--currency", default="USD")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "data" / "prices.json")
    parser.add_argument("--api", default=API, help="another address of the same API")
    options = parser.parse_args(argv)
    try:
        for region in options.region:
            count = update(options.out, region, options.currency, date.today().isoformat(), api=options.api)
            print(
                f"{region}: {count} of {len(skus())} GPU SKUs have a price; {options.out} is to be committed"
            )
    except (ServingError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
