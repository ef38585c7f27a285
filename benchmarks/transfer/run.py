"""Measure the engine against the two-step path, interleaved, and write the results and their page.

`python benchmarks/transfer/run.py [--sizes 2,16] [--repeats 3] [--destinations azurite,sink] [--tls]`.
Sizes in GiB (fractions allowed). The source needs no disk; the two-step path needs one copy of the model on
disk, Azurite another. Every run is a process of its own, measured from outside: wall from spawn to exit,
CPU and peak RSS as the kernel counts them for the process (`wait4`), disk from what it left there. The
progress display is on (a pseudo terminal).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT / "tests" / "transfer"), str(HERE)]

import azurite  # noqa: E402
from synthetic import REPOSITORY  # noqa: E402

GIB = 1 << 30
ACCOUNT = azurite.ACCOUNT


@dataclass
class Run:
    """One measured process. Bytes, seconds, MiB where the name says so."""

    path: str  # engine | two-step
    destination: str
    tls: bool
    size: int
    kind: str  # first | no-change | after-kill
    wall: float = 0.0
    transfer: float = 0.0
    cpu: float = 0.0
    rss_mib: float = 0.0
    disk: int = 0
    received: int | None = None  # by the destination, in this run
    sent_twice: int | None = None
    load: float = field(default_factory=lambda: os.getloadavg()[0])


@dataclass
class Ends:
    """Where a run reads from and writes to, and the environment that says so."""

    container: str
    environment: dict[str, str]
    counter: str = ""

    def received(self) -> int | None:
        """Bytes the destination has taken so far; only the sink counts."""
        if not self.counter:
            return None
        import ssl

        context = ssl.create_default_context(cafile=self.environment.get("SSL_CERT_FILE"))
        secure = {"context": context} if self.counter.startswith("https") else {}
        with urllib.request.urlopen(self.counter, timeout=30, **secure) as answer:
            return int(answer.read())


@contextlib.contextmanager
def served(what: str, *arguments: str) -> Iterator[int]:
    """A server of synthetic.py on a free port."""
    port = azurite.free_port()
    command = [sys.executable, str(HERE / "synthetic.py"), what, "--port", str(port), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "ready"
        yield port
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def ends(destination: str, hub: int, tls: list[str], folder: Path) -> Iterator[Ends]:
    """A fresh destination for one path; `tls` holds bundle, certificate and key, or nothing."""
    scheme = "https" if tls else "http"
    environment = {**os.environ, "HF_ENDPOINT": f"{scheme}://127.0.0.1:{hub}", "HF_HUB_DISABLE_XET": "1"}
    environment |= {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HOME": str(folder / "hf"), "PYTHONPATH": str(ROOT)}
    environment |= {"AZURE_STORAGE_ACCOUNT": ACCOUNT, "COLUMNS": "120", "TERM": "xterm"}
    with contextlib.ExitStack() as stack:
        if tls:
            identity = stack.enter_context(served("tokens"))
            environment |= {"SSL_CERT_FILE": tls[0], "REQUESTS_CA_BUNDLE": tls[0], "IDENTITY_HEADER": "x"}
            environment["IDENTITY_ENDPOINT"] = f"http://127.0.0.1:{identity}/token"
        else:
            environment["AZURE_STORAGE_KEY"] = azurite.KEY
        if destination == "sink":
            port = stack.enter_context(served("sink", *(["--tls", *tls[1:]] if tls else [])))
            base = f"{scheme}://127.0.0.1:{port}"
            yield Ends(f"{base}/{ACCOUNT}/box", environment, f"{base}/_received")
            return
        place = folder / "azurite"
        shutil.rmtree(place, ignore_errors=True)
        service = stack.enter_context(azurite.running(place, tls=bool(tls), certificate=tls))
        yield Ends(service.container("box"), environment)
        shutil.rmtree(place, ignore_errors=True)


def command(path: str, target: Ends, folder: Path) -> list[str]:
    """What is run."""
    report = str(folder / "report.json")
    if path == "two-step":
        return [
            sys.executable,
            str(HERE / "two_step.py"),
            REPOSITORY,
            target.container,
            str(folder / "model"),
            report,
        ]
    return [sys.executable, "-m", "transfer", "copy", REPOSITORY, target.container, "--report", report]


def measure(run: Run, target: Ends, folder: Path, kill_at: int | None = None) -> Run:
    """Run one process to its end, or kill it when the destination has taken `kill_at` bytes."""
    (folder / "report.json").unlink(missing_ok=True)
    before = target.received()
    master, slave = pty.openpty()
    threading.Thread(target=_drain, args=(master, folder / "out.log"), daemon=True).start()
    started = time.monotonic()
    log = (folder / "out.log").open("ab")
    process = subprocess.Popen(
        command(run.path, target, folder), stdout=log, stderr=slave, env=target.environment
    )
    os.close(slave)
    if kill_at is not None:
        while (target.received() or 0) - (before or 0) < kill_at and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    run.wall = time.monotonic() - started
    if process.returncode != (0 if kill_at is None else -9):
        said = (folder / "out.log").read_text(errors="replace")[-3000:]
        raise SystemExit(f"{said}\n{run.path} to {run.destination} ended with {process.returncode}")
    run.cpu, run.rss_mib = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
    run.disk = sum(file.stat().st_size for file in (folder / "model").rglob("*") if file.is_file())
    if (folder / "report.json").exists():
        run.transfer = json.loads((folder / "report.json").read_text())["seconds"]
    now = target.received()
    run.received = now - before if now is not None and before is not None else None
    return run


def _drain(master: int, log: Path) -> None:
    with contextlib.suppress(OSError), log.open("ab") as file:
        while data := os.read(master, 65536):
            file.write(data)


def one(path: str, destination: str, tls: list[str], size: int, hub: int, kill: bool) -> list[Run]:
    """First run, no-change run and, against the sink, a killed run with what the next one sends again."""
    runs: list[Run] = []
    kinds = ["first", "no-change"]
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_TMP")) as name:
        folder = Path(name)
        with ends(destination, hub, tls, folder) as target:
            for kind in kinds:
                run = measure(Run(path, destination, bool(tls), size, kind), target, folder)
                runs.append(run)
                print(json.dumps(asdict(run)), flush=True)
        shutil.rmtree(folder / "model", ignore_errors=True)
        if kill and destination == "sink":
            with ends(destination, hub, tls, folder) as target:
                start = target.received() or 0
                measure(Run(path, destination, bool(tls), size, "killed"), target, folder, kill_at=size // 2)
                run = measure(Run(path, destination, bool(tls), size, "after-kill"), target, folder)
                run.sent_twice = (target.received() or 0) - start - size
                runs.append(run)
                print(json.dumps(asdict(run)), flush=True)
    return runs


def main() -> None:
    """Measure everything asked for; write results.json and the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="2,16", help="GiB, comma separated")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--destinations", default="azurite,sink")
    parser.add_argument("--transports", default="plain,tls")
    parser.add_argument("--paths", default="engine,two-step")
    parser.add_argument("--results", default=str(HERE / "results.json"))
    parser.add_argument("--no-kill", action="store_true", help="leave the killed runs out")
    parser.add_argument("--append", action="store_true", help="keep the runs that are in the results file")
    options = parser.parse_args()
    results = Path(options.results)
    runs = json.loads(results.read_text())["runs"] if options.append and results.exists() else []
    with tempfile.TemporaryDirectory() as name:
        certificates = list(azurite.certificates(Path(name)))
        for size in (int(float(text) * GIB) for text in options.sizes.split(",")):
            for transport in options.transports.split(","):
                tls = certificates if transport == "tls" else []
                secure = ["--tls", *tls[1:]] if tls else []
                with served("hub", "--size", str(size), *secure) as hub:
                    for repeat in range(options.repeats):
                        for destination in options.destinations.split(","):
                            for path in options.paths.split(","):
                                measured = one(
                                    path,
                                    destination,
                                    tls,
                                    size,
                                    hub,
                                    kill=repeat == 0 and not options.no_kill,
                                )
                                runs += [asdict(run) for run in measured]
    facts = {
        "cpus": os.cpu_count(),
        "python": sys.version.split()[0],
        "date": time.strftime("%Y-%m-%d %H:%M"),
    }
    results.write_text(json.dumps({"machine": facts, "runs": runs}, indent=1) + "\n")
    subprocess.run([sys.executable, str(HERE / "page.py"), str(results)], check=True)


if __name__ == "__main__":
    main()
