"""One instance of a deployment: a container, kept running and probed as a kubelet would.

A container that exits, or whose liveness probe fails, is restarted after a back-off that doubles. A startup
probe, where there is one, holds back the other two until it has succeeded, and its failure is a restart,
too (kubernetes.io, "Liveness, Readiness, and Startup Probes"). Before the instance was ready for the first
time restarts end after `Patience.restarts`, and the deployment has failed; so it has when the readiness
probe reaches its failure threshold without having passed.
Afterwards restarts never end. How often Azure lets a container restart before it gives a deployment up is
not documented: the number is a setting, unverified.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from emulator.nodes.interface import DeploymentSpec, Outcome, Probe, Reason, Stage
from emulator.nodes.probes import Check, Clock, Counter, probing


class StartError(Exception):
    """The container's process could not be started at all; the text is the engine's."""


class Container(Protocol):
    """What an instance does with its container. `address` is known while it runs."""

    name: str

    @property
    def address(self) -> str | None: ...

    async def start(self) -> None:
        """Raises StartError."""

    async def exited(self) -> int:
        """Wait until the container's process has ended; answer its exit code."""

    async def kill(self) -> None:
        """End the process (SIGTERM, then SIGKILL), keep the container and its log."""

    async def logs(self, tail: int) -> str: ...

    async def remove(self) -> None: ...


@dataclass(frozen=True)
class Patience:
    """`restarts` before the first readiness;

    `backoff` seconds before the first restart, doubling up to `most`.
    """

    restarts: int = 2
    backoff: float = 1.0
    most: float = 60.0


class Instance:
    """Runs until it is closed. `settled` resolves once: to the first readiness, or to the failure."""

    def __init__(
        self,
        spec: DeploymentSpec,
        container: Container,
        check: Check,
        clock: Clock,
        patience: Patience,
        say: Callable[[str], None],
    ) -> None:
        self._spec, self.container, self._check, self._clock = spec, container, check, clock
        self._patience, self._say = patience, say
        self.ready = False
        self.settled: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._task: asyncio.Task[None] | None = None

    def begin(self, *, running: bool = False, proven: bool = False) -> None:
        """Start it; `running` when the container is up already (after a restart of the server).

        `proven`: the deployment has succeeded before, so it is never given up.
        """
        if proven:
            self.settled.set_result(Outcome.success())
        self._task = asyncio.create_task(self._run(running), name=self.container.name)

    async def close(self) -> None:
        """Stop probing and remove the container."""
        self.ready = False
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if not self.settled.done():
            self.settled.cancel()
        await self.container.remove()

    async def _run(self, running: bool) -> None:
        try:
            await self._keep_running(running)
        except Exception as error:  # whoever waits must hear of it
            if self.settled.done():
                raise
            text = f"The container could not be run: {error}"
            self.settled.set_result(Outcome.failure(Stage.CONTAINER_START, Reason.NODES_UNAVAILABLE, text))

    async def _keep_running(self, running: bool) -> None:
        restarts = 0
        while True:
            reason, text = await self._once(running)
            running = False
            self.ready = False
            self._say(text)
            given_up = reason is Reason.READINESS_PROBE_FAILED or restarts >= self._patience.restarts
            if not self.settled.done() and given_up:
                log = await self.container.logs(tail=50)
                self.settled.set_result(Outcome.failure(Stage.CONTAINER_START, reason, text, log))
                await self.container.kill()
                return
            await self.container.kill()
            await self._clock.sleep(min(self._patience.backoff * 2**restarts, self._patience.most))
            restarts += 1

    async def _once(self, running: bool) -> tuple[Reason, str]:
        if not running:
            try:
                await self.container.start()
            except StartError as error:
                return Reason.CONTAINER_CRASHED, f"The container cannot be started: {error}"
        return await self._until_broken(waited=running)

    async def _until_broken(self, *, waited: bool) -> tuple[Reason, str]:
        """Probe the running container; answers why it has to be restarted, or why it was given up.

        `waited`: it runs for a while already, so that no initial delay is due and it has started up.
        """
        started = asyncio.Event()
        if waited or self._spec.startup is None:
            started.set()
        watching = {
            asyncio.create_task(self._crash()),
            asyncio.create_task(self._startup(started)),
            asyncio.create_task(self._liveness(waited, started)),
            asyncio.create_task(self._readiness(waited, started)),
        }
        try:
            done, _ = await asyncio.wait(watching, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)
        # A container that has exited fails its probes too: the exit is the reason to tell.
        results = [task.result() for task in done]
        return next((r for r in results if r[0] is Reason.CONTAINER_CRASHED), results[0])

    async def _crash(self) -> tuple[Reason, str]:
        code = await self.container.exited()
        return Reason.CONTAINER_CRASHED, f"The container ended with exit code {code}."

    async def _startup(self, started: asyncio.Event) -> tuple[Reason, str]:
        probe = self._spec.startup
        if probe is None or started.is_set():
            return await _never()
        counter = await probing(probe, self._check, self._clock, lambda c: c.passing or c.failing)
        if counter.passing:
            started.set()
            return await _never()
        text = (
            f"The startup probe (GET :{probe.port}{probe.path}) failed {probe.failure_threshold} times "
            f"in a row, so the container is restarted. The last time: {counter.last_failure}."
        )
        return Reason.STARTUP_PROBE_FAILED, text

    async def _due(self, probe: Probe, waited: bool, started: asyncio.Event) -> Probe:
        """Wait until liveness or readiness may be probed: the initial delay, which counts from the
        container's start, and the startup probe's success. Answers the probe without its delay.
        """
        await asyncio.gather(self._clock.sleep(0 if waited else probe.initial_delay), started.wait())
        return replace(probe, initial_delay=0)

    async def _liveness(self, waited: bool, started: asyncio.Event) -> tuple[Reason, str]:
        probe = self._spec.liveness
        if probe is None:
            return await _never()
        probe = await self._due(probe, waited, started)
        counter = await probing(probe, self._check, self._clock, lambda counter: counter.failing)
        text = (
            f"The liveness probe (GET :{probe.port}{probe.path}) failed {probe.failure_threshold} times "
            f"in a row, so the container is restarted. The last time: {counter.last_failure}."
        )
        return Reason.LIVENESS_PROBE_FAILED, text

    async def _readiness(self, waited: bool, started: asyncio.Event) -> tuple[Reason, str]:
        probe = self._spec.readiness
        if probe is None:
            await started.wait()
            self._became(True)
            return await _never()
        probe = await self._due(probe, waited, started)

        def seen(counter: Counter) -> bool:
            self._became(counter.passing)
            return counter.failing and not self.settled.done()

        counter = await probing(probe, self._check, self._clock, seen)
        text = (
            f"The readiness probe (GET :{probe.port}{probe.path}) failed {probe.failure_threshold} times "
            f"in a row and never passed. The last time: {counter.last_failure}."
        )
        return Reason.READINESS_PROBE_FAILED, text

    def _became(self, ready: bool) -> None:
        if ready and not self.settled.done():
            self.settled.set_result(Outcome.success())
        if ready != self.ready:
            self._say("ready" if ready else "not ready any more")
        self.ready = ready


async def _never() -> tuple[Reason, str]:
    await asyncio.Event().wait()
    raise AssertionError("unreachable")
