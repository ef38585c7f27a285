"""The docker client that can build: found by probing, run as a process.

Debian 12's client (20.10) carries BuildKit's client; newer ones want the buildx plugin, which Debian 12
does not ship and which often comes first on PATH. EMULATOR_DOCKER names one and ends the search.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from emulator.plugins.errors import CancelledError, PluginError

DIGEST = re.compile(r"digest: (sha256:[0-9a-f]{64})")
LAST_BUILTIN = 22  # the last major version whose client builds without buildx
Say = Callable[[str], None]


@cache
def find() -> str:
    """Return a docker client that builds with BuildKit; raises PluginError saying what was tried."""
    tried = []
    for candidate in _candidates():
        problem = _problem(candidate)
        if problem is None:
            return candidate
        tried.append(f"{candidate}: {problem}")
    raise PluginError(
        "no docker client that can build with BuildKit was found"
        + (f" ({'; '.join(tried)})" if tried else " on PATH")
        + ". Install Debian's package docker.io (as root: apt-get install docker.io), or name one in "
        "EMULATOR_DOCKER, or run without containers (python -m emulator start --nodes none)."
    )


def _candidates() -> list[str]:
    named = os.environ.get("EMULATOR_DOCKER")
    if named:
        return [named]
    folders = os.environ.get("PATH", "").split(os.pathsep)
    found = [shutil.which("docker", path=folder) for folder in ["/usr/bin", *folders]]
    return list(dict.fromkeys(item for item in found if item))


def _problem(client: str) -> str | None:
    """Return why a client cannot build, None when it can."""
    try:
        version = _run([client, "version", "--format", "{{.Client.Version}} {{.Server.Version}}"])
    except OSError as error:
        return str(error)
    if version.returncode:
        return (version.stderr or version.stdout).strip().splitlines()[-1]
    major = re.match(r"(\d+)", version.stdout)
    if major and int(major[1]) <= LAST_BUILTIN:
        return None
    return None if _run([client, "buildx", "version"]).returncode == 0 else "it has no buildx plugin"


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@dataclass
class Client:
    """Runs the client; `config` is a DOCKER_CONFIG folder of its own, None for the ambient login."""

    cancelled: threading.Event
    say: Say
    config: Path | None = None

    def build(self, arguments: list[str], what: str) -> None:
        """Build; raises PluginError with the build's last lines."""
        self._follow(["build", "--progress", "plain", *arguments], what)

    def push(self, tag: str) -> str:
        """Push and return the digest."""
        lines = self._follow(["push", tag], f"pushing {tag}")
        digests = [match[1] for line in lines if (match := DIGEST.search(line))]
        if not digests:
            raise PluginError(f"docker pushed {tag} but did not say its digest: {' '.join(lines[-3:])}")
        return digests[-1]

    def _follow(self, arguments: list[str], what: str) -> list[str]:
        environment = {**os.environ, "DOCKER_BUILDKIT": "1"}
        if self.config is not None:
            environment["DOCKER_CONFIG"] = str(self.config)
        process = subprocess.Popen(
            [find(), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=environment,
        )
        watch = threading.Thread(target=self._end_when_cancelled, args=(process,), daemon=True)
        watch.start()
        assert process.stdout
        lines = []
        for line in process.stdout:
            text = line.rstrip()
            if text:
                lines.append(text)
                self.say(text)
        if process.wait() == 0:
            return lines
        if self.cancelled.is_set():
            raise CancelledError(f"{what} was cancelled")
        raise PluginError(f"{what} failed:\n" + "\n".join(lines[-25:]))

    def _end_when_cancelled(self, process: subprocess.Popen[str]) -> None:
        while process.poll() is None:
            if self.cancelled.wait(0.5):
                process.terminate()
                return
