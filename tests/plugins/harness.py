"""Talks to a plugin process as Pulumi's engine does, in plain values."""

from __future__ import annotations

import os
import select
import subprocess
import time
from pathlib import Path
from typing import Any

from emulator.plugins.protocol import grpc, provider_pb2, provider_pb2_grpc
from emulator.plugins.values import decode, encode

BIN = Path(__file__).resolve().parents[2] / "emulator" / "plugins" / "bin"


class PluginProcess:
    """One plugin, started from its executable; `stub` is the raw protocol."""

    def __init__(
        self, name: str, environment: dict[str, str], cwd: Path | None = None, engine: str = "127.0.0.1:1"
    ) -> None:
        self.name = name
        began = time.monotonic()
        self.process = subprocess.Popen(
            [str(BIN / f"pulumi-resource-{name}"), engine],
            stdout=subprocess.PIPE,
            env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **environment},
            cwd=cwd,
        )
        self.port = self._port()
        self.startup = time.monotonic() - began
        self.channel = grpc.insecure_channel(f"127.0.0.1:{self.port}")
        self.stub = provider_pb2_grpc.ResourceProviderStub(self.channel)

    def _port(self) -> int:
        assert self.process.stdout
        ready, _, _ = select.select([self.process.stdout], [], [], 20)
        if not ready:
            raise TimeoutError(f"{self.name} printed no port")
        return int(self.process.stdout.readline())

    def configure(self, **config: str) -> Any:
        variables = {f"{self.name}:config:{key}": value for key, value in config.items()}
        return self.stub.Configure(
            provider_pb2.ConfigureRequest(
                variables=variables,
                acceptSecrets=True,
                sends_old_inputs=True,
                sends_old_inputs_to_delete=True,
            )
        )

    def close(self) -> None:
        self.channel.close()
        self.process.kill()
        self.process.wait()
        assert self.process.stdout
        self.process.stdout.close()


class Client:
    """The calls on one resource type."""

    def __init__(self, plugin: PluginProcess, token: str) -> None:
        self.plugin = plugin
        self.token = token

    def urn(self, name: str) -> str:
        return f"urn:pulumi:test::project::{self.token}::{name}"

    def check(self, name: str, news: dict[str, Any], olds: dict[str, Any] | None = None, **more: Any) -> Any:
        """Return (inputs, failures)."""
        request = provider_pb2.CheckRequest(
            urn=self.urn(name), olds=encode(olds or {}), news=encode(news), **more
        )
        response = self.plugin.stub.Check(request)
        return decode(response.inputs), [failure.reason for failure in response.failures]

    def checked(self, name: str, news: dict[str, Any], olds: dict[str, Any] | None = None) -> dict[str, Any]:
        inputs, failures = self.check(name, news, olds)
        assert not failures, failures
        return inputs

    def diff(self, name: str, olds: dict[str, Any], news: dict[str, Any], state: dict[str, Any]) -> Any:
        request = provider_pb2.DiffRequest(
            urn=self.urn(name), id="x", olds=encode(state), news=encode(news), old_inputs=encode(olds)
        )
        return self.plugin.stub.Diff(request)

    def create(
        self, name: str, inputs: dict[str, Any], *, preview: bool = False, timeout: float = 0
    ) -> tuple[str, dict[str, Any]]:
        response = self.plugin.stub.Create(
            provider_pb2.CreateRequest(
                urn=self.urn(name), properties=encode(inputs), preview=preview, timeout=timeout
            )
        )
        return response.id, decode(response.properties)

    def update(
        self,
        name: str,
        id_: str,
        olds: dict[str, Any],
        news: dict[str, Any],
        state: dict[str, Any],
        *,
        preview: bool = False,
    ) -> dict[str, Any]:
        response = self.plugin.stub.Update(
            provider_pb2.UpdateRequest(
                urn=self.urn(name),
                id=id_,
                olds=encode(state),
                news=encode(news),
                old_inputs=encode(olds),
                preview=preview,
            )
        )
        return decode(response.properties)

    def read(
        self, name: str, id_: str, inputs: dict[str, Any] | None = None, state: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any], dict[str, Any]]:
        """Return (id, inputs, outputs)."""
        request = provider_pb2.ReadRequest(urn=self.urn(name), id=id_)
        if inputs is not None:
            request.inputs.CopyFrom(encode(inputs))
            request.properties.CopyFrom(encode(state or {}))
        response = self.plugin.stub.Read(request)
        return response.id, decode(response.inputs), decode(response.properties)

    def delete(self, name: str, id_: str, inputs: dict[str, Any], state: dict[str, Any]) -> None:
        self.plugin.stub.Delete(
            provider_pb2.DeleteRequest(
                urn=self.urn(name), id=id_, properties=encode(state), old_inputs=encode(inputs)
            )
        )


def invoke(plugin: PluginProcess, token: str, **arguments: Any) -> dict[str, Any]:
    response = plugin.stub.Invoke(provider_pb2.InvokeRequest(tok=token, args=encode(arguments)))
    return decode(getattr(response, "return"))


def partial_failure(error: grpc.RpcError) -> provider_pb2.ErrorResourceInitFailed:
    """Return the "created, but failed" in an error; fails when there is none."""
    # The one that Pulumi brings: google.rpc's would define the same name a second time in this process.
    from pulumi.runtime.proto import status_pb2

    details = dict(error.trailing_metadata())["grpc-status-details-bin"]
    status = status_pb2.Status.FromString(details)
    failure = provider_pb2.ErrorResourceInitFailed()
    assert status.details[0].Unpack(failure)
    return failure
