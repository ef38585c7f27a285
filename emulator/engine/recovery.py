"""Creations that were interrupted: what `refresh` does with them.

The CLI asks for the ID of each, or takes `--import-pending-creates URN ID`. Given bare, the flag means
here: find the IDs yourself. That works where IDs follow from inputs, as in Azure; creations that can
simply be done again (dynamic resources of this project, image builds) are forgotten; for anything else
the ID must be given.
"""

from __future__ import annotations

import os
import sys

from . import urn as urns
from .errors import EngineError
from .state import Operation, Snapshot, State
from .values import unwrap

_REPEATABLE = {"pulumi-python", "docker", "docker-build", "pulumi"}


def edit(snapshot: Snapshot, pairs: list[str], find: bool, clear: bool) -> None:
    """Change the pending creations of a snapshot in place: adopted, forgotten or kept."""
    if len(pairs) % 2:
        raise EngineError("each URN must be followed by an ID: found an odd number of entries")
    given = dict(zip(pairs[::2], pairs[1::2], strict=True))
    kept: list[Operation] = []
    for operation in snapshot.operations:
        if operation.type != "creating":
            kept.append(operation)
            continue
        state = operation.resource
        identifier = given.pop(state.urn, "") or (find and _identifier(state)) or ""
        if identifier:
            state.id = identifier
            _adopt(snapshot, state)
        elif not clear and not (find and _repeatable(state)):
            kept.append(operation)
            if find:
                _warn(f"the ID of {state.urn} does not follow from its inputs; give it with the flag")
    snapshot.operations = kept
    for urn in given:
        _warn(f'"{urn}" did not correspond to a pending create')


def _adopt(snapshot: Snapshot, made: State) -> None:
    """It becomes a resource, which the refresh then reads and drops again if it is not there.

    (The CLI of 3.260 drops it with a file backend; its documentation says that it is imported.)
    """
    for old in [s for s in snapshot.resources if s.urn == made.urn and not s.delete]:
        if old.pending_replacement or old.id == made.id:
            snapshot.resources.remove(old)
        else:
            old.delete = True  # what was to be replaced goes at the next update
    snapshot.resources.append(made)


def _repeatable(state: State) -> bool:
    return not state.custom or urns.package_of(state.type) in _REPEATABLE or state.is_provider


def _identifier(state: State) -> str:
    if urns.package_of(state.type) != "azure-native":
        return ""
    from emulator.plugins.azure_native import ids
    from emulator.plugins.azure_native.table import ROWS
    from emulator.plugins.errors import PluginError

    row = ROWS.get(state.type)
    inputs = unwrap(state.inputs)
    if row is None:
        return ""
    try:
        return ids.make(row.path, inputs, os.environ.get("ARM_SUBSCRIPTION_ID", ""))
    except PluginError:
        return ""


def _warn(message: str) -> None:
    print(f"warning: {message}", file=sys.stderr)
