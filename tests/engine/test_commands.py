"""The engine as a user runs it: processes, flags, messages, exit codes, what is left behind when things go
wrong.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness import Workspace

pytestmark = pytest.mark.engine

Make = Callable[..., Workspace]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def build(case: str = "plain", **environment: str) -> Workspace:
        workspace = Workspace.of("options", tmp_path)
        workspace.environment |= {"CASE": case, "BOX_CLOUD": str(tmp_path / "cloud.json"), **environment}
        workspace.run("stack", "init", "dev")
        return workspace

    return build


def operations(events: list[dict[str, Any]], kind: str = "resOutputsEvent") -> list[tuple[str, str]]:
    metadata = [event[kind]["metadata"] for event in events if kind in event]
    return [(meta["op"], meta["urn"].rsplit("::", 1)[-1]) for meta in metadata]


def messages(events: list[dict[str, Any]]) -> str:
    return "\n".join(event["diagnosticEvent"]["message"] for event in events if "diagnosticEvent" in event)


def test_secrets_are_nowhere_in_the_clear(make: Make) -> None:
    workspace = make()
    workspace.run("config", "set", "label", "top-secret", "--secret", "--stack", "dev")
    assert "top-secret" not in workspace.stack_file.read_text()
    shown = workspace.run(
        "up", "--stack", "dev", "--yes", "--diff", "--event-log", str(workspace.root / "log")
    )
    preview = workspace.run("preview", "--stack", "dev", "--json")
    written = [file for file in (workspace.root / "backend").rglob("*") if file.is_file()]
    assert len(written) > 4
    for text in [shown.stdout, shown.stderr, preview.stdout, (workspace.root / "log").read_text()]:
        assert "top-secret" not in text
        assert "very-hidden" not in text
    for file in written:
        assert "very-hidden" not in file.read_text()
        assert "top-secret" not in file.read_text()
    assert workspace.run("config", "get", "label", "--stack", "dev").stdout == "top-secret\n"
    hidden = workspace.run("stack", "output", "hidden", "--stack", "dev").stdout
    assert hidden == "[secret]\n"
    opened = workspace.run("stack", "output", "hidden", "--show-secrets", "--stack", "dev").stdout
    assert opened == "very-hidden\n"


def test_another_stack_can_be_read_and_its_secrets_stay_secret(make: Make) -> None:
    workspace = make()
    workspace.run("stack", "init", "other")
    workspace.run("up", "--stack", "other", "--skip-preview")
    workspace.environment["CASE"] = "reference"
    workspace.operate("up")
    stack = next(r for r in workspace.resources() if r["type"] == "pulumi:pulumi:Stack")
    assert stack["outputs"] == {"theirs": "addr-box", "hidden": {"secret": "very-hidden"}}
    workspace.run("stack", "rm", "other", "--yes", "--force")
    code, events = workspace.operate("up", check=False)
    assert code == 1
    assert "unknown stack" in messages(events)


def test_hooks_run_where_they_belong_and_error_hooks_can_retry(make: Make) -> None:
    workspace = make("hooks")
    _, events = workspace.operate("up")
    said = messages(events)
    assert said.index("before create of box: one") < said.index("failed: attempt 1 failed")
    assert said.index("attempt 2 failed") < said.index("after create of box: addr-box")
    refused, events = workspace.operate("destroy", check=False)
    assert refused == 1
    assert "--run-program" in messages(events)
    _, events = workspace.operate("destroy", "--run-program")
    assert "before delete of box" in messages(events)
    assert workspace.resources() == []


def test_a_hook_can_refuse_and_a_late_one_fails_only_the_update(make: Make) -> None:
    workspace = make("refusing_hook")
    code, events = workspace.operate("up", check=False)
    assert code == 1
    assert 'before hook "no" failed: not today' in messages(events)
    assert "box" not in workspace.names()
    workspace.environment["CASE"] = "late_hook"
    code, events = workspace.operate("up", check=False)
    assert code == 1
    assert 'after hook "late" failed: it smells' in messages(events)
    assert "box" in workspace.names()


def test_functions_transforms_explicit_providers_and_versions(make: Make) -> None:
    workspace = make("invokes")
    workspace.operate("up")
    outputs = json.loads(workspace.run("stack", "output", "--json", "--stack", "dev").stdout)
    assert outputs == {"weight": 5, "later": 8}
    workspace.environment["CASE"] = "transforms"
    workspace.operate("up")
    shelf = next(r for r in workspace.resources() if r["urn"].endswith("shelf-box"))
    assert shelf["inputs"]["label"] == "transformed"
    workspace.environment["CASE"] = "explicit"
    workspace.operate("up")
    boxes = [r for r in workspace.resources() if r["type"] == "box:index:Box"]
    assert {r["outputs"]["address"] for r in boxes} == {"my-box", "my-shelf-box"}
    assert all("::mine::" in r["provider"] for r in boxes)
    workspace.environment["CASE"] = "versions"
    workspace.operate("up")
    assert {name for name in workspace.names() if name.startswith("default")} | {
        r["urn"].split("::", 3)[3] for r in workspace.resources() if r["type"] == "pulumi:providers:box"
    } >= {"default_1_2_3", "default_2_0_0_beta_1"}


def test_a_component_of_another_package(make: Make) -> None:
    workspace = make("remote")
    workspace.operate("up")
    boxes = {r["urn"].split("::", 2)[2]: r for r in workspace.resources() if r["type"] == "box:index:Box"}
    below = "pairs:index:Pair$box:index:Box::pair"
    assert set(boxes) == {"box:index:Box::label", "box:index:Box::after", f"{below}-first", f"{below}-second"}
    assert boxes[f"{below}-second"]["inputs"]["label"] == boxes[f"{below}-first"]["id"]
    assert boxes[f"{below}-first"]["protect"]  # as the program said of the component
    shown = workspace.run("stack", "output", "--json", "--stack", "dev").stdout
    assert json.loads(shown) == {"hidden": "[secret]", "greeting": "hello you"}
    workspace.operate("preview", "--expect-no-changes")


def test_adopting_what_exists_and_reading_what_is_not_ours(make: Make) -> None:
    workspace = make("adopted")
    (workspace.root / "cloud.json").write_text(json.dumps({"id-found": {"label": "found"}}))
    _, events = workspace.operate("up")
    assert ("import", "box") in operations(events)
    _, events = workspace.operate("up")
    assert {op for op, _ in operations(events)} == {"same"}
    workspace.environment["CASE"] = "read"
    _, events = workspace.operate("up")
    assert ("read", "second") in operations(events)
    _, events = workspace.operate("destroy")
    assert ("discard", "box") in operations(events)
    assert "id-found" in json.loads((workspace.root / "cloud.json").read_text()), (
        "read resources are not deleted"
    )


def test_options_of_resources(make: Make) -> None:
    workspace = make("options")
    workspace.operate("up")
    state = {r["urn"].rsplit("::", 1)[-1]: r for r in workspace.resources()}
    assert state["slow"]["customTimeouts"] == {"create": 5400, "delete": 10}
    assert state["closed"]["outputs"]["address"] == {"secret": "addr-closed"}
    workspace.run("config", "set", "label", "two", "--stack", "dev")
    _, events = workspace.operate("up")
    done = operations(events)
    assert ("update", "keeper") in done
    assert ("replace", "strict") in done
    assert ("same", "ignoring") in done
    _, events = workspace.operate("up", "--replace", "**::closed")
    assert ("replace", "closed") in operations(events)
    workspace.operate("destroy")
    left = json.loads((workspace.root / "cloud.json").read_text())
    assert set(left) == {"id-keeper", "id-tied"}, "retained, and deleted with what was retained"


def test_targets(make: Make) -> None:
    workspace = make("options")
    workspace.operate("up")
    code, events = workspace.operate("destroy", "--target", "**::keeper", check=False)
    assert code == 1
    assert "--target-dependents" in messages(events)
    workspace.operate("destroy", "--target", "**::keeper", "--target-dependents")
    assert not {"keeper", "tied"} & workspace.names()
    workspace.operate("destroy", "--exclude", "**::slow")
    assert "slow" in workspace.names()
    assert "strict" not in workspace.names()


def test_independent_resources_take_the_time_of_one(make: Make) -> None:
    workspace = make("many")
    _, events = workspace.operate("up")
    starts = [
        e["timestamp"]
        for e in events
        if "resourcePreEvent" in e and "::box" in e["resourcePreEvent"]["metadata"]["urn"]
    ]
    ends = [
        e["timestamp"]
        for e in events
        if "resOutputsEvent" in e and "::box" in e["resOutputsEvent"]["metadata"]["urn"]
    ]
    assert max(ends) - min(starts) <= 2, "eight times 0.4 s, at once"


def _wait_for(file: Path, text: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if file.exists() and text in file.read_text():
            return
        time.sleep(0.05)
    raise AssertionError(f"{text} was never in {file.name}")


def _start_slow(workspace: Workspace) -> Any:
    log = workspace.root / "events.jsonl"
    running = workspace.start("up", "--stack", "dev", "--skip-preview", "--event-log", str(log))
    _wait_for(
        log,
        '"resourcePreEvent":{"metadata":{"op":"create","urn":"urn:pulumi:dev::options::box:index:Box::first"',
    )
    return running


def test_an_interrupt_lets_running_operations_finish(make: Make) -> None:
    workspace = make("slow")
    running = _start_slow(workspace)
    running.send_signal(signal.SIGINT)
    output, _ = running.communicate(timeout=30)
    assert running.returncode == 1
    assert "update canceled" in output
    assert "first" in workspace.names()
    assert "second" not in workspace.names()
    assert "pending_operations" not in workspace.state()["checkpoint"]["latest"]
    assert not list((workspace.root / "backend" / ".pulumi" / "locks").rglob("*.json"))
    workspace.operate("up")
    assert "second" in workspace.names()


def test_a_reader_who_has_gone_ends_nothing(make: Make) -> None:
    workspace = make("slow")
    running = _start_slow(workspace)
    assert running.stdout
    running.stdout.close()
    assert running.wait(timeout=30) == 0
    assert {"first", "second"} <= set(workspace.names())


def test_after_kill_9_the_state_says_what_is_unknown_and_recovery_works(make: Make) -> None:
    workspace = make("slow")
    running = _start_slow(workspace)
    _wait_for(workspace.state_file, '"pending_operations"')  # the event comes first
    running.kill()
    running.communicate(timeout=30)
    pending = workspace.state()["checkpoint"]["latest"]["pending_operations"]
    assert [(o["type"], o["resource"]["urn"].rsplit("::", 1)[-1]) for o in pending] == [("creating", "first")]
    locked = workspace.run("up", "--stack", "dev", "--skip-preview", check=False)
    assert locked.returncode == 1
    assert "currently locked" in locked.stderr + locked.stdout
    workspace.run("cancel", "--stack", "dev", "--yes")
    # The provider had finished when the engine died:
    (workspace.root / "cloud.json").write_text(json.dumps({"id-first": {"label": "one", "sleep": 2}}))
    urn = "urn:pulumi:dev::options::box:index:Box::first"
    workspace.run("refresh", "--stack", "dev", "--yes", "--import-pending-creates", urn, "id-first")
    _, events = workspace.operate("up")
    done = operations(events)
    assert ("same", "first") in done
    assert ("create", "second") in done


def test_preview_json_and_expect_no_changes(make: Make) -> None:
    workspace = make()
    digest = json.loads(workspace.run("preview", "--stack", "dev", "--json").stdout)
    assert digest["changeSummary"] == {"create": 2}
    step = next(s for s in digest["steps"] if s["urn"].endswith("::box"))
    assert (step["op"], step["newState"]["inputs"]) == ("create", {"label": "one"})
    refused = workspace.run("preview", "--stack", "dev", "--expect-no-changes", check=False)
    assert refused.returncode == 7
    workspace.operate("up")
    workspace.run("preview", "--stack", "dev", "--expect-no-changes")
    assert not list((workspace.root / "backend" / ".pulumi" / "locks").rglob("*.json"))


def test_stacks_configuration_and_exports(make: Make) -> None:
    workspace = make()
    workspace.run("config", "set", "--path", "nested.list[0]", "1", "--stack", "dev")
    workspace.run("config", "set", "toy:key", "value", "--stack", "dev")
    workspace.stack_file.write_text("# a remark\n" + workspace.stack_file.read_text())
    workspace.run("config", "set", "secret", "sh", "--secret", "--stack", "dev")
    assert "# a remark" in workspace.stack_file.read_text()
    listed = json.loads(workspace.run("config", "--json", "--stack", "dev").stdout)
    assert listed["options:nested"]["value"] == '{"list":[1]}'
    assert listed["options:secret"] == {"secret": True}
    workspace.run("config", "rm", "toy:key", "--stack", "dev")
    assert "toy:key" not in workspace.stack_file.read_text()
    workspace.operate("up")
    exported = workspace.root / "export.json"
    workspace.run("stack", "export", "--stack", "dev", "--file", str(exported))
    workspace.run("stack", "select", "dev")
    workspace.run("stack", "import", "--file", str(exported))
    _, events = workspace.operate("up")
    assert {op for op, _ in operations(events)} == {"same"}
    names = [stack["name"] for stack in json.loads(workspace.run("stack", "ls", "--json").stdout)]
    assert names == ["dev"]
    refused = workspace.run("stack", "rm", "dev", "--yes", check=False)
    assert "still has resources" in refused.stderr


def _fails(workspace: Workspace, *arguments: str, **environment: str) -> str:
    done = workspace.run(*arguments, check=False, env=environment)
    assert done.returncode not in (0, 255)
    said = done.stdout + done.stderr
    assert "Traceback" not in said or "unhandled exception" in said
    return said


def test_bad_input_gets_one_clear_error(make: Make) -> None:
    workspace = make()
    up = ("up", "--stack", "dev", "--skip-preview")
    assert "incorrect passphrase" in _fails(workspace, *up, PULUMI_CONFIG_PASSPHRASE="wrong")
    assert "no stack named 'nosuch'" in _fails(workspace, "up", "--stack", "nosuch", "--skip-preview")
    assert "--no-such-flag" in _fails(workspace, *up, "--no-such-flag")
    assert "--policy-pack is not supported by the embedded engine" in _fails(
        workspace, *up, "--policy-pack", "x"
    )
    assert "--yes or --skip-preview" in _fails(workspace, "up", "--stack", "dev")
    said = _fails(workspace, *up, PATH=os.environ["PATH"])
    assert "'pulumi-resource-box' was not found on PATH" in said
    assert "this label is not allowed" in _fails(workspace, *up, "--config", "label=refused")
    said = _fails(workspace, *up, "--config", "label=ok", CASE="raises")
    assert "ValueError: the program is wrong" in said
    assert "program_runner" not in said
    assert "azblob://x is not supported" in _fails(workspace, *up, PULUMI_BACKEND_URL="azblob://x")
    (workspace.root / "backend" / ".pulumi" / "stacks" / "options" / "dev.json").write_text("{")
    assert "not valid JSON" in _fails(workspace, *up)


def test_no_passphrase(make: Make) -> None:
    workspace = make()
    variables = {k: v for k, v in workspace.variables.items() if not k.startswith("PULUMI_CONFIG_PASSPHRASE")}
    import subprocess

    done = subprocess.run(
        workspace.command("preview", "--stack", "dev"),
        env=variables,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "PULUMI_CONFIG_PASSPHRASE" in done.stderr


def test_the_stack_outputs_survive_a_failure(make: Make) -> None:
    workspace = make()
    workspace.operate("up")
    workspace.operate("up", "--config", "label=refused", check=False)
    assert workspace.run("stack", "output", "address", "--stack", "dev").stdout == "addr-box\n"
