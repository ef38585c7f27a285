"""Between the shape of the SDK (flattened, renamed) and that of ARM (with `properties` bags), as azure-native
does it.

Follows provider/pkg/convert of pulumi-azure-native: what a shape does not know is dropped, a union is the
first type whose constants fit, sets of strings are objects' keys for ARM. Pure functions over plain values.
"""

from __future__ import annotations

from typing import Any

from emulator.plugins.azure_native import shapes
from emulator.plugins.azure_native.shapes import Shape, Shapes
from emulator.plugins.values import UNKNOWN, Properties


def to_body(known: Shapes, values: Properties) -> Properties | None:
    """Turn SDK inputs into a request body; None when a constant says that these are of another type."""
    result: Properties = {}
    for name, shape in known.items():
        if name not in values:
            continue
        value = values[name]
        if _contradicts(shape, value):
            return None
        container = result
        *containers, last = shape.get("w", [name])
        for part in containers:
            container = container.setdefault(part, {})
        container[last] = _walk(shape, value, to_body)
    return result


def to_outputs(known: Shapes, response: Properties) -> Properties | None:
    """Turn a response body into SDK outputs; None when a constant says that it is of another type."""
    result: Properties = {}
    for name, shape in known.items():
        *containers, last = shape.get("w", [name])
        holder: Any = response
        for part in containers:
            holder = holder.get(part) if isinstance(holder, dict) else None
        value = holder.get(last) if isinstance(holder, dict) else None
        if value is None:
            continue
        if _contradicts(shape, value):
            return None
        result[name] = _walk(shape, value, to_outputs)
    return result


def to_inputs(known: Shapes, values: Properties) -> Properties | None:
    """Project SDK outputs onto inputs: what is read-only has no input and goes."""
    result: Properties = {}
    for name, shape in known.items():
        if name not in values:
            continue
        if _contradicts(shape, values[name]):
            return None
        result[name] = _walk(shape, values[name], to_inputs)
    return result


def preview(known: Shapes, inputs: Properties) -> Properties:
    """Return outputs as a preview knows them: what the inputs say, and unknown for everything else."""
    return {name: _preview(shape, inputs.get(name, UNKNOWN)) for name, shape in known.items()}


def _preview(shape: Shape, value: Any) -> Any:
    kind = shape["k"]
    if "c" in shape:
        return shape["c"]
    if isinstance(value, list) and kind == "array":
        return [_preview(shape["i"], item) for item in value]
    if isinstance(value, dict):
        if kind == "object":
            return preview(shapes.of_type(shape["r"]), value)
        if kind == "map":
            return {key: _preview(shape["i"], item) for key, item in value.items()}
        if kind in ("union", "any"):  # azure-native takes the input for the output here
            return value
        return UNKNOWN
    plain: dict[str, type | tuple[type, ...]] = {
        "boolean": bool,
        "integer": int,
        "number": (int, float),
        "string": str,
    }
    if kind == "any" and not isinstance(value, list):
        return value
    return value if isinstance(value, plain.get(kind, ())) else UNKNOWN


def _contradicts(shape: Shape, value: Any) -> bool:
    return "c" in shape and value != shape["c"] and value != UNKNOWN


def _walk(shape: Shape, value: Any, convert: Any) -> Any:
    kind = shape["k"]
    if kind == "set":
        return _set(value, convert)
    if isinstance(value, dict):
        if kind == "object":
            return convert(shapes.of_type(shape["r"]), value)
        if kind == "map":
            return {key: _walk(shape["i"], item, convert) for key, item in value.items()}
        if kind == "union":
            found = (convert(shapes.of_type(item), value) for item in shape["o"])
            return next((item for item in found if item is not None), value)
    if isinstance(value, list) and kind == "array":
        return [_walk(shape["i"], item, convert) for item in value]
    return value


def _set(value: Any, convert: Any) -> Any:
    if convert is to_body and isinstance(value, list):
        return {item: {} for item in value}
    return sorted(value) if isinstance(value, dict) else value
