"""Engine events in the CLI's shape (apitype.EngineEvent): for --event-log, --json and the display."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TextIO

from .checkpoint import blind, dump_properties, encode
from .differences import PropertyDiff
from .state import State
from .steps import Step
from .values import Secret, Unknown, Value

Event = dict[str, Any]
Sink = Callable[[str, Event], None]  # (kind, payload)

_STATUS = {"ok": 0, "partial": 1, "unknown": 2}


class EventStream:
    """Makes events and hands them to every sink. Secrets are blinded unless the user asked to see them.

    What costs much and only some sinks want, they ask for by attributes: `states` is the resources' states in
    the events of steps, `debug` are the program's debug messages.
    """

    def __init__(self, preview: bool, show_secrets: bool) -> None:
        self._preview = preview
        self._show_secrets = show_secrets
        self._states = False
        self.debug = False
        self._sinks: list[Callable[[str, Event, Step | None, bool], None]] = []

    def subscribe(self, sink: Callable[[str, Event, Step | None, bool], None]) -> None:
        """A sink takes (kind, payload, step if any, whether the step is internal)."""
        self._sinks.append(sink)
        self._states |= getattr(sink, "states", False)
        self.debug |= getattr(sink, "debug", False)

    def emit(self, kind: str, payload: Event, step: Step | None = None, internal: bool = False) -> None:
        for sink in self._sinks:
            sink(kind, payload, step, internal)

    def diagnostic(
        self, severity: str, urn: str, message: str, stream: int = 0, ephemeral: bool = False
    ) -> None:
        payload: Event = {"urn": urn} if urn else {}
        prefix = {"error": "error: ", "warning": "warning: ", "info": "", "debug": "debug: "}.get(
            severity, ""
        )
        payload |= {"prefix": prefix} if prefix else {}
        payload |= {"message": message + "\n", "color": "never", "severity": severity}
        payload |= {"streamID": stream} if stream else {}
        payload |= {"ephemeral": True} if ephemeral else {}
        self.emit("diagnosticEvent", payload)

    def step(self, event: str, step: Step, op: str, internal: bool) -> None:
        payload: Event = {"metadata": self._metadata(step, op)}
        if self._preview:
            payload["planning"] = True
        self.emit(event, payload, step, internal)

    def failed(self, step: Step, status: str, steps: int) -> None:
        payload = {"metadata": self._metadata(step, step.op), "status": _STATUS[status], "steps": steps}
        self.emit("resOpFailedEvent", payload, step)

    def prelude(self, config: dict[str, str]) -> None:
        self.emit("preludeEvent", {"config": config})

    def summary(self, changes: dict[str, int], seconds: float, maybe_corrupt: bool, result: str) -> None:
        self.emit(
            "summaryEvent",
            {
                "maybeCorrupt": maybe_corrupt,
                "durationSeconds": int(-(-seconds // 1)),
                "resourceChanges": dict(sorted(changes.items())),
                "PolicyPacks": {},
                "isPreview": self._preview,
                "result": result,
            },
        )

    def cancel(self) -> None:
        self.emit("cancelEvent", {})

    def _metadata(self, step: Step, op: str) -> Event:
        out: Event = {
            "op": op,
            "urn": step.urn,
            "type": step.res.type,
        }
        if self._states:
            out |= {"old": self.state(step.old), "new": self.state(step.new)}
        if step.keys:
            out["keys"] = list(step.keys)
        if step.diffs:
            out["diffs"] = list(step.diffs)
        out["detailedDiff"] = detailed(step.detailed)
        if step.logical:
            out["logical"] = True
        return {**out, "provider": step.provider}

    def state(self, state: State | None) -> Event | None:
        if state is None:
            return None
        out: Event = {"type": state.type, "urn": state.urn}
        if state.custom:
            out["custom"] = True
        if state.delete:
            out["delete"] = True
        out |= {"id": state.id, "parent": state.parent}
        for name, key in (
            ("protect", "protect"),
            ("taint", "taint"),
            ("external", "external"),
            ("retain_on_delete", "retainOnDelete"),
        ):
            if getattr(state, name):
                out[key] = True
        out["inputs"] = dump_properties(state.inputs, self._seal)
        out["outputs"] = dump_properties(state.outputs, self._seal)
        out["provider"] = state.provider
        if state.init_errors:
            out["initErrors"] = list(state.init_errors)
        if state.hide_diff:
            out["hideDiffs"] = list(state.hide_diff)
        return out

    def _seal(self, secret: Secret, plaintext: str) -> Event:
        out = blind(secret, plaintext)
        if self._show_secrets:
            del out["ciphertext"]
            out["plaintext"] = plaintext
        return out


def detailed(diff: dict[str, PropertyDiff] | None) -> Event | None:
    if diff is None:
        return None
    return {
        key: {"diffKind": entry.kind, "inputDiff": entry.input_diff} for key, entry in sorted(diff.items())
    }


class EventLog:
    """One JSON document a line, each with its number and time, as the CLI's --event-log writes them."""

    states = debug = True

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._sequence = 0

    def __call__(self, kind: str, payload: Event, step: Step | None, internal: bool) -> None:
        event = {"sequence": self._sequence, "timestamp": int(time.time()), kind: payload}
        self._sequence += 1
        self._file.write(encode(event) + "\n")
        self._file.flush()


def shown(value: Value) -> Value:
    """A value for people: secrets hidden, unknowns named."""
    if isinstance(value, Secret):
        return "[secret]"
    if isinstance(value, Unknown):
        return "[unknown]"
    if isinstance(value, list):
        return [shown(item) for item in value]
    if isinstance(value, dict):
        return {key: shown(item) for key, item in value.items()}
    return value
