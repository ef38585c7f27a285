"""Makes shapes.json: the inputs and outputs of every row of the table, with the names ARM knows them by.

Run by hand after a change of the table or of the SDK's version: `python -m
emulator.plugins.azure_native.generate`; a test fails when the file is not current. Types, required inputs,
enums and constants come from the installed pulumi_azure_native; wire names and flattening (`properties`
bags) from Azure's own Python models, whose attribute names are the SDK's. Nothing here runs in the plugin:
both packages take seconds to import.

A property is `{"k": kind}` with kind string, integer, number, boolean, any, array, map, object, union or
set (an array of strings in the SDK, the keys of an object for ARM), and, where it applies, `r` type, `o`
types of a union, `i` items, `w` wire path, `c` constant, `e` enum, `q` required, `m` more: values outside
the enum are allowed.
"""

from __future__ import annotations

import enum
import importlib
import inspect
import json
import re
import types
import typing
from pathlib import Path
from typing import Any

from emulator.plugins.azure_native.table import ROWS, Row

SHAPES = Path(__file__).with_name("shapes.json")
PRIMITIVES = {str: "string", int: "integer", float: "number", bool: "boolean"}
API_VERSION = re.compile(r"Uses Azure REST API version ([0-9a-z-]+)")


class Generator:
    """Collects the types that rows reach; `types` is what shapes.json holds under that name."""

    def __init__(self) -> None:
        self.types: dict[str, dict[str, Any]] = {}
        self._wires: dict[str, dict[str, list[str]]] = {}

    def resource(self, row: Row) -> dict[str, Any]:
        """Return the inputs (path parameters included), outputs and api-version of one row."""
        module = importlib.import_module(f"pulumi_azure_native.{row.module}")
        cls = getattr(module, row.name)
        args = getattr(module, row.name + "InitArgs", None) or getattr(module, row.name + "Args")
        wire = self._body_wire(row)
        outputs = self._properties(row, _output_types(cls), wire, required=set())
        outputs.pop("azureApiVersion", None)
        version = API_VERSION.search(cls.__doc__ or inspect.getsource(cls))
        inputs = self._properties(row, _input_types(args), wire, required=_required(args))
        for name, shape in outputs.items():  # the SDK types unions in outputs as Any
            if shape["k"] == "any" and inputs.get(name, {}).get("k") == "union":
                outputs[name] = {**shape, **self._answered_union(row, module, inputs[name]["o"])}
        for name in row.bag:
            for shapes in (inputs, outputs):
                if name in shapes:
                    shapes[name]["w"] = ["properties", name]
        return {
            "inputs": inputs,
            "outputs": outputs,
            "api": version.group(1) if version else "",
        }

    def _properties(
        self, row: Row, hints: dict[str, tuple[str, Any]], wire: dict[str, list[str]], required: set[str]
    ) -> dict[str, Any]:
        result = {}
        for python, (name, hint) in sorted(hints.items(), key=lambda item: item[1][0]):
            shape = self._shape(row, hint)
            if name == "userAssignedIdentities" and shape.get("k") == "array":
                shape = {"k": "set"}
            path = wire.get(_folded(python))
            if path and path != [name]:
                shape["w"] = path
            if python in required:
                shape["q"] = 1
            result[name] = shape
        return result

    def _shape(self, row: Row, hint: Any) -> dict[str, Any]:
        members = [item for item in _members(hint) if item is not type(None)]
        enums = [item for item in members if isinstance(item, type) and issubclass(item, enum.Enum)]
        objects = [item for item in members if _is_object(item)]
        if enums:
            values = [str(item.value) for item in enums[0]]
            return {"k": "string", "e": values, **({"m": 1} if str in members else {})}
        if len(objects) > 1:
            return {"k": "union", "o": [self._type(row, item) for item in objects]}
        if objects:
            return {"k": "object", "r": self._type(row, objects[0])}
        member = members[0] if members else Any
        if member in PRIMITIVES:
            return {"k": PRIMITIVES[member]}
        origin, arguments = typing.get_origin(member), typing.get_args(member)
        if origin and arguments and issubclass(origin, typing.Mapping):
            return {"k": "map", "i": self._shape(row, arguments[1])}
        if origin and arguments:
            return {"k": "array", "i": self._shape(row, arguments[0])}
        return {"k": "any"}

    def _type(self, row: Row, cls: type) -> str:
        name = f"{row.module}:{cls.__name__}"
        if name in self.types:
            return name
        self.types[name] = {}
        hints = _input_types(cls) if cls.__name__.endswith("Args") else _output_types(cls)
        bare = re.sub(r"(Args|Response)$", "", cls.__name__)
        wire = self._model_wire(row, bare)
        shapes = self._properties(
            row, hints, wire, _required(cls) if cls.__name__.endswith("Args") else set()
        )
        for python, constant in _constants(cls).items():
            shapes[hints[python][0]]["c"] = constant
        self.types[name].update(shapes)
        return name

    def _answered_union(self, row: Row, module: Any, members: list[str]) -> dict[str, Any]:
        names = [member.split(":")[1].removesuffix("Args") + "Response" for member in members]
        return {"k": "union", "o": [self._type(row, getattr(module.outputs, name)) for name in names]}

    def _body_wire(self, row: Row) -> dict[str, list[str]]:
        wire: dict[str, list[str]] = {}
        if row.model:
            module, _, classes = row.model.partition(":")
            for cls in classes.split(","):
                getattr(importlib.import_module(module), cls)  # a row names models that exist
                wire = {**wire, **self._model_wire(row, cls)}
        return wire

    def _model_wire(self, row: Row, name: str) -> dict[str, list[str]]:
        if not row.model:
            return {}
        module = importlib.import_module(row.model.split(":")[0])
        cls = getattr(module, name, None)
        return _wire_names(cls) if cls else {}


