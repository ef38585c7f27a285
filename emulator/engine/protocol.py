"""Pulumi's own protocol: the gRPC definitions that ship in the `pulumi` package, and nothing else of it.

Importing `pulumi.runtime.proto` the ordinary way runs `pulumi/__init__.py` first, which loads the whole SDK
(0.4 s). The engine never runs a program itself, so it enters the two parent packages as empty modules that
know where their files are. It does this only in its own process, and only if the SDK has not been imported
already.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import types
from pathlib import Path

from .errors import EngineError


def _shallow_packages() -> None:
    if "pulumi" in sys.modules:
        return
    spec = importlib.util.find_spec("pulumi")
    if spec is None or spec.origin is None:
        raise EngineError(
            "The Python package `pulumi` is not installed beside the engine; install requirements.txt."
        )
    root = Path(spec.origin).parent
    for name, path in (
        ("pulumi", root),
        ("pulumi.runtime", root / "runtime"),
        ("pulumi.runtime.proto", root / "runtime" / "proto"),
    ):
        module = types.ModuleType(name)
        module.__path__ = [str(path)]
        sys.modules[name] = module


_shallow_packages()
# gRPC's own log lines (a peer that goes away, say) are not for users: what matters is raised.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import grpc  # noqa: E402
from google.protobuf import empty_pb2, struct_pb2  # noqa: E402
from pulumi.runtime.proto import (  # noqa: E402
    alias_pb2,
    callback_pb2,
    callback_pb2_grpc,
    engine_pb2,
    engine_pb2_grpc,
    errors_pb2,
    plugin_pb2,
    provider_pb2,
    provider_pb2_grpc,
    resource_pb2,
    resource_pb2_grpc,
)

# Pulumi allows messages of 400 MiB, and so do its SDKs.
MESSAGE_BYTES = 400 * 1024 * 1024
CHANNEL_OPTIONS = [
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    ("grpc.enable_http_proxy", 0),
]

__all__ = [
    "CHANNEL_OPTIONS",
    "MESSAGE_BYTES",
    "alias_pb2",
    "callback_pb2",
    "callback_pb2_grpc",
    "empty_pb2",
    "engine_pb2",
    "engine_pb2_grpc",
    "errors_pb2",
    "grpc",
    "plugin_pb2",
    "provider_pb2",
    "provider_pb2_grpc",
    "resource_pb2",
    "resource_pb2_grpc",
    "struct_pb2",
]
