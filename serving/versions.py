"""What changed between vLLM versions, as far as memory goes.

One place for every "since": the rest of the package asks a `Behaviour`, never a version number. Sources are
vLLM's code (read: 0.32.0), its own log messages, its pull requests and start-up reports; "inferred" where
the turning point was narrowed down from reports only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LATEST_READ = (0, 32, 0)


@dataclass(frozen=True)
class Behaviour:
    """How one vLLM version divides the GPU."""

    version: tuple[int, int, int] | None
    label: str

    def since(self, *version: int) -> bool:
        """True when the version is known and not older."""
        return self.version is not None and self.version >= (*version, 0, 0)[:3]

    @property
    def known(self) -> bool:
        return self.version is not None

    @property
    def v1_engine(self) -> bool:
        """V1 is the default engine since 0.8.0 (release notes).

        An unknown version is taken as newer than that.
        """
        return self.version is None or self.since(0, 8)

    @property
    def graphs_in_budget(self) -> bool:
        """An estimate of the CUDA graphs is taken out of the budget since 0.21 (log message of
        gpu_worker.py).

        Unknown versions keep the older accounting for the numbers; the verdict must then hold under both.
        """
        return self.since(0, 21)

    @property
    def default_utilisation(self) -> float:
        """0.92 in 0.32.0 (config/cache.py).

        0.90 before the graphs went into the budget (turning point inferred).
        """
        return 0.92 if self.since(0, 21) else 0.90

    @property
    def hybrid_groups(self) -> bool:
        """Sliding-window layers get their own block tables (hybrid manager on by default; 0.9.2 inferred)."""
        return self.version is None or self.since(0, 9, 2)

    @property
    def tokens_from_concurrency(self) -> bool:
        """The printed token count is concurrency x length (0.21.0: issue 43308 of vLLM, which saw it change).

        Before: blocks / groups x block size, which charges a sliding window for tokens it never holds.
        """
        return self.since(0, 21)

    @property
    def batches_in_flight(self) -> int:
        """Batches a sliding-window layer must hold at once: two with asynchronous scheduling.

        `VllmConfig.max_in_flight_tokens` of 0.32.0; 0.21 as the turning point is inferred.
        """
        return 2 if self.since(0, 21) else 1

    @property
    def a100_small_batches(self) -> bool:
        """A100s get the small defaults since 0.9 (comment in arg_utils.py naming PR 17885)."""
        return self.version is None or self.since(0, 9)

    @property
    def longrope_starts_short(self) -> bool:
        """LongRoPE models are served at their original length unless told (in 0.32.0; 0.12 inferred)."""
        return self.since(0, 12)

    @property
    def follows_checkpoint_cache(self) -> bool:
        """`--kv-cache-dtype auto` takes FP8 from a ModelOpt checkpoint (in 0.32.0; 0.12 inferred)."""
        return self.since(0, 12)

    @property
    def bf16_falls_back(self) -> bool:
        """`--dtype auto` turns bfloat16 into float16 on GPUs without it (0.9 inferred).

        Earlier versions stop.
        """
        return self.version is None or self.since(0, 9)


def behaviour(version: str | None) -> Behaviour:
    """Read a version as people write it.

    `v0.11.0`, `0.9.2-0.10` (the older counts), `0.8.x`; else unknown.
    """
    match = re.search(r"(?<![\d.])v?(\d+)\.(\d+)(?:\.(\d+))?", version or "")
    if match is None:
        return Behaviour(None, version or "not given")
    major, minor, patch = match.groups()
    return Behaviour((int(major), int(minor), int(patch or 0)), str(version))
