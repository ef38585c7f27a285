"""Validates inputs against the shapes: required, known, of the right type. Errors read like azure-native's.

Stricter than azure-native in two points, because the embedded Azure would refuse both anyway, only later:
inputs the SDK does not know (azure-native drops them) and values outside a closed enum.
"""

from __future__ import annotations

from typing import Any

from emulator.plugins.azure_native import shapes
from emulator.plugins.azure_native.shapes import Shape, Shapes
from emulator.plugins.azure_native.table import Row
from emulator.plugins.values import UNKNOWN, Properties, has_unknown

LOCATION_HINT = (
    ". Either set it explicitly or configure it with 'pulumi config set azure-native:location <value>'."
)
_NAMES = {
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    list: "an array",
    dict: "an object",
}


def failures(row: Row, inputs: Properties) -> list[str]:
    """Return what is wrong with the inputs of a resource, one sentence each."""
    known = shapes.inputs(row)
    needed = {*shapes.path_parameters(row), *_required(known)}
    if "location" in known and row.autoname == "random":
        needed.add("location")
    found = [_missing(name) for name in sorted(needed) if name not in inputs]
    values = {
        name: value
        for name, value in inputs.items()
        if not name.startswith("__") and name != "azureApiVersion"
    }
    return found + _object("", known, values, check_required=False)


def _missing(path: str) -> str:
    return f"missing required property '{path}'" + (LOCATION_HINT if path == "location" else "")


def _required(known: Shapes) -> list[str]:
    return [name for name, shape in known.items() if shape.get("q")]


def _object(path: str, known: Shapes, values: Properties, *, check_required: bool = True) -> list[str]:
    found = []
    if check_required:
        found += [_missing(_join(path, name)) for name in _required(known) if name not in values]
    for name, value in values.items():
        if name not in known:
            allowed = ", ".join(sorted(known))
            found.append(
                f"'{_join(path, name)}' is not a property azure-native 3.29 knows here; it knows {allowed}"
            )
        else:
            found += _value(_join(path, name), known[name], value)
    return found


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _value(path: str, shape: Shape, value: Any) -> list[str]:
    kind = shape["k"]
    if value in (None, UNKNOWN) or kind == "any":
        return []
    if isinstance(value, dict) and kind in ("object", "union", "map"):
        return _structured(path, shape, value)
    if isinstance(value, list) and kind in ("array", "set"):
        items = shape.get("i", {"k": "string"})
        return [failure for i, item in enumerate(value) for failure in _value(f"{path}[{i}]", items, item)]
    if not _fits(kind, value):
        return [f"'{path}' should be of type '{_type_name(kind)}' but got {_NAMES[type(value)]}"]
    if kind == "integer" and not isinstance(value, int):
        return [f"'{path}' must be an integer but got {value:f}"]
    if "e" in shape and not shape.get("m") and value not in shape["e"]:
        return [f"'{path}' must be one of {', '.join(shape['e'])}, but is {value!r}"]
    return []


def _structured(path: str, shape: Shape, value: Properties) -> list[str]:
    if shape["k"] == "map":
        return [
            failure for key, item in value.items() for failure in _value(f"{path}.{key}", shape["i"], item)
        ]
    if shape["k"] == "object":
        return _object(path, shapes.of_type(shape["r"]), value)
    types = [shapes.of_type(item) for item in shape["o"]]
    fitting = [known for known in types if _constants_fit(known, value)]
    if not fitting:
        options = sorted({str(s["c"]) for known in types for s in known.values() if "c" in s})
        return [f"'{path}' is none of the types azure-native knows here ({', '.join(options)})"]
    return [] if has_unknown(value) else min((_object(path, known, value) for known in fitting), key=len)


def _constants_fit(known: Shapes, value: Properties) -> bool:
    return all(value.get(name) in (shape["c"], UNKNOWN) for name, shape in known.items() if "c" in shape)


def _fits(kind: str, value: Any) -> bool:
    if kind == "boolean":
        return isinstance(value, bool)
    if kind in ("integer", "number"):
        return isinstance(value, int | float) and not isinstance(value, bool)
    return kind == "string" and isinstance(value, str)


def _type_name(kind: str) -> str:
    return {"set": "array", "map": "object", "union": "object"}.get(kind, kind)
