"""What a stack costs in time: `python -m benchmarks.stack [--runs N] [--first-ups N] [--write]`.

Two comparisons and one account, on one machine in one run, every single measurement printed:

- the first `up` of the stack `local` beside a bare `docker run` of the same image with the same mounts and
  environment, both until the server is ready, with vLLM's environment and the base image installed;
- `preview` and a no-change `up` of `local` beside the same command on a program without resources, taken in
  turn, so that a slow moment of the machine meets all of them;
- what these are made of: imports, plugins, the refresh, the engine, the script that starts it.

`--write` puts the tables into docs/benchmarks.md between the markers. Needs what `make bootstrap` installs,
and root where no Docker engine runs. The embedded Azure that it starts is its own (folder, addresses, Docker
networks) and is removed at the end; one that runs already is left alone.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.bare import bare_seconds
from benchmarks.tables import Sample, commands_table, first_table, parts_table, put

ROOT = Path(__file__).resolve().parent.parent
PYTHON = str(ROOT / ".venv/bin/python")
PAGE = ROOT / "docs/benchmarks.md"
EMPTY = """name: empty
runtime: {{name: python, options: {{toolchain: pip, virtualenv: {venv}}}}}
options: {{refresh: always}}
"""
UP = ["up", "--yes", "--skip-preview"]
# Addresses and Docker networks that neither the tests nor the default settings use.
OWN = {
    "EMULATOR_NETWORK": "127.110",
    "EMULATOR_PORT": "10443",
    "EMULATOR_VNET_SUBNET": "172.28.110.0/26",
    "EMULATOR_NODES_SUBNET": "172.28.110.64/26",
    "EMULATOR_EGRESS_SUBNET": "172.28.110.128/26",
}
# What the program of `local` imports, in the order in which it does.
SDK = "import pulumi"
PROGRAM = """
import gc
gc.disable()
import pulumi, settings, stack, stack.context, stack.sdk
from stack import endpoints, images, models, pinned, platform
from types import SimpleNamespace as N
parts = ("existing", "storage_account", "key_vault", "container_registry", "application_insights")
stack.sdk.load(N(workspace=N(**dict.fromkeys(parts))))
"""
# Until a plugin listens.
START = """
import subprocess, sys
plugin = subprocess.Popen([*sys.argv[1:], "127.0.0.1:1"], stdout=subprocess.PIPE)
assert plugin.stdout.readline().strip().isdigit()
plugin.kill()
plugin.wait()
"""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=7, help="runs of each command on a deployed stack")
    parser.add_argument("--first-ups", type=int, default=3, help="first deployments from nothing")
    parser.add_argument("--write", action="store_true", help="write the tables into docs/benchmarks.md")
    options = parser.parse_args()
    began = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        try:
            ups, bare = bench.first_ups(options.first_ups)
            found = bench.commands(options.runs)
        finally:
            bench.emulator("reset")
    machine = (
        f"{os.cpu_count()} processors, Python {platform.python_version()}, {options.runs} runs of each "
        f"command and {options.first_ups} of each first deployment; load average {began:.1f} before, "
        f"{os.getloadavg()[0]:.1f} after."
    )
    tables = [machine, commands_table(found), parts_table(found), first_table(ups, bare)]
    text = "\n\n".join(tables)
    print(f"\n{text}")
    if options.write:
        put(PAGE, text)
    return 0


class Bench:
    """An embedded Azure of its own, a stack in it, and the clock."""

    def __init__(self, folder: Path) -> None:
        self._empty = folder / "empty"
        own = {k: v for k, v in os.environ.items() if not k.startswith(("EMULATOR_", "ARM_", "PULUMI_"))}
        cache = os.environ.get("EMULATOR_CACHE", str(ROOT / ".cache"))
        home = folder / "azure"
        self._own = own | OWN | {"EMULATOR_HOME": str(home), "EMULATOR_CACHE": cache, "AZURE": "embedded"}
        self._own.pop("PYTHONDONTWRITEBYTECODE", None)
        self._inside: dict[str, str] = {}

    def emulator(self, *arguments: str) -> None:
        subprocess.run([PYTHON, "-m", "emulator", *arguments], cwd=ROOT, env=self._own, check=True, stdout=2)

    def first_ups(self, times: int) -> tuple[list[float], list[float]]:
        """Deploy from nothing, then run the very same container bare; seconds of each, in turn."""
        ups, bare = [], []
        for turn in range(times):
            self.emulator("reset")
            self.emulator("start", "--nodes", "docker")
            self._inside = self._environment()
            ups.append(self._timed("first up", turn, ["scripts/pulumi", "up", "local", *UP[1:]]).wall)
            bare.append(bare_seconds(self._inside))
            print(f"bare docker run #{turn + 1}: {bare[-1]:.2f} s", flush=True)
        return ups, bare

    def commands(self, runs: int) -> dict[str, list[Sample]]:
        """What each command took, the first round left out: it warms the caches."""
        tried = self._tried()
        found: dict[str, list[Sample]] = {name: [] for name in tried}
        for turn in range(runs + 1):
            for name, (command, environment) in tried.items():
                sample = self._timed(name, turn - 1, command, environment)
                if turn:
                    found[name].append(sample)
        return found

    def _tried(self) -> dict[str, tuple[list[str], dict[str, str] | None]]:
        inside = self._inside
        found = shutil.which("pulumi")
        pulumi = [found] if found else [PYTHON, "-m", "emulator.engine"]
        self._empty.mkdir()
        (self._empty / "Pulumi.yaml").write_text(EMPTY.format(venv=ROOT / ".venv"))
        (self._empty / "__main__.py").write_text("")
        away = inside | {"PULUMI_BACKEND_URL": f"file://{self._empty}"}
        at = ["--cwd", str(self._empty), "--stack", "empty"]
        subprocess.run([*pulumi, "stack", "init", *at[:2], "empty"], cwd=ROOT, env=away, check=True)
        here = ["--stack", "local", "--config-file", f"{inside['EMULATOR_HOME']}/stacks/Pulumi.local.yaml"]
        return {
            "empty preview": ([*pulumi, "preview", *at], away),
            "local preview": ([*pulumi, "preview", *here], inside),
            "empty up": ([*pulumi, *UP, *at], away),
            "local up": ([*pulumi, *UP, *here], inside),
            "local preview, --refresh=false": ([*pulumi, "preview", *here, "--refresh=false"], inside),
            "scripts/pulumi": (["scripts/pulumi", "exec", "local", "true"], None),
            "import of Pulumi's SDK": ([PYTHON, "-c", SDK], inside),
            "imports of the program, SDK included": ([PYTHON, "-c", PROGRAM], inside),
            **{
                f"start of the plugin {name}": ([PYTHON, "-c", START, *command], inside)
                for name, command in {
                    "azure-native": ["pulumi-resource-azure-native"],
                    "docker-build": ["pulumi-resource-docker-build"],
                    "pulumi-python": [PYTHON, "-u", "-m", "pulumi.dynamic"],
                }.items()
            },
        }

    def _environment(self) -> dict[str, str]:
        """What `scripts/pulumi` runs the engine with."""
        shown = subprocess.check_output(
            ["scripts/pulumi", "exec", "local", "env", "-0"], cwd=ROOT, env=self._own
        )
        return dict(item.split("=", 1) for item in shown.decode().split("\0") if "=" in item)

    def _timed(
        self, name: str, turn: int, command: list[str], environment: dict[str, str] | None = None
    ) -> Sample:
        before, began = _cpu(), time.monotonic()
        done = subprocess.run(
            command, cwd=ROOT, env=environment or self._own, capture_output=True, text=True, check=False
        )
        sample = Sample(time.monotonic() - began, _cpu() - before)
        if done.returncode:
            raise SystemExit(f"{name} failed:\n{done.stdout}{done.stderr}")
        which = f"#{turn + 1}" if turn >= 0 else "(to warm the caches)"
        print(f"{name} {which}: {sample.wall:.2f} s, {sample.cpu:.2f} s of processors", flush=True)
        return sample


def _cpu() -> float:
    """Seconds of processors that ended children have used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.exit(main())
