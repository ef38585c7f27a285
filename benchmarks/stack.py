"""What a stack costs in time: `python -m benchmarks.stack [--runs N] [--first-ups N] [--write]`.

Two comparisons, each interleaved in one run on one machine, every run printed, medians in the tables:

- `preview` and a no-change `up` of the stack `local` beside the same command on a program without resources;
- the first `up` of `local` beside a bare `docker run` of the same image with the same mounts and environment,
  both until the server is ready, with the vLLM environment and the base image already installed.

`--write` puts the tables into docs/benchmarks.md between the markers. It deploys and destroys `local` on the
embedded Azure of this checkout, which must have been installed (`make bootstrap`).
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venv/bin/python"
PAGE = ROOT / "docs/benchmarks.md"
EMPTY = """name: empty
runtime: {{name: python, options: {{toolchain: pip, virtualenv: {venv}}}}}
"""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5, help="runs of each command on a deployed stack")
    parser.add_argument("--first-ups", type=int, default=3, help="first deployments from nothing")
    parser.add_argument("--write", action="store_true", help="write the tables into docs/benchmarks.md")
    options = parser.parse_args()
    ups, bare = first_ups(options.first_ups)
    with tempfile.TemporaryDirectory() as folder:
        overhead = commands(Path(folder), options.runs)
    text = "\n".join([_overhead_table(overhead), "", _first_table(ups, bare)])
    print(text)
    if options.write:
        _write(text)
    return 0


def first_ups(times: int) -> tuple[list[float], list[float]]:
    """Deploy from nothing, then run the very same container bare; seconds of each, in turn."""
    ups, bare = [], []
    for turn in range(times):
        _run("-m", "emulator", "reset")
        _run("-m", "emulator", "start", "--nodes", "docker")
        ups.append(_timed("first up", turn, ["scripts/pulumi", "up", "local", "--yes", "--skip-preview"]))
        bare.append(_bare_container(turn))
    return ups, bare


def commands(folder: Path, runs: int) -> dict[str, list[float]]:
    """Seconds of each command, taken in turn so that a slow moment of the machine meets all of them."""
    (folder / "Pulumi.yaml").write_text(EMPTY.format(venv=ROOT / ".venv"))
    (folder / "__main__.py").write_text("")
    env = _embedded_environment() | {"PULUMI_BACKEND_URL": f"file://{folder}"}
    pulumi = [shutil.which("pulumi")] if shutil.which("pulumi") else [str(PYTHON), "-m", "emulator.engine"]
    at = ["--cwd", str(folder), "--stack", "empty"]
    subprocess.run([*pulumi, "stack", "init", "empty", "--cwd", str(folder)], cwd=ROOT, env=env, check=True)
    tried = {
        "empty preview": ([*pulumi, "preview", *at], env),
        "empty up": ([*pulumi, "up", "--yes", "--skip-preview", *at], env),
        "local preview": (["scripts/pulumi", "preview", "local"], None),
        "local preview, no refresh": (["scripts/pulumi", "preview", "local", "--refresh=false"], None),
        "local up": (["scripts/pulumi", "up", "local", "--yes", "--skip-preview"], None),
        "imports of the program": ([str(PYTHON), "-c", _imports()], None),
        "azure-native plugin, to its port": ([str(PYTHON), "-c", _PORT], _embedded_environment()),
    }
    found: dict[str, list[float]] = {name: [] for name in tried}
    for turn in range(runs + 1):
        for name, (command, environment) in tried.items():
            seconds = _timed(name, turn - 1, command, environment)
            if turn:  # the first round warms the caches
                found[name].append(seconds)
    return found


_PORT = """
import os, subprocess
plugin = subprocess.Popen(["pulumi-resource-azure-native", "127.0.0.1:1"], stdout=subprocess.PIPE)
plugin.stdout.readline()
plugin.kill()
"""


def _imports() -> str:
    """What `__main__.py` imports, plus the azure-native modules that the stack's components use."""
    modules = sorted(
        set(
            re.findall(
                r"azure_native import (\w+)", "".join(p.read_text() for p in ROOT.glob("components/*.py"))
            )
        )
    )
    return "import stack, components, settings, pulumi_azure_native as a; " + "; ".join(
        f"a.{m}" for m in modules
    )


