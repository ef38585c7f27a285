"""Holds a request body strictly against a schema: names, types, enumerations, required fields.

Read-only fields are dropped (ARM ignores them, so that a GET's answer can be PUT), nulls count as absent, and
enumerations take any letter case, as the services do, and are stored in the case of the SDK. Everything
else that the schema does not know is refused with the text of ARM's deserializer.
"""

from __future__ import annotations

import re
from typing import Any

from emulator.azure.errors import ArmError

_DURATION = re.compile(r"-?P(?=.)(\d+W|(\d+Y)?(\d+M)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?)")
# ARM itself answers for these whatever the resource's model says.
_ENVELOPE = {"id", "name", "type", "systemData", "etag", "eTag"}


def validate(schema: dict[str, Any], body: Any, *, partial: bool = False) -> dict[str, Any]:
    """Return the body as it will be stored; raises ArmError 400. `partial` (PATCH) asks for no required
    field.
    """
    if not isinstance(body, dict):
        raise _refuse("The request content is not a JSON object.", "")
    return _Walk(schema["models"], partial).model(schema["root"], body, "")


def changed(schema: dict[str, Any], before: dict[str, Any], after: dict[str, Any]) -> str | None:
    """Return the path of a field that the schema lets nobody update and that differs, None when none does.

    What is absent on one side is not a change: the service may have filled it in. Lists are not compared.
    """
    return _Walk(schema["models"], partial=True).changed(schema["root"], before, after, "")


def _refuse(text: str, path: str) -> ArmError:
    where = f" Path '{path}'." if path else ""
    message = f"The request content was invalid and could not be deserialized: '{text}{where}'"
    return ArmError(400, "InvalidRequestContent", message, target=path or None)


class _Walk:
    def __init__(self, models: dict[str, Any], partial: bool) -> None:
        self._models = models
        self._partial = partial

    def model(self, name: str, value: Any, path: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _refuse(f"Cannot deserialize {_kind(value)} into '{name}', an object is needed.", path)
        model, name = self._subtype(name, value, path)
        fields = model["fields"]
        out = {}
        for key, item in value.items():
            where = f"{path}.{key}" if path else key
            if key not in fields:
                if not path and key in _ENVELOPE:
                    continue
                raise _refuse(f"Could not find member '{key}' on object of type '{name}'.", where)
            if fields[key]["readonly"] or item is None:
                continue
            out[key] = self.value(fields[key]["type"], item, where)
        self._required(name, fields, out, path)
        return out

    def _subtype(self, name: str, value: dict[str, Any], path: str) -> tuple[dict[str, Any], str]:
        model = self._models[name]
        discriminator = model.get("discriminator")
        if not discriminator or not model.get("subtypes"):
            return model, name
        kind = value.get(discriminator)
        for known, subtype in model["subtypes"].items():
            if isinstance(kind, str) and kind.lower() == known.lower():
                return self._models[subtype], subtype
        if kind is None and self._partial:
            return model, name
        known = ", ".join(model["subtypes"])
        raise _refuse(f"'{kind}' is not a known value of '{discriminator}' (one of {known}).", path)

    def changed(self, name: str, before: dict[str, Any], after: dict[str, Any], path: str) -> str | None:
        model, _ = self._subtype(name, after, path)
        for key in before.keys() & after.keys() & model["fields"].keys():
            field, where = model["fields"][key], f"{path}.{key}" if path else key
            old, new = before[key], after[key]
            if not field["updatable"] and not field["readonly"] and where != "location":
                if old != new:
                    return where
            elif field["type"][0] == "model" and isinstance(old, dict) and isinstance(new, dict):
                found = self.changed(field["type"][1], old, new, where)
                if found:
                    return found
        return None

    def _required(self, name: str, fields: dict[str, Any], out: dict[str, Any], path: str) -> None:
        if self._partial:
            return
        for key, field in fields.items():
            if field["required"] and key not in out and not field["readonly"]:
                where = f"{path}.{key}" if path else key
                raise _refuse(f"Required property '{key}' not found in JSON of type '{name}'.", where)

    def value(self, kind: list[Any], item: Any, path: str) -> Any:
        tag = kind[0]
        if tag == "model":
            return self.model(kind[1], item, path)
        if tag == "list":
            if not isinstance(item, list):
                raise _refuse(f"Cannot deserialize {_kind(item)}, an array is needed.", path)
            return [self.value(kind[1], entry, f"{path}[{at}]") for at, entry in enumerate(item)]
        if tag == "dict":
            if not isinstance(item, dict):
                raise _refuse(f"Cannot deserialize {_kind(item)}, an object is needed.", path)
            return {
                key: self.value(kind[1], entry, f"{path}.{key}")
                for key, entry in item.items()
                if entry is not None
            }
        if tag == "enum":
            return _enumeration(kind[1], item, path)
        return _simple(tag, item, path)


def _enumeration(values: list[Any], item: Any, path: str) -> Any:
    for value in values:
        if item == value or (
            isinstance(item, str) and isinstance(value, str) and item.lower() == value.lower()
        ):
            return value
    known = ", ".join(str(value) for value in values)
    raise _refuse(f"Error converting value {item!r}: it is not one of {known}.", path)


def _simple(tag: str, item: Any, path: str) -> Any:
    ok = {
        "str": isinstance(item, str),
        "bool": isinstance(item, bool),
        "int": isinstance(item, int) and not isinstance(item, bool),
        "float": isinstance(item, int | float) and not isinstance(item, bool),
        "duration": isinstance(item, str) and _DURATION.fullmatch(item) is not None,
        "any": True,
    }[tag]
    if not ok:
        need = {"duration": "an ISO 8601 duration", "int": "an integer", "str": "a string"}.get(
            tag, f"a {tag}"
        )
        raise _refuse(f"Error converting value {item!r}: {need} is needed.", path)
    return item


def _kind(value: Any) -> str:
    return {list: "an array", dict: "an object", str: "a string", bool: "a boolean"}.get(
        type(value), "a number"
    )
