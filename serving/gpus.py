"""GPUs by the names people use for them: total memory as vLLM sees it, and what the generation can do.

The memory a data sheet states is not what a process gets; the table has what vLLM printed. A GPU that is
not in the table is an error with the list, never a guess from its name.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from serving.errors import UnknownHardwareError

GIB = 1 << 30
DATA = Path(__file__).parent / "data"


@dataclass(frozen=True)
class Gpu:
    """One GPU. Memory is GiB as `torch.cuda.mem_get_info` reports the total."""

    name: str
    low_gib: float
    high_gib: float
    capability: float
    source: str

    @property
    def total_gib(self) -> float:
        """The middle of what was seen.

        The spread between cards and drivers is part of the verdict's margin.
        """
        return (self.low_gib + self.high_gib) / 2

    @property
    def is_a100(self) -> bool:
        return self.name.startswith("A100")


@cache
def gpus() -> dict[str, Gpu]:
    table = json.loads((DATA / "gpus.json").read_text())["gpus"]
    return {
        name: Gpu(name, entry["gib"][0], entry["gib"][1], entry["capability"], entry["source"])
        for name, entry in table.items()
    }


def find_gpu(name: str) -> Gpu:
    """The GPU of that name; capitals and spaces do not matter."""

    def plain(text: str) -> str:
        return "".join(text.lower().split()).removeprefix("nvidia")

    for gpu in gpus().values():
        if plain(gpu.name) == plain(name):
            return gpu
    raise UnknownHardwareError(
        f"GPU {name!r} is not in the table, so its memory is unknown. Known: {', '.join(gpus())}."
    )
