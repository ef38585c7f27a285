"""One run of the engine over a stack: refresh, run the program, carry out its steps, delete what is left
over.

Everything happens in one event loop. Registrations go through a queue and are planned one at a time; steps
run in parallel. `Deployment` is what planner and steps share.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, Protocol

from . import deletions
from . import urn as urns
from .backend import StackName
from .differences import UNKNOWN, Diff, compare
from .errors import Bail, Cancelled, EngineError
from .executor import Executor, counts, is_internal, mark_secrets, succeeded
from .graph import DependencyGraph
from .hooks import Hooks
from .journal import Journal
from .planner import Planner, ReadRequest, Registration
from .provider import PARTIAL, UNCERTAIN, Provider
from .registry import Registry
from .state import Goal, Snapshot, State
from .steps import Outcome, RefreshStep, Step, UpdateStep, ignore_changes, run_after_hooks
from .targets import Targets
from .values import Properties, unwrap

Handler = Callable[[], Awaitable[list[Step]]]


@dataclass
class Options:
    """What the command line asks for. `kind` is update, refresh or destroy."""

    kind: str = "update"
    preview: bool = False
    parallel: int = 16
    refresh: bool = False
    run_program: bool = True
    targets: Targets = field(default_factory=Targets)
    target_dependents: bool = False
    excludes: Targets = field(default_factory=Targets)
    exclude_dependents: bool = False
    replace_targets: Targets = field(default_factory=Targets)
    continue_on_error: bool = False
    ignore_protect: bool = False
    show_secrets: bool = False


class Events(Protocol):
    """Where the deployment says what it does."""

    def diagnostic(self, severity: str, urn: str, message: str) -> None: ...
    def step(self, event: str, step: Step, op: str, internal: bool) -> None: ...
    def failed(self, step: Step, status: str, steps: int) -> None: ...


def _every_provider_first(steps: list[RefreshStep]) -> list[Step]:
    """The first resource of each provider, then the second of each: providers that take long to get going
    begin at once, and not when the others are done.
    """
    groups: dict[str, list[Step]] = {}
    for step in steps:
        groups.setdefault(step.provider, []).append(step)
    return [step for turn in zip_longest(*groups.values()) for step in turn if step is not None]


class Source(Protocol):
    """The program. `run` returns when it has ended; it raises if it failed."""

    async def run(self, deployment: Deployment) -> None: ...
    async def stop(self) -> None: ...


@dataclass(eq=False)
class OutputsRequest:
    urn: str
    outputs: Properties
    answer: asyncio.Future[None]


class Deployment:
    """See the module. `journal` is None in a preview."""

    def __init__(
        self,
        *,
        stack: StackName,
        base: Snapshot,
        options: Options,
        registry: Registry,
        hooks: Hooks,
        events: Events,
        journal: Journal | None,
        source: Source | None,
    ) -> None:
        self.stack = stack
        self.base = base
        self.options = options
        self.registry = registry
        self.hooks = hooks
        self.events = events
        self.journal = journal
        self.source = source
        self.goals: dict[str, Goal] = {}
        self.news: dict[str, State] = {}
        self.reads: dict[str, State] = {}
        self.post_step_errors: list[Exception] = []
        self.changes: Counter[str] = Counter()
        self.maybe_corrupt = False
        self.cancelled = False
        self._queue: asyncio.Queue[Handler | None] = asyncio.Queue()
        self._expected = 0
        self._stack_outputs: OutputsRequest | None = None
        self._executor: Executor | None = None
        self._steps = 0
        self.planner: Planner | None = None
        self._index()

    def _index(self) -> None:
        self.olds: dict[str, State] = {}
        self.all_olds: dict[str, list[State]] = defaultdict(list)
        for state in self.base.resources:
            self.all_olds[state.urn].append(state)
            if state.delete:
                continue
            if state.urn in self.olds:
                raise EngineError(
                    f"unexpected duplicate resource '{state.urn}' in the state file; restore its backup."
                )
            self.olds[state.urn] = state
        self.graph = DependencyGraph(self.base.resources)

    @property
    def preview(self) -> bool:
        return self.options.preview

    # What planner and steps use

    def report(self, severity: str, urn: str, message: str) -> None:
        self.events.diagnostic(severity, urn, message)

    def urn_of(self, parent: str, type_: str, name: str) -> str:
        return urns.child(self.stack.name, self.stack.project, parent, type_, name)

    def find(self, urn: str) -> State | None:
        return self.news.get(urn) or self.reads.get(urn)

    def provider_of(self, state: State) -> Provider:
        if state.is_provider:
            return self.registry
        provider = self.registry.get(state.provider)
        if provider is None:
            raise EngineError(f"unknown provider '{state.provider}' for resource {state.urn}")
        return provider

    async def ensure_provider(self, reference: str) -> None:
        """Start the provider of an old resource, with the configuration it had."""
        if not reference or self.registry.get(reference) is not None:
            return
        urn, identifier = urns.parse_reference(reference)
        for state in self.base.resources:
            if state.urn == urn and state.id == identifier:
                await self.registry.same(state, False)
                return
        raise EngineError(f"could not find provider {reference} in the state")

    async def diff(
        self,
        urn: str,
        id: str,
        old_inputs: Properties,
        old_outputs: Properties,
        news: Properties,
        provider: Provider | None,
        ignore: list[str],
        unknowns: bool | None = None,
    ) -> Diff:
        """Ask the provider; where it does not know, compare the inputs."""
        assert provider is not None
        allow = self.preview if unknowns is None else unknowns
        diff = await provider.diff(urn, id, old_inputs, old_outputs, news, allow, ignore)
        if diff.changes == UNKNOWN:
            kept = ignore_changes(self, urn, news, old_inputs, ignore)
            found = compare(unwrap(old_inputs), unwrap(kept))
            diff.changes = found.changes
            if found.changed_keys:
                diff.changed_keys, diff.detailed = found.changed_keys, found.detailed
        return diff

    def post(self, handler: Handler) -> None:
        """Queue a continuation that `expect` has announced."""

        async def run() -> list[Step]:
            self._expected -= 1
            return await handler()

        self._queue.put_nowait(run)

    def expect(self) -> None:
        self._expected += 1

    # What the monitor uses

    def submit(self, request: Registration | ReadRequest | OutputsRequest) -> None:
        async def handle() -> list[Step]:
            assert self.planner is not None
            if isinstance(request, Registration):
                return await self.planner.register(request)
            if isinstance(request, ReadRequest):
                return await self.planner.read(request)
            await self._register_outputs(request)
            return []

        self._queue.put_nowait(handle)

    # Steps

    def before(self, step: Step) -> None:
        self.events.step("resourcePreEvent", step, step.op, is_internal(step))
        if self.journal is not None:
            self.journal.begin(step)

    def after(self, step: Step, outcome: Outcome) -> None:
        if outcome.error is not None:
            self._report_failure(step, outcome)
        else:
            op, record = counts(step, self.options.kind == "refresh")
            if record:
                self._steps += 1
                self.changes[op] += 1
            if self._says_outputs(step):
                self.events.step("resOutputsEvent", step, op, is_internal(step))
        if (
            outcome.status == PARTIAL
            and isinstance(step, UpdateStep)
            and step.old is not None
            and step.new is not None
        ):
            # Half an update: the next one must see that the inputs were not taken.
            step.new.inputs = dict(step.old.inputs)
        if self.journal is not None:
            self.journal.end(step, succeeded(outcome))

    def _says_outputs(self, step: Step) -> bool:
        if self.preview or step.res.custom:
            return True
        refreshing = self.options.refresh or self.options.kind == "refresh"
        return (refreshing and step.op == "refresh") or step.op == "delete"

    def _report_failure(self, step: Step, outcome: Outcome) -> None:
        if outcome.status == UNCERTAIN:
            self.maybe_corrupt = True
        urn = "" if is_internal(step) else step.urn
        self.report("error", urn, f"preview failed: {outcome.error}" if self.preview else f"{outcome.error}")
        if not self.preview:
            self.events.failed(step, outcome.status, self._steps)

    async def _register_outputs(
        self, request: OutputsRequest, final: bool = False, errored: bool = False
    ) -> None:
        urn = request.urn
        if not final and urns.qualified_type(urn) == urns.STACK_TYPE:
            # The stack is finished last, when it is known whether all went well.
            self._stack_outputs = request
            request.answer.set_result(None)
            return
        assert self._executor is not None
        step = self._executor.pending_outputs.pop(urn, None)
        if step is None or step.new is None:
            raise EngineError(f"cannot complete a resource '{urn}' whose registration isn't pending")
        if getattr(step, "skipped_create", False):
            request.answer.set_result(None)
            return
        old = self.olds.get(urn)
        outputs = dict(request.outputs)
        if final and errored and old is not None:
            outputs = {**old.outputs, **outputs}
        step.new.outputs = outputs
        if not step.res.custom:
            await run_after_hooks(self, step)
        self.events.step("resOutputsEvent", step, step.op, is_internal(step))
        if self.journal is not None:
            self.journal.outputs(step)
        if self.post_step_errors and not self.options.continue_on_error:
            self._executor.stop()
        if not request.answer.done():
            request.answer.set_result(None)

    # The run

    async def run(self) -> None:
        """Raises Bail when the deployment failed (the reasons are reported), Cancelled when it was
        interrupted.
        """
        try:
            await self._run()
        finally:
            if self.source is not None:
                await self.source.stop()
            await self.registry.close()
            if self.journal is not None:
                self.journal.close()

    def cancel(self) -> None:
        """Stop gracefully: nothing new is started, what runs is finished and recorded."""
        self.cancelled = True
        if self._executor is not None:
            self._executor.stop()
        self._queue.put_nowait(None)

    async def _run(self) -> None:
        options = self.options
        refreshing_first = (options.refresh or options.kind == "refresh") and not (
            options.kind == "refresh" and options.run_program
        )
        if refreshing_first:
            await self._refresh(lambda state: True)
            if options.kind == "refresh":
                return
        elif not options.refresh and any(state.refresh_before_update for state in self.olds.values()):
            await self._refresh(lambda state: state.refresh_before_update)
        elif self.base.operations and not self.preview:
            self._warn_of_pending()
        self._check_targets(options.replace_targets, set())
        await self._walk()

    async def _walk(self) -> None:
        options = self.options
        mode = options.kind if options.run_program and options.kind != "update" else "update"
        refresh = options.kind == "refresh" and options.run_program
        self.planner = Planner(self, mode, refresh)
        self._executor = executor = Executor(self, options.parallel)
        if self.cancelled:
            executor.stop()
        error: Exception | None = None
        try:
            await self._loop(executor)
        except Exception as raised:  # noqa: BLE001 (reported, after what runs has been recorded)
            error = raised
            if not isinstance(raised, Bail):
                self._report_raised(raised)
            executor.stop()
        await executor.drain()
        errored = bool(error or executor.errors or self.planner.errored or self.post_step_errors)
        if self._stack_outputs is not None:
            await self._register_outputs(self._stack_outputs, final=True, errored=errored or self.cancelled)
        if error is not None:
            raise error if isinstance(error, Bail) else Bail(str(error))
        self._conclude(errored)

    def _report_raised(self, error: Exception) -> None:
        if isinstance(error, EngineError):
            self.report("error", getattr(error, "urn", ""), str(error))
        else:
            raise error

    def _conclude(self, errored: bool) -> None:
        kind = "preview" if self.preview else "update"
        if errored:
            self.report("error", "", f"{kind} failed")
            raise Bail(f"{kind} failed")
        if self.cancelled:
            self.report("error", "", f"{kind} canceled")
            raise Cancelled(f"{kind} canceled")

    async def _loop(self, executor: Executor) -> None:
        """Until the program has ended and nothing is expected any more; then the deletions."""
        program = asyncio.ensure_future(self.source.run(self)) if self.source is not None else None
        stopped = asyncio.ensure_future(executor.stopped.wait())
        arrival: asyncio.Future[Handler | None] | None = None
        try:
            while not executor.stopped.is_set():
                ended = program is None or program.done()
                if ended and self._queue.empty() and not self._expected:
                    if program is not None:
                        program.result()
                    break
                arrival = asyncio.ensure_future(self._queue.get())
                waiting: set[asyncio.Future[Any]] = {arrival, stopped}
                if program is not None and not program.done():
                    waiting.add(program)
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                if not arrival.done():
                    arrival.cancel()
                    continue
                handler = arrival.result()
                if handler is not None:
                    self._dispatch(executor, await handler())
        finally:
            for left in (stopped, arrival, program):
                if left is not None and not left.done():
                    left.cancel()
        if not executor.stopped.is_set():
            await self._finish(executor)

    def _dispatch(self, executor: Executor, steps: list[Step]) -> None:
        assert self.planner is not None
        skipped = {step.urn for step in executor.errored_steps}
        runnable = []
        for step in steps:
            if skipped and {urn for _, urn in step.res.all_dependencies()} & skipped:
                step.settle("skipped")
                skipped.add(step.urn)
                executor.errored_steps.append(step)
            else:
                runnable.append(step)
        if runnable:
            executor.run_chain(runnable)

    async def _finish(self, executor: Executor) -> None:
        assert self.planner is not None
        planner = self.planner
        self._check_targets(self.options.targets, planner.urns)
        if not self.base.resources:
            return
        await executor.drain()
        if executor.stopped.is_set():
            return
        if planner.mode == "refresh":
            steps = await deletions.plan_refreshes(planner)
            await executor.run_group(steps)
            self._rebuild({id(step.old): step for step in steps if isinstance(step, RefreshStep)})
            return
        sames, deletes = await deletions.plan(planner)
        await executor.run_chain(sames)
        for group in deletions.schedule(planner, deletes):
            spared = self._needed_by_failures(executor)
            await executor.run_group([step for step in group if id(step.res) not in spared])

    def _needed_by_failures(self, executor: Executor) -> set[int]:
        """What a resource that could not be deleted still needs."""
        spared: set[int] = set()
        assert self.planner is not None
        late = DependencyGraph(self.planner.to_delete)
        for step in executor.errored_steps:
            for state in (step.res, step.old):
                for graph in (self.graph, late):
                    if state is not None and state in graph:
                        spared.update(id(needed) for needed in graph.transitive_dependencies_of(state))
        return spared

    # Refresh

    async def _refresh(self, wanted: Callable[[State], bool]) -> None:
        """Read every resource, then go on from what was found."""
        if not self.base.resources:
            return
        self._check_targets(self.options.targets, set())
        chosen = [state for state in self._refreshable() if wanted(state)]
        for state in chosen:
            await self.ensure_provider(state.provider)
        steps = [RefreshStep(old=state) for state in chosen]
        self._executor = executor = Executor(self, self.options.parallel, ignore_errors=True)
        if self.cancelled:
            executor.stop()
        await executor.run_group(_every_provider_first(steps))
        await executor.drain()
        self._rebuild({id(step.old): step for step in steps})
        if self.journal is not None:
            self.journal.write()
        if executor.errors:
            self._conclude(True)
        if self.cancelled:
            self._conclude(False)

    def _refreshable(self) -> list[State]:
        options = self.options
        out = []
        targets, excludes = options.targets.copy(), options.excludes.copy()
        for state in self.base.resources:
            needs = {urn for _, urn in state.all_dependencies()}
            if options.excludes:
                if state.urn in excludes:
                    continue
                if options.exclude_dependents and any(urn in excludes for urn in needs):
                    excludes.add(state.urn)
                    continue
                out.append(state)
            elif state.urn in targets or (options.target_dependents and any(urn in targets for urn in needs)):
                targets.add(state.urn)
                out.append(state)
        return out

    def _rebuild(self, steps: dict[int, RefreshStep]) -> None:
        """The base becomes what the refresh found; references to what is gone go too."""
        resources: list[State] = []
        present: set[str] = set()
        parents: dict[str, str] = {}
        for state in self.base.resources:
            step = steps.get(id(state))
            new = step.new if step is not None else state
            if new is None:
                parents[state.urn] = state.parent
                continue
            new.dependencies = [urn for urn in new.dependencies if urn in present]
            kept = {
                key: [urn for urn in listed if urn in present]
                for key, listed in new.property_dependencies.items()
            }
            new.property_dependencies = {key: listed for key, listed in kept.items() if listed}
            new.replace_with = [urn for urn in new.replace_with if urn in present]
            if new.deleted_with not in present:
                new.deleted_with = ""
            while new.parent and new.parent not in present:
                new.parent = parents.get(new.parent, "")
            mark_secrets(self, new)
            resources.append(new)
            present.add(new.urn)
        self.base.resources[:] = resources  # the journal holds the same list
        self._index()

    def _check_targets(self, targets: Targets, news: set[str]) -> None:
        unknown = [urn for urn in targets.literals if urn not in self.all_olds and urn not in news]
        for urn in unknown:
            hint = "" if "$" in urn else " Did you forget to escape $ in your shell?"
            self.report("error", "", f"Target '{urn}' could not be found in the stack.{hint}")
        if unknown:
            raise Bail("one or more targets could not be found in the stack")

    def _warn_of_pending(self) -> None:
        lines = [f"  * {o.resource.urn}, interrupted while {o.type}" for o in self.base.operations]
        self.report(
            "warning",
            "",
            f"Attempting to deploy or update resources with {len(lines)} pending operations from previous "
            "deployment.\n"
            + "\n".join(lines)
            + "\nThese resources are in an unknown state because the engine was interrupted while waiting "
            "for changes to "
            "these resources to complete. Check whether they exist, then run `refresh`: it clears "
            "interrupted operations; "
            "interrupted creations need --import-pending-creates URN ID or --clear-pending-creates.",
        )
