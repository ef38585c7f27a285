"""Property values as the engine sees them: JSON values, and what Pulumi adds to JSON.

A value is None, bool, float, str, list, dict (string keys), or one of the classes below. Numbers are always
floats, as on the wire. Values are treated as immutable except where a function says that it changes its
argument. The signatures are Pulumi's own (sdk/go/common/resource/sig): they mark special objects on the wire
and in state.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Value = Any
Properties = dict[str, Any]

SIG = "4dabf18193072939515e22adb298388d"
SECRET_SIG = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 (public: it marks secrets)
ASSET_SIG = "c44067f5952c0a294b673a41bacd8c17"
ARCHIVE_SIG = "0def7320c3a5731c473e5ecbe6d01bc7"
RESOURCE_SIG = "5cf8f73096256a8f31e491e813e4eb8e"
OUTPUT_SIG = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
BYTES_SIG = "803fd3297a5875dc03ca845dda5d2a98"  # bytes that are not UTF-8: refused by name
UNKNOWN_STRING = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
UNKNOWNS = {
    "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",  # bool
    "3eeb2bf0-c639-47a8-9e75-3b44932eb421",  # number
    UNKNOWN_STRING,
    "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",  # array
    "030794c1-ac77-496b-92df-f27374a8bd58",  # asset
    "e48ece36-62e2-4504-bad9-02848725956a",  # archive
    "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",  # object
}


@dataclass(frozen=True)
class Unknown:
    """A value that a preview cannot know yet; the sentinel says of which type it will be."""

    sentinel: str = UNKNOWN_STRING


@dataclass(frozen=True)
class Secret:
    """A value that never appears in the clear outside of memory."""

    value: Value

    def __repr__(self) -> str:
        return "Secret([secret])"


@dataclass(frozen=True)
class Output:
    """A value with its history: whether known, whether secret, which resources it came from."""

    value: Value
    known: bool
    secret: bool = False
    dependencies: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reference:
    """A reference to a resource. `id` is None for components and Unknown in a preview."""

    urn: str
    id: Value = None
    name: str = ""
    type: str = ""
    package_version: str = ""


@dataclass(frozen=True)
class Asset:
    """A file; `fields` is its serialised form without the signature (hash, and text, path or uri)."""

    fields: dict[str, Value]

    @property
    def hash(self) -> str:
        return self.fields.get("hash") or ""

    @property
    def empty(self) -> bool:
        return not any(self.fields.get(key) for key in ("text", "path", "uri"))


@dataclass(frozen=True)
class Archive:
    """A folder or a bundle of assets; `fields` as for assets, or a map of nested values under `assets`."""

    fields: dict[str, Value]

    @property
    def hash(self) -> str:
        return self.fields.get("hash") or ""

    @property
    def empty(self) -> bool:
        return not any(self.fields.get(key) for key in ("assets", "path", "uri"))


UNKNOWN = Unknown()


def secret(value: Value) -> Secret:
    return value if isinstance(value, Secret) else Secret(value)


def unwrap(value: Value) -> Value:
    """The value without secrets, at every depth. Unknowns stay."""
    if isinstance(value, Secret):
        return unwrap(value.value)
    if isinstance(value, Output):
        return unwrap(value.value) if value.known else UNKNOWN
    if isinstance(value, list):
        return [unwrap(item) for item in value]
    if isinstance(value, dict):
        return {key: unwrap(item) for key, item in value.items()}
    return value


def _walk(value: Value) -> Iterator[Value]:
    yield value
    if isinstance(value, (Secret, Output)):
        yield from _walk(value.value)
    elif isinstance(value, list):
        for item in value:
            yield from _walk(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _walk(item)


def contains_secrets(value: Value) -> bool:
    return any(isinstance(v, Secret) or (isinstance(v, Output) and v.secret) for v in _walk(value))


def contains_unknowns(value: Value) -> bool:
    return any(isinstance(v, Unknown) or (isinstance(v, Output) and not v.known) for v in _walk(value))


def output_dependencies(value: Value) -> set[str]:
    found: set[str] = set()
    for item in _walk(value):
        if isinstance(item, Output):
            found.update(item.dependencies)
    return found


def downgrade(value: Value) -> Value:
    """Outputs become the secrets and unknowns that they stand for; their dependencies are forgotten."""
    if isinstance(value, Output):
        inner = downgrade(value.value) if value.known else UNKNOWN
        return secret(inner) if value.secret else inner
    if isinstance(value, Secret):
        return secret(downgrade(value.value))
    if isinstance(value, list):
        return [downgrade(item) for item in value]
    if isinstance(value, dict):
        return {key: downgrade(item) for key, item in value.items()}
    return value


def same(a: Value, b: Value) -> bool:
    """Pulumi's deep equality: True is not 1, package versions of references and places of assets do not
    count.
    """
    if isinstance(a, bool) or isinstance(b, bool):
        return isinstance(a, bool) and isinstance(b, bool) and a == b
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return a == b or (math.isnan(a) and math.isnan(b))
    if type(a) is not type(b):
        return False
    if isinstance(a, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict):
        return _same_objects(a, b)
    if isinstance(a, Secret):
        return same(a.value, b.value)
    if isinstance(a, Output):
        return (a.known, a.secret, a.dependencies) == (b.known, b.secret, b.dependencies) and same(
            a.value, b.value
        )
    if isinstance(a, Reference):
        return a.urn == b.urn and same(a.id, b.id)
    if isinstance(a, (Asset, Archive)):
        return a.hash == b.hash if a.hash or b.hash else a.fields == b.fields
    return a == b


def _same_objects(a: Properties, b: Properties) -> bool:
    """Absent and null are the same in an object, as in Pulumi's PropertyMap.DeepEquals."""
    if any(not same(value, b[key]) if key in b else value is not None for key, value in a.items()):
        return False
    return all(value is None for key, value in b.items() if key not in a)


