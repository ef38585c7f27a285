"""`python -m benchmarks.transfer`: measure the engine against the two-step path, and write results and page.

One command measures everything: 2 GiB to Azurite and to the sink, plain and with TLS, three times; 16 GiB
plain, once. Each result is written as soon as it is there, so the command may be stopped and given again: it
goes on with what is missing. `--list` says what that is and how long it took before, `--fresh` begins anew.
`--scale 0.01` is a trial that leaves the results of the repository alone. The 16 GiB need 40 GB of disk
(BENCH_TMP says where).
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from itertools import groupby
from pathlib import Path

from benchmarks.transfer import page
from benchmarks.transfer.cells import Cell, cells, missing, seconds
from benchmarks.transfer.measure import Run, azurite, one, served

HERE = Path(__file__).resolve().parent


def main() -> int:
    """Measure what is missing; 1 when something failed."""
    options = _options()
    results = Path(options.results)
    runs = [] if options.fresh or not results.exists() else json.loads(results.read_text())["runs"]
    wanted = [cell for cell in cells(options.scale, options.repeats) if options.only in cell.name]
    todo = missing(wanted, runs)
    if options.list:
        _say(wanted, todo, runs)
        return 0
    failed = []
    for cell, measured in _measured(todo):
        if isinstance(measured, Exception):
            failed.append(cell.name)
            print(f"{cell.name}: {measured}", file=sys.stderr)
            continue
        runs += [asdict(run) for run in measured]
        _write(results, runs)
        for run in measured:
            print(
                f"{cell.name} {run.kind}: {run.wall:.1f} s, load {run.load:.1f}, others {run.others:.2f}",
                flush=True,
            )
    print(f"{len(todo) - len(failed)} measured, {len(failed)} failed: {' '.join(failed)}".rstrip(": "))
    return bool(failed)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.transfer",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--list", action="store_true", help="say what is missing and how long it took before; measure nothing"
    )
    parser.add_argument("--fresh", action="store_true", help="forget the results that are there")
    parser.add_argument(
        "--only", default="", help="part of SIZE:plain|tls:azurite|sink:engine|two-step:REPEAT"
    )
    parser.add_argument("--repeats", type=int, help="in place of three for 2 GiB and one for 16 GiB")
    parser.add_argument("--scale", type=float, default=1.0, help="factor for the sizes, for a trial")
    parser.add_argument("--results", help="file of the results; the page goes beside it")
    options = parser.parse_args()
    if not options.results:
        trial = Path(tempfile.gettempdir()) / "benchmark-transfer-trial" / "results.json"
        options.results = HERE / "results.json" if options.scale == 1 else trial
    return options


def _measured(todo: list[Cell]) -> Iterator[tuple[Cell, list[Run] | Exception]]:
    """Each cell with its runs, or with what went wrong; cells of one size and transport share a hub."""
    with tempfile.TemporaryDirectory() as name:
        certificates = list(azurite.certificates(Path(name)))
        for (size, secure), group in groupby(todo, key=lambda cell: (cell.size, cell.tls)):
            tls = certificates if secure else []
            with served("hub", "--size", str(size), *(["--tls", *tls[1:]] if secure else [])) as hub:
                for cell in group:
                    try:
                        yield cell, one(cell, hub, tls)
                    except (RuntimeError, OSError) as problem:
                        yield cell, problem


def _write(results: Path, runs: list[dict]) -> None:
    """The results in one step, so that a killed run leaves the last whole ones, and their page."""
    facts = {
        "cpus": os.cpu_count(),
        "python": sys.version.split()[0],
        "date": time.strftime("%Y-%m-%d %H:%M"),
    }
    facts |= {name: importlib.metadata.version(name) for name in ("huggingface_hub", "azure-ai-ml")}
    results.parent.mkdir(parents=True, exist_ok=True)
    part = results.with_suffix(".part")
    part.write_text(json.dumps({"machine": facts, "runs": runs}, indent=1) + "\n")
    part.replace(results)
    there = page.PAGE if results == HERE / "results.json" else results.with_suffix(".md")
    there.write_text(page.render({"machine": facts, "runs": runs}))


def _say(wanted: list[Cell], todo: list[Cell], runs: list[dict]) -> None:
    total = 0.0
    for cell in wanted:
        before = seconds(cell, runs)
        total += (before or 0) if cell in todo else 0
        state = "missing" if cell in todo else "there"
        print(f"{state:8} {cell.name:32} {f'{before:.0f} s' if before is not None else '?'}")
    print(
        f"{len(todo)} of {len(wanted)} missing; those that were measured before took {total / 60:.0f} minutes"
    )


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("stopped; the same command goes on with what is missing")
