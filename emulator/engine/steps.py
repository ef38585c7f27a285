"""Steps: one operation on one resource each, with what it needs to run and to be shown.

`apply` performs the operation through the resource's provider, runs its hooks, and fills in the new state. It
never raises for a failed operation: the outcome says what happened, and whether a half-made resource must be
recorded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from . import paths
from .differences import NONE, UNKNOWN, Diff, PropertyDiff
from .errors import EngineError
from .hooks import MAX_RETRIES
from .provider import OK, PARTIAL, InitError, Provider, ProviderError, Result
from .state import State, now
from .values import UNKNOWN_STRING, Properties, same

if TYPE_CHECKING:
    from .deployment import Deployment


@dataclass
class Registered:
    """What a registration is answered with. `result` is success, failed or skipped."""

    state: State
    result: str = "success"
    unknown: bool = False


@dataclass
class Outcome:
    """`complete` is called when the step is recorded; it answers the program."""

    status: str = OK
    complete: Callable[[], None] | None = None
    error: Exception | None = None


@dataclass(eq=False)
class Step:
    """`answer` is the program's pending registration, if any. `res` is the state that represents the step."""

    op: ClassVar[str] = ""
    logical: ClassVar[bool] = True

    old: State | None = None
    new: State | None = None
    answer: asyncio.Future[Registered] | None = None
    keys: list[str] = field(default_factory=list)
    diffs: list[str] = field(default_factory=list)
    detailed: dict[str, PropertyDiff] | None = None

    @property
    def res(self) -> State:
        state = self.new or self.old
        assert state is not None
        return state

    @property
    def urn(self) -> str:
        return self.res.urn

    @property
    def provider(self) -> str:
        return self.res.provider

    async def apply(self, deployment: Deployment) -> Outcome:
        raise NotImplementedError

    def _done(self, unknown: bool = False) -> None:
        if self.answer is not None and not self.answer.done():
            assert self.new is not None
            self.answer.set_result(Registered(self.new, unknown=unknown))

    def settle(self, result: str) -> None:
        """Tell the program that its resource failed or was skipped, so that it can go on without it."""
        if self.answer is not None and not self.answer.done() and self.new is not None:
            self.answer.set_result(Registered(self.new, result))


@dataclass(eq=False)
class SameStep(Step):
    op: ClassVar[str] = "same"
    skipped_create: bool = False
    untargeted: bool = False

    async def apply(self, deployment: Deployment) -> Outcome:
        assert self.old is not None
        assert self.new is not None
        self.new.id, self.new.outputs = self.old.id, dict(self.old.outputs)
        if self.new.is_provider and not self.skipped_create and not self.untargeted:
            # The old inputs: what the provider runs with must be what the state says.
            configured = self.new.copy()
            configured.inputs = self.old.inputs
            try:
                await deployment.registry.same(configured, True)
            except Exception as error:  # noqa: BLE001 (whatever a provider does becomes the step's error)
                return Outcome(error=EngineError(f"bad provider state for resource {self.new.urn}: {error}"))
        return Outcome(complete=lambda: self._done(self.skipped_create))


async def with_retries(
    deployment: Deployment,
    state: State,
    new: State | None,
    old: State | None,
    operation: str,
    call: Callable[[], Awaitable[Result]],
) -> Result:
    """Run a provider operation; after a failure ask the error hooks whether to try again."""
    failures: list[str] = []
    while True:
        try:
            return await call()
        except EngineError as error:
            failures.insert(0, str(error))
            if not state.resource_hooks.get("OnError"):
                raise
            if len(failures) >= MAX_RETRIES:
                reached = f"maximum number of error hook retries ({MAX_RETRIES}) reached"
                deployment.report("warning", state.urn, reached)
                raise
            if not await deployment.hooks.should_retry(state, new, old, operation, list(failures)):
                raise
            deployment.report(
                "warning",
                state.urn,
                f"retrying {operation} due to on-error hook request ({len(failures)}/{MAX_RETRIES})",
            )


async def _after(
    deployment: Deployment, kind: str, state: State, new: State | None, old: State | None
) -> None:
    """An after-hook that fails makes the deployment fail, not the operation: that has happened."""
    try:
        await deployment.hooks.run(kind, state, new, old)
    except EngineError as error:
        deployment.report("error", state.urn, str(error))
        deployment.post_step_errors.append(error)


