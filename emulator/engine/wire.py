"""Property values to protobuf Structs and back, with Pulumi's markers for what JSON cannot say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .assets import with_hash
from .errors import EngineError
from .protocol import struct_pb2
from .values import (
    ARCHIVE_SIG,
    ASSET_SIG,
    BYTES_SIG,
    OUTPUT_SIG,
    RESOURCE_SIG,
    SECRET_SIG,
    SIG,
    UNKNOWN_STRING,
    UNKNOWNS,
    Archive,
    Asset,
    Output,
    Properties,
    Reference,
    Secret,
    Unknown,
    Value,
)

_DROP = object()


@dataclass(frozen=True)
class Keep:
    """What survives a conversion. What does not survive is unwrapped (secrets, outputs, references) or left
    out.
    """

    unknowns: bool = False
    secrets: bool = False
    resources: bool = False
    outputs: bool = False
    elide_assets: bool = False
    reject_unknowns: bool = False
    asset_root: str = ""  # when reading: compute missing hashes of assets, relative to this folder


def to_struct(properties: Properties, keep: Keep) -> struct_pb2.Struct:
    struct = struct_pb2.Struct()
    for key in sorted(properties):
        encoded = _encode(properties[key], keep)
        if encoded is not _DROP:
            _fill(struct.fields[key], encoded)
    return struct


def to_value(value: Value, keep: Keep) -> struct_pb2.Value:
    message = struct_pb2.Value()
    encoded = _encode(value, keep)
    _fill(message, None if encoded is _DROP else encoded)
    return message


def from_struct(struct: struct_pb2.Struct, keep: Keep) -> Properties:
    out: Properties = {}
    for key, value in struct.fields.items():
        decoded = _decode(key, value, keep)
        if decoded is not _DROP:
            out[key] = decoded
    return out


def from_value(value: struct_pb2.Value, keep: Keep) -> Value:
    decoded = _decode("value", value, keep)
    return None if decoded is _DROP else decoded


def plain(struct: struct_pb2.Struct) -> dict[str, Any]:
    """A Struct as ordinary JSON values."""
    return {key: _raw(value) for key, value in struct.fields.items()}


def _raw(value: struct_pb2.Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return plain(value.struct_value)
    if kind == "list_value":
        return [_raw(item) for item in value.list_value.values]
    return None if kind in (None, "null_value") else getattr(value, kind)


def _fill(message: struct_pb2.Value, value: Any) -> None:
    if value is None:
        message.null_value = 0
    elif isinstance(value, bool):
        message.bool_value = value
    elif isinstance(value, (int, float)):
        message.number_value = value
    elif isinstance(value, str):
        message.string_value = value
    elif isinstance(value, list):
        message.list_value.SetInParent()
        for item in value:
            _fill(message.list_value.values.add(), item)
    else:
        message.struct_value.SetInParent()
        for key, item in value.items():
            _fill(message.struct_value.fields[key], item)


def _encode(value: Value, keep: Keep) -> Any:
    if isinstance(value, list):
        return [item for item in (_encode(item, keep) for item in value) if item is not _DROP]
    if isinstance(value, dict):
        encoded = ((key, _encode(item, keep)) for key, item in sorted(value.items()))
        return {key: item for key, item in encoded if item is not _DROP}
    if isinstance(value, Unknown):
        return value.sentinel if keep.unknowns else _DROP
    if isinstance(value, Secret):
        return _encode_secret(value, keep)
    if isinstance(value, Output):
        return _encode_output(value, keep)
    if isinstance(value, Reference):
        return _encode_reference(value, keep)
    if isinstance(value, (Asset, Archive)):
        return _encode_asset(value, keep)
    return value


def _encode_secret(value: Secret, keep: Keep) -> Any:
    inner = _encode(value.value, keep)
    if inner is _DROP or not keep.secrets:
        return inner
    return {SIG: SECRET_SIG, "value": inner}


def _encode_output(value: Output, keep: Keep) -> Any:
    if not keep.outputs:
        inner: Value = value.value if value.known else Unknown()
        return _encode(Secret(inner) if value.secret else inner, keep)
    out: dict[str, Any] = {SIG: OUTPUT_SIG}
    if value.known:
        out["value"] = _encode(value.value, keep)
    if value.secret:
        out["secret"] = True
    if value.dependencies:
        out["dependencies"] = list(value.dependencies)
    return out


def _encode_reference(value: Reference, keep: Keep) -> Any:
    if not keep.resources:
        return value.urn if value.id is None else _encode(value.id, keep)
    out = {SIG: RESOURCE_SIG, "urn": value.urn, "name": value.name, "type": value.type}
    if value.id is not None:
        out["id"] = "" if isinstance(value.id, Unknown) else value.id
    if value.package_version:
        out["packageVersion"] = value.package_version
    return {key: item for key, item in out.items() if item or key == "id"}


def _encode_asset(value: Asset | Archive, keep: Keep) -> Any:
    signature = ASSET_SIG if isinstance(value, Asset) else ARCHIVE_SIG
    fields = {"hash": value.hash} if keep.elide_assets else value.fields
    return {SIG: signature, **{key: _encode(item, keep) for key, item in fields.items()}}


def _decode(key: str, message: struct_pb2.Value, keep: Keep) -> Value:
    kind = message.WhichOneof("kind")
    if kind in (None, "null_value"):
        return None
    if kind == "string_value":
        return _decode_string(key, message.string_value, keep)
    if kind == "list_value":
        items = (_decode(key, item, keep) for item in message.list_value.values)
        return [None if item is _DROP else item for item in items]
    if kind == "struct_value":
        return _decode_object(key, from_struct(message.struct_value, keep), keep)
    return getattr(message, kind)


def _decode_string(key: str, text: str, keep: Keep) -> Value:
    if text not in UNKNOWNS:
        return text
    if keep.reject_unknowns:
        raise EngineError(f"a value of property {key!r} is still unknown where every value must be known")
    return Unknown(text) if keep.unknowns else _DROP


def _decode_object(key: str, fields: Properties, keep: Keep) -> Value:
    signature = fields.get(SIG)
    if SIG not in fields:
        return fields
    if signature == SECRET_SIG:
        if "value" not in fields:
            raise EngineError(f"property {key!r} is a secret without a value")
        return Secret(fields["value"]) if keep.secrets else fields["value"]
    if signature in (ASSET_SIG, ARCHIVE_SIG):
        rest = {name: item for name, item in fields.items() if name != SIG and item not in ("", None)}
        value = Asset(rest) if signature == ASSET_SIG else Archive(rest)
        return with_hash(value, keep.asset_root) if keep.asset_root else value
    if signature == RESOURCE_SIG:
        return _decode_reference(fields, keep)
    if signature == OUTPUT_SIG:
        return _decode_output(fields, keep)
    if signature == BYTES_SIG:
        raise EngineError(
            f"property {key!r} is a string of bytes that are not UTF-8: not supported by this engine"
        )
    raise EngineError(f"property {key!r} carries the unknown signature {signature!r}")


def _decode_reference(fields: Properties, keep: Keep) -> Value:
    urn = fields["urn"]
    identifier = fields.get("id")
    if identifier == "" or isinstance(identifier, (Unknown, Output)):
        identifier = Unknown()
    if not keep.resources:
        if identifier is None:
            return urn
        return identifier if keep.unknowns or not isinstance(identifier, Unknown) else urn
    parts = urn.split("::", 3)
    return Reference(
        urn,
        identifier,
        fields.get("name") or (parts[3] if len(parts) == 4 else ""),
        fields.get("type") or (parts[2].rsplit("$", 1)[-1] if len(parts) == 4 else ""),
        fields.get("packageVersion") or "",
    )


def _decode_output(fields: Properties, keep: Keep) -> Value:
    known = "value" in fields
    if keep.outputs:
        dependencies = tuple(fields.get("dependencies") or ())
        return Output(fields.get("value"), known, bool(fields.get("secret")), dependencies)
    value: Value = fields["value"] if known else _decode_string("value", UNKNOWN_STRING, keep)
    if value is _DROP or not fields.get("secret") or not keep.secrets:
        return value
    return Secret(value)
