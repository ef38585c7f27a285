"""Deleting before replacing: who has to go first because the thing they need goes away.

A dependent is replaced too when its provider is, when it is deletedWith the root, or when its provider says
that it could not take the unknown value that the replaced resource would give it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import urn as urns
from .differences import apply_replace_on_changes
from .errors import Bail
from .provider import Provider
from .state import State
from .steps import DeleteStep, Step
from .values import UNKNOWN

if TYPE_CHECKING:
    from .planner import Planner

Dependents = list[tuple[State, list[str]]]  # with the keys that force the replacement


async def delete_dependents(planner: Planner, urn: str, root: State) -> list[Step]:
    """The steps that delete what cannot stay while `root` is replaced, last dependent first."""
    dependents: Dependents = []
    if not planner.deployment.preview or root in planner.deployment.graph:
        dependents = await dependent_replacements(planner, root)
    dependents += replaced_with(planner, urn)
    steps: list[Step] = []
    for state, keys in reversed(dependents):
        if id(state) in planner.pending_deletes:
            continue
        planner.dependent_keys[state.urn] = keys
        steps.append(_delete(planner, urn, state))
        planner.deletes[state.urn] = True
        planner.pending_deletes.add(id(state))
    return steps


def _delete(planner: Planner, urn: str, state: State) -> Step:
    if state.delete:
        return DeleteStep(old=state, others=planner.deletes)
    if state.protect and not planner.deployment.options.ignore_protect:
        message = (
            f'unable to replace resource "{state.urn}" as part of replacing "{urn}" as it is currently '
            "marked for "
            "protection. To unprotect the resource, remove the `protect` flag from the resource in your "
            "Pulumi program "
            "and run `up`"
        )
        planner.deployment.report("error", urn, message)
        planner.errored = True
        raise Bail(message)
    return DeleteStep(old=state, replacing=True, pending_replacement=True, others=planner.deletes)


async def dependent_replacements(planner: Planner, root: State) -> Dependents:
    replaced = {root.urn}
    done = set().union(
        planner.reads, planner.creates, planner.sames, planner.updates, planner.deletes, planner.replaces
    )
    found: Dependents = []
    for state in planner.deployment.graph.depending_on(root, done, False):
        must, keys = await _must_go(planner, state, replaced)
        if must:
            found.append((state, keys))
            replaced.add(state.urn)
    return found


async def _must_go(planner: Planner, state: State, replaced: set[str]) -> tuple[bool, list[str]]:
    deployment = planner.deployment
    if not state.custom or state.external:
        return False, []
    if state.provider and urns.reference_urn(state.provider) in replaced:
        await deployment.ensure_provider(state.provider)
        return True, []
    if state.deleted_with and state.deleted_with in replaced:
        return True, []
    touched = {key for key, needed in state.property_dependencies.items() if replaced & set(needed)}
    if not touched & set(state.inputs):
        return False, []
    inputs = {key: UNKNOWN if key in touched else value for key, value in state.inputs.items()}
    if state.is_provider:
        await deployment.registry.same(state, False)
        provider: Provider | None = deployment.registry
    else:
        await deployment.ensure_provider(state.provider)
        provider = deployment.registry.get(state.provider)
    diff = await deployment.diff(
        state.urn,
        state.id,
        state.inputs,
        state.outputs,
        inputs,
        provider,
        state.ignore_changes,
        unknowns=True,
    )
    diff = apply_replace_on_changes(diff, state.replace_on_changes, False)
    return diff.replaces, diff.replace_keys


def replaced_with(planner: Planner, urn: str) -> Dependents:
    """Resources that are tied to `urn` by replaceWith or deletedWith."""
    found: dict[str, State] = {}
    for states in (planner.deployment.news, planner.olds):
        for state in states.values():
            if urn in state.replace_with or state.deleted_with == urn:
                found.setdefault(state.urn, state)
    return [(state, []) for state in found.values()]
