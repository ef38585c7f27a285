"""Cancellation that wakes everybody: sleepers, waiters and threads blocked in a socket."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

from transfer.errors import Cancelled


class Cancellation:
    """Set once; every wait of a copy ends soon after. A child is cancelled with its parent, not the
    reverse.
    """

    def __init__(self, parent: Cancellation | None = None) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._callbacks: dict[object, Callable[[], None]] = {}
        self._parent, self._link = parent, object()
        if parent is not None:
            parent.add(self._link, self.cancel)

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked to stop."""
        return self._event.is_set()

    def cancel(self) -> None:
        """Ask everybody to stop; returns at once and may be called from any thread, or twice."""
        self._event.set()
        with self._lock:
            callbacks = list(self._callbacks.values())
        for callback in callbacks:
            with contextlib.suppress(OSError):  # a socket that is closed already
                callback()

    def rearm(self) -> None:
        """Forget a cancellation that came from within, once everybody has stopped; the parent's stays."""
        if self._parent is None or not self._parent.cancelled:
            self._event.clear()
        if self._parent is not None and self._parent.cancelled:
            self._event.set()

    def check(self) -> None:
        """Raise `Cancelled` if somebody asked to stop."""
        if self._event.is_set():
            raise Cancelled("the copy was cancelled; run it again to go on from where it stopped")

    def wait(self, seconds: float) -> None:
        """Sleep, or raise `Cancelled` as soon as somebody asks to stop."""
        self._event.wait(seconds)
        self.check()

    def add(self, key: object, callback: Callable[[], None]) -> None:
        """Have `callback` called on cancellation; at once if that has happened."""
        with self._lock:
            self._callbacks[key] = callback
        if self._event.is_set():
            callback()

    def drop(self, key: object) -> None:
        """Forget the callback of `key`."""
        with self._lock:
            self._callbacks.pop(key, None)

    def close(self) -> None:
        """Detach from the parent, so that a long-lived parent does not collect finished runs."""
        if self._parent is not None:
            self._parent.drop(self._link)

    @contextlib.contextmanager
    def calling(self, callback: Callable[[], None]) -> Iterator[None]:
        """Within the block, `callback` is called on cancellation."""
        key = object()
        self.add(key, callback)
        try:
            yield
        finally:
            self.drop(key)
