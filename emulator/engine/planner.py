"""From what the program asks for to the steps that get there.

One registration is planned at a time, against the base state and what this deployment has done so far. The
order of decisions is Pulumi's (pkg/resource/deploy/step_generator.go, 3.260): find the old resource (by URN
or alias), refresh or import it if asked, let the provider check the inputs, compare, then create, update,
replace or leave alone. What the program did not ask for is deleted afterwards (deletions.py); who else must
be replaced is in cascade.py.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import cascade
from . import urn as urns
from .differences import NONE, SOME, Diff, apply_replace_on_changes
from .errors import Bail, EngineError
from .provider import Checked, DiffUnavailable, Provider
from .state import Alias, Goal, State
from .steps import (
    CreateStep,
    DeleteStep,
    ImportStep,
    ReadStep,
    RefreshStep,
    Registered,
    ReplaceStep,
    SameStep,
    Step,
    UpdateStep,
    ignore_changes,
)
from .targets import Targets
from .values import contains_unknowns, in_message, same, unwrap

if TYPE_CHECKING:
    from .deployment import Deployment


@dataclass(eq=False)
class Registration:
    """A resource the program registers; `answer` is what its RPC waits for."""

    goal: Goal
    answer: asyncio.Future[Registered]


@dataclass(eq=False)
class ReadRequest:
    """A resource the program reads without managing it."""

    state: State
    name: str
    parent: str
    answer: asyncio.Future[Registered]


@dataclass(eq=False)
class Work:
    """One registration on its way through the planner."""

    registration: Registration
    urn: str
    old: State | None
    new: State
    invalid: bool = False
    recreating: bool = False
    imported: bool = False
    seed: bytes = field(default_factory=lambda: os.urandom(32))

    @property
    def goal(self) -> Goal:
        return self.registration.goal

    @property
    def answer(self) -> asyncio.Future[Registered]:
        return self.registration.answer


class Planner:
    """`mode` is update, destroy or refresh: the latter two when the program runs beside those commands."""

    def __init__(self, deployment: Deployment, mode: str, refresh: bool) -> None:
        self.deployment = deployment
        self.mode = mode
        self.refresh = refresh
        self.errored = False
        self.urns: set[str] = set()
        self.reads: set[str] = set()
        self.deletes: dict[str, bool] = {}
        self.replaces: set[str] = set()
        self.updates: set[str] = set()
        self.creates: set[str] = set()
        self.imports: set[str] = set()
        self.sames: set[str] = set()
        self.refreshes: set[str] = set()
        self.skipped_creates: set[str] = set()
        self.refreshed: dict[int, State] = {}
        self.to_delete: list[State] = []
        self.pending_deletes: set[int] = set()
        self.providers: dict[str, State] = {}
        self.dependent_keys: dict[str, list[str]] = {}
        self.aliased: dict[str, str] = {}  # old name -> new name
        self.aliases: dict[str, str] = {}  # new name -> old name
        self.targets: Targets = deployment.options.targets.copy()
        self.excludes: Targets = deployment.options.excludes.copy()
        self._waiting_sames: dict[str, Step] = {}

    @property
    def olds(self) -> dict[str, State]:
        return self.deployment.olds

    # Registrations

    async def register(self, registration: Registration) -> list[Step]:
        goal = registration.goal
        self._check_parent(goal.parent)
        urn = self._new_urn(goal.parent, goal.type, goal.name)
        old, invalid, alias = self._find_old(urn, goal.name, goal.type, goal.parent, goal.aliases)
        self.deployment.goals[urn] = goal
        new = goal.state(urn)
        new.aliases = [alias] if alias else []
        if old is not None:
            new.created, new.modified = old.created, old.modified
            new.refresh_before_update = old.refresh_before_update
        if new.is_provider:
            for name in (urn, *new.aliases):
                self.providers[name] = new
        work = Work(registration, urn, old, new, invalid)
        if old is not None and self.refresh and self.included(old):
            return [self._refresh_first(work, old)]
        return self._validated(await self._after_refresh(work))

    def _refresh_first(self, work: Work, old: State) -> Step:
        def go_on(state: State | None, error: Exception | None) -> None:
            if state is not None:
                self.deployment.graph.alias(state, old)
                self.refreshed[id(old)] = state
            work.old = state
            self.deployment.post(lambda: self._continue(self._after_refresh, work, error))

        internal = not work.goal.custom or work.new.is_provider
        self.refreshes.add(work.urn)
        self.deployment.expect()
        return RefreshStep(old=old, new=work.new.copy(), continuation=go_on, internal=internal)

    async def _continue(
        self, phase: Callable[[Work], Awaitable[list[Step]]], work: Work, error: Exception | None
    ) -> list[Step]:
        if error is not None:
            raise Bail(str(error))
        return self._validated(await phase(work))

    async def _after_refresh(self, work: Work) -> list[Step]:
        if self.mode == "refresh":
            steps = self._refresh_only(work)
            if steps is not None:
                return steps
        if self.mode == "destroy":
            steps = self._destroy_only(work)
            if steps is not None:
                return steps
        work.recreating = work.urn in self.deletes
        old, goal = work.old, work.goal
        known_id = (old.import_id or old.id) if old is not None else ""
        if goal.custom and goal.import_id and (old is None or old.external or known_id != goal.import_id):
            return self._import_first(work)
        return await self._after_import(work)

    def _refresh_only(self, work: Work) -> list[Step] | None:
        """`refresh --run-program`: resources are not changed, providers and components are registered."""
        skipped = bool(work.new.dependency_urns() & self.skipped_creates)
        if not ((work.goal.custom and not work.new.is_provider) or skipped):
            return None
        if work.old is None:
            return [self._skip_create(work)]
        if not work.answer.done():
            work.answer.set_result(Registered(work.old))
        return []

    def _destroy_only(self, work: Work) -> list[Step] | None:
        """`destroy --run-program`: the program registers hooks and providers, then everything is deleted."""
        if work.new.dependency_urns() & self.skipped_creates:
            if work.old is not None:
                work.new.outputs = dict(work.old.outputs)
            return [self._skip_create(work)]
        if work.goal.custom and not work.new.is_provider:
            if work.old is None:
                return [self._skip_create(work)]
            self.sames.add(work.urn)
            self.to_delete.append(work.new)
            work.new.inputs = dict(work.old.inputs)
            return [SameStep(old=work.old, new=work.new, answer=work.answer)]
        self.to_delete.append(work.new)
        return None

    def _skip_create(self, work: Work) -> Step:
        self.sames.add(work.urn)
        self.skipped_creates.add(work.urn)
        return SameStep(old=work.new.copy(), new=work.new, answer=work.answer, skipped_create=True)

    def _import_first(self, work: Work) -> list[Step]:
        fresh = work.goal.state(work.urn)
        fresh.aliases = list(work.new.aliases)

        def go_on(state: State | None, error: Exception | None) -> None:
            if error is None:
                work.old, work.new, work.imported = state, fresh, True
                assert state is not None
                fresh.created, fresh.modified = state.created, state.modified
                self.deployment.post(lambda: self._continue(self._after_import, work, None))
            else:
                self.deployment.post(self._nothing)

        self.imports.add(work.urn)
        self.deployment.expect()
        replacing = work.old is not None and not work.recreating
        step = ImportStep(
            new=work.new,
            original=work.old if replacing else None,
            replacing=replacing,
            answer=work.answer,
            ignore=work.goal.ignore_changes,
            continuation=go_on,
        )
        return [step, ReplaceStep(old=work.old, new=work.new)] if replacing else [step]

    async def _nothing(self) -> list[Step]:
        return []

    async def _after_import(self, work: Work) -> list[Step]:
        old, new, goal = work.old, work.new, work.goal
        targeted = new.is_provider or new.type == urns.STACK_TYPE or self.included(new)
        provider = await self._provider(work)
        if old is not None:
            new.inputs = ignore_changes(
                self.deployment, work.urn, new.inputs, old.inputs, goal.ignore_changes
            )
        if provider is not None:
            await self._check(work, provider, targeted)
        if work.invalid:
            raise Bail(f"resource {work.urn} is invalid")
        if targeted:
            self._queue_untargeted_dependencies(new)
        return await self._decide(work, provider, targeted)

    async def _check(self, work: Work, provider: Provider, targeted: bool) -> None:
        old, new = work.old, work.new
        if not targeted:
            new.inputs = dict(old.inputs) if old is not None else {}
            return
        afresh = old is None or work.recreating or old.external or self.replaced_by_target(work.urn, old)
        olds, news = (None, work.goal.properties) if afresh or old is None else (old.inputs, new.inputs)
        checked = await provider.check(work.urn, olds, news, self.deployment.preview, work.seed)
        if self._report_failures(new, checked):
            work.invalid = True
        new.inputs = checked.inputs

    def _report_failures(self, state: State, checked: Checked) -> bool:
        for name, reason in checked.failures:
            value = in_message(state.inputs.get(name))
            what = f": property {name} value {value} has a problem" if name else " has a problem"
            self.deployment.report(
                "error", state.urn, f"{state.type} resource '{state.name}'{what}: {reason}"
            )
        return bool(checked.failures)

    async def _decide(self, work: Work, provider: Provider | None, targeted: bool) -> list[Step]:
        old, new, urn = work.old, work.new, work.urn
        if work.recreating:
            assert old is not None
            return self._recreate(urn, old, new, work.answer)
        if old is not None and old.external:
            self.creates.add(urn)
            return [
                CreateStep(old=old, new=new, answer=work.answer, replacing=True, pending_delete=True),
                ReplaceStep(old=old, new=new),
            ]
        if self.deployment.options.excludes and not targeted:
            self.excludes.add(urn)
        elif targeted and self._explicitly_targeted(new):
            self.targets.add(urn)
        if old is None:
            if not targeted:
                return [self._skip_create(work)]
            self.creates.add(urn)
            return [CreateStep(new=new, answer=work.answer)]
        if not targeted:
            return self._untargeted_sames(urn, old, work.answer)
        return await self._compare(work, provider)

    def _recreate(self, urn: str, old: State, new: State, answer: asyncio.Future[Registered]) -> list[Step]:
        """It was deleted earlier in this deployment because something it needs is being replaced."""
        del self.deletes[urn]
        self.replaces.add(urn)
        keys = self.dependent_keys.get(urn, [])
        return [
            ReplaceStep(old=old, new=new),
            CreateStep(old=old, new=new, answer=answer, replacing=True, keys=keys),
        ]

    async def _compare(self, work: Work, provider: Provider | None) -> list[Step]:
        old, new = work.old, work.new
        assert old is not None
        if not self.deployment.preview and contains_unknowns(new.replacement_trigger):
            raise EngineError(f"replacement trigger contains unknowns for {work.urn}")
        triggered = _triggers(new.replacement_trigger, old.replacement_trigger)
        try:
            diff = Diff(SOME) if triggered else await self._diff(work, provider)
        except DiffUnavailable as error:
            self.deployment.report("warning", work.urn, str(error))
            diff = Diff(SOME)
        if work.urn in self.deletes:
            return self._recreate(work.urn, old, new, work.answer)
        steps = await self._act_on(work, provider, diff, triggered)
        if steps:
            return steps
        if work.urn in self.imports:
            if not work.answer.done():
                work.answer.set_result(Registered(old))
            return []
        self.sames.add(work.urn)
        return [SameStep(old=old, new=new, answer=work.answer)]

    async def _diff(self, work: Work, provider: Provider | None) -> Diff:
        old, new = work.old, work.new
        assert old is not None
        if self.replaced_by_target(work.urn, old):
            return Diff(SOME, replace_keys=["id"])
        if any(urn in self.replaces for urn in new.replace_with):
            return Diff(SOME, replace_keys=["replaceWith"])
        if new.deleted_with and new.deleted_with in self.replaces:
            return Diff(SOME, replace_keys=["deletedWith"])
        if await self._provider_changed(old, new):
            return Diff(SOME, replace_keys=["provider"])
        if provider is None:
            return Diff(NONE if same(old.inputs, new.inputs) else SOME)
        return await self.deployment.diff(
            work.urn, old.id, old.inputs, old.outputs, new.inputs, provider, work.goal.ignore_changes
        )

    async def _act_on(self, work: Work, provider: Provider | None, diff: Diff, triggered: bool) -> list[Step]:
        old, new = work.old, work.new
        assert old is not None
        diff = apply_replace_on_changes(diff, work.goal.replace_on_changes, bool(old.init_errors))
        if diff.changes == SOME or old.pending_replacement:
            if diff.replaces or triggered or old.pending_replacement:
                return await self._replace(work, provider, diff)
        elif not old.init_errors:
            return []
        self.updates.add(work.urn)
        return [
            UpdateStep(
                old=old,
                new=new,
                answer=work.answer,
                diffs=diff.changed_keys,
                detailed=diff.detailed,
                ignore=work.goal.ignore_changes,
            )
        ]

    async def _replace(self, work: Work, provider: Provider | None, diff: Diff) -> list[Step]:
        old, new, goal, urn = work.old, work.new, work.goal, work.urn
        assert old is not None
        self._refuse_protected(urn, old, new)
        self._refuse_imported(work, diff)
        self.replaces.add(urn)
        if provider is not None and not self.replaced_by_target(urn, old):
            # Its old inputs do not matter any more: a new name is generated, defaults are chosen anew.
            checked = await provider.check(urn, None, goal.properties, self.deployment.preview, work.seed)
            if self._report_failures(new, checked):
                raise Bail(f"resource {urn} has check errors")
            new.inputs = checked.inputs
        before = diff.delete_before_replace
        if goal.delete_before_replace is not None:
            before = goal.delete_before_replace
        create = CreateStep(
            old=old,
            new=new,
            answer=work.answer,
            keys=diff.replace_keys,
            diffs=diff.changed_keys,
            detailed=diff.detailed,
            replacing=True,
            pending_delete=not before,
        )
        replace = ReplaceStep(
            old=old, new=new, keys=diff.replace_keys, diffs=diff.changed_keys, detailed=diff.detailed
        )
        if not before:
            return [create, replace]
        steps = await cascade.delete_dependents(self, urn, old)
        await self.deployment.ensure_provider(old.provider)
        if not old.pending_replacement:
            self.deletes[urn] = True
            steps.append(DeleteStep(old=old, replacing=True, pending_replacement=True, others=self.deletes))
        return [*steps, replace, create]

    def _refuse_protected(self, urn: str, old: State, new: State) -> None:
        if not (new.protect and old.protect) or self.deployment.options.ignore_protect:
            return
        message = (
            f'unable to replace resource "{urn}"\nas it is currently marked for protection. To unprotect '
            "the resource, "
            "remove the `protect` flag from the resource in your Pulumi program and run `up`"
        )
        self.deployment.report("error", urn, message)
        self.errored = True
        if not self.deployment.preview:
            raise Bail(message)

    def _refuse_imported(self, work: Work, diff: Diff) -> None:
        if not work.goal.import_id:
            return
        message = (
            "previously-imported resources that still specify an ID may not be replaced; please remove the "
            "`import` "
            f"declaration from your program (changed: {', '.join(diff.replace_keys)})"
        )
        if not self.deployment.preview:
            raise EngineError(message)
        self.deployment.report("warning", work.urn, message)

    # Reads

    async def read(self, request: ReadRequest) -> list[Step]:
        new = request.state
        self._check_parent(request.parent)
        new.urn = self._new_urn(request.parent, new.type, request.name)
        old, _, alias = self._find_old(new.urn, request.name, new.type, request.parent, [])
        new.aliases = [alias] if alias else []
        if not new.id:
            raise EngineError(f"Expected an ID for {new.urn}")
        if old is not None and not old.external and old.id != new.id:
            self.replaces.add(new.urn)
            return [
                ReadStep(old=old, new=new, answer=request.answer, replacing=True),
                ReplaceStep(old=old, new=new),
            ]
        if self.mode == "destroy":
            self.to_delete.append(new)
        self.reads.add(new.urn)
        return [ReadStep(old=old, new=new, answer=request.answer)]

    # Names and aliases

    def _check_parent(self, parent: str) -> None:
        if parent and parent not in self.urns:
            raise EngineError(f"could not find parent resource {parent}")

    def _new_urn(self, parent: str, type_: str, name: str) -> str:
        urn = self.deployment.urn_of(parent, type_, name)
        if urn in self.urns:
            message = f"Duplicate resource URN '{urn}'; try giving it a unique name"
            self.deployment.report("error", urn, message)
            raise Bail(message)
        self.urns.add(urn)
        return urn

    def _find_old(
        self, urn: str, name: str, type_: str, parent: str, aliases: list[Alias]
    ) -> tuple[State | None, bool, str]:
        """The old resource, whether an alias is in conflict, and the alias it was found by."""
        invalid = False
        if urn in self.aliased:
            invalid = True
            other = self.aliased[urn]
            message = f"Duplicate resource URN '{urn}' conflicting with alias on resource with URN '{other}'"
            self.deployment.report("error", urn, message)
        for candidate in (urn, *self._alias_urns(name, type_, parent, aliases)):
            if candidate not in self.olds:
                continue
            if candidate == urn:
                return self.olds[candidate], invalid, ""
            if candidate in self.urns or candidate in self.aliased:
                invalid = True
                other = self.aliased.get(candidate, urn)
                message = (
                    f"Duplicate resource alias '{candidate}' applied to resource with URN '{urn}' "
                    "conflicting "
                    f"with resource with URN '{other}'"
                )
                self.deployment.report("error", urn, message)
            self.aliased[candidate] = urn
            self.aliases[urn] = candidate
            self.deployment.registry.register_alias(urn, candidate)
            return self.olds[candidate], invalid, candidate
        return None, invalid, ""

    def _alias_urns(self, name: str, type_: str, parent: str, aliases: list[Alias]) -> list[str]:
        found = [self._collapse(name, type_, parent, alias) for alias in aliases]
        if parent in self.aliases:
            parent_alias = self.aliases[parent]
            found.append(self._inherited(type_, name, parent, parent_alias))
            for alias in aliases:
                own = self._collapse(name, type_, parent, alias)
                found.append(self._inherited(urns.type_of(own), urns.name_of(own), parent, parent_alias))
        return list(dict.fromkeys(found))

    def _collapse(self, name: str, type_: str, parent: str, alias: Alias) -> str:
        if alias.urn:
            return alias.urn
        under = self.aliases.get(alias.parent, alias.parent) if alias.parent else parent
        if alias.no_parent or (under and urns.qualified_type(under) == urns.STACK_TYPE):
            under = ""
        return urns.child(
            alias.stack or self.deployment.stack.name,
            alias.project or self.deployment.stack.project,
            under,
            alias.type or type_,
            alias.name or name,
        )

    def _inherited(self, type_: str, name: str, parent: str, parent_alias: str) -> str:
        """A child of a renamed parent had the parent's old name in its own, if that is how it was named."""
        parent_name = urns.name_of(parent)
        if name.startswith(parent_name):
            name = urns.name_of(parent_alias) + name[len(parent_name) :]
        stack = self.deployment.stack
        return urns.make(stack.name, stack.project, urns.qualified_type(parent_alias), type_, name)

    # Providers

    async def _provider(self, work: Work) -> Provider | None:
        state = work.new
        if not state.custom:
            return None
        if state.is_provider:
            return self.deployment.registry
        if urns.DENY_DEFAULT in state.provider:
            package = state.provider.rsplit("::", 1)[-1]
            message = (
                f"Default provider for '{package}' disabled. '{work.urn}' must use an explicit provider."
            )
            self.deployment.report("error", work.urn, message)
            raise Bail(message)
        provider = self.deployment.registry.get(state.provider)
        if provider is not None:
            return provider
        urn, identifier = urns.parse_reference(state.provider)
        old = self.olds.get(urn)
        if old is None or old.id != identifier:
            message = f"unknown provider '{state.provider}' for resource '{work.urn}'"
            self.deployment.report("error", work.urn, message)
            raise Bail(message)
        await self.deployment.ensure_provider(state.provider)
        self._queue_same(old)
        return self.deployment.registry.get(state.provider)

    async def _provider_changed(self, old: State, new: State) -> bool:
        """Another provider means a replacement, unless the new one says that its resources are
        the same ones.
        """
        if old.provider == new.provider:
            return False
        if not old.provider or not new.provider:
            return True
        old_urn, new_urn = urns.reference_urn(old.provider), urns.reference_urn(new.provider)
        if self.aliased.get(old_urn) == new_urn:
            return False
        was, now = self.olds.get(old_urn), self.providers.get(new_urn)
        if was is None or now is None:
            return True
        diff = await self.deployment.registry.diff_between(new.provider, was, now)
        return diff.replaces

    # Targets

    def included(self, state: State) -> bool:
        options = self.deployment.options
        if options.targets:
            return self._explicitly_targeted(state)
        return not (options.excludes and self._excluded(state))

    def _explicitly_targeted(self, state: State) -> bool:
        options = self.deployment.options
        if options.targets and state.urn in options.targets:
            return True
        return options.target_dependents and any(urn in self.targets for urn in state.dependency_urns())

    def _excluded(self, state: State) -> bool:
        options = self.deployment.options
        if state.urn in options.excludes:
            return True
        return options.exclude_dependents and any(urn in self.excludes for urn in state.dependency_urns())

    def replaced_by_target(self, urn: str, old: State | None) -> bool:
        targets = self.deployment.options.replace_targets
        return bool(targets and urn in targets) or (old is not None and old.taint)

    def _untargeted_sames(self, urn: str, old: State, answer: asyncio.Future[Registered]) -> list[Step]:
        if old.provider and self.deployment.registry.get(old.provider) is None:
            raise EngineError(
                f"provider {old.provider} for resource {urn} has not been registered yet, this is due to a "
                "change of "
                "providers mixed with --target. Change your program back to the original providers"
            )
        steps: list[Step] = []
        self._collect_sames(urn, old, answer, steps)
        return steps

    def _collect_sames(
        self, urn: str, old: State, answer: asyncio.Future[Registered] | None, steps: list[Step]
    ) -> None:
        if old.delete:
            return
        self.urns.add(old.urn)
        self.sames.update((urn, old.urn))
        for needed in sorted(old.dependency_urns()):
            if self.has_step(needed) or self.operated_on(needed):
                continue
            dependency = self.olds.get(needed)
            if dependency is None:
                raise Bail(f"dependency {needed} of untargeted resource {urn} has no old state")
            self._collect_sames(urn, dependency, None, steps)
        new = old.copy()
        new.id = ""
        steps.append(SameStep(old=old, new=new, answer=answer, untargeted=True))

    def _queue_untargeted_dependencies(self, state: State) -> None:
        """With --target: old resources that a targeted one needs must come before it in the state file."""
        if not self.deployment.options.targets:
            return
        for _, urn in state.all_dependencies():
            self._queue_with_dependencies(urn)

    def _queue_with_dependencies(self, urn: str) -> None:
        old = self.olds.get(urn)
        if not urn or old is None or old.delete or self.has_step(urn) or urn in self._waiting_sames:
            return
        self._queue_same(old)
        step = self._waiting_sames.pop(urn)
        for needed in sorted(old.dependency_urns()):
            self._queue_with_dependencies(needed)
        self._waiting_sames[urn] = step

    def _queue_same(self, old: State) -> None:
        if old.urn not in self._waiting_sames:
            new = old.copy()
            new.id = ""
            self._waiting_sames[old.urn] = SameStep(old=old, new=new, untargeted=True)

    def _validated(self, steps: list[Step]) -> list[Step]:
        if self._waiting_sames and steps:
            waiting, self._waiting_sames = self._waiting_sames, {}
            first = []
            for urn, step in waiting.items():
                if not self.has_step(urn) and not self.operated_on(urn):
                    self.urns.add(urn)
                    self.sames.add(urn)
                    first.append(step)
            steps = [*first, *steps]
        options = self.deployment.options
        if not options.targets and not options.replace_targets:
            return steps
        for step in steps:
            self._refuse_skipped_dependencies(step)
        return steps

    def _refuse_skipped_dependencies(self, step: Step) -> None:
        if step.new is None or (isinstance(step, SameStep) and step.skipped_create):
            return
        for urn in sorted(step.new.dependency_urns() & self.skipped_creates):
            message = (
                f"Resource '{step.urn}' depends on '{urn}' which was not specified in --target list."
                " Either include the resource in the --target list or pass --target-dependents to proceed."
            )
            self.deployment.report("error", step.urn, message)
            self.errored = True
            if not self.deployment.preview:
                raise Bail("untargeted create")
            self.skipped_creates.discard(urn)

    # What has been planned so far

    def has_step(self, urn: str) -> bool:
        return (
            urn in self.creates
            or urn in self.sames
            or urn in self.updates
            or urn in self.deletes
            or urn in self.replaces
            or urn in self.reads
        )

    def operated_on(self, urn: str) -> bool:
        urn = self.aliased.get(urn, urn)
        return (
            urn in self.sames
            or urn in self.updates
            or urn in self.replaces
            or urn in self.reads
            or urn in self.refreshes
        )


def _triggers(new: object, old: object) -> bool:
    """Whether the replacementTrigger asks for a replacement."""
    if contains_unknowns(new) or contains_unknowns(old):
        return True
    if new is None or old is None:
        return False
    return not same(unwrap(new), unwrap(old))