async def run_after_hooks(deployment: Deployment, step: Step) -> None:
    """The after-hooks of a component, whose outputs come later than its step."""
    assert step.new is not None
    if isinstance(step, CreateStep):
        await _after(deployment, "AfterCreate", step.new, step.new, None)
    elif isinstance(step, UpdateStep):
        await _after(deployment, "AfterUpdate", step.new, step.new, step.old)


@dataclass(eq=False)
class CreateStep(Step):
    """Also the second half of a replacement; then `pending_delete` says that the old one is deleted
    afterwards.
    """

    replacing: bool = False
    pending_delete: bool = False

    @property
    def op(self) -> str:  # type: ignore[override]
        return "create-replacement" if self.replacing else "create"

    @property
    def logical(self) -> bool:  # type: ignore[override]
        return not self.replacing

    async def apply(self, deployment: Deployment) -> Outcome:
        new = self.new
        assert new is not None
        failure: ProviderError | None = None
        result = Result()
        try:
            await deployment.hooks.run("BeforeCreate", new, new, None)
            if new.custom:
                result = await self._create(deployment, new)
        except InitError as error:
            failure, result = error, error.result
            new.init_errors = error.reasons
        except EngineError as error:
            return Outcome(getattr(error, "status", OK), error=error)
        new.id, new.outputs = result.id, result.outputs if result.outputs is not None else {}
        new.refresh_before_update = result.refresh_before_update
        new.created = new.modified = now()
        if self.replacing and self.pending_delete and self.old is not None:
            self.old.delete = True
        if failure is not None:
            return Outcome(PARTIAL, error=failure)
        if new.custom:
            await _after(deployment, "AfterCreate", new, new, None)
        return Outcome(complete=self._done)

    async def _create(self, deployment: Deployment, new: State) -> Result:
        provider = deployment.provider_of(new)

        async def call() -> Result:
            return await provider.create(new.urn, new.inputs, new.custom_timeouts.create, deployment.preview)

        return await with_retries(deployment, new, new, None, "create", call)


@dataclass(eq=False)
class UpdateStep(Step):
    op: ClassVar[str] = "update"
    ignore: list[str] = field(default_factory=list)

    async def apply(self, deployment: Deployment) -> Outcome:
        old, new = self.old, self.new
        assert old is not None
        assert new is not None
        new.id, new.created, new.modified = old.id, old.created, old.modified
        failure: ProviderError | None = None
        try:
            await deployment.hooks.run("BeforeUpdate", new, new, old)
            if new.custom:
                result = await self._update(deployment, old, new)
                self._take(new, result)
        except InitError as error:
            failure = error
            new.init_errors = error.reasons
            self._take(new, error.result)
        except EngineError as error:
            return Outcome(getattr(error, "status", OK), error=error)
        if failure is not None:
            return Outcome(PARTIAL, error=failure)
        if old.custom:
            await _after(deployment, "AfterUpdate", new, new, old)
        return Outcome(complete=self._done)

    def _take(self, new: State, result: Result) -> None:
        new.outputs = result.outputs if result.outputs is not None else {}
        new.refresh_before_update = result.refresh_before_update
        new.modified = now()

    async def _update(self, deployment: Deployment, old: State, new: State) -> Result:
        provider = deployment.provider_of(new)

        async def call() -> Result:
            return await provider.update(
                new.urn,
                old.id,
                old.inputs,
                old.outputs,
                new.inputs,
                new.custom_timeouts.update,
                deployment.preview,
                self.ignore,
            )

        return await with_retries(deployment, new, new, old, "update", call)


class DeleteProtected(EngineError):
    """One protected resource does not stop the deletion of others."""

    def __init__(self, urn: str) -> None:
        super().__init__(
            f'resource "{urn}" cannot be deleted\nbecause it is protected. To unprotect the resource, '
            "remove the "
            "`protect` flag from the resource in your Pulumi program and run `up`"
        )


