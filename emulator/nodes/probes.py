"""HTTP probes as Kubernetes runs them, on a clock that tests can replace.

Semantics (kubernetes.io, "Configure Liveness, Readiness and Startup Probes"): the first probe comes
`initial_delay` after the container's start, then one every `period`; an answer of 200 to 399 within
`timeout` is a success; `success_threshold` successes in a row turn the probe to passing and
`failure_threshold` failures in a row to failing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import aiohttp

from emulator.nodes.interface import Probe

# None when the probe succeeded, else why not.
Check = Callable[[Probe], Awaitable[str | None]]


class Clock(Protocol):
    async def sleep(self, seconds: float) -> None: ...


@dataclass(frozen=True)
class RealClock:
    """`speed` 10 makes probes and back-off run ten times as fast; a request's own timeout stays real."""

    speed: float = 1.0

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self.speed)


class Counter:
    """Results in a row, and what they mean."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self._successes = 0
        self._failures = 0
        self.passing = False
        self.last_failure = "it was not probed yet"

    def record(self, failure: str | None) -> None:
        if failure is None:
            self._successes, self._failures = self._successes + 1, 0
            self.passing = self.passing or self._successes >= self._probe.success_threshold
            return
        self._successes, self._failures = 0, self._failures + 1
        self.last_failure = failure
        if self.failing:
            self.passing = False

    @property
    def failing(self) -> bool:
        return self._failures >= self._probe.failure_threshold


async def probing(probe: Probe, check: Check, clock: Clock, seen: Callable[[Counter], bool]) -> Counter:
    """Probe until `seen` answers True, which it is asked after each result."""
    counter = Counter(probe)
    await clock.sleep(probe.initial_delay)
    while True:
        counter.record(await check(probe))
        if seen(counter):
            return counter
        await clock.sleep(probe.period)


def http_check(session: aiohttp.ClientSession, address: Callable[[], str | None]) -> Check:
    """A check that GETs the probe's path at the container's address."""

    async def check(probe: Probe) -> str | None:
        host = address()
        if host is None:
            return "the container has no address"
        url = f"http://{host}:{probe.port}{probe.path}"
        limit = aiohttp.ClientTimeout(total=probe.timeout)
        headers = {"User-Agent": "kube-probe/1.28", "Connection": "close"}
        try:
            async with session.get(url, timeout=limit, allow_redirects=False, headers=headers) as answer:
                good = 200 <= answer.status < 400
                return None if good else f"HTTP probe failed with statuscode: {answer.status}"
        except TimeoutError:
            return f"no answer from port {probe.port}{probe.path} within {probe.timeout:g} s"
        except aiohttp.ClientError as error:
            return f"port {probe.port}{probe.path}: {error}"

    return check
