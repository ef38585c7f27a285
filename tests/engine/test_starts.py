"""What a command starts and when: each plugin once, the program early but unheard until a refresh is over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from harness import Workspace

pytestmark = pytest.mark.engine

PROGRAM = """
import pulumi
config = pulumi.Config()
provider = pulumi.ProviderResource("box", "mine", {"prefix": config.get("prefix") or "my"})
class Box(pulumi.CustomResource):
    def __init__(self, name, label, opts=None):
        super().__init__("box:index:Box", name, {"label": label, "address": None}, opts)
mine = Box("mine", config.get("label") or "one", pulumi.ResourceOptions(provider=provider))
Box("box", "one")
"""
ASKS = """
import os
import pulumi
weight = pulumi.runtime.invoke("box:index:weigh", {"label": "heavy"}).value["weight"]
class Box(pulumi.CustomResource):
    def __init__(self, name, label, opts=None):
        super().__init__("box:index:Box", name, {"label": label, "address": None}, opts)
box = Box("box", f"{weight:.0f}{os.environ.get('MORE', '')}")
pulumi.export("address", box.address)
"""
ENDS = """
import atexit, sys, threading, time
import pulumi
atexit.register(lambda: print("the handler ran"))
threading.Thread(target=lambda: (time.sleep(0.3), print("the thread ended"))).start()
sys.stdout.write("not a whole line")
"""


@pytest.fixture
def make(tmp_path: Path) -> Callable[[str], Workspace]:
    def build(program: str) -> Workspace:
        workspace = Workspace.of("options", tmp_path)
        counting = tmp_path / "counting"
        counting.mkdir()
        real = workspace.plugins / "pulumi-resource-box"
        (counting / real.name).write_text(
            f'#!/bin/sh\necho >>"{tmp_path}/starts"\n'
            'until [ -e "${WAIT_FOR:-/}" ]; do sleep 0.02; done\n'
            f'exec "{real}" "$@"\n'
        )
        (counting / real.name).chmod(0o755)
        workspace.plugins = counting
        workspace.environment |= {"BOX_CLOUD": str(tmp_path / "cloud.json")}
        (workspace.program / "__main__.py").write_text(program)
        workspace.run("stack", "init", "dev")
        return workspace

    return build


def starts(workspace: Workspace, *arguments: str) -> int:
    """How often the plugin was started by a command."""
    log = workspace.root / "starts"
    log.write_text("")
    workspace.run(*arguments, "--stack", "dev")
    return len(log.read_text())


def test_a_command_without_changes_starts_a_plugin_once_for_each_provider(
    make: Callable[[str], Workspace],
) -> None:
    workspace = make(PROGRAM)
    workspace.operate("up")  # two providers of one plugin: the program's own, and the default one
    assert starts(workspace, "preview") == 2
    assert starts(workspace, "preview", "--refresh") == 2
    assert starts(workspace, "up", "--refresh", "--skip-preview") == 2
    assert starts(workspace, "refresh", "--yes", "--skip-preview") == 2


def test_a_changed_configuration_takes_a_process_that_has_none(make: Callable[[str], Workspace]) -> None:
    workspace = make(PROGRAM)
    workspace.operate("up")
    workspace.run("config", "set", "prefix", "new", "--stack", "dev")
    workspace.run("config", "set", "label", "two", "--stack", "dev")
    assert starts(workspace, "up", "--refresh", "--skip-preview") == 3
    addresses = {r["outputs"]["address"] for r in workspace.resources() if r["type"] == "box:index:Box"}
    assert addresses == {"new-mine", "addr-box"}


def test_a_function_that_is_called_during_a_refresh_has_its_provider(
    make: Callable[[str], Workspace],
) -> None:
    workspace = make(ASKS)
    workspace.operate("up")
    assert starts(workspace, "preview", "--refresh", "--expect-no-changes") == 1
    assert starts(workspace, "up", "--refresh", "--skip-preview", "--expect-no-changes") == 1
    providers = [r for r in workspace.resources() if r["type"] == "pulumi:providers:box"]
    assert len(providers) == 1
    workspace.run("config", "set", "box:prefix", "new", "--stack", "dev")
    workspace.environment["MORE"] = "more"  # the box is written again, by the provider as it is now
    workspace.run("up", "--refresh", "--skip-preview", "--stack", "dev")
    assert workspace.run("stack", "output", "address", "--stack", "dev").stdout.strip() == "new-box"


def test_a_program_runs_while_a_refresh_reads_and_is_heard_when_it_has_succeeded(
    make: Callable[[str], Workspace],
) -> None:
    workspace = make(PROGRAM)
    workspace.operate("up")
    said = workspace.root / "said"
    says = f"pulumi.log.info('logged ' * 3)\nprint('printed ' * 3, flush=True)\nopen({str(said)!r}, 'w')\n"
    (workspace.program / "__main__.py").write_text("import pulumi\n" + says + PROGRAM)
    # The plugin starts when the program has spoken, so that the refresh is surely not over by then.
    workspace.environment |= {"WAIT_FOR": str(said)}
    shown = workspace.run("preview", "--refresh", "--stack", "dev").stdout
    assert "logged logged" in shown
    assert "printed printed" in shown
    said.unlink()
    (workspace.root / "cloud.json").write_text("no box can be read")
    failed = workspace.run("preview", "--refresh", "--stack", "dev", check=False)
    assert failed.returncode != 0
    assert "Expecting value" in failed.stdout + failed.stderr
    assert "logged" not in failed.stdout + failed.stderr
    assert "printed" not in failed.stdout + failed.stderr


def test_a_program_ends_as_python_programs_do(make: Callable[[str], Workspace]) -> None:
    workspace = make(ENDS)
    shown = workspace.run("preview", "--stack", "dev").stdout
    assert "the thread ended" in shown
    assert "the handler ran" in shown
    assert "not a whole line" in shown
    (workspace.program / "__main__.py").write_text("import sys\nsys.exit(3)\n")
    failed = workspace.run("preview", "--stack", "dev", check=False)
    assert "exited with non-zero exit code: 3" in failed.stdout + failed.stderr
