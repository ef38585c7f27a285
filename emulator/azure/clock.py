"""Time as the emulated Azure sees it: one place, so that delays and expiry can be read in one way."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now() -> float:
    """Return seconds since the epoch."""
    return time.time()


def iso(seconds: float | None = None) -> str:
    """Return ARM's timestamp: UTC, microseconds, `+00:00` as the Machine Learning provider writes it."""
    moment = datetime.fromtimestamp(now() if seconds is None else seconds, tz=UTC)
    return moment.isoformat(timespec="microseconds")
