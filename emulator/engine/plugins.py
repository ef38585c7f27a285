"""Starting provider plugins: executables `pulumi-resource-NAME` that print a port and serve Pulumi's provider
protocol.

Found as the CLI finds them: on PATH, then in Pulumi's plugin cache. The dynamic provider needs no executable:
it is `python -m pulumi.dynamic` with the program's interpreter. Nothing is downloaded. A plugin dies with the
engine.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

from .backend import pulumi_home
from .errors import EngineError, Unsupported
from .processes import guarded
from .protocol import CHANNEL_OPTIONS, grpc

DYNAMIC = "pulumi-python"
_START_SECONDS = 60.0
_STOP_SECONDS = 3.0

Log = Callable[[str, str], None]  # (severity, message)


def find_plugin(name: str, version: str, interpreter: str) -> list[str]:
    """The command that starts a plugin, without the engine's address."""
    if f",{name}:" in f",{os.environ.get('PULUMI_DEBUG_PROVIDERS', '')}":
        raise Unsupported("PULUMI_DEBUG_PROVIDERS (attaching to a running provider)")
    executable = f"pulumi-resource-{name}"
    ambient = os.environ.get("PULUMI_IGNORE_AMBIENT_PLUGINS", "").lower() not in ("1", "true")
    found = shutil.which(executable) if ambient else None
    if found:
        return [found]
    if name == DYNAMIC:
        return [interpreter, "-u", "-m", "pulumi.dynamic"]
    cached = _cached(name, version, executable)
    if cached:
        return [cached]
    raise EngineError(
        f"the provider plugin {executable!r}{f' {version}' if version else ''} was not found on PATH "
        f"or in {pulumi_home() / 'plugins'}. Put it on PATH; the embedded engine downloads nothing."
    )


def _cached(name: str, version: str, executable: str) -> str | None:
    folders = (pulumi_home() / "plugins").glob(f"resource-{name}-v*")
    candidates = []
    for folder in folders:
        have = folder.name.rsplit("-v", 1)[-1]
        if (folder / executable).exists() and (not version or have.split(".")[0] == version.split(".")[0]):
            numbers = tuple(int(number) for number in re.findall(r"\d+", have))
            candidates.append((have == version, numbers, str(folder / executable)))
    return max(candidates)[2] if candidates else None


class PluginProcess:
    """One running plugin and the channel to it."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Log) -> None:
        self.name = name
        self._process = process
        self._log = log
        self._pumps: list[asyncio.Task[None]] = []
        self.channel: grpc.aio.Channel | None = None

    @classmethod
    async def start(
        cls, name: str, command: list[str], engine: str, folder: Path, extra: Mapping[str, str], log: Log
    ) -> PluginProcess:
        process = await asyncio.create_subprocess_exec(
            *guarded([*command, engine]),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=folder,
            env={**os.environ, **extra},
            start_new_session=True,
            limit=1 << 20,
        )
        plugin = cls(name, process, log)
        plugin._pumps.append(asyncio.create_task(plugin._pump(process.stderr, "info#err")))
        try:
            port = await asyncio.wait_for(plugin._read_port(), _START_SECONDS)
        except (TimeoutError, EngineError) as error:
            await plugin.stop()
            reason = str(error) or f"it printed no port within {_START_SECONDS:.0f} s"
            raise EngineError(f"the provider plugin {command[0]} did not start: {reason}") from error
        plugin._pumps.append(asyncio.create_task(plugin._pump(process.stdout, "info")))
        plugin.channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=CHANNEL_OPTIONS)
        return plugin

    async def _read_port(self) -> int:
        assert self._process.stdout is not None
        line = (await self._process.stdout.readline()).strip()
        if not line.isdigit():
            code = await self._process.wait() if not line else None
            await asyncio.sleep(0.05)  # let what it said on stderr reach the log first
            said = (
                f"it printed {line.decode(errors='replace')!r} instead of a port"
                if line
                else f"it exited with code {code}"
            )
            raise EngineError(f"{said}; see its messages above")
        return int(line)

    async def _pump(self, stream: asyncio.StreamReader | None, severity: str) -> None:
        assert stream is not None
        while True:
            try:
                line = await stream.readline()
            except ValueError:  # a line longer than the limit: drop it, keep reading
                continue
            if not line:
                return
            self._log(severity, line.decode(errors="replace").rstrip("\n"))

    async def stop(self) -> None:
        if self.channel is not None:
            await self.channel.close()
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGTERM)
            try:
                await asyncio.wait_for(self._process.wait(), _STOP_SECONDS)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._process.pid, signal.SIGKILL)
                await self._process.wait()
        _, pending = await asyncio.wait(self._pumps, timeout=0.2) if self._pumps else (None, ())
        for pump in pending:
            pump.cancel()
