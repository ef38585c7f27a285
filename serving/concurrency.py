"""Requests at once: what Azure lets through, and what vLLM batches.

Azure answers 429 when more than 2 x max_concurrent_requests_per_instance x instances are in flight (docs,
troubleshooting of online endpoints). Its default of one wastes vLLM's batching.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

AZURE_DEFAULT = 1


@dataclass(frozen=True)
class Concurrency:
    """`configured` is what the deployment says (Azure's default when it says nothing).

    `suggested` fits vLLM.
    """

    configured: int
    suggested: int
    instances: int
    warnings: tuple[str, ...]

    @property
    def budget(self) -> int:
        """Requests in flight beyond which callers get 429."""
        return 2 * self.configured * self.instances

    @property
    def suggested_budget(self) -> int:
        return 2 * self.suggested * self.instances


def concurrency(max_num_seqs: int, *, configured: int | None = None, instances: int = 1) -> Concurrency:
    """From vLLM's --max-num-seqs (given or its default)."""
    found = AZURE_DEFAULT if configured is None else configured
    warnings: Sequence[str] = ()
    if found < max_num_seqs:
        said = "is not set, so Azure takes 1" if configured is None else f"is {configured}"
        warnings = (
            f"request_settings.max_concurrent_requests_per_instance {said}: vLLM could batch {max_num_seqs}"
            f" (--max-num-seqs); callers get 429 beyond {2 * found * instances} requests in flight",
        )
    elif found > max_num_seqs:
        warnings = (
            f"request_settings.max_concurrent_requests_per_instance is {found}: vLLM works on"
            f" {max_num_seqs} at a time (--max-num-seqs), the rest waits inside it while the request"
            " timeout runs",
        )
    return Concurrency(found, max_num_seqs, instances, tuple(warnings))