def _folded(python: str) -> str:
    """The two generators split words differently: i_p_address is ip_address."""
    return python.replace("_", "")


def _wire_names(cls: Any) -> dict[str, list[str]]:
    """Return folded attribute -> wire path of a model of azure-mgmt-* (either generation) or azure-ai-ml."""
    return {_folded(name): path for name, path in _model_names(cls).items()}


def _model_names(cls: Any) -> dict[str, list[str]]:
    if hasattr(cls, "_attribute_map"):
        found = {k: re.split(r"(?<!\\)\.", v["key"]) for k, v in cls._attribute_map.items()}
        return {k: [part.replace("\\.", ".") for part in path] for k, path in found.items()}
    fields = cls({})._attr_to_rest_field
    result = {name: [item._rest_name] for name, item in fields.items()}
    for klass in cls.__mro__:
        for flattened in getattr(klass, f"_{klass.__name__}__flattened_items", []):
            homes = {
                f._rest_name: inner[flattened] for f in fields.values() if flattened in (inner := _inner(f))
            }
            home = "properties" if "properties" in homes else next(iter(homes))
            result[flattened] = [home, homes[home]]
    return result


def _inner(field: Any) -> dict[str, str]:
    """Return the names in the object behind a field, {} when it is none."""
    target = getattr(field, "_class_type", None)
    if not isinstance(target, type) or not hasattr(target, "as_dict"):
        return {}
    return {name: item._rest_name for name, item in target({})._attr_to_rest_field.items()}


def _input_types(cls: Any) -> dict[str, tuple[str, Any]]:
    from pulumi import _types

    names = _types.input_type_py_to_pulumi_names(cls)
    hints = _types.input_type_types(cls)
    return {python: (name, hints[name]) for python, name in names.items()}


def _output_types(cls: Any) -> dict[str, tuple[str, Any]]:
    from pulumi import Resource, _types

    if issubclass(cls, Resource):
        names, hints = _types.resource_py_to_pulumi_names(cls), _types.resource_types(cls)
    else:
        names, hints = _types._py_to_pulumi_names_from_py_properties(cls), _types.output_type_types(cls)
    return {python: (name, hints[name]) for python, name in names.items() if name in hints}


def _members(hint: Any) -> list[Any]:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return [inner for item in typing.get_args(hint) for inner in _members(item)]
    return [] if str(hint).startswith(("pulumi.output.Output", "typing.Awaitable")) else [hint]


def _is_object(hint: Any) -> bool:
    return isinstance(hint, type) and hasattr(
        hint, "_pulumi_input_type" if hint.__name__.endswith("Args") else "_pulumi_output_type"
    )


def _required(args: Any) -> set[str]:
    parameters = inspect.signature(args.__init__).parameters.items()
    return {
        name for name, item in parameters if item.default is inspect.Parameter.empty and name != "__self__"
    }


def _constants(cls: Any) -> dict[str, str]:
    return dict(
        re.findall(r'pulumi\.set\(__self__, "(\w+)", \'([^\']+)\'\)', inspect.getsource(cls.__init__))
    )


def generate() -> dict[str, Any]:
    """Return the whole content of shapes.json."""
    maker = Generator()
    resources = {token: maker.resource(row) for token, row in ROWS.items()}
    return {"resources": resources, "types": dict(sorted(maker.types.items()))}


def render() -> str:
    """Return shapes.json as text: one resource or type a line, so that changes can be read."""
    content = generate()
    lines = ["{"]
    for part, last in (("resources", False), ("types", True)):
        rows = [
            f"  {json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}" for k, v in content[part].items()
        ]
        lines += [f' "{part}": {{', ",\n".join(rows), " }" + ("" if last else ",")]
    return "\n".join([*lines, "}"]) + "\n"


if __name__ == "__main__":
    SHAPES.write_text(render())
