"""One child process: started detached, known by its pid and its start time, ended by signal.

A pid alone is not enough: after a crash the number may belong to somebody else's process, and that must never
be ended. So the pid file also holds the kernel's start time of the process, and both have to match. Linux
only (/proc).
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from emulator.host.errors import HostError


@dataclass(frozen=True)
class Service:
    """How to start a process and how to see that it is ready.

    `listens` are (address, port, setting): the setting is what a user changes when the port is busy.
    `ready` is asked every `POLL` seconds until it answers True.
    """

    name: str
    argv: Sequence[str]
    ready: Callable[[], bool]
    environment: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    listens: Sequence[tuple[str, int, str]] = ()
    patience: float = 30.0  # seconds until readiness is given up
    grace: float = 15.0  # seconds between SIGTERM and SIGKILL


POLL = 0.05


@dataclass(frozen=True)
class Supervisor:
    """The folder of pid files and the folder of logs."""

    pids: Path
    logs: Path

    def pid(self, name: str) -> int | None:
        """The pid of the running process of this name, or None when it is not running."""
        try:
            known = json.loads((self.pids / f"{name}.json").read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        alive = start_time(known["pid"])
        return known["pid"] if alive is not None and alive == known["start_time"] else None

    def spawn(self, service: Service) -> int:
        """Start the process and record it. Does not wait for readiness."""
        self.pids.mkdir(parents=True, exist_ok=True)
        self.logs.mkdir(parents=True, exist_ok=True)
        with (self.logs / f"{service.name}.log").open("ab") as log:
            try:
                child = subprocess.Popen(
                    list(service.argv),
                    cwd=service.cwd,
                    env={**os.environ, **service.environment},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except FileNotFoundError as error:
                raise HostError(
                    f"{service.name} cannot be started: {error.filename} is not installed. Run "
                    "scripts/bootstrap."
                ) from None
        record = {"pid": child.pid, "start_time": start_time(child.pid), "argv": list(service.argv)}
        write_atomically(self.pids / f"{service.name}.json", json.dumps(record))
        return child.pid

    def wait_ready(self, service: Service) -> None:
        """Wait for readiness.

        A process that ends first, or never gets ready, is an error with its last words.
        """
        deadline = time.monotonic() + service.patience
        while not service.ready():
            if self.pid(service.name) is None:
                raise HostError(f"{service.name} ended while starting. {self._last_words(service.name)}")
            if time.monotonic() > deadline:
                raise HostError(
                    f"{service.name} was not ready after {service.patience:.0f} s. "
                    f"{self._last_words(service.name)}"
                )
            time.sleep(POLL)

    def stop(self, name: str, grace: float = 15.0) -> bool:
        """End the process:

        SIGTERM, and SIGKILL to its session after `grace` seconds. False when it did not run.
        """
        pid = self.pid(name)
        if pid is None:
            (self.pids / f"{name}.json").unlink(missing_ok=True)
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + grace
        while self.pid(name) is not None and time.monotonic() < deadline:
            time.sleep(POLL)
        if self.pid(name) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            while self.pid(name) is not None:
                time.sleep(POLL)
        (self.pids / f"{name}.json").unlink(missing_ok=True)
        return True

    def _last_words(self, name: str, lines: int = 15) -> str:
        path = self.logs / f"{name}.log"
        try:
            tail = path.read_text(errors="replace").splitlines()[-lines:]
        except FileNotFoundError:
            tail = []
        return f"The end of {path}:\n" + "\n".join(f"  {line}" for line in tail)


def start_time(pid: int) -> int | None:
    """When the kernel started this process (clock ticks since boot), or None when there is none or it is a
    zombie.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command name is in parentheses and may hold spaces: count fields from the last one (proc(5)).
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in {"Z", "X"} else int(fields[19])


def write_atomically(path: Path, text: str, mode: int = 0o600) -> None:
    """Write beside and rename, so that a killed process never leaves half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    beside.replace(path)
