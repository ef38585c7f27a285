"""What the program no longer asks for: which resources go, and in which order they can go in parallel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import cascade
from .errors import Bail
from .graph import DependencyGraph
from .state import State
from .steps import DeleteStep, RefreshStep, RemovePendingReplaceStep, SameStep, Step

if TYPE_CHECKING:
    from .planner import Planner


async def plan(planner: Planner) -> tuple[list[Step], list[Step]]:
    """(sames for what is not targeted, deletes)."""
    options = planner.deployment.options
    allowed = await _allowed(planner) if options.targets else None
    kept = _kept(planner) if options.excludes and allowed is None else set()
    sames: list[Step] = []
    deletes: list[Step] = []
    for state in planner.deployment.base.resources:
        if (allowed is not None and state.urn not in allowed) or state.urn in kept:
            if not planner.operated_on(state.urn):
                new = state.copy()
                new.id = ""
                sames.append(SameStep(old=state, new=new, untargeted=True))
            continue
        await _plan_one(planner, planner.refreshed.get(id(state), state), deletes)
    for state in planner.to_delete:
        if (allowed is None or state.urn in allowed) and state.urn not in kept:
            planner.deletes[state.urn] = True
            deletes.append(DeleteStep(old=state, others=planner.deletes))
    _refuse_unlisted(planner, deletes)
    return sames, deletes


async def _plan_one(planner: Planner, state: State, deletes: list[Step]) -> None:
    if state.delete:
        if id(state) in planner.pending_deletes:
            return
        planner.deletes[state.urn] = True
        deletes.append(DeleteStep(old=state, replacing=True, others=planner.deletes))
    elif not planner.operated_on(state.urn):
        planner.deletes[state.urn] = True
        if state.pending_replacement:
            deletes.append(RemovePendingReplaceStep(old=state))
        else:
            deletes.append(DeleteStep(old=state, others=planner.deletes))
    if planner.deletes.get(state.urn):
        await planner.deployment.ensure_provider(state.provider)


def _refuse_unlisted(planner: Planner, deletes: list[Step]) -> None:
    """With --target: deleting what a target's dependents are needs --target-dependents."""
    options = planner.deployment.options
    if not options.targets or options.target_dependents:
        return
    refused = [step.urn for step in deletes if step.urn not in options.targets]
    for urn in refused:
        planner.deployment.report(
            "error",
            urn,
            f"Resource '{urn}' will be destroyed but was not specified in --target list.\nEither include "
            "the resource "
            "in the --target list or pass --target-dependents to proceed.",
        )
        planner.errored = True
    if refused and not planner.deployment.preview:
        raise Bail("delete untargeted resource")


def scheduling_graph(planner: Planner) -> DependencyGraph:
    base = planner.deployment.base.resources
    graph = DependencyGraph([*planner.to_delete, *base])
    for state in base:
        if id(state) in planner.refreshed:
            graph.alias(planner.refreshed[id(state)], state)
    return graph


async def _allowed(planner: Planner) -> set[str]:
    """The targets, what depends on them, and what must be replaced with them."""
    graph = scheduling_graph(planner)
    options = planner.deployment.options
    todo = [state for state in planner.deployment.base.resources if state.urn in options.targets]
    reached: set[str] = set()
    while todo:
        state = todo.pop(0)
        if state.urn not in reached:
            reached.add(state.urn)
            todo += graph.depending_on(state, reached, True)
    out: set[str] = set()
    for urn in reached:
        for state in planner.deployment.all_olds.get(urn, ()):
            out.add(urn)
            dependents = await cascade.dependent_replacements(planner, state)
            dependents += cascade.replaced_with(planner, urn)
            out.update(dependent.urn for dependent, _ in dependents)
    return out


def _kept(planner: Planner) -> set[str]:
    """What is excluded, and what it needs."""
    graph = scheduling_graph(planner)
    options = planner.deployment.options
    todo = [state for state in planner.deployment.base.resources if state.urn in options.excludes]
    reached: set[str] = set()
    while todo:
        state = todo.pop(0)
        if state.urn not in reached:
            reached.add(state.urn)
            todo += graph.dependencies_of(state)
            if options.exclude_dependents:
                todo += graph.depending_on(state, reached, True)
    return reached & set(planner.olds)


def schedule(planner: Planner, deletes: list[Step]) -> list[list[Step]]:
    """Groups of deletions that can run at once: dependents before what they depend on."""
    graph = scheduling_graph(planner)
    condemned = {id(step.res): step for step in deletes}
    groups: list[list[Step]] = []
    while condemned:
        free = [
            step
            for step in condemned.values()
            if not any(id(needed) in condemned for needed in graph.dependencies_of(step.res))
        ]
        for step in free:
            del condemned[id(step.res)]
        groups.append(free)
    return groups[::-1]


async def plan_refreshes(planner: Planner) -> list[Step]:
    """`refresh --run-program`: refresh what the program did not register."""
    options = planner.deployment.options
    steps: list[Step] = []
    for state in planner.deployment.base.resources:
        if planner.operated_on(state.urn):
            continue
        if state.urn not in options.targets or (options.excludes and state.urn in options.excludes):
            continue
        planner.refreshes.add(state.urn)
        await planner.deployment.ensure_provider(state.provider)
        steps.append(RefreshStep(old=state))
    return steps
