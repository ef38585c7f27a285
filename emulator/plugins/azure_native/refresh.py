"""Read: live values projected onto inputs, so that a refresh shows drift and an update PUTs what is live.

As azure-native: what changed between the outputs in the state and the outputs now is applied to the inputs;
defaults that Azure filled in on its own never become inputs. Without inputs (an import) they are made from
the answer. Source: Read in provider/pkg/provider/provider.go, applyDiff in diff.go.
"""

from __future__ import annotations

import copy
from typing import Any

from emulator.plugins.azure_native import convert, ids, shapes
from emulator.plugins.azure_native.table import Row
from emulator.plugins.values import Properties, same


def project(row: Row, inputs: Properties, old_outputs: Properties, new_outputs: Properties) -> Properties:
    """Return the inputs after applying what changed in Azure since the state was written."""
    body = shapes.body(row)
    olds = copy.deepcopy(old_outputs)
    for name, default in row.defaults.items():
        if name in inputs and name in olds and same(olds[name], default):
            del olds[name]
    news = copy.deepcopy(new_outputs)
    for path in row.maintained:
        _drop_unset(news, olds, inputs, path.split("."))
    before, after = convert.to_inputs(body, olds) or {}, convert.to_inputs(body, news) or {}
    return _apply(inputs, before, after)


def imported(row: Row, id_: str, response: Properties) -> Properties:
    """Return inputs that would make this resource, for one that no state knows."""
    body = {name: shape for name, shape in shapes.body(row).items() if name != "id"}
    found = convert.to_outputs(body, response) or {}
    kept = {name: kept for name, value in found.items() if (kept := _without_empty(value)) is not None}
    return {**ids.parse(row, id_), **kept}


def _drop_unset(news: Properties, olds: Properties, inputs: Properties, path: list[str]) -> None:
    stated: Any = inputs
    for part in path:
        stated = stated.get(part) if isinstance(stated, dict) else None
    if stated is None:
        for values in (news, olds):
            _delete(values, path)


def _delete(values: Any, path: list[str]) -> None:
    for part in path[:-1]:
        values = values.get(part) if isinstance(values, dict) else None
    if isinstance(values, dict):
        values.pop(path[-1], None)


def _apply(values: Properties, before: Properties, after: Properties) -> Properties:
    result = {name: value for name, value in values.items() if not (name in before and name not in after)}
    for name, new in after.items():
        if name not in before:
            result[name] = new
        elif not same(before[name], new):
            result[name] = _apply_value(values[name], before[name], new) if name in values else new
    return result


def _apply_value(base: Any, before: Any, after: Any) -> Any:
    if all(isinstance(item, dict) for item in (base, before, after)):
        return _apply(base, before, after)
    if all(isinstance(item, list) for item in (base, before, after)):
        known = min(len(base), len(before))
        return [_apply_value(base[i], before[i], new) if i < known else new for i, new in enumerate(after)]
    return base if same(before, after) else after


def _without_empty(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {name: kept for name, item in value.items() if (kept := _without_empty(item)) is not None}
        return kept or None
    if isinstance(value, list):
        return [kept for item in value if (kept := _without_empty(item)) is not None] or None
    return value
