"""What all stand-in plugins share: the protocol's housekeeping, and errors in the form the engine reads.

A plugin derives from Plugin and writes `check`, `diff`, `create`, ... over plain values. What the engine
never calls on these plugins (Construct, Call, GetSchema, Parameterize) stays unimplemented and says so.
"""

from __future__ import annotations

import re
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, TypeVar

from emulator.plugins.errors import PartialFailureError, PluginError
from emulator.plugins.protocol import (
    empty_pb2,
    engine_pb2,
    engine_pb2_grpc,
    grpc,
    plugin_pb2,
    provider_pb2,
    provider_pb2_grpc,
)
from emulator.plugins.values import encode

Reply = TypeVar("Reply")


class Plugin(provider_pb2_grpc.ResourceProviderServicer):
    """A provider; `cancelled` is set when the engine asks running operations to stop."""

    name = ""
    version = ""

    def __init__(self) -> None:
        self.cancelled = threading.Event()
        self.config: dict[str, str] = {}
        self._engine: Any = None
        self._lines: SimpleQueue[Any] = SimpleQueue()
        self._telling = threading.Lock()
        self._tells = False
        self.attach(sys.argv[1] if len(sys.argv) > 1 else "")

    def attach(self, address: str) -> None:
        """Take the engine's address; without one nothing can be told while operations run."""
        if re.fullmatch(r"[\w.-]+:\d+", address):
            self._engine = engine_pb2_grpc.EngineStub(grpc.insecure_channel(address))

    # --- housekeeping

    def Handshake(self, request: Any, context: Any) -> Any:
        self.attach(request.engine_address)
        return provider_pb2.ProviderHandshakeResponse(supports_autonaming_configuration=True)

    def Attach(self, request: Any, context: Any) -> Any:
        self.attach(request.address)
        return empty_pb2.Empty()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=self.version)

    def CheckConfig(self, request: Any, context: Any) -> Any:
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> Any:
        return provider_pb2.DiffResponse()

    def Configure(self, request: Any, context: Any) -> Any:
        return self.run(context, lambda: self._configure(request))

    def Cancel(self, request: Any, context: Any) -> Any:
        self.cancelled.set()
        return empty_pb2.Empty()

    def GetMapping(self, request: Any, context: Any) -> Any:
        return provider_pb2.GetMappingResponse()

    def _configure(self, request: Any) -> Any:
        prefix = f"{self.name}:config:"
        self.config = {key.removeprefix(prefix): value for key, value in request.variables.items()}
        self.configure()
        # Secrets and resource references are left to the engine, as azure-native leaves them.
        return provider_pb2.ConfigureResponse(supportsPreview=True, supports_autonaming_configuration=True)

    def configure(self) -> None:
        """Take `self.config`; raise PluginError for what cannot work. Must not need the network."""

    # --- what the user sees while operations run

    def warn(self, urn: str, text: str) -> None:
        """Show a warning with a resource."""
        self._log(urn, text, warning=True)

    def status(self, urn: str, text: str) -> None:
        """Show what a resource is doing; the next status replaces it."""
        self._log(urn, text, warning=False)

    def _log(self, urn: str, text: str, *, warning: bool) -> None:
        if self._engine is None:
            return
        severity = engine_pb2.WARNING if warning else engine_pb2.INFO
        request = engine_pb2.LogRequest(severity=severity, message=text, urn=urn, ephemeral=not warning)
        self._lines.put(request)
        with self._telling:
            if not self._tells:
                self._tells = True
                threading.Thread(target=self._tell, daemon=True).start()

    def _tell(self) -> None:
        """Send lines in their order; an engine that is gone or has no log must not fail an operation."""
        while True:
            with suppress(grpc.RpcError):
                self._engine.Log(self._lines.get(), timeout=10)

    # --- errors

    def run(self, context: Any, call: Callable[[], Reply]) -> Reply:
        """Run one call; failures become gRPC errors whose message is for the user, never a traceback."""
        try:
            return call()
        except PartialFailureError as failure:
            context.set_trailing_metadata([("grpc-status-details-bin", _details(failure))])
            context.abort(grpc.StatusCode.UNKNOWN, str(failure))
        except PluginError as error:
            context.abort(grpc.StatusCode.UNKNOWN, str(error))
        except Exception as error:  # noqa: BLE001 - whatever it is, the engine must get an answer
            traceback.print_exc(file=sys.stderr)
            context.abort(
                grpc.StatusCode.INTERNAL,
                f"the stand-in plugin {self.name} has a defect: {type(error).__name__}: {error}",
            )
        raise AssertionError("abort always raises")


def _details(failure: PartialFailureError) -> bytes:
    """Return google.rpc.Status bytes with ErrorResourceInitFailed, the engine's "created, but failed"."""
    from google.protobuf import any_pb2
    from google.rpc import status_pb2

    detail = any_pb2.Any()
    detail.Pack(
        provider_pb2.ErrorResourceInitFailed(
            id=failure.id,
            properties=encode(failure.properties),
            reasons=[str(failure)],
            inputs=encode(failure.inputs),
        )
    )
    code = grpc.StatusCode.UNKNOWN.value[0]
    return bytes(status_pb2.Status(code=code, message=str(failure), details=[detail]).SerializeToString())


def urn_type(urn: str) -> str:
    """Return the type token of a URN without its parents: `urn:pulumi:s::p::a$b:c:D::n` -> `b:c:D`."""
    return urn.split("::")[2].rsplit("$", 1)[-1]


def urn_name(urn: str) -> str:
    """Return the logical name, which may hold `::` itself."""
    return urn.split("::", 3)[3]
