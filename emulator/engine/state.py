"""What the engine remembers of resources: states, goals (what a program asks for), pending operations,
snapshots.

States are compared by identity: one URN may have several (an old one waiting for deletion beside its
successor).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

from . import urn as urns
from .values import Properties, Value

HOOK_TYPES = (
    "BeforeCreate",
    "AfterCreate",
    "BeforeUpdate",
    "AfterUpdate",
    "BeforeDelete",
    "AfterDelete",
    "OnError",
)


@dataclass(frozen=True)
class Timeouts:
    """Seconds; zero means the provider's own default."""

    create: float = 0
    update: float = 0
    delete: float = 0
    read: float = 0

    def __bool__(self) -> bool:
        return bool(self.create or self.update or self.delete or self.read)


@dataclass(eq=False)
class State:
    """One resource as it was last seen. Fields have the names of Pulumi's state file, in snake case."""

    urn: str
    type: str
    custom: bool
    id: str = ""
    delete: bool = False
    inputs: Properties = field(default_factory=dict)
    outputs: Properties = field(default_factory=dict)
    parent: str = ""
    protect: bool = False
    taint: bool = False
    external: bool = False
    dependencies: list[str] = field(default_factory=list)
    init_errors: list[str] = field(default_factory=list)
    provider: str = ""
    property_dependencies: dict[str, list[str]] = field(default_factory=dict)
    pending_replacement: bool = False
    additional_secret_outputs: list[str] = field(default_factory=list)
    aliases: list[str] = field(default_factory=list)
    custom_timeouts: Timeouts = Timeouts()
    import_id: str = ""
    retain_on_delete: bool = False
    deleted_with: str = ""
    replace_with: list[str] = field(default_factory=list)
    created: str = ""
    modified: str = ""
    source_position: str = ""
    stack_trace: list[str] = field(default_factory=list)
    ignore_changes: list[str] = field(default_factory=list)
    hide_diff: list[str] = field(default_factory=list)
    replace_on_changes: list[str] = field(default_factory=list)
    replacement_trigger: Value = None
    refresh_before_update: bool = False
    resource_hooks: dict[str, list[str]] = field(default_factory=dict)
    extra: dict[str, Any] = field(
        default_factory=dict
    )  # fields of the state file that the engine only passes on

    @property
    def name(self) -> str:
        return urns.name_of(self.urn)

    @property
    def is_provider(self) -> bool:
        return urns.is_provider_type(self.type)

    def copy(self) -> State:
        """A shallow copy with its own outputs, so that neither is changed through the other."""
        clone = State(**{entry.name: getattr(self, entry.name) for entry in fields(self)})
        clone.inputs, clone.outputs = dict(self.inputs), dict(self.outputs)
        return clone

    def all_dependencies(self) -> Iterator[tuple[str, str]]:
        """(kind, URN) for every resource this one needs, except its provider."""
        if self.parent:
            yield "parent", self.parent
        for urn in self.dependencies:
            yield "dependency", urn
        for listed in self.property_dependencies.values():
            for urn in listed:
                yield "property", urn
        if self.deleted_with:
            yield "deleted_with", self.deleted_with
        for urn in self.replace_with:
            yield "replace_with", urn

    def dependency_urns(self) -> set[str]:
        """Every resource this one needs, its provider included."""
        out = {urn for _, urn in self.all_dependencies() if urn}
        if self.provider:
            out.add(urns.reference_urn(self.provider))
        return out


@dataclass(frozen=True)
class Alias:
    """Another name a resource may have had: a whole URN, or the parts that differ."""

    urn: str = ""
    name: str = ""
    type: str = ""
    stack: str = ""
    project: str = ""
    parent: str = ""
    no_parent: bool = False


@dataclass(eq=False)
class Goal:
    """What the program asks for, before a provider has seen it."""

    type: str
    name: str
    custom: bool
    properties: Properties
    parent: str = ""
    protect: bool | None = None
    dependencies: list[str] = field(default_factory=list)
    provider: str = ""
    property_dependencies: dict[str, list[str]] = field(default_factory=dict)
    delete_before_replace: bool | None = None
    ignore_changes: list[str] = field(default_factory=list)
    additional_secret_outputs: list[str] = field(default_factory=list)
    aliases: list[Alias] = field(default_factory=list)
    import_id: str = ""
    custom_timeouts: Timeouts = Timeouts()
    replace_on_changes: list[str] = field(default_factory=list)
    replacement_trigger: Value = None
    retain_on_delete: bool | None = None
    deleted_with: str = ""
    replace_with: list[str] = field(default_factory=list)
    hide_diff: list[str] = field(default_factory=list)
    source_position: str = ""
    stack_trace: list[str] = field(default_factory=list)
    resource_hooks: dict[str, list[str]] = field(default_factory=dict)

    def state(self, urn: str) -> State:
        """The state this goal leads to, without an ID and outputs."""
        return State(
            urn=urn,
            type=self.type,
            custom=self.custom,
            inputs=dict(self.properties),
            parent=self.parent,
            protect=bool(self.protect),
            dependencies=list(self.dependencies),
            provider=self.provider,
            property_dependencies=dict(self.property_dependencies),
            additional_secret_outputs=list(self.additional_secret_outputs),
            custom_timeouts=self.custom_timeouts,
            import_id=self.import_id,
            retain_on_delete=bool(self.retain_on_delete),
            deleted_with=self.deleted_with,
            replace_with=list(self.replace_with),
            source_position=self.source_position,
            stack_trace=list(self.stack_trace),
            ignore_changes=list(self.ignore_changes),
            hide_diff=list(self.hide_diff),
            replace_on_changes=list(self.replace_on_changes),
            replacement_trigger=self.replacement_trigger,
            resource_hooks=dict(self.resource_hooks),
        )


@dataclass(eq=False)
class Operation:
    """An operation that was started and whose end is unknown: creating, updating, deleting, reading or
    importing.
    """

    type: str
    resource: State


@dataclass(eq=False)
class Snapshot:
    """The resources of a stack in an order in which each comes after what it needs."""

    resources: list[State] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    manifest: dict[str, Any] = field(default_factory=dict)
    secrets_provider: dict[str, Any] | None = None
    metadata: dict[str, Any] = field(default_factory=dict)

    def root(self) -> State | None:
        return next((r for r in self.resources if r.type == urns.STACK_TYPE and not r.delete), None)


def now() -> str:
    """The time as Pulumi writes it into state files."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
