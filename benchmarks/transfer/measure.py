"""One measured process: its servers, its environment, what the kernel says of it when it has ended.

The source needs no disk; the two-step path needs one copy of the model on disk, Azurite another. Every run is
a process of its own, measured from outside: wall from spawn to exit, CPU and peak RSS as the kernel counts
them for the process (`wait4`), disk from what it left there. The progress display is on (a pseudo terminal).
"""

from __future__ import annotations

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
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT / "tests" / "transfer"), str(HERE)]

import azurite  # noqa: E402
from synthetic import REPOSITORY  # noqa: E402

from benchmarks.transfer.cells import Cell  # noqa: E402

ACCOUNT = azurite.ACCOUNT
LIMIT_SECONDS = 3600.0  # of one process; one that hangs must not hold up the rest


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
    load: float = field(default_factory=lambda: os.getloadavg()[0])  # of the last minute, when it began
    others: float | None = None  # cores used meanwhile by neither it nor its servers


@dataclass
class Ends:
    """Where a run reads from and writes to, and the environment that says so."""

    container: str
    environment: dict[str, str]
    servers: list[int]  # their process ids
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


@dataclass(frozen=True)
class Server:
    """A server that runs."""

    port: int
    pid: int


@contextlib.contextmanager
def served(what: str, *arguments: str) -> Iterator[Server]:
    """A server of synthetic.py on a free port."""
    port = azurite.free_port()
    command = [sys.executable, str(HERE / "synthetic.py"), what, "--port", str(port), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "ready"
        yield Server(port, process.pid)
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def ends(destination: str, hub: Server, tls: list[str], folder: Path) -> Iterator[Ends]:
    """A fresh destination for one path; `tls` holds bundle, certificate and key, or nothing."""
    scheme = "https" if tls else "http"
    environment = {**os.environ, "HF_ENDPOINT": f"{scheme}://127.0.0.1:{hub.port}", "HF_HUB_DISABLE_XET": "1"}
    environment |= {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HOME": str(folder / "hf"), "PYTHONPATH": str(ROOT)}
    environment |= {"AZURE_STORAGE_ACCOUNT": ACCOUNT, "COLUMNS": "120", "TERM": "xterm"}
    with contextlib.ExitStack() as stack:
        if tls:
            identity = stack.enter_context(served("tokens"))
            environment |= {"SSL_CERT_FILE": tls[0], "REQUESTS_CA_BUNDLE": tls[0], "IDENTITY_HEADER": "x"}
            environment["IDENTITY_ENDPOINT"] = f"http://127.0.0.1:{identity.port}/token"
        else:
            environment["AZURE_STORAGE_KEY"] = azurite.KEY
        if destination == "sink":
            sink = stack.enter_context(served("sink", *(["--tls", *tls[1:]] if tls else [])))
            base = f"{scheme}://127.0.0.1:{sink.port}"
            yield Ends(f"{base}/{ACCOUNT}/box", environment, [hub.pid, sink.pid], f"{base}/_received")
            return
        place = folder / "azurite"
        shutil.rmtree(place, ignore_errors=True)
        service = stack.enter_context(azurite.running(place, tls=bool(tls), certificate=tls))
        yield Ends(service.container("box"), environment, [hub.pid, service.process.pid])
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
    started, busy = time.monotonic(), cpu_seconds()
    servers = sum(cpu_seconds(pid) for pid in target.servers)
    with (folder / "out.log").open("ab") as log:
        process = subprocess.Popen(
            command(run.path, target, folder), stdout=log, stderr=slave, env=target.environment
        )
    os.close(slave)
    watchdog = threading.Timer(LIMIT_SECONDS, process.kill)
    watchdog.start()
    if kill_at is not None:
        while (target.received() or 0) - (before or 0) < kill_at and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    watchdog.cancel()
    run.wall = time.monotonic() - started
    if process.returncode != (0 if kill_at is None else -9):
        said = (folder / "out.log").read_text(errors="replace")[-3000:]
        raise RuntimeError(f"{said}\n{run.path} to {run.destination} ended with {process.returncode}")
    run.cpu, run.rss_mib = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
    own = run.cpu + sum(cpu_seconds(pid) for pid in target.servers) - servers
    run.others = max(0.0, (cpu_seconds() - busy - own) / run.wall)
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


def one(cell: Cell, hub: Server, tls: list[str]) -> list[Run]:
    """First run, no-change run and, where the cell says so, a killed run and the one after it."""

    def new(kind: str) -> Run:
        return Run(cell.path, cell.destination, cell.tls, cell.size, kind)

    runs: list[Run] = []
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_TMP")) as name:
        folder = Path(name)
        with ends(cell.destination, hub, tls, folder) as target:
            runs += [measure(new(kind), target, folder) for kind in ("first", "no-change")]
        shutil.rmtree(folder / "model", ignore_errors=True)
        if cell.kill:
            with ends(cell.destination, hub, tls, folder) as target:
                start = target.received() or 0
                measure(new("killed"), target, folder, kill_at=cell.size // 2)
                run = measure(new("after-kill"), target, folder)
                run.sent_twice = (target.received() or 0) - start - cell.size
                runs.append(run)
    return runs


def cpu_seconds(pid: int | None = None) -> float:
    """CPU time that a process has used, or all of them together (proc(5): stat)."""
    ticks = os.sysconf("SC_CLK_TCK")
    if pid is not None:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / ticks
    user, nice, system, _idle, _iowait, irq, softirq, *_ = map(
        int, Path("/proc/stat").read_text().split("\n")[0].split()[1:]
    )
    return (user + nice + system + irq + softirq) / ticks
