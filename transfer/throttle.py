"""How many uploads may be under way: half as many when the storage says busy, slowly more while it does
not.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from transfer.cancel import Cancellation


class Throttle:
    """Additive increase, multiplicative decrease, between 1 and `most`."""

    def __init__(
        self, most: int, *, cooldown: float = 1.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`cooldown` (seconds): refusals of requests that were under way together count once."""
        self.most, self.limit, self.lowest = most, float(most), float(most)
        self._active, self._cooldown, self._clock, self._last = 0, cooldown, clock, float("-inf")
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def slot(self, cancel: Cancellation) -> Iterator[None]:
        """Wait for a free slot and hold it."""
        with cancel.calling(self._wake):
            with self._changed:
                while self._active >= int(self.limit) and not cancel.cancelled:
                    self._changed.wait()
                cancel.check()
                self._active += 1
            try:
                yield
            finally:
                with self._changed:
                    self._active -= 1
                    self._changed.notify()

    def busy(self) -> None:
        """The storage refused for load."""
        with self._changed:
            now = self._clock()
            if now - self._last >= self._cooldown:
                self._last = now
                self.limit = max(1.0, self.limit / 2)
                self.lowest = min(self.lowest, self.limit)

    def went_well(self) -> None:
        """The storage took a block: one more slot after about as many successes as there are slots."""
        with self._changed:
            self.limit = min(float(self.most), self.limit + 1.0 / self.limit)
            self._changed.notify()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()
