"""Functions of the running program that the engine calls: resource hooks, error hooks and transforms.

They live in the program's process behind Pulumi's Callbacks service. Before-hooks can refuse an operation,
after-hooks fail the deployment but not the operation, error hooks may ask for the operation to be tried
again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from . import urn as urns
from .errors import EngineError
from .protocol import CHANNEL_OPTIONS, alias_pb2, callback_pb2, callback_pb2_grpc, grpc, resource_pb2
from .state import HOOK_TYPES, State
from .values import Properties
from .wire import Keep, to_struct

KEEP_ALL = Keep(unknowns=True, secrets=True, resources=True, outputs=True)
MAX_RETRIES = 100


@dataclass(frozen=True)
class Hook:
    name: str
    target: str
    token: str
    on_dry_run: bool = False
    ignore_errors: bool = False


class Callbacks:
    """Channels to the programs' callback servers, one for each address."""

    def __init__(self) -> None:
        self._channels: dict[str, grpc.aio.Channel] = {}

    async def invoke(self, target: str, token: str, request: bytes) -> bytes:
        if target not in self._channels:
            self._channels[target] = grpc.aio.insecure_channel(target, options=CHANNEL_OPTIONS)
        stub = callback_pb2_grpc.CallbacksStub(self._channels[target])
        try:
            answer = await stub.Invoke(callback_pb2.CallbackInvokeRequest(token=token, request=request))
        except grpc.aio.AioRpcError as error:
            raise EngineError(error.details() or str(error.code())) from error
        return answer.response

    async def close(self) -> None:
        for channel in self._channels.values():
            await channel.close()


class Hooks:
    """The hooks a program has registered by name."""

    def __init__(self, callbacks: Callbacks, dry_run: bool, report: Callable[[str, str, str], None]) -> None:
        self._callbacks = callbacks
        self._dry_run = dry_run
        self._report = report  # (severity, urn, message)
        self._resource: dict[str, Hook] = {}
        self._error: dict[str, Hook] = {}

    def register(self, hook: Hook) -> None:
        if hook.name in self._resource:
            raise EngineError(f'resource hook already registered for name "{hook.name}"')
        self._resource[hook.name] = hook

    def register_error(self, hook: Hook) -> None:
        if hook.name in self._error:
            raise EngineError(f'error hook already registered for name "{hook.name}"')
        self._error[hook.name] = hook

    async def run(self, kind: str, state: State, new: State | None, old: State | None) -> None:
        """Run the hooks of one kind. `new` and `old` are shown to the hook; outputs only where they exist."""
        for name in state.resource_hooks.get(kind, ()):
            hook = self._resource.get(name)
            if hook is None:
                raise EngineError(f'hook "{name}" was not registered')
            if self._dry_run and not hook.on_dry_run:
                continue
            try:
                await self._call(hook, kind, state, new, old)
            except EngineError as error:
                if hook.ignore_errors:
                    self._report("warning", state.urn, f'{kind} hook "{name}" failed: {error}')
                    continue
                when = "before" if kind.startswith("Before") else "after"
                raise EngineError(f'{when} hook "{name}" failed: {error}') from error

    async def _call(self, hook: Hook, kind: str, state: State, new: State | None, old: State | None) -> None:
        message = resource_pb2.ResourceHookRequest(
            urn=state.urn, id=state.id, name=urns.name_of(state.urn), type=state.type
        )
        after = kind.startswith("After")
        _fill(message, "new_inputs", new.inputs if new else None)
        _fill(message, "old_inputs", old.inputs if old else None)
        _fill(message, "new_outputs", new.outputs if new and after else None)
        _fill(message, "old_outputs", old.outputs if old else None)
        _options(message, new, old)
        answer = resource_pb2.ResourceHookResponse()
        answer.ParseFromString(
            await self._callbacks.invoke(hook.target, hook.token, message.SerializeToString())
        )
        if answer.error:
            raise EngineError(answer.error)

    async def should_retry(
        self, state: State, new: State | None, old: State | None, operation: str, errors: list[str]
    ) -> bool:
        """Ask every error hook; one wish is enough."""
        retry = False
        for name in state.resource_hooks.get("OnError", ()):
            hook = self._error.get(name)
            if hook is None:
                raise EngineError(f'error hook "{name}" was not registered')
            message = resource_pb2.ErrorHookRequest(
                urn=state.urn,
                id=state.id,
                name=urns.name_of(state.urn),
                type=state.type,
                failed_operation=operation,
                errors=errors,
            )
            _fill(message, "new_inputs", new.inputs if new else None)
            _fill(message, "old_inputs", old.inputs if old else None)
            _fill(message, "old_outputs", old.outputs if old else None)
            _options(message, new, old)
            answer = resource_pb2.ErrorHookResponse()
            answer.ParseFromString(
                await self._callbacks.invoke(hook.target, hook.token, message.SerializeToString())
            )
            if answer.error:
                raise EngineError(f'error hook "{name}" failed: {answer.error}')
            retry = retry or answer.retry
        return retry


def _fill(message: Any, field: str, value: Properties | None) -> None:
    if value is not None:
        getattr(message, field).CopyFrom(to_struct(value, KEEP_ALL))


def _options(message: Any, new: State | None, old: State | None) -> None:
    if new is not None:
        message.new_options.CopyFrom(options_of(new))
    if old is not None:
        message.old_options.CopyFrom(options_of(old))


def options_of(state: State) -> Any:
    """A resource's options as hooks see them."""
    message = resource_pb2.ResourceOptions(
        depends_on=state.dependencies,
        ignore_changes=state.ignore_changes,
        replace_on_changes=state.replace_on_changes,
        provider=state.provider,
        deleted_with=state.deleted_with,
        hide_diff=state.hide_diff,
        replace_with=state.replace_with,
        parent=state.parent,
        additional_secret_outputs=state.additional_secret_outputs,
        protect=state.protect,
        retain_on_delete=state.retain_on_delete,
        aliases=[alias_pb2.Alias(urn=alias) for alias in state.aliases],
    )
    setattr(message, "import", state.import_id)
    timeouts = state.custom_timeouts
    for name in ("create", "update", "delete", "read"):
        seconds = getattr(timeouts, name)
        if seconds:
            setattr(message.custom_timeouts, name, go_duration(seconds))
    if state.resource_hooks:
        for kind in HOOK_TYPES:
            getattr(message.hooks, _snake(kind)).extend(state.resource_hooks.get(kind, ()))
    return message


def _snake(kind: str) -> str:
    return "".join(f"_{char.lower()}" if char.isupper() else char for char in kind).lstrip("_")


def go_duration(seconds: float) -> str:
    """Seconds as Go prints a duration: 1h30m0s."""
    whole = timedelta(seconds=seconds)
    total = whole.total_seconds()
    hours, rest = divmod(total, 3600)
    minutes, left = divmod(rest, 60)
    tail = f"{left:g}s"
    if hours:
        return f"{int(hours)}h{int(minutes)}m{tail}"
    return f"{int(minutes)}m{tail}" if minutes else tail
