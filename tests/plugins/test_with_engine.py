"""All three stand-ins under the embedded engine: one small program through its life."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.emulator
ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., str]


@pytest.fixture
def engine(azure: dict[str, str], registry: str, tmp_path: Path) -> Run:
    """Run the engine's commands on a copy of the program."""
    program = tmp_path / "program"
    shutil.copytree(Path(__file__).with_name("program"), program)
    (program / ".venv").symlink_to(ROOT / ".venv")
    (tmp_path / "state").mkdir()
    environment = {
        **azure,
        "PYTHONPATH": str(ROOT),
        "PULUMI_BACKEND_URL": f"file://{tmp_path / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE": "test",
        "EMULATOR_NODES": "none",
        "IMAGE": f"{registry}/engine:1",
    }

    def run(command: str, *arguments: str, **more: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "emulator.engine", *command.split(), *arguments, "--cwd", str(program)],
            env={**environment, **more},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    run("stack init test")
    return run


def test_life_of_a_stack(engine: Run, azure: dict[str, str]) -> None:
    assert "7 created" in engine("up", "--yes", "--stack", "test")
    first = _outputs(engine)
    assert first["group"].startswith("random")
    assert first["resolved"] == first["digest"]
    assert "7 unchanged" in engine("preview", "--stack", "test")
    assert "7 unchanged" in engine("refresh", "--yes", "--stack", "test")

    knobs = {"SKU": "Standard_ZRS", "WHO": "b"}
    assert "2 updated" in engine("up", "--yes", "--stack", "test", **knobs)
    second = _outputs(engine)
    assert second["digest"] != first["digest"]
    assert second["group"] == first["group"]

    knobs |= {"RANDOM_LOCATION": "northeurope", "FIXED_LOCATION": "northeurope"}
    engine("up", "--yes", "--stack", "test", **knobs)
    third = _outputs(engine)
    assert third["group"] != first["group"], "a random name is made anew, so it can be created first"
    asked = _asked(azure)
    assert asked.index(f"PUT {third['group']}") < asked.index(f"DELETE {second['group']}"), asked
    fixed = [line for line in asked if line in ("PUT rg-fixed", "DELETE rg-fixed")]
    assert fixed == ["PUT rg-fixed", "DELETE rg-fixed", "PUT rg-fixed"]

    engine("destroy", "--yes", "--stack", "test")
    state = json.loads(engine("export", "--stack", "test"))
    assert not state["deployment"].get("resources")


def _outputs(engine: Run) -> dict:
    return json.loads(engine("output", "--json", "--stack", "test"))


def _asked(azure: dict[str, str]) -> list[str]:
    """Return what was asked of resource groups themselves, e.g. `PUT rg-fixed`, in order."""
    journal = (Path(azure["EMULATOR_HOME"]) / "journal.jsonl").read_text().splitlines()
    lines = [json.loads(line) for line in journal]
    return [
        f"{x['method']} {x['path'].split('/')[-1]}"
        for x in lines
        if x["path"].split("/")[-2:-1] == ["resourceGroups"]
    ]
