"""The calibration observations, and the question each of them is to an estimate.

Data: tests/data/vllm-memory (what vLLM itself printed, from public reports; its README says how it was made).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from serving.answer import Answer
from serving.fit import check
from serving.versions import behaviour

DATA = Path(__file__).parents[2] / "tests" / "data" / "vllm-memory"
GIB = 1 << 30
ARGUMENTS = {
    "tp": "--tensor-parallel-size",
    "pp": "--pipeline-parallel-size",
    "gpu_memory_utilization": "--gpu-memory-utilization",
    "max_model_len": "--max-model-len",
    "max_num_seqs": "--max-num-seqs",
    "max_num_batched_tokens": "--max-num-batched-tokens",
}


@dataclass(frozen=True)
class Observation:
    """One row of calibration.json with its model's facts."""

    raw: Mapping[str, Any]
    config: Mapping[str, Any]

    @property
    def id(self) -> str:
        return str(self.raw["id"])

    @property
    def observed(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.raw["observed"]
        return found

    @property
    def started(self) -> bool:
        return self.observed["outcome"] == "ok"

    @property
    def counts(self) -> bool:
        """Whether the row is part of the score."""
        return bool(self.raw["score"]) and self.started

    @property
    def single_v1(self) -> bool:
        return self.raw["gpus"] == 1 and self.raw["engine"] == "V1"

    @property
    def stored(self) -> int:
        """Bytes of the weights; where the data has none, 16 bits a parameter (quantised while loading)."""
        return int(self.config["safetensors_bytes"] or (self.config["param_count"] or 0) * 2)

    @property
    def arguments(self) -> list[str]:
        words = []
        for field, flag in ARGUMENTS.items():
            if self.raw[field] is not None:
                words += [flag, str(self.raw[field])]
        return [*words, "--enforce-eager"] if self.raw["enforce_eager"] else words

    @property
    def bytes_per_token(self) -> float | None:
        """What vLLM's two printed figures say a token takes."""
        tokens, gib = self.observed.get("kv_tokens"), self.observed.get("kv_avail_gib")
        return gib * GIB / tokens if tokens and gib else None

    def error(self, tokens: float | None, gib: float | None) -> float | None:
        """Relative error of an estimate: of the tokens where they are known, else of the GiB of KV cache."""
        for name, value in (("kv_tokens", tokens), ("kv_avail_gib", gib)):
            seen = self.observed.get(name)
            if seen is not None:
                return None if value is None or seen <= 0 else value / seen - 1
        return None

    def estimate(self) -> Answer:
        return check(
            self.config,
            self.stored,
            gpu=self.raw["gpu"],
            gpus=self.raw["gpus"],
            vllm_args=self.arguments,
            version=self.raw["vllm_version"],
        )


@cache
def observations() -> tuple[Observation, ...]:
    models = json.loads((DATA / "models.json").read_text())
    rows = json.loads((DATA / "calibration.json").read_text())
    return tuple(Observation(row, models[row["model"]]) for row in rows)


def share_within(errors: list[float | None], bound: float) -> float:
    """The share of errors that are known and not larger than the bound."""
    return sum(error is not None and abs(error) <= bound for error in errors) / len(errors)


def version_shown(row: Observation) -> str:
    found = behaviour(row.raw["vllm_version"])
    return found.label if found.known else "?"