@dataclass(eq=False)
class DeleteStep(Step):
    """`others`: URNs that are deleted in this deployment too, for deletedWith."""

    replacing: bool = False
    pending_replacement: bool = False
    others: dict[str, bool] = field(default_factory=dict)

    @property
    def op(self) -> str:  # type: ignore[override]
        assert self.old is not None
        if self.old.external:
            return "discard-replaced" if self.replacing else "discard"
        return "delete-replaced" if self.replacing else "delete"

    @property
    def logical(self) -> bool:  # type: ignore[override]
        return not self.replacing

    async def apply(self, deployment: Deployment) -> Outcome:
        old = self.old
        assert old is not None
        try:
            await deployment.hooks.run("BeforeDelete", old, None, old)
            if not self.replacing and old.protect and not deployment.options.ignore_protect:
                raise DeleteProtected(old.urn)
            if self._reaches_the_provider(deployment, old):
                await self._delete(deployment, old)
        except EngineError as error:
            return Outcome(getattr(error, "status", OK), error=error)
        if self.pending_replacement:
            old.pending_replacement = True
        await _after(deployment, "AfterDelete", old, None, old)
        return Outcome()

    def _reaches_the_provider(self, deployment: Deployment, old: State) -> bool:
        if deployment.preview or old.external or old.retain_on_delete or not old.custom:
            return False
        return not (old.deleted_with and self.others.get(old.deleted_with))

    async def _delete(self, deployment: Deployment, old: State) -> None:
        provider = deployment.provider_of(old)

        async def call() -> Result:
            await provider.delete(old.urn, old.id, old.inputs, old.outputs, old.custom_timeouts.delete)
            return Result()

        await with_retries(deployment, old, None, old, "delete", call)


@dataclass(eq=False)
class RemovePendingReplaceStep(Step):
    """A resource that was deleted to be replaced, and whose replacement the program no longer wants."""

    op: ClassVar[str] = "remove-pending-replace"
    logical: ClassVar[bool] = False

    async def apply(self, deployment: Deployment) -> Outcome:
        return Outcome()


@dataclass(eq=False)
class ReplaceStep(Step):
    """Nothing to do: it stands for the whole replacement in plans and counts."""

    op: ClassVar[str] = "replace"

    async def apply(self, deployment: Deployment) -> Outcome:
        return Outcome()


@dataclass(eq=False)
class ReadStep(Step):
    replacing: bool = False

    @property
    def op(self) -> str:  # type: ignore[override]
        return "read-replacement" if self.replacing else "read"

    @property
    def logical(self) -> bool:  # type: ignore[override]
        return not self.replacing

    async def apply(self, deployment: Deployment) -> Outcome:
        new = self.new
        assert new is not None
        failure: ProviderError | None = None
        if new.id == UNKNOWN_STRING:
            new.outputs = {}
        else:
            try:
                result = await self._read(deployment, new)
            except InitError as error:
                failure, result = error, error.result
                new.init_errors = error.reasons
            except EngineError as error:
                return Outcome(getattr(error, "status", OK), error=error)
            if result.outputs is None or not result.id:
                return Outcome(error=EngineError(f"resource '{new.id}' does not exist"))
            new.outputs, new.id = result.outputs, result.id
        self._stamp(new)
        return Outcome(PARTIAL if failure else OK, self._done, failure)

    async def _read(self, deployment: Deployment, new: State) -> Result:
        provider = deployment.provider_of(new)
        return await provider.read(new.urn, new.id, new.inputs, new.inputs, new.custom_timeouts.read)

    def _stamp(self, new: State) -> None:
        if self.old is None:
            return
        if self.replacing:
            self.old.delete = True
        new.created, new.modified = self.old.created, self.old.modified
        if not same(new.inputs, self.old.inputs) or not same(new.outputs, self.old.outputs):
            new.modified = now()


