"""The tables of docs/benchmarks.md that `benchmarks.stack` measures."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path

BEGIN, END = "<!-- stack: begin -->", "<!-- stack: end -->"


@dataclass(frozen=True)
class Sample:
    """One run: seconds until it ended, seconds of processors that it and its children used."""

    wall: float
    cpu: float


Found = dict[str, list[Sample]]


def commands_table(found: Found) -> str:
    """Commands on the deployed stack beside the same on a program without resources."""
    rows = [
        "| command | median s | min to max | of processors | to the empty program |",
        "|---|---|---|---|---|",
    ]
    for name in ("empty preview", "local preview", "empty up", "local up"):
        base = found[name.replace("local", "empty")]
        ratio = f"{_wall(found[name]) / _wall(base):.2f}" if name.startswith("local") else "1"
        rows.append(f"| {name} | {_row(found[name])} | {ratio} |")
    return "\n".join(rows)


def parts_table(found: Found) -> str:
    """What a preview of `local` is made of. Most of it overlaps, so the parts are more than the whole."""
    preview, without = found["local preview"], found["local preview, --refresh=false"]
    refresh = [Sample(a.wall - b.wall, a.cpu - b.cpu) for a, b in zip(preview, without, strict=True)]
    parts = {
        "engine: `preview` of the empty program, Pulumi's SDK included": found["empty preview"],
        "import: Pulumi's SDK alone": found["import of Pulumi's SDK"],
        "import: all that the program of `local` does": found["imports of the program, SDK included"],
        **{
            f"plugin: {name.rsplit(' ', 1)[1]}, until it listens": samples
            for name, samples in found.items()
            if name.startswith("start of the plugin")
        },
        "refresh: `preview` without `--refresh=false` minus with": refresh,
        "`preview --refresh=false`": without,
        "`scripts/pulumi`, which starts the engine and comes on top of all commands": found["scripts/pulumi"],
    }
    rows = ["| part of a `preview` of `local` | median s | min to max | of processors |", "|---|---|---|---|"]
    rows += [f"| {name} | {_row(samples)} |" for name, samples in parts.items()]
    return "\n".join(rows)


def first_table(ups: list[float], bare: list[float]) -> str:
    """The first deployment beside the bare container."""
    rows = ["| from nothing to ready | median s | every run | ratio |", "|---|---|---|---|"]
    ratio = statistics.median(ups) / statistics.median(bare)
    for name, seconds, shown in (
        ("bare `docker run`", bare, "1"),
        ("first `up` of `local`", ups, f"{ratio:.2f}"),
    ):
        every = ", ".join(f"{one:.1f}" for one in seconds)
        rows.append(f"| {name} | {statistics.median(seconds):.1f} | {every} | {shown} |")
    return "\n".join(rows)


def put(page: Path, text: str) -> None:
    """Replace what stands between the page's markers."""
    before, rest = page.read_text().split(BEGIN)
    page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.split(END)[1]}")


def _wall(samples: list[Sample]) -> float:
    return statistics.median(sample.wall for sample in samples)


def _row(samples: list[Sample]) -> str:
    walls = [sample.wall for sample in samples]
    cpu = statistics.median(sample.cpu for sample in samples)
    return f"{statistics.median(walls):.2f} | {min(walls):.2f} to {max(walls):.2f} | {cpu:.2f}"
