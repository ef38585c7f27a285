"""Starting processes that end with the engine, and the program's ahead of time.

Imports little, so that a command can start the program before it imports the engine.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from types import TracebackType

from .project import Project, interpreter

RUNNER = Path(__file__).with_name("program_runner.py")


def guarded(command: list[str]) -> list[str]:
    """The command, made to end when its parent is killed (util-linux's setpriv; without it, as it is)."""
    setpriv = shutil.which("setpriv", path="/usr/bin:/bin")
    return [setpriv, "--pdeathsig", "KILL", "--", *command] if setpriv else command


def launch(python: str, folder: Path) -> subprocess.Popen[bytes]:
    """Start an interpreter that loads the SDK and waits for instructions."""
    return subprocess.Popen(
        guarded([python, "-u", str(RUNNER)]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        start_new_session=True,
    )


class Programs:
    """Program processes, each started before it is needed; the one that was not taken ends with the block."""

    def __init__(self, project: Project, wanted: bool) -> None:
        self._project = project
        self.wanted = wanted
        self._ready: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        if self.wanted and self._ready is None:
            self._ready = launch(interpreter(self._project), self._project.working_directory)

    def take(self) -> subprocess.Popen[bytes] | None:
        self.prepare()
        ready, self._ready = self._ready, None
        return ready

    def __enter__(self) -> Programs:
        self.prepare()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._ready is not None:
            self._ready.kill()
            self._ready.wait()
