"""How a run is shown: bars on a terminal (rich), plain lines in a log. Neither is asked for by the library
itself.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any, TextIO

from transfer.model import FileEntry, Report
from transfer.request import Silent


class LogWatcher(Silent):
    """One line every `every` seconds with share, rate and time left; one for each note. For logs."""

    def __init__(
        self,
        what: str,
        write: Callable[[str], None],
        *,
        every: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what, self._write, self._every, self._clock = what, write, every, clock
        self._lock = threading.Lock()
        self._total = self._moved = self._files = self._done = 0
        self._started = self._said = clock()

    def __enter__(self) -> LogWatcher:
        return self

    def __exit__(self, *_: object) -> None: ...

    def begin(self, doing: str, files: list[FileEntry], present: int) -> None:
        """Say how much there is to do."""
        self._files, self._total = len(files), sum(entry.size for entry in files)
        self._moved = self._done = 0
        self._started = self._said = self._clock()
        there = f", {size(present)} are there" if present else ""
        self._write(f"{self._what}: {doing} {self._files} files, {size(self._total)}{there}")

    def moved(self, path: str, count: int) -> None:
        """Count, and say something now and then."""
        with self._lock:
            self._moved += count
            now = self._clock()
            if now - self._said < self._every:
                return
            self._said = now
            line = self._line(now)
        self._write(line)

    def done(self, entry: FileEntry) -> None:
        """Count a file."""
        with self._lock:
            self._done += 1

    def note(self, text: str) -> None:
        """Say it."""
        self._write(f"{self._what}: {text}")

    def _line(self, now: float) -> str:
        rate = self._moved / max(now - self._started, 1e-6)
        left = (self._total - self._moved) / rate if rate else 0
        share = 100 * self._moved / max(1, self._total)
        return (
            f"{self._what}: {share:.0f} % ({size(self._moved)} of {size(self._total)}, {self._done} of "
            f"{self._files} files), {size(rate)}/s, {duration(left)} left"
        )


class BarWatcher(Silent):
    """Bars for the files under way and for the whole, with rate and time left. For terminals."""

    SHOWN = 12  # files at a time

    def __init__(self, stream: TextIO = sys.stderr) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        columns: list[Any] = [
            TextColumn("{task.description}", markup=False),  # a file's name may hold brackets
            BarColumn(),
            DownloadColumn(binary_units=True),
        ]
        columns += [TransferSpeedColumn(), TimeRemainingColumn()]
        self._bars = Progress(*columns, console=Console(file=stream), refresh_per_second=4, transient=False)
        self._tasks: dict[str, Any] = {}
        self._sizes: dict[str, int] = {}
        self._lock = threading.Lock()
        self._all: Any = None

    def __enter__(self) -> BarWatcher:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def begin(self, doing: str, files: list[FileEntry], present: int) -> None:
        """Show the total; files appear when they begin to move."""
        self._sizes = {entry.path: entry.size for entry in files}
        if self._all is not None:
            self._bars.remove_task(self._all)
        self._all = self._bars.add_task(f"{doing}: {len(files)} files", total=sum(self._sizes.values()) or 1)
        if not files:
            self._bars.update(self._all, completed=1)

    def moved(self, path: str, count: int) -> None:
        """Advance the file and the whole."""
        with self._lock:
            if path not in self._tasks and len(self._tasks) < self.SHOWN:
                self._tasks[path] = self._bars.add_task(path, total=self._sizes.get(path))
            task = self._tasks.get(path)
        if task is not None:
            self._bars.advance(task, count)
        self._bars.advance(self._all, count)

    def done(self, entry: FileEntry) -> None:
        """Take the file's bar away."""
        with self._lock:
            task = self._tasks.pop(entry.path, None)
        if task is not None:
            self._bars.remove_task(task)

    def note(self, text: str) -> None:
        """Print it above the bars."""
        self._bars.console.print(text, highlight=False, markup=False)


def summary(report: Report) -> str:
    """One line of what a run did."""
    parts = [f"{report.files} files, {size(report.size)}", f"{size(report.bytes_present)} were there"]
    parts.append(f"{size(report.bytes_sent)} sent")
    for count, text in (
        (report.bytes_reread, "read again to hash what was staged"),
        (report.bytes_sent_again, "sent again after a failed request"),
        (report.bytes_copied_by_service, "copied by the service"),
    ):
        if count:
            parts.append(f"{size(count)} {text}")
    if report.retries:
        parts.append(f"{report.retries} retries")
    rate = f" ({size(report.bytes_read / report.seconds)}/s)" if report.bytes_read and report.seconds else ""
    return ", ".join(parts) + f", {report.seconds:.1f} s{rate}"


def size(count: float) -> str:
    """Bytes for people."""
    for unit in ("B", "KiB", "MiB"):
        if abs(count) < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.2f} GiB"


def duration(seconds: float) -> str:
    """Seconds for people."""
    whole = int(seconds)
    return (
        f"{whole // 3600}:{whole % 3600 // 60:02}:{whole % 60:02}"
        if whole >= 3600
        else f"{whole // 60}:{whole % 60:02}"
    )
