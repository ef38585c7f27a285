"""A provider as the engine uses it: typed calls over the plugin's channel, secrets and unknowns as it can
take them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any, Protocol

from . import urn as urns
from .differences import NONE, SOME, UNKNOWN, Diff, PropertyDiff
from .errors import EngineError
from .plugins import PluginProcess
from .protocol import empty_pb2, grpc, provider_pb2, provider_pb2_grpc
from .values import (
    Properties,
    annotate_secrets,
    contains_secrets,
    contains_unknowns,
    restore_assets,
    secret,
    unwrap,
)
from .wire import Keep, from_struct, to_struct

OK, PARTIAL, UNCERTAIN = "ok", "partial", "unknown"  # the fate of a resource whose operation failed
_UNCERTAIN_CODES = {grpc.StatusCode.INTERNAL, grpc.StatusCode.DATA_LOSS, grpc.StatusCode.UNKNOWN}
_READ = Keep(unknowns=True, secrets=True, resources=True)
_READ_KNOWN = Keep(reject_unknowns=True, secrets=True, resources=True)
_KINDS = ["add", "add-replace", "delete", "delete-replace", "update", "update-replace"]


class ProviderError(EngineError):
    """A provider's refusal. `status` says whether the resource may have been changed all the same."""

    def __init__(self, message: str, status: str = OK, code: Any = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.properties: list[tuple[str, str]] = []  # (path, what is wrong with it)


class InitError(ProviderError):
    """The resource exists but did not come up: it is recorded, with the reasons, and updated the
    next time.
    """

    def __init__(self, reasons: list[str], result: Result) -> None:
        lines = "\n".join(f"\t* {reason}" for reason in reasons)
        noun = "1 error" if len(reasons) == 1 else f"{len(reasons)} errors"
        super().__init__(f"{noun} occurred:\n{lines}\n\n" if reasons else "resource init failed", PARTIAL)
        self.reasons = reasons
        self.result = result


@dataclass
class Checked:
    inputs: Properties
    failures: list[tuple[str, str]] = field(default_factory=list)  # (property or "", reason)


@dataclass
class Result:
    """What create, update and read answer. `outputs` is None when a read found nothing."""

    id: str = ""
    outputs: Properties | None = None
    inputs: Properties | None = None
    refresh_before_update: bool = False


class DiffUnavailable(Exception):
    """The provider's own configuration is unknown in this preview, so it cannot compare."""


class Provider(Protocol):
    """What the planner and the steps need of a provider; also implemented by the built-in one and the
    registry.
    """

    async def check(
        self, urn: str, olds: Properties | None, news: Properties, preview: bool, seed: bytes
    ) -> Checked: ...
    async def diff(
        self,
        urn: str,
        id: str,
        old_inputs: Properties,
        old_outputs: Properties,
        news: Properties,
        preview: bool,
        ignore: list[str],
    ) -> Diff: ...
    async def create(self, urn: str, inputs: Properties, timeout: float, preview: bool) -> Result: ...
    async def update(
        self,
        urn: str,
        id: str,
        old_inputs: Properties,
        old_outputs: Properties,
        news: Properties,
        timeout: float,
        preview: bool,
        ignore: list[str],
    ) -> Result: ...
    async def delete(
        self, urn: str, id: str, inputs: Properties, outputs: Properties, timeout: float
    ) -> None: ...
    async def read(
        self, urn: str, id: str, inputs: Properties | None, state: Properties, timeout: float
    ) -> Result: ...
    async def invoke(
        self, token: str, args: Properties, preview: bool
    ) -> tuple[Properties, list[tuple[str, str]]]: ...


@dataclass
class _Abilities:
    secrets: bool = False
    resources: bool = False
    outputs: bool = False
    preview: bool = False


class PluginProvider:
    """A provider in a process of its own. `configure` runs beside the program; other calls wait for it."""

    def __init__(self, package: str, process: PluginProcess) -> None:
        self.package = package
        self.process = process
        assert process.channel is not None
        self._stub = provider_pb2_grpc.ResourceProviderStub(process.channel)
        self._abilities: _Abilities | None = None
        self._configured: asyncio.Future[bool] | None = None  # resolves to: is the configuration known

    @property
    def is_configured(self) -> bool:
        return self._configured is not None

    async def handshake(self, engine: str, folder: str) -> None:
        request = provider_pb2.ProviderHandshakeRequest(
            engine_address=engine,
            root_directory=folder,
            program_directory=folder,
            configure_with_urn=True,
            invoke_with_preview=True,
        )
        try:
            answer = await self._stub.Handshake(request, wait_for_ready=True)
        except grpc.aio.AioRpcError as error:
            if error.code() == grpc.StatusCode.UNIMPLEMENTED:
                return
            raise _failure(error) from error
        self._abilities = _Abilities(
            answer.accept_secrets, answer.accept_resources, answer.accept_outputs, True
        )

    async def check_config(self, urn: str, olds: Properties, news: Properties) -> Checked:
        keep = Keep(unknowns=True)
        request = provider_pb2.CheckRequest(
            urn=urn,
            name=urns.name_of(urn),
            type=urns.type_of(urn),
            olds=to_struct(olds, keep),
            news=to_struct(news, keep),
        )
        try:
            answer = await self._stub.CheckConfig(request, wait_for_ready=True)
        except grpc.aio.AioRpcError as error:
            if error.code() == grpc.StatusCode.UNIMPLEMENTED:
                return Checked(dict(news))
            raise _failure(error) from error
        inputs = from_struct(answer.inputs, _READ)
        annotate_secrets(inputs, news)
        return Checked(inputs, [(failure.property, failure.reason) for failure in answer.failures])

    async def diff_config(
        self, urn: str, old_inputs: Properties, old_outputs: Properties, news: Properties, ignore: list[str]
    ) -> Diff:
        keep = Keep(unknowns=True)
        request = provider_pb2.DiffRequest(
            urn=urn,
            name=urns.name_of(urn),
            type=urns.type_of(urn),
            old_inputs=to_struct(old_inputs, keep),
            olds=to_struct(old_outputs, keep),
            news=to_struct(news, keep),
            ignoreChanges=ignore,
        )
        try:
            return _read_diff(await self._stub.DiffConfig(request, wait_for_ready=True))
        except grpc.aio.AioRpcError as error:
            if error.code() == grpc.StatusCode.UNIMPLEMENTED:
                return Diff(UNKNOWN)
            raise _failure(error) from error

    def configure(self, urn: str, id: str, inputs: Properties) -> None:
        """Start configuring. A failure is raised by the first call that needs the provider."""
        self._configured = asyncio.ensure_future(self._configure(urn, id, inputs))
        self._configured.add_done_callback(lambda future: future.cancelled() or future.exception())

    async def _configure(self, urn: str, id: str, inputs: Properties) -> bool:
        if any(contains_unknowns(value) for key, value in inputs.items() if key != "version"):
            self._abilities = self._abilities or _Abilities()
            return False
        variables = {
            f"{self.package}:config:{key}": _as_variable(value)
            for key, value in inputs.items()
            if key != "version"
        }
        request = provider_pb2.ConfigureRequest(
            urn=urn,
            name=urns.name_of(urn),
            type=urns.type_of(urn),
            id=id,
            variables=variables,
            args=to_struct(inputs, Keep(unknowns=True, secrets=True, resources=True)),
            acceptSecrets=True,
            acceptResources=True,
            sends_old_inputs=True,
            sends_old_inputs_to_delete=True,
        )
        answer = await self._call(self._stub.Configure(request, wait_for_ready=True))
        if self._abilities is None:
            self._abilities = _Abilities(
                answer.acceptSecrets, answer.acceptResources, answer.acceptOutputs, answer.supportsPreview
            )
        return True

    async def _ready(self) -> tuple[_Abilities, bool]:
        if self._configured is None:
            raise EngineError(f"the provider {self.package} was used before it was configured")
        known = await asyncio.shield(self._configured)
        assert self._abilities is not None
        return self._abilities, known

    async def check(
        self, urn: str, olds: Properties | None, news: Properties, preview: bool, seed: bytes
    ) -> Checked:
        abilities, known = await self._ready()
        if not known:
            return Checked(dict(news))
        keep = _keep(abilities, preview)
        request = provider_pb2.CheckRequest(
            urn=urn,
            name=urns.name_of(urn),
            type=urns.type_of(urn),
            news=to_struct(news, keep),
            olds=to_struct(olds or {}, keep),
            randomSeed=seed,
        )
        answer = await self._call(self._stub.Check(request))
        inputs = from_struct(answer.inputs, _READ if preview else _READ_KNOWN)
        if not abilities.secrets:
            annotate_secrets(inputs, news)
        return Checked(inputs, [(failure.property, failure.reason) for failure in answer.failures])

    async def diff(
        self,
        urn: str,
        id: str,
        old_inputs: Properties,
        old_outputs: Properties,
        news: Properties,
        preview: bool,
        ignore: list[str],
    ) -> Diff:
        abilities, known = await self._ready()
        if not known:
            raise DiffUnavailable(
                "The provider for this resource has inputs that are not known during preview.\n"
                "This preview may not correctly represent the changes that will be applied during an update."
            )
        keep = _keep(abilities, preview, elide=True)
        request = provider_pb2.DiffRequest(
            id=id,
            urn=urn,
            name=urns.name_of(urn),
            type=urns.type_of(urn),
            old_inputs=to_struct(old_inputs, keep),
            olds=to_struct(old_outputs, keep),
            news=to_struct(news, keep),
            ignoreChanges=ignore,
        )
        return _read_diff(await self._call(self._stub.Diff(request)))

    async def create(self, urn: str, inputs: Properties, timeout: float, preview: bool) -> Result:
        abilities, known = await self._ready()
        if preview and not known:
            return Result(outputs={})
        if preview and not abilities.preview:
            return Result(outputs=dict(inputs))
        request = provider_pb2.CreateRequest(
            urn=urn,
            name=urns.name_of(urn),
            type=urns.type_of(urn),
            timeout=timeout,
            preview=preview,
            properties=to_struct(inputs, _keep(abilities, preview)),
        )
        answer = await self._operate(self._stub.Create(request), inputs, abilities, preview)
        if not preview and not answer.id:
            raise ProviderError(f"plugin returned empty resource.ID from create '{urn}'", UNCERTAIN)
        return answer

    async def update(
        self,
        urn: str,
        id: str,
        old_inputs: Properties,
        old_outputs: Properties,
        news: Properties,
        timeout: float,
        preview: bool,
        ignore: list[str],
    ) -> Result:
        abilities, known = await self._ready()
        if preview and not known:
            return Result(id, outputs={})
        if preview and not abilities.preview:
            return Result(id, outputs=dict(news))
        olds = _keep(abilities, False, elide=True)
        request = provider_pb2.UpdateRequest(
            id=id,
            urn=urn,
            name=urns.name_of(urn),
            type=urns.type_of(urn),
            timeout=timeout,
            preview=preview,
            ignoreChanges=ignore,
            old_inputs=to_struct(old_inputs, olds),
            olds=to_struct(old_outputs, olds),
            news=to_struct(news, _keep(abilities, preview)),
        )
        return await self._operate(self._stub.Update(request), news, abilities, preview)

    async def _operate(
        self, call: Awaitable[Any], inputs: Properties, abilities: _Abilities, preview: bool
    ) -> Result:
        keep = _READ if preview else _READ_KNOWN
        try:
            answer = await self._call(call, keep)
        except InitError as error:
            if not abilities.secrets:
                annotate_secrets(error.result.outputs, inputs)
            raise
        outputs = from_struct(answer.properties, keep)
        if not abilities.secrets:
            annotate_secrets(outputs, inputs)
        return Result(getattr(answer, "id", ""), outputs, None, answer.refresh_before_update)

    async def delete(
        self, urn: str, id: str, inputs: Properties, outputs: Properties, timeout: float
    ) -> None:
        abilities, _ = await self._ready()
        keep = _keep(abilities, False, elide=True)
        request = provider_pb2.DeleteRequest(
            id=id,
            urn=urn,
            name=urns.name_of(urn),
            type=urns.type_of(urn),
            timeout=timeout,
            properties=to_struct(outputs, keep),
            old_inputs=to_struct(inputs, keep),
        )
        await self._call(self._stub.Delete(request))

    async def read(
        self, urn: str, id: str, inputs: Properties | None, state: Properties, timeout: float
    ) -> Result:
        abilities, known = await self._ready()
        if not known:
            return Result(id, {}, {})
        keep = _keep(abilities, False, elide=True)
        request = provider_pb2.ReadRequest(
            id=id,
            urn=urn,
            name=urns.name_of(urn),
            type=urns.type_of(urn),
            timeout=timeout,
            properties=to_struct(state, keep),
        )
        if inputs is not None:
            request.inputs.CopyFrom(to_struct(inputs, keep))
        try:
            answer = await self._call(self._stub.Read(request))
        except InitError as error:
            self._finish_read(error.result, abilities, inputs, state)
            raise
        result = Result(answer.id, None, None, answer.refresh_before_update)
        if answer.HasField("properties"):
            result.outputs = from_struct(answer.properties, _READ_KNOWN)
        if answer.HasField("inputs"):
            result.inputs = from_struct(answer.inputs, _READ_KNOWN)
        self._finish_read(result, abilities, inputs, state)
        return result

    def _finish_read(
        self, result: Result, abilities: _Abilities, inputs: Properties | None, state: Properties
    ) -> None:
        if not abilities.secrets:
            annotate_secrets(result.inputs, inputs)
            annotate_secrets(result.outputs, state)
        if inputs:
            result.inputs = restore_assets(inputs, result.inputs)
            result.outputs = restore_assets(inputs, result.outputs)

    async def invoke(
        self, token: str, args: Properties, preview: bool
    ) -> tuple[Properties, list[tuple[str, str]]]:
        abilities, known = await self._ready()
        if not known:
            return {}, []
        request = provider_pb2.InvokeRequest(
            tok=token, args=to_struct(args, _keep(abilities, False)), preview=preview
        )
        answer = await self._call(self._stub.Invoke(request))
        result = from_struct(getattr(answer, "return"), _READ_KNOWN)
        if contains_secrets(args) and not abilities.secrets:
            result = {key: secret(value) for key, value in result.items()}
        return result, [(failure.property, failure.reason) for failure in answer.failures]

    async def construct(self, request: provider_pb2.ConstructRequest) -> provider_pb2.ConstructResponse:
        await self._ready()
        return await self._call(self._stub.Construct(request))

    async def call(self, request: provider_pb2.CallRequest) -> provider_pb2.CallResponse:
        await self._ready()
        return await self._call(self._stub.Call(request))

    async def cancel(self) -> None:
        try:
            await asyncio.wait_for(self._stub.Cancel(empty_pb2.Empty()), 5)
        except (grpc.aio.AioRpcError, TimeoutError):
            return  # a courtesy: most providers do not implement it

    async def parameterize(self, name: str, version: str, value: bytes) -> None:
        parameters = provider_pb2.ParameterizeRequest.ParametersValue(name=name, version=version, value=value)
        await self._call(
            self._stub.Parameterize(provider_pb2.ParameterizeRequest(value=parameters), wait_for_ready=True)
        )

    async def _call(self, call: Awaitable[Any], keep: Keep = _READ_KNOWN) -> Any:
        try:
            return await call
        except grpc.aio.AioRpcError as error:
            raise _failure(error, keep) from error


def _keep(abilities: _Abilities, unknowns: bool, elide: bool = False) -> Keep:
    return Keep(
        unknowns=unknowns, secrets=abilities.secrets, resources=abilities.resources, elide_assets=elide
    )


def _as_variable(value: Any) -> str:
    value = unwrap(value)
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _read_diff(answer: provider_pb2.DiffResponse) -> Diff:
    detailed = None
    if answer.hasDetailedDiff:
        detailed = {
            key: PropertyDiff(_KINDS[entry.kind], entry.inputDiff)
            for key, entry in answer.detailedDiff.items()
        }
    return Diff(
        changes={0: UNKNOWN, 1: NONE, 2: SOME}[answer.changes],
        replace_keys=list(answer.replaces),
        changed_keys=list(answer.diffs),
        stable_keys=list(answer.stables),
        detailed=detailed,
        delete_before_replace=answer.deleteBeforeReplace,
    )


def _failure(error: grpc.aio.AioRpcError, keep: Keep = _READ_KNOWN) -> ProviderError:
    status = UNCERTAIN if error.code() in _UNCERTAIN_CODES else OK
    message = error.details() or str(error.code())
    properties: list[tuple[str, str]] = []
    from pulumi.runtime.proto import errors_pb2

    for detail in _details(error):
        if detail.Is(errors_pb2.InputPropertiesError.DESCRIPTOR):
            invalid = errors_pb2.InputPropertiesError()
            detail.Unpack(invalid)
            properties += [(problem.property_path, problem.reason) for problem in invalid.errors]
        if detail.Is(provider_pb2.ErrorResourceInitFailed.DESCRIPTOR):
            init = provider_pb2.ErrorResourceInitFailed()
            detail.Unpack(init)
            outputs = from_struct(init.properties, keep) if init.HasField("properties") else {}
            inputs = from_struct(init.inputs, keep) if init.HasField("inputs") else None
            return InitError(list(init.reasons), Result(init.id, outputs, inputs, init.refresh_before_update))
        if detail.Is(provider_pb2.ConfigureErrorMissingKeys.DESCRIPTOR):
            missing = provider_pb2.ConfigureErrorMissingKeys()
            detail.Unpack(missing)
            message = "\n".join(
                f'missing required configuration key "{key.name}": {key.description}\n'
                f"Set a value using the command `config set {key.name} <value>`."
                for key in missing.missingKeys
            )
    if error.code() == grpc.StatusCode.UNAVAILABLE:
        message = f"the provider plugin stopped answering ({message}); its last messages are above"
    failure = ProviderError(message, status, error.code())
    failure.properties = properties
    return failure


def _details(error: grpc.aio.AioRpcError) -> list[Any]:
    from pulumi.runtime.proto import status_pb2

    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            return list(status_pb2.Status.FromString(value).details)
    return []
