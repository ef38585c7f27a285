"""Running the user's program: a Python process that has been started before it is needed.

Importing the SDK takes longer than everything the engine does to get ready, so the process is started first
(processes.py) and is told afterwards, on its standard input, where the engine listens and what to run.

Before an update that refreshes, the program is told at once (`begin`), and imports what it needs while the
resources are read. Nothing of that can be seen: its registrations wait for the refresh to be over, because
nobody takes them before, and what it says is held back until then. If the refresh fails, it is killed
unheard.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Callable
from typing import Any

from .deployment import Deployment
from .errors import Bail
from .monitor import Monitor
from .runinfo import RunInfo

_SHOWN_ALREADY = 32  # the exit code that says: the error has been logged through the engine
_END_SECONDS = 5.0


class Program:
    """One run. `report` takes (severity, urn, message), and of `said` a stream and ephemeral, too."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        info: RunInfo,
        monitor: Monitor,
        report: Callable[..., None],
    ) -> None:
        self._process = process
        self._info = info
        self._monitor = monitor
        self._report = report
        self._told = False
        self._held: list[tuple[Any, ...]] | None = []  # None: what it says is passed on
        self._exit: asyncio.Future[int] | None = None
        self._pumps: list[asyncio.Task[None]] = []
        self._shown_error = False

    def _instructions(self) -> bytes:
        info = self._info
        document = {
            "monitor": info.monitor,
            "engine": info.program_engine or info.engine,
            "project": info.project,
            "stack": info.stack,
            "organization": info.organization,
            "root": str(info.root),
            "folder": str(info.folder),
            "program": str(info.program),
            "parallel": info.parallel,
            "dry_run": info.preview,
            "debug": info.debug,
            "config": info.config,
            "secret_keys": info.secret_keys,
        }
        return json.dumps(document).encode() + b"\n"

    def begin(self) -> None:
        """Let it run. What it asks of the engine waits for `run`."""
        if self._told:
            return
        self._told = True
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(self._instructions())
            self._process.stdin.close()

    def said(self, *message: Any) -> None:
        """Something that the program logs through the engine."""
        if self._held is None:
            self._report(*message)
        else:
            self._held.append(message)

    async def run(self, deployment: Deployment) -> None:
        """Until the program has registered everything. It may go on serving hooks until `stop`."""
        loop = asyncio.get_running_loop()
        self.begin()
        held, self._held = self._held or [], None
        for message in held:
            self._report(*message)
        self._pumps = [
            asyncio.ensure_future(self._pump(self._process.stdout, "info")),
            asyncio.ensure_future(self._pump(self._process.stderr, "info#err")),
        ]
        self._exit = loop.run_in_executor(None, self._process.wait)
        ended = asyncio.ensure_future(self._monitor.ended.wait())
        waiting: list[asyncio.Future[Any]] = [self._exit, ended]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended.cancel()
        if self._exit.done() and not self._monitor.ended.is_set():
            await asyncio.wait(self._pumps, timeout=2)
            self._check(self._exit.result())

    def _check(self, code: int) -> None:
        if code == 0:
            return
        if code == _SHOWN_ALREADY or self._shown_error:
            raise Bail("the program failed")
        how = f"was killed by signal {-code}" if code < 0 else f"exited with non-zero exit code: {code}"
        self._report("error", "", f"an unhandled error occurred: program {how}")
        raise Bail("the program failed")

    async def _pump(self, stream, severity: str) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=1 << 22)
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), stream)
        try:
            while True:
                try:
                    line = await reader.readline()
                except ValueError:
                    continue
                if not line:
                    return
                self._report(severity, "", line.decode(errors="replace").rstrip("\n"))
        finally:
            transport.close()

    async def stop(self) -> None:
        """Let the program end; make it, if it does not."""
        self._info.finished.set()
        process = self._process
        if self._exit is None:
            _kill(process, signal.SIGKILL)
            process.wait()
            return
        if self._monitor.ended.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._exit), _END_SECONDS)
        self._monitor.abort()
        if process.poll() is None:
            _kill(process, signal.SIGTERM)
            try:
                await asyncio.wait_for(asyncio.shield(self._exit), 1.0)
            except TimeoutError:
                _kill(process, signal.SIGKILL)
                await self._exit
        if self._pumps:
            await asyncio.wait(self._pumps, timeout=1)


def _kill(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, how)