def _bare_container(turn: int) -> float:
    """`docker run` of what the node runs (image, environment, mounts, network) until /health answers."""
    docker = ["docker"] if shutil.which("dockerd") is None else ["/usr/bin/docker"]
    names = subprocess.check_output([*docker, "ps", "--format", "{{.ID}} {{.Names}}"], text=True).split("\n")
    node = next(line.split()[0] for line in names if "vllm" in line or "node" in line)
    facts = json.loads(subprocess.check_output([*docker, "inspect", node]))[0]
    arguments = [*docker, "run", "-d", "--network", next(iter(facts["NetworkSettings"]["Networks"]))]
    for pair in facts["Config"]["Env"]:
        arguments += ["-e", pair]
    for mount in facts["Mounts"]:
        arguments += ["-v", f"{mount['Source']}:{mount['Destination']}:ro"]
    began = time.monotonic()
    ident = subprocess.check_output([*arguments, facts["Image"]], text=True).strip()
    try:
        address = json.loads(subprocess.check_output([*docker, "inspect", ident]))[0]
        host = next(iter(address["NetworkSettings"]["Networks"].values()))["IPAddress"]
        _until_healthy(f"http://{host}:8000/health")
        seconds = time.monotonic() - began
    finally:
        subprocess.run([*docker, "rm", "-f", ident], check=False, stdout=subprocess.DEVNULL)
    print(f"bare docker run #{turn + 1}: {seconds:.2f} s", flush=True)
    return seconds


def _until_healthy(url: str, limit: float = 600) -> None:
    end = time.monotonic() + limit
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise SystemExit(f"{url} did not answer within {limit:.0f} s")


def _embedded_environment() -> dict[str, str]:
    exports = subprocess.check_output([PYTHON, "-m", "emulator", "env"], cwd=ROOT, text=True)
    shell = subprocess.check_output(["bash", "-c", exports + "\nenv -0"], cwd=ROOT, text=True)
    pairs = dict(item.split("=", 1) for item in shell.split("\0") if "=" in item)
    return pairs | {"PULUMI_CONFIG_PASSPHRASE": "embedded", "PULUMI_SKIP_UPDATE_CHECK": "true"}


def _run(*arguments: str) -> None:
    subprocess.run([PYTHON, *arguments], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def _timed(name: str, turn: int, command: list[str], env: dict[str, str] | None = None) -> float:
    began = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - began
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stdout}{done.stderr}")
    print(f"{name} #{turn + 1}: {seconds:.2f} s", flush=True)
    return seconds


def _overhead_table(found: dict[str, list[float]]) -> str:
    middle = {name: statistics.median(values) for name, values in found.items()}
    rows = ["| command | median s | min to max | to the empty program |", "|---|---|---|---|"]
    for name, values in found.items():
        base = middle["empty up"] if name.endswith(" up") else middle["empty preview"]
        ratio = f"{middle[name] / base:.2f}" if name.startswith("local") else ""
        rows.append(f"| {name} | {middle[name]:.2f} | {min(values):.2f} to {max(values):.2f} | {ratio} |")
    return "\n".join(rows)


def _first_table(ups: list[float], bare: list[float]) -> str:
    rows = ["| from nothing to ready | median s | min to max | ratio |", "|---|---|---|---|"]
    ratio = statistics.median(u / b for u, b in zip(ups, bare, strict=True))
    rows.append(
        f"| bare `docker run` | {statistics.median(bare):.1f} | {min(bare):.1f} to {max(bare):.1f} | 1 |"
    )
    low, high = min(ups), max(ups)
    rows.append(
        f"| first `up` of `local` | {statistics.median(ups):.1f} | {low:.1f} to {high:.1f} | {ratio:.2f} |"
    )
    return "\n".join(rows)


def _write(text: str) -> None:
    page = PAGE.read_text()
    start, end = "<!-- stack: begin -->", "<!-- stack: end -->"
    before, rest = page.split(start)
    PAGE.write_text(before + start + "\n\n" + text + "\n\n" + end + rest.split(end)[1])


if __name__ == "__main__":
    sys.exit(main())
