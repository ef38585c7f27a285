"""The GPU SKUs that Azure ML managed online endpoints offer, from Microsoft's published list.

Sources and their dates are in `data/skus.json`. Not here: which region offers what (only a subscription can
answer), prices (cost.py), and CPU SKUs, which no vLLM image of this project runs on.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

from serving.errors import UnknownHardwareError
from serving.gpus import DATA, Gpu, find_gpu


@dataclass(frozen=True)
class Sku:
    """One VM size. `gpu` is None where what vLLM would see is not known; `gpu_text` then says what it is."""

    name: str
    family: str
    gpus: int
    gpu: Gpu | None
    gpu_text: str
    cores: int
    ram_gib: int | None
    temp_disk_gib: int | None
    reserve: bool  # the 20 % upgrade reserve counts against the quota
    note: str | None
    retired: str | None = None  # since when Azure no longer offers it


@cache
def skus() -> dict[str, Sku]:
    return {name: _sku(name, entry) for name, entry in table()["skus"].items()}


@cache
def table() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DATA / "skus.json").read_text())
    return found


def _sku(name: str, entry: dict[str, Any]) -> Sku:
    gpu = find_gpu(entry["gpu"]) if entry["gpu"] else None
    return Sku(
        name=name,
        family=entry["family"],
        gpus=entry["gpus"],
        gpu=gpu,
        gpu_text=entry.get("gpu_text") or entry["gpu"],
        cores=entry["cores"],
        ram_gib=entry["ram_gib"],
        temp_disk_gib=entry["temp_disk_gib"],
        reserve=entry["reserve"],
        note=entry.get("note"),
        retired=entry.get("retired"),
    )


def find_sku(name: str) -> Sku:
    """By name; Azure does not mind capitals, so neither does this."""
    for sku in skus().values():
        if sku.name.lower() == name.strip().lower():
            return sku
    raise UnknownHardwareError(
        f"instance type {name!r} is not a GPU SKU that managed online endpoints offer (list of"
        f" {table()['sources']['list']['dated']}). Offered: {', '.join(skus())}."
    )


@dataclass(frozen=True)
class Size:
    """What quota needs to know of any SKU of the list, CPU ones included."""

    name: str
    family: str
    cores: int
    reserve: bool


def find_size(name: str) -> Size:
    """A GPU or CPU SKU of the list."""
    plain = name.strip().lower()
    for sku in skus().values():
        if sku.name.lower() == plain:
            return Size(sku.name, sku.family, sku.cores, sku.reserve)
    for cpu, entry in table()["cpu_skus"].items():
        if cpu.lower() == plain:
            return Size(cpu, entry["family"], entry["cores"], True)  # none of them skips the reserve
    raise UnknownHardwareError(
        f"instance type {name!r} is not in the list of SKUs that managed online endpoints offer"
        f" ({table()['sources']['list']['dated']}); cores and family are unknown."
    )
