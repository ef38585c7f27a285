"""Keeping the state file true while steps run: what is done, what is under way, what is left of the base.

Before an operation starts, it is written as pending; when it ends, its result is. So whatever moment the
process dies at, the file says which resources exist and which may. Order: what this deployment has touched,
then the rest of the base, which keeps every resource behind what it needs.
"""

from __future__ import annotations

from collections.abc import Callable

from .state import Operation, Snapshot, State
from .steps import RefreshStep, SameStep, Step
from .urn import STACK_TYPE, child, name_of, project_of, qualified_type, stack_of, type_of
from .values import same

_PENDING = {
    "create": "creating",
    "create-replacement": "creating",
    "update": "updating",
    "delete": "deleting",
    "delete-replaced": "deleting",
    "discard": "deleting",
    "discard-replaced": "deleting",
    "read": "reading",
    "read-replacement": "reading",
    "import": "importing",
    "import-replacement": "importing",
}
_COMPARED = (
    "urn",
    "type",
    "custom",
    "custom_timeouts",
    "retain_on_delete",
    "provider",
    "parent",
    "deleted_with",
    "replace_with",
    "protect",
    "resource_hooks",
)


class Journal:
    """`save` writes a snapshot; it is called for every change, unless nothing of substance changed."""

    def __init__(self, base: Snapshot, save: Callable[[Snapshot], None]) -> None:
        self._base = base
        self._save = save
        self._resources: list[State] = []
        self._operations: list[Operation] = []
        self._done: set[int] = set()
        self._kept: list[State] = []  # states in _done stay alive, so that their identities stay theirs
        self._completed: set[int] = set()
        self._refreshing = False
        self._unsaved = True

    def begin(self, step: Step) -> None:
        kind = _PENDING.get(step.op)
        if kind is not None:
            state = step.old if kind == "deleting" else step.new
            assert state is not None
            self._operations.append(Operation(kind, state))
            self.write()

    def end(self, step: Step, success: bool) -> None:
        op = step.op
        if op == "same":
            self._end_same(step, success)
        elif op in ("create", "create-replacement", "import", "import-replacement"):
            self._complete(step.new)
            if success:
                self._add(step.new)
                if op.startswith("create") and step.old is not None and step.old.pending_replacement:
                    self._finish(step.old)
            self.write()
        elif op in ("update", "read", "read-replacement"):
            self._complete(step.new)
            if success:
                if step.old is not None:
                    self._finish(step.old)
                self._add(step.new)
            self.write()
        elif _PENDING.get(op) == "deleting":
            self._complete(step.old)
            if success and step.old is not None and not step.old.pending_replacement:
                self._finish(step.old)
            self.write()
        elif op == "remove-pending-replace":
            self._finish(step.old)
            self.write()
        elif op == "refresh":
            self._end_refresh(step, success)

    def _end_same(self, step: Step, success: bool) -> None:
        assert isinstance(step, SameStep)
        if not success:
            return
        self._finish(step.old)
        if step.skipped_create:
            self._unsaved = True
            return
        self._add(step.new)
        if _must_write(step):
            self.write()
        else:
            self._unsaved = True

    def _end_refresh(self, step: Step, success: bool) -> None:
        assert isinstance(step, RefreshStep)
        if step.continuation is None:
            self._unsaved = True
            return
        self._refreshing = True
        if success:
            self._finish(step.old)
            if step.new is not None:
                self._add(step.new)
        self.write()

    def outputs(self, step: Step) -> None:
        """A component or the stack has registered its outputs."""
        if step.old is not None and step.new is not None and same(step.old.outputs, step.new.outputs):
            self._unsaved = True
        else:
            self.write()

    def _finish(self, state: State | None) -> None:
        assert state is not None
        self._done.add(id(state))
        self._kept.append(state)

    def _add(self, state: State | None) -> None:
        assert state is not None
        self._resources.append(state)

    def _complete(self, state: State | None) -> None:
        assert state is not None
        self._completed.add(id(state))
        self._kept.append(state)

    def snapshot(self) -> Snapshot:
        resources = [state for state in self._resources if id(state) not in self._done]
        resources += [state for state in self._base.resources if id(state) not in self._done]
        if self._refreshing:
            resources = filter_refresh_deletes(resources)
        operations = [o for o in self._operations if id(o.resource) not in self._completed]
        operations += [o for o in self._base.operations if o.type == "creating"]
        return Snapshot(normalise(resources), operations, metadata=self._base.metadata)

    def write(self) -> None:
        self._save(self.snapshot())
        self._unsaved = False

    def close(self) -> None:
        """Write what was not worth a write of its own."""
        if self._unsaved:
            self.write()


def _must_write(step: SameStep) -> bool:
    old, new = step.old, step.new
    assert old is not None
    assert new is not None
    if any(getattr(old, name) != getattr(new, name) for name in _COMPARED):
        return True
    if not same(old.inputs, new.inputs) or not same(old.outputs, new.outputs):
        return True
    if not same(old.replacement_trigger, new.replacement_trigger):
        return True
    return sorted(old.dependencies) != sorted(new.dependencies)


def filter_refresh_deletes(resources: list[State]) -> list[State]:
    """After a refresh with the program running: drop references to what the refresh found gone."""
    present: set[str] = set()
    parents: dict[str, str] = {}
    for state in resources:
        state.dependencies = [urn for urn in state.dependencies if urn in present]
        state.property_dependencies = {
            key: [urn for urn in listed if urn in present]
            for key, listed in state.property_dependencies.items()
        }
        state.replace_with = [urn for urn in state.replace_with if urn in present]
        if state.deleted_with not in present:
            state.deleted_with = ""
        if state.parent and state.parent not in present:
            state.parent = parents.get(state.parent, "")
        parents[state.urn] = state.parent
        present.add(state.urn)
    return resources


def normalise(resources: list[State]) -> list[State]:
    """Aliased resources are written under their new names only, also where others refer to them."""
    renamed: dict[str, str] = {}
    for state in resources:
        for alias in state.aliases:
            renamed[alias] = state.urn
        parent = renamed.get(state.parent)
        if parent and qualified_type(parent) != STACK_TYPE:
            urn = child(
                stack_of(state.urn), project_of(state.urn), parent, type_of(state.urn), name_of(state.urn)
            )
            if urn != state.urn:
                renamed[state.urn] = urn
    if not renamed:
        return resources
    return [_renamed(state, renamed) for state in resources]


def _renamed(state: State, names: dict[str, str]) -> State:
    def fix(urn: str) -> str:
        return names.get(urn, urn)

    clone = state.copy()
    clone.urn, clone.parent, clone.aliases = fix(state.urn), fix(state.parent), []
    clone.dependencies = [fix(urn) for urn in state.dependencies]
    clone.property_dependencies = {
        key: [fix(u) for u in listed] for key, listed in state.property_dependencies.items()
    }
    clone.deleted_with = fix(state.deleted_with)
    clone.replace_with = [fix(urn) for urn in state.replace_with]
    if state.provider:
        urn, _, identifier = state.provider.rpartition("::")
        clone.provider = f"{fix(urn)}::{identifier}"
    return clone
