"""Pulumi's property values as plain Python values, both ways.

Unknown values are the string UNKNOWN, as on the wire. Secrets are unwrapped on the way in: these plugins
tell the engine that they do not accept secrets, as azure-native does, and the engine marks outputs itself.
Whole numbers become int, because ARM refuses 100.0 where it wants 100.
"""

from __future__ import annotations

from typing import Any

from emulator.plugins.protocol import struct_pb2

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"  # pulumi.runtime.rpc.UNKNOWN
SIGNATURE = "4dabf18193072939515e22adb298388d"  # pulumi.runtime.rpc._special_sig_key
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a type mark of the protocol
OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"

Properties = dict[str, Any]


def decode(struct: struct_pb2.Struct | None) -> Properties:
    """Return a Struct as a dictionary; nulls are left out, as azure-native leaves them out."""
    if struct is None:
        return {}
    return {key: decoded for key, value in struct.fields.items() if (decoded := _decode(value)) is not None}


def _decode(value: struct_pb2.Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return _object(decode(value.struct_value))
    if kind == "list_value":
        return [_decode(item) for item in value.list_value.values]
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    return None if kind in (None, "null_value") else getattr(value, kind)


def _object(value: Properties) -> Any:
    mark = value.get(SIGNATURE)
    if mark in (SECRET, OUTPUT):
        return value.get("value", UNKNOWN if mark == OUTPUT else None)
    return value


def encode(values: Properties) -> struct_pb2.Struct:
    """Return a dictionary as a Struct."""
    struct = struct_pb2.Struct()
    for key, value in values.items():
        _encode(struct.fields[key], value)
    return struct


def _encode(target: struct_pb2.Value, value: Any) -> None:
    if value is None:
        target.null_value = struct_pb2.NULL_VALUE
    elif isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, int | float):
        target.number_value = value
    elif isinstance(value, str):
        target.string_value = value
    elif isinstance(value, dict):
        target.struct_value.SetInParent()
        for key, item in value.items():
            _encode(target.struct_value.fields[str(key)], item)
    else:
        target.list_value.SetInParent()
        for item in value:
            _encode(target.list_value.values.add(), item)


def secret(value: Any) -> Properties:
    """Return the value as the engine's secret."""
    return {SIGNATURE: SECRET, "value": value}


def has_unknown(value: Any) -> bool:
    """Tell whether an unknown value is anywhere inside."""
    if isinstance(value, dict):
        return any(has_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(has_unknown(item) for item in value)
    return bool(value == UNKNOWN)


def same(left: Any, right: Any) -> bool:
    """Compare two property values; unlike Python's ==, true is not 1."""
    if isinstance(left, bool) != isinstance(right, bool):
        return False
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(same(*pair) for pair in zip(left, right, strict=True))
    return bool(left == right)
