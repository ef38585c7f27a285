"""Pulumi's state file (version 3 of the checkpoint): JSON to a Snapshot and back, secrets encrypted.

Field names and what is left out when empty follow apitype.ResourceV3 of Pulumi 3.260. A state file of another
version, or with features this engine does not know, is refused: writing it back would lose something.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Callable
from typing import Any

from .errors import EngineError, Unsupported
from .secrets import BLINDED, SecretsManager, manager_from_state
from .state import Operation, Snapshot, State, Timeouts, now
from .values import (
    ARCHIVE_SIG,
    ASSET_SIG,
    BYTES_SIG,
    RESOURCE_SIG,
    SECRET_SIG,
    SIG,
    UNKNOWN_STRING,
    Archive,
    Asset,
    Output,
    Properties,
    Reference,
    Secret,
    Unknown,
    Value,
)

VERSION = 3
ENGINE_VERSION = "v3.260.0"  # whose behaviour and file formats this engine has
# Features name what a reader must know; a file that uses one has version 4. In the order Pulumi sorts them.
_FEATURES: list[tuple[str, str]] = [
    ("hooks", "resource_hooks"),
    ("refreshBeforeUpdate", "refresh_before_update"),
    ("replaceWith", "replace_with"),
    ("taint", "taint"),
]
_FLOAT_SIG = "8ad145fe-0d11-4827-bfd7-1abcbf086f5c"
_REFUSED = {"viewOf": "views", "extensionRef": "provider extensions", "snippetID": "snippets"}

# (attribute, JSON name) in the order of Pulumi's file; written only when not empty unless listed in _ALWAYS.
_FIELDS = [
    ("urn", "urn"),
    ("custom", "custom"),
    ("delete", "delete"),
    ("id", "id"),
    ("type", "type"),
    ("inputs", "inputs"),
    ("outputs", "outputs"),
    ("parent", "parent"),
    ("protect", "protect"),
    ("taint", "taint"),
    ("external", "external"),
    ("dependencies", "dependencies"),
    ("init_errors", "initErrors"),
    ("provider", "provider"),
    ("property_dependencies", "propertyDependencies"),
    ("pending_replacement", "pendingReplacement"),
    ("additional_secret_outputs", "additionalSecretOutputs"),
    ("aliases", "aliases"),
    ("custom_timeouts", "customTimeouts"),
    ("import_id", "importID"),
    ("retain_on_delete", "retainOnDelete"),
    ("deleted_with", "deletedWith"),
    ("replace_with", "replaceWith"),
    ("created", "created"),
    ("modified", "modified"),
    ("source_position", "sourcePosition"),
    ("stack_trace", "stackTrace"),
    ("ignore_changes", "ignoreChanges"),
    ("hide_diff", "hideDiff"),
    ("replace_on_changes", "replaceOnChanges"),
    ("replacement_trigger", "replacementTrigger"),
    ("refresh_before_update", "refreshBeforeUpdate"),
    ("resource_hooks", "resourceHooks"),
]
_ALWAYS = {"urn", "custom", "type"}

Seal = Callable[[Secret, str], dict[str, Any]]


def load_checkpoint(document: dict[str, Any]) -> tuple[Snapshot | None, dict[str, Any]]:
    """The snapshot of a whole state file, and the checkpoint object it was in."""
    checkpoint = document.get("checkpoint")
    if not isinstance(checkpoint, dict):
        raise EngineError("the state file has no checkpoint; it is not a Pulumi state file.")
    _check_version(document)
    latest = checkpoint.get("latest")
    return (load_deployment(latest) if latest else None), checkpoint


def _check_version(document: dict[str, Any]) -> None:
    version = document.get("version")
    unknown = set(document.get("features") or ()) - {name for name, _ in _FEATURES}
    if version not in (3, 4) or unknown:
        detail = f"version {version}" + (f" with {', '.join(sorted(unknown))}" if unknown else "")
        raise Unsupported(f"A state file of {detail}")


def load_deployment(latest: dict[str, Any]) -> Snapshot:
    for key in ("snippets", "extensions"):
        if latest.get(key):
            raise Unsupported(f"A state file with {key}")
    manager = manager_from_state(latest.get("secrets_providers"))
    resources = [_load_resource(item, manager) for item in latest.get("resources") or ()]
    operations = [
        Operation(item["type"], _load_resource(item["resource"], manager))
        for item in latest.get("pending_operations") or ()
    ]
    return Snapshot(
        resources,
        operations,
        latest.get("manifest") or {},
        latest.get("secrets_providers"),
        latest.get("metadata") or {},
    )


def dump_deployment(
    snapshot: Snapshot, manager: SecretsManager | None, show_secrets: bool = False
) -> dict[str, Any]:
    """A deployment as it stands under `latest`, and in an export under `deployment`."""
    seal = _plaintext if show_secrets else _sealer(manager)
    out: dict[str, Any] = {"manifest": new_manifest()}
    if manager is not None:
        out["secrets_providers"] = {"type": "passphrase", "state": {"salt": manager.state}}
    if snapshot.resources:
        out["resources"] = [dump_resource(resource, seal) for resource in snapshot.resources]
    if snapshot.operations:
        out["pending_operations"] = [
            {"resource": dump_resource(operation.resource, seal), "type": operation.type}
            for operation in snapshot.operations
        ]
    metadata = {key: value for key, value in snapshot.metadata.items() if key != "integrity_error"}
    return {**out, "metadata": metadata}


def new_manifest() -> dict[str, Any]:
    return {
        "time": now(),
        "magic": hashlib.sha256(ENGINE_VERSION.encode()).hexdigest(),
        "version": ENGINE_VERSION,
    }


def features_of(snapshot: Snapshot) -> tuple[int, list[str]]:
    """Version 4 is version 3 that says which features a reader must know."""
    states = [*snapshot.resources, *(operation.resource for operation in snapshot.operations)]
    used = [name for name, attribute in _FEATURES if any(getattr(state, attribute) for state in states)]
    return (4, used) if used else (VERSION, [])


def wrap(stack: str, snapshot: Snapshot, manager: SecretsManager | None) -> dict[str, Any]:
    """The whole state file of a stack; `stack` is its full name, organization/PROJECT/STACK."""
    version, features = features_of(snapshot)
    document: dict[str, Any] = {"version": version}
    if features:
        document["features"] = features
    document["checkpoint"] = {"stack": stack, "latest": dump_deployment(snapshot, manager)}
    return document


def encode(document: Any, indent: int | None = None) -> str:
    """JSON without NaN and with integral numbers written as integers, as Go writes them."""
    separators = (",", ":") if indent is None else None
    return json.dumps(document, indent=indent, separators=separators, ensure_ascii=False, allow_nan=False)


def dump_resource(state: State, seal: Seal) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for attribute, key in _FIELDS:
        value = getattr(state, attribute)
        if attribute in ("inputs", "outputs"):
            value = dump_properties(value, seal)
        elif attribute == "replacement_trigger":
            value = dump_value(value, seal)
        elif attribute == "custom_timeouts" and value:
            value = {k: v for k, v in vars(value).items() if v}
        elif attribute == "stack_trace":
            value = [{"sourcePosition": position} if position else {} for position in value]
        elif attribute == "property_dependencies":
            value = {name: value[name] for name in sorted(value)}
        if value or attribute in _ALWAYS:
            out[key] = _numbers(value) if attribute == "custom_timeouts" else value
    return {**out, **state.extra}


def dump_properties(properties: Properties, seal: Seal) -> dict[str, Any]:
    return {key: dump_value(properties[key], seal) for key in sorted(properties)}


def dump_value(value: Value, seal: Seal) -> Any:
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, (int, float)):
        return _number(value)
    if isinstance(value, list):
        return [dump_value(item, seal) for item in value]
    if isinstance(value, dict):
        return dump_properties(value, seal)
    if isinstance(value, Secret):
        return seal(value, encode(dump_value(value.value, _open)))
    if isinstance(value, Unknown):
        return UNKNOWN_STRING
    if isinstance(value, Output):
        inner: Value = value.value if value.known else Unknown()
        return dump_value(Secret(inner) if value.secret else inner, seal)
    if isinstance(value, Reference):
        out = {SIG: RESOURCE_SIG, "urn": value.urn, "packageVersion": value.package_version}
        if value.id is not None:
            out["id"] = "" if isinstance(value.id, Unknown) else value.id
        return out
    signature = ASSET_SIG if isinstance(value, Asset) else ARCHIVE_SIG
    return {SIG: signature, **{key: dump_value(item, seal) for key, item in value.fields.items()}}


def _number(value: float) -> Any:
    if isinstance(value, float):
        if math.isnan(value) or math.isinf(value):
            return {SIG: _FLOAT_SIG, "value": struct.pack(">d", value).hex()}
        if value.is_integer() and abs(value) < 1e21:
            return int(value)
    return value


def _numbers(timeouts: dict[str, float]) -> dict[str, Any]:
    return {key: _number(float(value)) for key, value in timeouts.items()}


def _open(secret: Secret, plaintext: str) -> Any:
    """Inside a secret, a nested secret is written as what it holds, wrapped: only the outer one
    is encrypted.
    """
    return {SIG: SECRET_SIG, "ciphertext": plaintext}


def _plaintext(secret: Secret, plaintext: str) -> dict[str, Any]:
    return {SIG: SECRET_SIG, "plaintext": plaintext}


def blind(secret: Secret, plaintext: str) -> dict[str, Any]:
    """For events and logs, where no secret may appear in any form."""
    return {SIG: SECRET_SIG, "ciphertext": BLINDED}


def _sealer(manager: SecretsManager | None) -> Seal:
    def seal(secret: Secret, plaintext: str) -> dict[str, Any]:
        if manager is None:
            raise EngineError(
                "there is a secret to store but the stack has no secrets provider; set "
                "PULUMI_CONFIG_PASSPHRASE."
            )
        return {SIG: SECRET_SIG, "ciphertext": manager.encrypt_cached(_Identity(secret), plaintext)}

    return seal


class _Identity:
    """A key for a cache by object identity that keeps the object alive, so that the identity
    stays its own.
    """

    def __init__(self, held: object) -> None:
        self.held = held

    def __hash__(self) -> int:
        return id(self.held)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and other.held is self.held


def _load_resource(item: dict[str, Any], manager: SecretsManager | None) -> State:
    for key, what in _REFUSED.items():
        if item.get(key):
            raise Unsupported(f"A state file with {what}")
    if not item.get("urn") or not item.get("type"):
        raise EngineError(
            "the state file holds a resource without a URN or a type; restore it from its backup."
        )
    known = {key for _, key in _FIELDS} | set(_REFUSED)
    values: dict[str, Any] = {}
    for attribute, key in _FIELDS:
        if item.get(key) is not None:
            values[attribute] = item[key]
    for attribute in ("inputs", "outputs", "replacement_trigger"):
        if attribute in values:
            values[attribute] = load_value(values[attribute], manager)
    if "custom_timeouts" in values:
        values["custom_timeouts"] = Timeouts(**values["custom_timeouts"])
    if "stack_trace" in values:
        values["stack_trace"] = [frame.get("sourcePosition", "") for frame in values["stack_trace"]]
    values["extra"] = {key: value for key, value in item.items() if key not in known}
    return State(**values)


def load_value(value: Any, manager: SecretsManager | None) -> Value:
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return float(value)
    if isinstance(value, str):
        return Unknown() if value == UNKNOWN_STRING else value
    if isinstance(value, list):
        return [load_value(item, manager) for item in value]
    if isinstance(value, dict):
        return _load_object(value, manager)
    return value


def _load_object(value: dict[str, Any], manager: SecretsManager | None) -> Value:
    signature = value.get(SIG)
    if SIG not in value:
        return {key: load_value(item, manager) for key, item in value.items()}
    if signature == SECRET_SIG:
        return _load_secret(value, manager)
    if signature == RESOURCE_SIG:
        return _load_reference(value)
    if signature in (ASSET_SIG, ARCHIVE_SIG):
        fields = {key: load_value(item, manager) for key, item in value.items() if key != SIG}
        return Asset(fields) if signature == ASSET_SIG else Archive(fields)
    if signature == _FLOAT_SIG:
        return struct.unpack(">d", bytes.fromhex(value["value"]))[0]
    if signature == BYTES_SIG:
        raise Unsupported("A string of bytes that are not UTF-8 in state")
    raise EngineError(f"the state file holds a value with the unknown signature {signature!r}.")


def _load_reference(value: dict[str, Any]) -> Reference:
    urn = value["urn"]
    identifier = value.get("id")
    parts = urn.split("::", 3)
    return Reference(
        urn,
        Unknown() if identifier == "" else identifier,
        parts[-1],
        parts[2].rsplit("$", 1)[-1] if len(parts) == 4 else "",
        value.get("packageVersion") or "",
    )


def _load_secret(value: dict[str, Any], manager: SecretsManager | None) -> Secret:
    if value.get("plaintext"):
        return Secret(load_value(json.loads(value["plaintext"]), None))
    ciphertext = value.get("ciphertext")
    if not ciphertext:
        raise EngineError("the state file holds a secret with neither ciphertext nor plaintext.")
    if manager is None:
        return Secret(load_value(json.loads(ciphertext), None))  # nested in another secret
    plaintext = manager.decrypt(ciphertext)
    secret = Secret(load_value(json.loads(plaintext), None))
    manager.remember(_Identity(secret), plaintext, ciphertext)
    return secret
