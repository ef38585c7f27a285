"""Pulumi's provider protocol without Pulumi: the gRPC stubs that ship in the `pulumi` package, loaded alone.

`import pulumi` costs 0.8 s and a plugin needs none of it, so the two packages above the stubs are
registered as bare namespaces while the stubs load, and their `__init__` never runs (0.2 s to a listening
server). Nothing in a plugin may import pulumi.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path


@contextmanager
def _bare_packages() -> Iterator[None]:
    if "pulumi" in sys.modules:  # a test process that uses the SDK too
        yield
        return
    spec = find_spec("pulumi")
    if spec is None or spec.origin is None:
        raise SystemExit("the pulumi package is not installed for this interpreter: run `make bootstrap`")
    home = Path(spec.origin).parent
    places = {"pulumi": home, "pulumi.runtime": home / "runtime"}
    for name, path in places.items():
        package = types.ModuleType(name)
        package.__path__ = [str(path)]
        sys.modules[name] = package
    try:
        yield
    finally:  # whoever imports pulumi later in this process gets the real one
        for name in places:
            del sys.modules[name]


with _bare_packages():
    import grpc
    from google.protobuf import empty_pb2, struct_pb2
    from pulumi.runtime.proto import (
        engine_pb2,
        engine_pb2_grpc,
        plugin_pb2,
        provider_pb2,
        provider_pb2_grpc,
    )

__all__ = [
    "empty_pb2",
    "engine_pb2",
    "engine_pb2_grpc",
    "grpc",
    "plugin_pb2",
    "provider_pb2",
    "provider_pb2_grpc",
    "sdk_version",
    "struct_pb2",
]


def sdk_version(package: str) -> str:
    """Return the plugin version that an installed SDK asks for, e.g. `pulumi_azure_native` -> 3.29.0."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return importlib.metadata.version(package.replace("_", "-"))
    return str(json.loads((Path(spec.origin).parent / "pulumi-plugin.json").read_text())["version"])
