"""What a change of inputs does to a resource: update or replace, property by property.

Follows provider/pkg/provider/diff.go of pulumi-azure-native: path parameters and create-only properties
replace, everything else updates; location and resource group names compare without case (and spaces); a
replacement deletes first unless the name is random. Arrays are compared by position (azure-native compares
some by key: not done).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from emulator.plugins.azure_native import shapes
from emulator.plugins.azure_native.naming import CREATE_FIRST
from emulator.plugins.azure_native.table import Row
from emulator.plugins.protocol import provider_pb2
from emulator.plugins.values import Properties, same

_KIND = provider_pb2.PropertyDiff
_REPLACING: dict[int, int] = {
    _KIND.ADD: _KIND.ADD_REPLACE,
    _KIND.DELETE: _KIND.DELETE_REPLACE,
    _KIND.UPDATE: _KIND.UPDATE_REPLACE,
}


@dataclass
class Changes:
    """Kinds of change by path; a path reads `properties.traffic.blue` or `subnets[0].name`."""

    detailed: dict[str, int] = field(default_factory=dict)
    replaces: list[str] = field(default_factory=list)

    @property
    def top_level(self) -> list[str]:
        return sorted({path.split(".")[0].split("[")[0] for path in self.detailed})


def respond(row: Row, old_inputs: Properties, old_state: Properties, news: Properties) -> Any:
    """Return the DiffResponse."""
    olds = dict(old_inputs)
    if "azureApiVersion" not in olds and "azureApiVersion" in old_state:  # imported, or from azure-native 2.x
        olds["azureApiVersion"] = old_state["azureApiVersion"]
    changes = compare(row, olds, news, old_state)
    if not changes.detailed:
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)
    create_first = olds.get(CREATE_FIRST) is True
    return provider_pb2.DiffResponse(
        changes=provider_pb2.DiffResponse.DIFF_SOME,
        diffs=changes.top_level,
        replaces=sorted(changes.replaces),
        deleteBeforeReplace=bool(changes.replaces) and not create_first,
        detailedDiff={
            path: provider_pb2.PropertyDiff(kind=kind, inputDiff=True)  # type: ignore[arg-type]
            for path, kind in changes.detailed.items()
        },
        hasDetailedDiff=True,
    )


def compare(row: Row, olds: Properties, news: Properties, old_state: Properties) -> Changes:
    """Compare old and new inputs."""
    replacing = {*shapes.path_parameters(row), *row.create_only}
    found = Changes()
    for path, kind in _object("", _visible(olds), _visible(news)).items():
        if path in ("location", "resourceGroupName") and _equal_folded(olds.get(path), news.get(path)):
            continue
        if not _replaces(path, kind, replacing):
            found.detailed[path] = kind
        elif kind == _KIND.ADD and path in old_state and same(old_state[path], news[path]):
            found.detailed[path] = kind  # the program now says what Azure had chosen
        else:
            found.detailed[path] = _REPLACING[kind]
            found.replaces.append(path)
    return found


def _visible(values: Properties) -> Properties:
    return {key: value for key, value in values.items() if not key.startswith("__")}


def _equal_folded(left: Any, right: Any) -> bool:
    """Compare as Azure does: "West US 2" is "westus2"."""
    if not isinstance(left, str) or not isinstance(right, str):
        return False
    return left.replace(" ", "").lower() == right.replace(" ", "").lower()


def _replaces(path: str, kind: int, replacing: set[str]) -> bool:
    """Tell whether a change replaces: the property is create-only, or the object whose part is updated.

    As in azure-native, a part that is added to or removed from a create-only object only updates.
    """
    parts = re.sub(r"\[\d+\]", "[]", path).split(".")
    if ".".join(parts) in replacing:
        return True
    return kind == _KIND.UPDATE and any(".".join(parts[:i]) in replacing for i in range(1, len(parts)))


def _object(base: str, olds: Properties, news: Properties) -> dict[str, int]:
    found: dict[str, int] = {}
    for key, old in olds.items():
        path = f"{base}{key}"
        if key in news:
            found |= _value(path, old, news[key])
        else:
            found[path] = _KIND.DELETE
    return found | {f"{base}{key}": _KIND.ADD for key in news if key not in olds}


def _value(path: str, old: Any, new: Any) -> dict[str, int]:
    if isinstance(old, dict) and isinstance(new, dict):
        return _object(path + ".", old, new)
    if isinstance(old, list) and isinstance(new, list):
        found: dict[str, int] = {}
        for i, (left, right) in enumerate(zip(old, new, strict=False)):
            found |= _value(f"{path}[{i}]", left, right)
        shorter, longer = sorted((len(old), len(new)))
        kind = _KIND.ADD if len(new) > len(old) else _KIND.DELETE
        return found | {f"{path}[{i}]": kind for i in range(shorter, longer)}
    return {} if same(old, new) else {path: _KIND.UPDATE}
