"""When a case does not fit (or only just): the length that does, the tensor-parallel size, the cheapest SKU.

"Does" means the verdict `fits`, not a bare estimate. Prices come in as a table; without one, SKUs are
ordered by cores, and the advice says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from serving.errors import ServingError
from serving.estimate import FITS, SHORTEST, Case, estimate, holds
from serving.skus import Sku, skus


@dataclass(frozen=True)
class SkuChoice:
    """A SKU on which the case fits, with the parallelism it takes.

    `hourly` is None where the price is unknown.
    """

    sku: Sku
    tensor_parallel_size: int
    hourly: float | None


@dataclass(frozen=True)
class Advice:
    """None where nothing helps (or nothing is needed)."""

    max_model_len: int | None
    tensor_parallel_size: int | None
    sku: SkuChoice | None
    by_price: bool


def longest_length(case: Case) -> int | None:
    """The largest --max-model-len that the KV cache holds for sure, at most what the model was made for.

    None: not even 256 tokens. Doubts that no length removes (room for CUDA graphs) stay in the verdict.
    """
    top = case.facts.lengths.most(case.version) or case.length
    if top is None:
        top = 1 << 20  # the length is unknown: what the memory allows

    def fits(length: int) -> bool:
        return holds(case.with_args(max_model_len=length))

    if fits(top):
        return top
    low, high = min(SHORTEST, top), top
    if not fits(low):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low - low % 16 if low >= SHORTEST else low


def parallel_size(case: Case) -> int | None:
    """The smallest tensor-parallel size with which the case fits, within the GPUs there are (8 when not
    said).
    """
    for size in (1, 2, 4, 8, 16):
        if size > (case.gpus or 8):
            break
        if estimate(case.with_args(tensor_parallel_size=size, pipeline_parallel_size=1)).verdict == FITS:
            return size
    return None


def cheapest_sku(
    case: Case, *, prices: Mapping[str, float] | None = None, offered: Iterable[str] | None = None
) -> SkuChoice | None:
    """The cheapest SKU on which the case fits.

    `prices`: SKU name to price an hour; `offered`: what the region has.
    """
    known = prices or {}
    allowed = {name.lower() for name in offered} if offered is not None else None
    found = []
    for sku in skus().values():
        if sku.gpu is None or sku.retired or (allowed is not None and sku.name.lower() not in allowed):
            continue
        size = parallel_size(replace(case, gpu=sku.gpu, gpus=sku.gpus))
        if size is not None:
            found.append(SkuChoice(sku, size, known.get(sku.name)))
    # Unknown prices come after known ones; cores stand in for them, they follow the price within a series.
    found.sort(
        key=lambda c: (
            c.hourly is None,
            c.hourly or 0.0,
            c.sku.gpus * c.sku.gpu.total_gib if c.sku.gpu else 0,
        )
    )
    return found[0] if found else None


def advise(
    case: Case, *, prices: Mapping[str, float] | None = None, offered: Iterable[str] | None = None
) -> Advice:
    try:
        return Advice(
            longest_length(case),
            parallel_size(case),
            cheapest_sku(case, prices=prices, offered=offered),
            bool(prices),
        )
    except ServingError:
        return Advice(None, None, None, bool(prices))
