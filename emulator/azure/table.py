"""Writes a schema by hand, for types whose model no installed SDK has. The source stands beside each table.

`table({"properties": {"level!": ("A", "B"), "notes": "str"}})`: a name ending in `!` is required, a tuple
is an enumeration, a list of one is an array, `{"*": T}` a dictionary, other dictionaries are objects.
"""

from __future__ import annotations

from typing import Any


def table(spec: dict[str, Any], name: str = "Resource") -> dict[str, Any]:
    models: dict[str, Any] = {}
    _model(models, name, spec)
    return {"root": name, "models": models}


def _model(models: dict[str, Any], name: str, spec: dict[str, Any]) -> None:
    fields: dict[str, Any] = {}
    models[name] = {"fields": fields}
    for key, kind in spec.items():
        wire = key.rstrip("!")
        fields[wire] = {
            "type": _type(models, f"{name}.{wire}", kind),
            "readonly": False,
            "required": key.endswith("!"),
            "updatable": True,
        }


def _type(models: dict[str, Any], name: str, kind: Any) -> list[Any]:
    if isinstance(kind, tuple):
        return ["enum", list(kind)]
    if isinstance(kind, list):
        return ["list", _type(models, name, kind[0])]
    if isinstance(kind, dict) and set(kind) == {"*"}:
        return ["dict", _type(models, name, kind["*"])]
    if isinstance(kind, dict):
        _model(models, name, kind)
        return ["model", name]
    return [kind]


# What `checkNameAvailability` of every provider takes (their REST specifications).
NAME_CHECK = table({"name!": "str", "type!": "str"}, "CheckNameAvailabilityParameters")
