"""What people see: the plan, progress while it is carried out, diagnostics, outputs and a summary.

On a terminal, running operations are shown live with the time they have taken; elsewhere one line an event is
printed. Nothing secret is printed: events are blinded before they get here.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from . import urn as urns
from .differences import compare
from .steps import Step
from .values import Properties, same

_SIGNS = {
    "same": " ",
    "create": "+",
    "delete": "-",
    "update": "~",
    "replace": "+-",
    "create-replacement": "++",
    "delete-replaced": "--",
    "read": ">",
    "read-replacement": ">>",
    "refresh": "~",
    "discard": "<",
    "discard-replaced": "<<",
    "import": "=",
    "import-replacement": "=>",
    "remove-pending-replace": "~",
}
_COLOURS = {
    "create": "green",
    "delete": "red",
    "update": "yellow",
    "replace": "magenta",
    "import": "cyan",
    "refresh": "yellow",
}
_DOING = {
    "create": "creating",
    "update": "updating",
    "delete": "deleting",
    "read": "reading",
    "refresh": "refreshing",
    "import": "importing",
    "replace": "replacing",
}
_DONE = {
    "create": "created",
    "update": "updated",
    "delete": "deleted",
    "read": "read",
    "refresh": "refreshed",
    "import": "imported",
    "replace": "replaced",
}
_HIDDEN = {"same", "replace"}


@dataclass
class Look:
    """Flags of the command line that change what is shown."""

    diff: bool = False
    show_sames: bool = False
    urns: bool = False
    suppress_outputs: bool = False
    suppress_progress: bool = False
    replacement_steps: bool = False
    debug: bool = False
    show_secrets: bool = False
    interactive: bool = True


@dataclass
class _Row:
    step: Step
    op: str
    started: float = field(default_factory=time.monotonic)


class Display:
    """One for each run. `title` says what is being done; the stack outputs are printed by `finish`."""

    def __init__(self, title: str, preview: bool, look: Look) -> None:
        self._title = title
        self._preview = preview
        self._look = look
        self.debug = look.debug
        self._running: dict[tuple[str, str], _Row] = {}
        self._diagnostics: list[tuple[str, str, str]] = []
        self._output_change: tuple[Properties, Properties] | None = None
        self._told: set[tuple[str, str]] = set()
        self._live: Any = None
        self._console: Any = None
        self._summary: dict[str, Any] = {}

    def start(self) -> None:
        if sys.stdout.isatty() and self._look.interactive:
            from rich.console import Console
            from rich.live import Live

            self._console = Console(highlight=False)
            self._console.print(f"[bold]{self._title}:[/bold]")
            self._live = Live(
                console=self._console, refresh_per_second=4, transient=True, get_renderable=self._table
            )
            self._live.start()
        else:
            _write(f"{self._title}:")

    def __call__(self, kind: str, payload: dict[str, Any], step: Step | None, internal: bool) -> None:
        if kind == "diagnosticEvent":
            if not payload.get("ephemeral"):
                self._diagnose(payload)
        elif kind == "summaryEvent":
            self._summary = payload
        elif step is not None and kind == "resourcePreEvent":
            self._begin(step, payload["metadata"]["op"], internal)
        elif step is not None and kind in ("resOutputsEvent", "resOpFailedEvent"):
            self._end(step, payload["metadata"]["op"], internal, kind == "resOpFailedEvent")

    # Steps

    def _begin(self, step: Step, op: str, internal: bool) -> None:
        if internal or op in _HIDDEN or self._preview:
            return
        self._running[(step.urn, step.op)] = _Row(step, op)
        if self._live is None and not self._look.suppress_progress:
            self._line(step, op, _verb(op, _DOING))

    def _end(self, step: Step, op: str, internal: bool, failed: bool) -> None:
        row = self._running.pop((step.urn, step.op), None)
        if step.res.type == urns.STACK_TYPE and step.new is not None and step.old is not None:
            self._output_change = (step.old.outputs, step.new.outputs)
        elif step.res.type == urns.STACK_TYPE and step.new is not None:
            self._output_change = ({}, step.new.outputs)
        if internal or (op == "same" and not self._look.show_sames):
            return
        if not self._shows(op) or (step.urn, op) in self._told:
            return
        self._told.add((step.urn, op))  # a component ends twice in a preview: its step, then its outputs
        if self._preview:
            word = op if not failed else "failed"
        else:
            took = f" ({time.monotonic() - row.started:.2f}s)" if row else ""
            word = f"**{_verb(op, _DOING)} failed**{took}" if failed else _verb(op, _DONE) + took
        self._line(step, op, word)
        if self._look.diff and not failed:
            self._properties(step, op)

    def _shows(self, op: str) -> bool:
        if self._look.replacement_steps or not self._preview:
            return op != "replace" or self._preview
        return op not in ("create-replacement", "delete-replaced", "read-replacement", "import-replacement")

    def _line(self, step: Step, op: str, word: str) -> None:
        name = step.urn if self._look.urns else f"{step.res.type} {step.res.name}"
        changed = (
            f" [diff: {', '.join(_changed(step))}]" if op in ("update", "replace") and _changed(step) else ""
        )
        text = f" {_SIGNS.get(op, ' '):<2} {name} {word}{changed}"
        self._print(text, _colour(op))

    def _properties(self, step: Step, op: str) -> None:
        old = step.old.inputs if step.old is not None else {}
        new = step.new.inputs if step.new is not None else {}
        if op == "create" or op == "delete":
            source, sign = (new, "+") if op == "create" else (old, "-")
            for key in sorted(source):
                if key != "__provider":
                    self._print(f"        {sign} {key}: {self._text(source[key])}", _colour(op))
            return
        for key in sorted(set(old) | set(new)):
            if not same(old.get(key), new.get(key)):
                self._print(
                    f"        ~ {key}: {self._text(old.get(key))} => {self._text(new.get(key))}", "yellow"
                )

    def _text(self, value: Any) -> str:
        from .checkpoint import encode
        from .events import shown
        from .values import unwrap

        return encode(_plain(unwrap(value) if self._look.show_secrets else shown(value)))

    # Diagnostics

    def _diagnose(self, payload: dict[str, Any]) -> None:
        severity, urn = payload["severity"], payload.get("urn", "")
        message = payload["message"].rstrip("\n")
        if severity == "debug" and not self._look.debug:
            return
        self._diagnostics.append((severity, urn, message))
        where = f"{urns.type_of(urn)} ({urns.name_of(urn)}): " if urn else ""
        prefix = {"error": "error: ", "warning": "warning: ", "debug": "debug: "}.get(severity, "")
        colour = {"error": "red", "warning": "yellow"}.get(severity, "")
        self._print(f"    {where}{prefix}{message}", colour)

    def _print(self, text: str, colour: str = "") -> None:
        if self._console is None:
            _write(text)
        else:
            from rich.text import Text

            self._console.print(Text(text, style=colour), soft_wrap=True)

    def _table(self) -> Any:
        from rich.table import Table

        table = Table.grid(padding=(0, 1))
        now = time.monotonic()
        for row in list(self._running.values())[:20]:
            name = f"{row.step.res.type} {row.step.res.name}"
            table.add_row(
                "",
                _SIGNS.get(row.op, ""),
                name,
                f"[dim]{_verb(row.op, _DOING)} ({now - row.started:.0f}s)[/dim]",
            )
        if len(self._running) > 20:
            table.add_row("", "", f"[dim]and {len(self._running) - 20} more[/dim]", "")
        return table

    # The end

    def finish(self) -> None:
        if self._live is not None:
            self._live.stop()
        if not self._look.suppress_outputs and self._output_change is not None:
            self._outputs(*self._output_change)
        self._counts()

    def _outputs(self, old: Properties, new: Properties) -> None:
        changed = compare(old, new).changed_keys
        keys = sorted(new if not self._preview else changed)
        if not keys:
            return
        self._print("\nOutputs:")
        width = max(len(key) for key in keys)
        for key in keys:
            sign = " " if key not in changed else "+" if key not in old else "-" if key not in new else "~"
            value = self._text(new[key]) if key in new else self._text(old[key])
            if sign == "~":
                value = f"{self._text(old[key])} => {value}"
            self._print(
                f"  {sign} {key:<{width}}: {value}", {"+": "green", "-": "red", "~": "yellow"}.get(sign, "")
            )

    def _counts(self) -> None:
        changes = self._summary.get("resourceChanges", {})
        if not changes and not self._summary:
            return
        self._print("\nResources:")
        unchanged = changes.get("same", 0)
        acted = {op: count for op, count in changes.items() if op != "same" and count}
        for op in sorted(acted):
            word = f"to {op}" if self._preview else _verb(op, _DONE)
            self._print(f"    {_SIGNS.get(op, ' ')} {acted[op]} {word}", _colour(op))
        total = sum(acted.values())
        if len(acted) > 1:
            self._print(
                f"    {total} changes. {unchanged} unchanged" if unchanged else f"    {total} changes"
            )
        elif unchanged:
            self._print(f"    {unchanged} unchanged")
        if not self._preview:
            self._print(f"\nDuration: {self._summary.get('durationSeconds', 0)}s")


def _plain(value: Any) -> Any:
    from .checkpoint import dump_value

    return dump_value(value, lambda _secret, _plaintext: {"secret": True})


def _verb(op: str, words: dict[str, str]) -> str:
    if op in words:
        return words[op]
    stem = {"delete-replaced": "delete", "create-replacement": "create", "discard": "delete"}.get(
        op, op.split("-")[0]
    )
    suffix = {"delete-replaced": " original", "create-replacement": " replacement"}.get(op, "")
    return words.get(stem, stem) + suffix


def _colour(op: str) -> str:
    return _COLOURS.get(op, _COLOURS.get(op.split("-")[0], ""))


def _changed(step: Step) -> list[str]:
    keys = sorted(step.detailed) if step.detailed else step.diffs or step.keys
    if not keys and step.old is not None and step.new is not None:
        keys = compare(step.old.inputs, step.new.inputs).changed_keys
    return [key for key in keys if key != "__provider"]


def _write(text: str) -> None:
    """A reader who has gone (`| head`) ends no operation: it goes on, and is recorded, unseen."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
