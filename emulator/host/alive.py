"""Which processes of the embedded Azure run. Imports next to nothing: every command on a stack asks first."""

from __future__ import annotations

from emulator.host.process import Supervisor
from emulator.host.started import Started
from emulator.settings import Settings

# In the order in which they start; they stop in the reverse one.
NAMES = ("dockerd", "azurite", "registry", "hub", "azure")


def running(settings: Settings) -> dict[str, int | None]:
    """The pid, or None, of each process that the last start wanted."""
    started = Started.load(settings)
    supervisor = Supervisor(settings.pids, settings.logs)
    names = [n for n in NAMES if n != "dockerd" or (started and started.engine_is_ours)]
    return {name: supervisor.pid(name) for name in names}
