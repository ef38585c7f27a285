"""What is measured, in which order, and what of it is still missing."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

GIB = 1 << 30
# Size in GiB, transports, repeats. The large size shows that memory does not grow and takes half an hour.
SET = ((2, ("plain", "tls"), 3), (16, ("plain",), 1))


@dataclass(frozen=True)
class Cell:
    """A first run and a no-change run; with `kill`, then a killed run and the one after it."""

    size: int
    tls: bool
    repeat: int
    destination: str
    path: str
    kill: bool = False

    @property
    def name(self) -> str:
        """What `--only` is compared with."""
        transport = "tls" if self.tls else "plain"
        return f"{self.size / GIB:g}:{transport}:{self.destination}:{self.path}:{self.repeat + 1}"

    @property
    def group(self) -> tuple:
        """What repeats of one thing have in common."""
        return (self.size, self.tls, self.destination, self.path)


def cells(scale: float = 1.0, repeats: int | None = None) -> Iterator[Cell]:
    """The whole set. Neighbours in time are compared: both paths, one after the other, who begins in turn."""
    for gib, transports, times in SET:
        for transport in transports:
            for repeat in range(repeats or times):
                for destination in ("azurite", "sink"):
                    paths = ("engine", "two-step") if repeat % 2 == 0 else ("two-step", "engine")
                    for path in paths:
                        # Only the sink counts bytes; once is enough, no machine is faster in this.
                        kill = destination == "sink" and repeat == 0 and gib == SET[0][0]
                        yield Cell(
                            int(gib * GIB * scale), transport == "tls", repeat, destination, path, kill
                        )


def missing(wanted: Sequence[Cell], runs: Sequence[dict]) -> list[Cell]:
    """What `runs` does not hold yet."""
    done = Counter(
        (run["size"], run["tls"], run["destination"], run["path"])
        for run in runs
        if run["kind"] == "no-change"
    )
    killed = {
        (run["size"], run["tls"], run["destination"], run["path"])
        for run in runs
        if run["kind"] == "after-kill"
    }
    return [
        cell for cell in wanted if done[cell.group] <= cell.repeat or (cell.kill and cell.group not in killed)
    ]


def seconds(cell: Cell, runs: Sequence[dict]) -> float | None:
    """How long the cell took before, by the runs of the same thing; None when there is none."""
    took = []
    for kind in ("first", "no-change", *(("after-kill",) if cell.kill else ())):
        found = [
            run["wall"]
            for run in runs
            if (run["size"], run["tls"], run["destination"], run["path"], run["kind"]) == (*cell.group, kind)
        ]
        if not found:
            return None
        # A killed run takes about half of a first one.
        took.append(statistics.median(found) * (1.5 if kind == "first" and cell.kill else 1))
    return sum(took)