def annotate_secrets(outputs: Properties | None, inputs: Properties | None) -> None:
    """Mark in place the outputs whose input of the same name is secret, for providers that do not keep
    secrets.
    """
    if not outputs or not inputs:
        return
    for key, given in inputs.items():
        if key not in outputs:
            continue
        current = outputs[key]
        if isinstance(current, dict) and isinstance(given, dict):
            annotate_secrets(current, given)
        elif not isinstance(current, Secret) and contains_secrets(given):
            outputs[key] = Secret(current)


def restore_assets(original: Value, transformed: Value) -> Value:
    """Give back their contents to assets that went to the provider as hashes only."""
    known = {v.hash: v for v in _walk(original) if isinstance(v, (Asset, Archive)) and v.hash}
    return _restore(transformed, known) if known else transformed


def _restore(value: Value, known: dict[str, Value]) -> Value:
    if isinstance(value, (Asset, Archive)):
        return known.get(value.hash, value) if value.empty else value
    if isinstance(value, Secret):
        return Secret(_restore(value.value, known))
    if isinstance(value, list):
        return [_restore(item, known) for item in value]
    if isinstance(value, dict):
        return {key: _restore(item, known) for key, item in value.items()}
    return value


def copy_tree(value: Value) -> Value:
    """A copy whose lists and objects may be changed without touching the original."""
    if isinstance(value, list):
        return [copy_tree(item) for item in value]
    if isinstance(value, dict):
        return {key: copy_tree(item) for key, item in value.items()}
    if isinstance(value, Secret):
        return Secret(copy_tree(value.value))
    return value


def in_message(value: Value) -> str:
    """A property as Pulumi's messages show it, in braces; a secret is not shown."""
    if isinstance(value, Output) and not value.known:
        return "output<null>{}"
    value = downgrade(value)
    if isinstance(value, Secret):
        return "{[secret]}"
    if isinstance(value, Unknown):
        return "output<string>{}"
    if isinstance(value, list):
        return "{[" + " ".join(map(in_message, value)) + "]}"
    if isinstance(value, dict):
        return "{map[" + " ".join(f"{key}:{in_message(value[key])}" for key in sorted(value)) + "]}"
    if isinstance(value, bool) or value is None:
        return {True: "{true}", False: "{false}", None: "{<nil>}"}[value]
    return f"{{{value:g}}}" if isinstance(value, float) else f"{{{value}}}"
