"""What changed between vLLM versions, as far as memory goes.

One place for every "since": the rest of the package asks a `Behaviour`, never a version number. Read in
vLLM's own code of 0.8.5, 0.9.1, 0.9.2, 0.10.0, 0.11.0, 0.12.0, 0.13.0, 0.15.1, 0.18.0, 0.19.1, 0.20.0,
0.21.0, 0.25.0, 0.28.0, 0.31.0 and 0.32.0; where versions between two of these were not read, the newer one
counts as the turning point.
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
    def newer_than_read(self) -> bool:
        return self.version is not None and self.version[:2] > LATEST_READ[:2]

    @property
    def v1_engine(self) -> bool:
        """V1 is the default engine since 0.8.0 (release notes).

        An unknown version is taken as newer than that.
        """
        return self.version is None or self.since(0, 8)

    @property
    def graphs_in_budget(self) -> bool:
        """An estimate of the CUDA graphs is taken out of the budget: on by default in 0.20.0, off in 0.19.1.

        Unknown versions keep the older accounting for the numbers; the verdict must then hold under both.
        """
        return self.since(0, 20)

    @property
    def default_utilisation(self) -> float:
        """0.92 in 0.20.0, 0.90 in 0.19.1 (config/cache.py)."""
        return 0.92 if self.since(0, 20) else 0.90

    @property
    def hybrid_groups(self) -> bool:
        """Sliding-window layers get their own block tables: in 0.9.1, not in 0.8.5."""
        return self.version is None or self.since(0, 9)

    @property
    def padded_group_bound(self) -> float:
        """How much commoner one kind of layer may be for the groups to be padded to it: 1.5 in 0.18.0, 1.25
        in 0.12.0.

        Before that the rarest kind always sets the size.
        """
        if self.version is None or self.since(0, 18):
            return 1.5
        return 1.25 if self.since(0, 12) else 1.0

    @property
    def tokens_from_concurrency(self) -> bool:
        """The printed token count is concurrency x length in 0.21.0 (vLLM issue 43308).

        Before: blocks / groups x block size, which charges a sliding window for tokens it never holds.
        """
        return self.since(0, 21)

    @property
    def batches_in_flight(self) -> int:
        """Batches a sliding-window layer must hold at once: two with asynchronous scheduling.

        `max_in_flight_tokens` is in 0.28.0 and not in 0.25.0, which holds one batch.
        """
        return 2 if self.since(0, 28) else 1

    @property
    def a100_small_batches(self) -> bool:
        """A100s get the small defaults in 0.9.1 (a comment there names PR 17885), not in 0.8.5."""
        return self.version is None or self.since(0, 9)

    @property
    def largest_batches(self) -> bool:
        """GPUs of 160 GiB and more get defaults of their own: in 0.28.0, not in 0.25.0."""
        return self.since(0, 28)

    @property
    def longrope_starts_short(self) -> bool:
        """LongRoPE models are served at their original length unless told: in 0.12.0, not in 0.11.0."""
        return self.since(0, 12)

    @property
    def yarn_is_stated(self) -> bool:
        """`max_position_embeddings` is the length with YaRN.

        In 0.31.0; in 0.28.0 the original x the factor.
        """
        return self.since(0, 31)

    @property
    def follows_checkpoint_cache(self) -> bool:
        """`--kv-cache-dtype auto` takes FP8 from a ModelOpt checkpoint: in 0.15.1, not in 0.13.0."""
        return self.since(0, 15)

    @property
    def bf16_falls_back(self) -> bool:
        """`--dtype auto` turns bfloat16 into float16 on GPUs without it: in 0.9.1, not in 0.8.5."""
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
