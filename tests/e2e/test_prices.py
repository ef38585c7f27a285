"""`python -m serving.prices` against a server that answers as the public price API's documentation says.

Shape: learn.microsoft.com/rest/api/cost-management/retail-prices/azure-retail-prices. Nothing here has seen
the live API.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from serving.cost import load_prices
from serving.skus import skus
from tests.e2e.harness import ROOT

pytestmark = pytest.mark.emulator

A100, T4, H100 = "Standard_NC24ads_A100_v4", "Standard_NC4as_T4_v3", "Standard_NC40ads_H100_v5"
PRICES = {("westeurope", A100): 4.5, ("westeurope", T4): 0.6, ("northeurope", A100): 4.1}


class Api:
    """The prices above, one item a page, and what was asked."""

    def __init__(self) -> None:
        self.filters: list[str] = []
        self.broken = ""
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = api.answer(self.path)
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/api/retail/prices"

    def answer(self, path: str) -> tuple[int, bytes]:
        if self.broken:
            return (500, b"down") if self.broken == "status" else (200, self.broken.encode())
        query = parse_qs(urlsplit(path).query)
        wanted, skip = query["$filter"][0], int(query.get("$skip", ["0"])[0])
        self.filters.append(wanted)
        found = [
            self.item(region, sku, price)
            for (region, sku), price in PRICES.items()
            if f"armRegionName eq '{region}'" in wanted and f"armSkuName eq '{sku}'" in wanted
        ]
        found += [{**item, "skuName": item["skuName"] + " Spot", "retailPrice": 0.01} for item in found]
        more = f"{self.address}?{urlsplit(path).query.split('&$skip')[0]}&$skip={skip + 1}"
        page = {"Items": found[skip : skip + 1], "NextPageLink": more if skip + 1 < len(found) else None}
        return 200, json.dumps(page).encode()

    @staticmethod
    def item(region: str, sku: str, price: float) -> dict[str, Any]:
        return {
            "armRegionName": region,
            "armSkuName": sku,
            "currencyCode": "EUR",
            "meterName": sku.removeprefix("Standard_"),
            "productName": "Virtual Machines Series",
            "retailPrice": price,
            "serviceName": "Virtual Machines",
            "skuName": sku.removeprefix("Standard_"),
            "tierMinimumUnits": 0.0,
            "type": "Consumption",
            "unitOfMeasure": "1 Hour",
        }


@pytest.fixture
def api() -> Iterator[Api]:
    found = Api()
    threading.Thread(target=found.server.serve_forever, daemon=True).start()
    yield found
    found.server.shutdown()
    found.server.server_close()


def fill(api: Api, path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "serving.prices", "--api", api.address, "--out", str(path), *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert "Traceback" not in done.stderr
    return done


def test_the_command_fills_a_dated_table(api: Api, tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    regions = ("--region", "westeurope", "--region", "northeurope")
    done = fill(api, path, *regions, "--currency", "EUR")
    assert done.returncode == 0
    assert f"westeurope: 2 of {len(skus())} GPU SKUs have a price" in done.stdout
    table = load_prices(path)
    assert table.read is not None
    assert (len(table.read), table.currency) == (10, "EUR")
    assert table.hourly("westeurope", A100) == 4.5
    assert table.hourly("North Europe", A100) == 4.1
    assert table.hourly("westeurope", H100) is None
    assert table.hourly("eastus", A100) is None
    asked = " ".join(api.filters)
    assert all(f"armSkuName eq '{name}'" in asked for name in skus())


@pytest.mark.parametrize("broken", ["status", "no json", '{"error": "x"}', '{"Items": 3}', "[]"])
def test_an_api_that_is_down_leaves_the_table_alone(api: Api, tmp_path: Path, broken: str) -> None:
    path = tmp_path / "prices.json"
    fill(api, path, "--region", "westeurope")
    before, api.broken = path.read_text(), broken
    done = fill(api, path, "--region", "westeurope")
    assert done.returncode == 1
    assert "Prices stay as they were" in done.stderr
    assert path.read_text() == before


def test_a_table_that_cannot_be_read_is_filled_anew(api: Api, tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    path.write_text("<<<<<<< HEAD")
    assert fill(api, path, "--region", "westeurope").returncode == 0
    assert load_prices(path).hourly("westeurope", A100) == 4.5