@dataclass(eq=False)
class RefreshStep(Step):
    """`continuation` is set when the program runs too and goes on with the refreshed state."""

    op: ClassVar[str] = "refresh"
    logical: ClassVar[bool] = False

    continuation: Callable[[State | None, Exception | None], None] | None = None
    internal: bool = False
    gone: bool = False
    diff: Diff = field(default_factory=lambda: Diff(UNKNOWN))
    refreshed: State | None = None

    def __post_init__(self) -> None:
        self.new = self.new or self.old
        self.refreshed = self.new

    @property
    def res(self) -> State:
        assert self.old is not None
        return self.old

    @property
    def result_op(self) -> str:
        """What the refresh amounted to: same, update or delete."""
        assert self.old is not None
        if self.gone:
            return "delete"
        if self.refreshed is self.old:
            return "same"
        if self.old.external:
            assert self.refreshed is not None
            return "same" if same(self.old.outputs, self.refreshed.outputs) else "update"
        return "same" if self.diff.changes == NONE else "update"

    async def apply(self, deployment: Deployment) -> Outcome:
        old = self.old
        assert old is not None
        if not old.custom or old.is_provider or old.pending_replacement:
            if self.continuation is not None:
                self.refreshed = self.new = old.copy()
            return Outcome(complete=self._continue)
        try:
            status = await self._refresh(deployment, old, deployment.provider_of(old))
        except EngineError as error:
            if self.continuation is not None:
                self.continuation(None, error)
            return Outcome(getattr(error, "status", OK), error=error)
        return Outcome(status, self._continue)

    def _continue(self) -> None:
        if self.continuation is not None:
            self.continuation(self.new, None)

    async def _refresh(self, deployment: Deployment, old: State, provider: Provider) -> str:
        init_errors: list[str] = []
        status = OK
        try:
            result = await provider.read(old.urn, old.id, old.inputs, old.outputs, old.custom_timeouts.read)
        except InitError as error:
            result, init_errors, status = error.result, error.reasons, PARTIAL
            listed = "\n* ".join(init_errors)
            deployment.report("warning", old.urn, f"Refreshed resource is in an unhealthy state:\n* {listed}")
        if not result.id or result.outputs is None:
            self.gone, self.new, self.refreshed = True, None, None
            return status
        await self._compare(deployment, old, provider, result, init_errors)
        return status

    async def _compare(
        self, deployment: Deployment, old: State, provider: Provider, result: Result, init_errors: list[str]
    ) -> None:
        base = self.new or old
        fresh = base.copy()
        fresh.id, fresh.init_errors = result.id, init_errors
        fresh.refresh_before_update = result.refresh_before_update
        fresh.inputs = result.inputs if result.inputs is not None else dict(old.inputs)
        fresh.outputs = result.outputs if result.outputs is not None else {}
        if not same(fresh.inputs, old.inputs) or not same(fresh.outputs, old.outputs):
            fresh.modified = now()
        self.new = self.refreshed = fresh
        if not old.external:
            # The other way round, so that the diff reads as what happened outside.
            diff = await deployment.diff(
                fresh.urn, fresh.id, fresh.inputs, fresh.outputs, old.inputs, provider, old.ignore_changes
            )
            self.diff = diff.inverted()
            self.diffs, self.detailed = self.diff.changed_keys, self.diff.detailed


@dataclass(eq=False)
class ImportStep(Step):
    """Adopt what exists: its state is read, and the registration goes on as if it had always been there."""

    original: State | None = None
    replacing: bool = False
    ignore: list[str] = field(default_factory=list)
    continuation: Callable[[State | None, Exception | None], None] | None = None

    @property
    def op(self) -> str:  # type: ignore[override]
        return "import-replacement" if self.replacing else "import"

    @property
    def logical(self) -> bool:  # type: ignore[override]
        return not self.replacing

    async def apply(self, deployment: Deployment) -> Outcome:
        new = self.new
        assert new is not None
        try:
            await self._import(deployment, new)
        except EngineError as error:
            if self.continuation is not None:
                self.continuation(None, error)
            return Outcome(getattr(error, "status", OK), error=error)
        if self.replacing and self.original is not None:
            self.original.delete = True
        return Outcome(complete=self._continue)

    def _continue(self) -> None:
        if self.continuation is not None:
            self.continuation(self.new, None)

    async def _import(self, deployment: Deployment, new: State) -> None:
        provider = deployment.provider_of(new)
        try:
            result = await provider.read(new.urn, new.import_id, None, {}, new.custom_timeouts.read)
        except InitError as error:
            new.init_errors, result = error.reasons, error.result
        if result.outputs is None or not result.id:
            raise EngineError(f"resource '{new.import_id}' does not exist")
        if result.inputs is None:
            raise EngineError(
                f"provider does not support importing resources; please try updating the plugin of {new.type}"
            )
        new.id, new.inputs, new.outputs = result.id, result.inputs, result.outputs
        new.refresh_before_update = result.refresh_before_update
        new.created = new.modified = now()
        self.old = new.copy()
        self.old.created = self.old.modified = ""
        self.old.additional_secret_outputs, self.old.aliases = [], []
        new.inputs = ignore_changes(deployment, new.urn, new.inputs, self.old.inputs, self.ignore)


def ignore_changes(
    deployment: Deployment, urn: str, inputs: Properties, old: Properties, ignored: list[str]
) -> Properties:
    """The inputs with their old values at every ignored path."""
    from .values import copy_tree

    if not ignored:
        return inputs
    out: Any = copy_tree(inputs)
    failed = []
    for text in ignored:
        try:
            path = paths.parse(text)
        except ValueError:
            continue
        if not paths.reset(path, old, out):
            failed.append(text)
    if failed:
        listed = ", ".join(failed)
        deployment.report(
            "info", urn, f'cannot ignore changes in added or removed elements of the path: "{listed}"'
        )
    return out
