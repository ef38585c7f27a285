"""`preview --json`: the CLI's digest of a preview; and `--json` of other commands: their events, one a
line.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from . import urn as urns
from .checkpoint import dump_resource, encode
from .events import EventLog
from .state import State
from .steps import Step


class PreviewDigest:
    """Collects a preview and prints one JSON document. Secrets read `[secret]`."""

    def __init__(self, show_sames: bool, suppress_outputs: bool) -> None:
        self._show_sames = show_sames
        self._suppress_outputs = suppress_outputs
        self._started = time.monotonic_ns()
        self._config: dict[str, str] = {}
        self._steps: list[dict[str, Any]] = []
        self._diagnostics: list[dict[str, Any]] = []
        self._refreshed: dict[str, int] = {}
        self._summary: dict[str, Any] = {}

    def __call__(self, kind: str, payload: dict[str, Any], step: Step | None, internal: bool) -> None:
        if kind == "preludeEvent":
            self._config = payload["config"]
        elif kind == "diagnosticEvent" and payload["severity"] != "debug" and not payload.get("ephemeral"):
            entry = {
                "urn": payload.get("urn"),
                "message": payload.get("prefix", "") + payload["message"],
                "severity": payload["severity"],
            }
            self._diagnostics.append({key: value for key, value in entry.items() if value})
        elif kind == "summaryEvent":
            self._summary = payload
        elif step is not None and "metadata" in payload and self._shows(step, payload["metadata"]["op"]):
            self._add(kind, payload["metadata"], step)

    def _shows(self, step: Step, op: str) -> bool:
        if step.res.type == urns.STACK_TYPE:
            return True
        if urns.is_default_provider(step.urn):
            return False
        if op == "same":
            return self._show_sames
        return op not in ("create-replacement", "delete-replaced", "discard-replaced", "import-replacement")

    def _add(self, kind: str, metadata: dict[str, Any], step: Step) -> None:
        if kind == "resourcePreEvent":
            if step.op == "refresh":
                self._refreshed[step.urn] = len(self._steps)
            self._steps.append(self._entry(metadata, step))
        elif kind == "resOutputsEvent" and step.urn in self._refreshed:
            changed = metadata["op"] == "update" and metadata["detailedDiff"] is not None
            if changed or metadata["op"] == "delete":
                self._steps[self._refreshed[step.urn]] = self._entry(metadata, step)

    def _entry(self, metadata: dict[str, Any], step: Step) -> dict[str, Any]:
        entry: dict[str, Any] = {"op": metadata["op"], "urn": metadata["urn"]}
        if metadata["provider"]:
            entry["provider"] = metadata["provider"]
        for key, state in (("oldState", step.old), ("newState", step.new)):
            if state is not None:
                entry[key] = self._state(state)
        for key, name in (("diffReasons", "diffs"), ("replaceReasons", "keys")):
            if metadata.get(name):
                entry[key] = metadata[name]
        detailed = metadata["detailedDiff"]
        entry["detailedDiff"] = detailed and {
            key: {"kind": value["diffKind"], "inputDiff": value["inputDiff"]}
            for key, value in detailed.items()
        }
        return entry

    def _state(self, state: State) -> dict[str, Any]:
        clone = state.copy()
        hide = self._suppress_outputs and state.type == urns.STACK_TYPE
        clone.inputs = {} if hide else {key: _massage(value) for key, value in state.inputs.items()}
        clone.outputs = {} if hide else {key: _massage(value) for key, value in state.outputs.items()}
        return dump_resource(clone, lambda _secret, _plain: {})

    def start(self) -> None:
        """Nothing is printed before the end."""

    def finish(self) -> None:
        summary = self._summary
        digest = {
            "config": self._config,
            "steps": self._steps,
            "diagnostics": self._diagnostics,
            "duration": time.monotonic_ns() - self._started,
            "changeSummary": summary.get("resourceChanges"),
            "maybeCorrupt": summary.get("maybeCorrupt"),
        }
        print(encode({key: value for key, value in digest.items() if value}, indent=4), flush=True)


def _massage(value: Any) -> Any:
    """Secrets hidden, unknowns kept: the dump names them as the wire does."""
    from .values import Unknown

    return value if isinstance(value, Unknown) else shown_keeping_unknowns(value)


def shown_keeping_unknowns(value: Any) -> Any:
    from .values import Secret

    if isinstance(value, Secret):
        return "[secret]"
    if isinstance(value, list):
        return [shown_keeping_unknowns(item) for item in value]
    if isinstance(value, dict):
        return {key: shown_keeping_unknowns(item) for key, item in value.items()}
    return value


class JsonEvents(EventLog):
    """Every event on standard output."""

    def __init__(self) -> None:
        super().__init__(sys.stdout)

    def start(self) -> None:
        """Events are their own beginning."""

    def finish(self) -> None:
        """And their own end."""
