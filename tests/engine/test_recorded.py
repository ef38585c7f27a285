"""What Pulumi's engine did on 31 commands: the same operations in an order that is allowed, the same state
after each.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from harness import DATA, Workspace, opened

pytestmark = pytest.mark.engine

_TIMES = {"created", "modified", "sourcePosition", "stackTrace"}
_STARTS = ("resourcePreEvent",)
_DRIFT = {
    "refresh sees drift": {"current-f": 90, "fixed": 10}
}  # what somebody does to the endpoint's traffic before


class Replay:
    """Runs the commands of one recording in order, each when it is asked for."""

    def __init__(self, name: str, root: Path) -> None:
        self.recording = json.loads((DATA / name / "golden.json").read_text())
        self.workspace = Workspace.of(name, root)
        self.cloud = root / "cloud.json"
        self.cloud.write_text("{}")
        self.workspace.environment["MINI_CLOUD"] = str(self.cloud)
        salt = self._salt()
        self.workspace.stack_file.write_text(salt)
        self.workspace.run("stack", "select", "dev", "--create")
        self.results: list[dict[str, Any]] = []

    def _salt(self) -> str:
        """The recorded stack file, with the secret that was there from the beginning."""
        recorded = yaml.safe_load(self.recording.get("stack_config") or "{}") or {}
        config = {k: v for k, v in recorded.pop("config", {}).items() if isinstance(v, dict)}
        return yaml.safe_dump({**recorded, **({"config": config} if config else {})})

    def result(self, index: int) -> dict[str, Any]:
        while len(self.results) <= index:
            self.results.append(self._run(self.recording["steps"][len(self.results)]))
        return self.results[index]

    def _run(self, step: dict[str, Any]) -> dict[str, Any]:
        for key, value in step["config"].items():
            if value is None:
                self.workspace.run("config", "rm", key, "--stack", "dev")
            else:
                self.workspace.run("config", "set", key, value, "--stack", "dev")
        if step["title"] in _DRIFT:
            cloud = json.loads(self.cloud.read_text())
            cloud["/Endpoint/chat"]["traffic"] = _DRIFT[step["title"]]
            self.cloud.write_text(json.dumps(cloud))
        flags = ["--refresh"] if "--refresh" in step["title"] else []
        code, events = self.workspace.operate(step["command"], *flags, check=False)
        return {
            "exit_code": code,
            "events": events,
            "state": self.workspace.state(),
            "cloud": json.loads(self.cloud.read_text()),
        }


def _steps() -> list[Any]:
    out = []
    for name in ("basics", "rollout"):
        steps = json.loads((DATA / name / "golden.json").read_text())["steps"]
        out += [
            pytest.param((name, i), id=f"{name}-{i:02}-{step['title'][:50]}") for i, step in enumerate(steps)
        ]
    return out


@pytest.fixture(scope="module")
def replays(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Replay]:
    return {name: Replay(name, tmp_path_factory.mktemp(name)) for name in ("basics", "rollout")}


@pytest.mark.parametrize("which", _steps())
def test_recorded_command(replays: dict[str, Replay], which: tuple[str, int]) -> None:
    name, index = which
    replay = replays[name]
    result, step = replay.result(index), replay.recording["steps"][index]
    assert result["exit_code"] == step["exit_code"]
    assert _operations(result["events"]) == _recorded_operations(step["events"])
    _assert_order(result["events"], step["command"])
    if "state" in step:
        assert _normal(result["state"]) == _normal(step["state"])
    if "cloud" in step:
        assert result["cloud"] == step["cloud"]


def _operations(events: list[dict[str, Any]]) -> Counter[Any]:
    found: Counter[Any] = Counter()
    for event in events:
        for kind in ("resourcePreEvent", "resOutputsEvent", "resOpFailedEvent"):
            if kind in event:
                meta = event[kind]["metadata"]
                keys = tuple(sorted(meta.get("keys", ())))
                found[kind, meta["op"], meta["urn"], tuple(sorted(meta.get("diffs", ()))), keys] += 1
        if "summaryEvent" in event:
            found["summary", tuple(sorted(event["summaryEvent"]["resourceChanges"].items()))] += 1
    return found


def _recorded_operations(events: list[dict[str, Any]]) -> Counter[Any]:
    found: Counter[Any] = Counter()
    for event in events:
        if event["event"] == "summary":
            found["summary", tuple(sorted(event["changes"].items()))] += 1
        else:
            diffs, keys = tuple(sorted(event.get("diffs", ()))), tuple(sorted(event.get("keys", ())))
            found[event["event"], event["op"], event["urn"], diffs, keys] += 1
    return found


def _assert_order(events: list[dict[str, Any]], command: str) -> None:
    """Nothing begins before what it needs has ended; nothing is deleted before what needs it is gone."""
    ended: dict[tuple[str, str], int] = {}
    for position, event in enumerate(events):
        for kind in ("resOutputsEvent", "resOpFailedEvent"):
            if kind in event:
                meta = event[kind]["metadata"]
                ended.setdefault((meta["op"], meta["urn"]), position)
    needs = _needs(events)
    for position, event in enumerate(events):
        if "resourcePreEvent" not in event:
            continue
        meta = event["resourcePreEvent"]["metadata"]
        if meta["op"] in ("create", "update", "same", "create-replacement"):
            for needed in needs.get(meta["urn"], ()):
                done = [
                    at for (op, urn), at in ended.items() if urn == needed and not op.startswith("delete")
                ]
                assert not done or min(done) < position, f"{meta['urn']} began before {needed} ended"
        if meta["op"] == "delete":
            for other, needed in needs.items():
                if meta["urn"] in needed and ("delete", other) in ended:
                    assert ended["delete", other] < position, f"{meta['urn']} was deleted before {other}"


def _needs(events: list[dict[str, Any]]) -> dict[str, set[str]]:
    """Provider of each resource; dependencies are in the state, providers come first in every order."""
    found: dict[str, set[str]] = {}
    for event in events:
        meta = event.get("resourcePreEvent", {}).get("metadata")
        if meta and meta.get("provider"):
            found.setdefault(meta["urn"], set()).add(meta["provider"].rsplit("::", 1)[0])
    return found


def _normal(document: dict[str, Any]) -> Any:
    """A state file without times, with secrets open, provider IDs by name and resources in one order."""
    latest = document["checkpoint"].get("latest") or {}
    ids = {
        r["id"]: f"id of {r['urn']}"
        for r in latest.get("resources") or ()
        if r["type"].startswith("pulumi:providers:")
    }
    text = json.dumps(opened(latest.get("resources") or [], latest))
    for identifier, name in ids.items():
        text = text.replace(identifier, name)
    resources = [{k: v for k, v in r.items() if k not in _TIMES} for r in json.loads(text)]
    for resource in resources:  # Pulumi keeps dependencies as sets; their order in the file is chance
        resource["dependencies"] = sorted(resource.get("dependencies", ()))
    return {
        "version": document["version"],
        "features": document.get("features"),
        "stack": document["checkpoint"]["stack"],
        "engine": (latest.get("manifest") or {}).get("version"),
        "secrets": latest.get("secrets_providers"),
        "pending": latest.get("pending_operations"),
        "metadata": latest.get("metadata"),
        "resources": sorted(resources, key=lambda r: (r["urn"], r.get("delete", False))),
    }
