"""What one run of a program needs to know; also sent to the program and to remote components."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class RunInfo:
    """`finished` is set when the deployment is over and the program, which may still serve hooks, can end.
    `debug`: somebody takes the program's debug messages.
    """

    project: str
    stack: str
    root: Path
    folder: Path
    program: Path
    config: dict[str, str]
    secret_keys: list[str]
    preview: bool
    parallel: int
    organization: str = "organization"
    debug: bool = False
    monitor: str = ""
    engine: str = ""
    program_engine: str = ""  # where the program logs, if that is not where plugins do
    finished: asyncio.Event = field(default_factory=asyncio.Event)
