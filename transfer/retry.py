"""When to try again and how long to wait: one policy for both sides of a copy.

Own code because the waits must end on cancellation and a Retry-After must win; a retry library would cost
more memory (imports) than it saves lines.
"""

from __future__ import annotations

import email.utils
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from transfer.cancel import Cancellation
from transfer.errors import Retryable, TransferError

T = TypeVar("T")
STAGED = "What is staged stays staged: run the copy again to go on."

# 408 and 5xx may pass; 429 and 503 say that we are too fast.
PASSING = frozenset({408, 429, 500, 502, 503, 504})
BUSY = frozenset({429, 503})


@dataclass(frozen=True)
class Policy:
    """`attempts` in a row without progress; waits in seconds, doubled each time and jittered downwards."""

    attempts: int = 8
    first_wait: float = 0.5
    longest_wait: float = 30.0
    longest_asked: float = 900.0

    def wait(self, attempt: int, problem: Retryable) -> float:
        """Seconds to wait after failed attempt number `attempt` (from 1)."""
        if problem.after is not None:
            return problem.after
        return min(self.longest_wait, self.first_wait * 2 ** (attempt - 1)) * random.uniform(0.5, 1.0)


def retrying(
    action: Callable[[], T],
    policy: Policy,
    cancel: Cancellation,
    *,
    noticed: Callable[[Retryable], None] | None = None,
    progress: Callable[[], int] = lambda: 0,
    advice: str = STAGED,
) -> T:
    """Run `action` until it succeeds; `Retryable` is tried again. Progress (in bytes) starts the count
    anew. `advice` ends the error when it is given up.
    """
    attempt, before = 0, progress()
    while True:
        cancel.check()
        try:
            return action()
        except Retryable as problem:
            # A trickle is not progress: a source that resets after every few bytes must not be asked for
            # ever.
            if progress() - before >= 64 * 1024:
                attempt = 0
            attempt, before = attempt + 1, progress()
            asked_too_much = problem.after is not None and problem.after > policy.longest_asked
            if attempt >= policy.attempts or asked_too_much:
                raise TransferError(
                    f"{problem} (given up after {attempt} attempts in a row without progress"
                    + (f"; asked to wait {problem.after:.0f} s" if asked_too_much else "")
                    + f"). {advice}"
                ) from problem
            if noticed:
                noticed(problem)
            cancel.wait(policy.wait(attempt, problem))


def retry_after(value: str | None) -> float | None:
    """Seconds of a Retry-After header (a number or an HTTP date); None when absent or unreadable."""
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError):
        return None
