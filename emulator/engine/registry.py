"""Providers as resources: their configuration is checked, compared and applied like any resource's inputs.

A provider process takes its configuration once. So a check runs on any process of the right plugin, and
applying a configuration takes one that has none yet. Processes can be started ahead of need (`warm`). A
process that a refresh has configured already answers the check of that very configuration, so that a command
without changes starts each plugin once.
"""

from __future__ import annotations

import asyncio
import base64
import uuid
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import azure_guard
from . import urn as urns
from .builtin import BuiltinProvider
from .differences import NONE, SOME, UNKNOWN, Diff
from .errors import EngineError
from .plugins import DYNAMIC, PluginProcess, find_plugin
from .provider import Checked, PluginProvider, Provider, Result
from .state import State
from .values import UNKNOWN_STRING, Properties, same

INTERNAL = "__internal"


def visible(inputs: Properties) -> Properties:
    """A provider's inputs without what the engine keeps there for itself."""
    return {key: value for key, value in inputs.items() if key != INTERNAL}


class PluginSpec:
    """Which plugin a provider resource needs, read from its type and inputs."""

    def __init__(self, urn: str, inputs: Properties) -> None:
        internal = inputs.get(INTERNAL)
        held: Properties = internal if isinstance(internal, dict) else inputs
        package = urns.package_of(urns.type_of(urn))
        self.package = package
        self.name = str(held.get("name") or package) if isinstance(internal, dict) else package
        self.parameter = held.get("parameterization") if isinstance(internal, dict) else None
        version = (held if self.parameter else inputs).get("version")
        self.version = version if isinstance(version, str) else ""
        self.parameter_version = inputs.get("version") if self.parameter else None

    @property
    def key(self) -> tuple[str, str, str]:
        return self.name, self.version, str(self.parameter or "")


class Registry:
    """Every provider of one deployment, by (URN, ID)."""

    def __init__(
        self,
        *,
        preview: bool,
        interpreter: str,
        folder: Path,
        environment: dict[str, str],
        builtin: BuiltinProvider,
        log: Callable[[str, str], None],
    ) -> None:
        self._preview = preview
        self._interpreter = interpreter
        self._folder = folder
        self._environment = environment
        self._builtin = builtin
        self._log = log
        self.engine_address = ""
        self._providers: dict[tuple[str, str], Provider] = {}
        self._unconfigured: dict[str, Provider] = {}
        self._configurations: dict[tuple[str, str], tuple[PluginSpec, Properties]] = {}
        self._aliases: dict[str, str] = {}
        self._warm: dict[tuple[str, str, str], list[asyncio.Task[PluginProvider]]] = defaultdict(list)
        self._processes: list[PluginProcess] = []
        self._closed = False

    def warm(self, urn: str, inputs: Properties) -> None:
        """Start the plugin of a provider that will surely be needed."""
        spec = PluginSpec(urn, inputs)
        if spec.name != "pulumi":
            task = asyncio.ensure_future(self._start(spec))
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._warm[spec.key].append(task)

    async def _take(self, spec: PluginSpec) -> Provider:
        """A process of this plugin that has no configuration yet."""
        if spec.name == "pulumi":
            return self._builtin
        waiting = self._warm[spec.key]
        return await (waiting.pop() if waiting else self._start(spec))

    async def _start(self, spec: PluginSpec) -> PluginProvider:
        azure_guard.check(spec.name)
        command = find_plugin(spec.name, spec.version, self._interpreter)
        extra = dict(self._environment)
        if spec.name != DYNAMIC:
            extra.pop("PULUMI_CONFIG", None)
        process = await PluginProcess.start(
            spec.name, command, self.engine_address, self._folder, extra, self._log
        )
        self._processes.append(process)
        provider = PluginProvider(spec.package, process)
        await provider.handshake(self.engine_address, str(Path(command[0]).parent))
        if spec.parameter:
            value = base64.b64decode(spec.parameter)
            await provider.parameterize(spec.package, str(spec.parameter_version), value)
        return provider

    def get(self, reference: str) -> Provider | None:
        return self._providers.get(urns.parse_reference(reference))

    def register_alias(self, urn: str, alias: str) -> None:
        if urn != alias:
            self._aliases[urn] = alias

    def _set(self, urn: str, id: str, provider: Provider) -> None:
        self._providers[(urn, id)] = provider
        if urn in self._aliases:
            self._providers[(self._aliases[urn], id)] = provider

    async def check(
        self, urn: str, olds: Properties | None, news: Properties, preview: bool, seed: bytes
    ) -> Checked:
        running = self.running(urn, news)
        provider = running or await self._take(PluginSpec(urn, news))
        checked = Checked(dict(visible(news)))
        if isinstance(provider, PluginProvider):
            checked = await provider.check_config(urn, visible(olds or {}), visible(news))
        if checked.failures:
            return checked
        if running is None:
            self._unconfigured[urn] = provider
        inputs = checked.inputs
        if "version" in news and inputs.setdefault("version", news["version"]) != news["version"]:
            raise EngineError(f"provider {urn!r} attempted to change its version to {inputs['version']!r}")
        if INTERNAL in news:
            inputs[INTERNAL] = news[INTERNAL]
        return Checked(inputs)

    def running(self, urn: str, news: Properties) -> Provider | None:
        """The process that runs for this provider resource already, with exactly these inputs."""
        wanted = PluginSpec(urn, news).key
        for (known, id), (spec, inputs) in self._configurations.items():
            if known == urn and spec.key == wanted and same(inputs, visible(news)):
                return self._providers.get((known, id))
        return None

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
        provider = self._unconfigured.get(urn) or self._providers.get((urn, id))
        news = visible(news)
        diff = Diff(NONE)
        if isinstance(provider, PluginProvider):
            diff = await provider.diff_config(urn, visible(old_inputs), old_outputs, news, ignore)
        if diff.changes == UNKNOWN:
            diff.changes = NONE if same(old_outputs, news) else SOME
        return diff

    async def diff_between(self, reference: str, was: State, now: State) -> Diff:
        """Ask the provider `reference` whether its resources are those of the provider `was`."""
        provider = self.get(reference)
        if not isinstance(provider, PluginProvider):
            return Diff(NONE)
        urn = urns.reference_urn(reference)
        return await provider.diff_config(urn, visible(was.inputs), was.outputs, visible(now.inputs), [])

    async def same(self, state: State, from_check: bool) -> None:
        """Make sure that the provider of an unchanged provider resource runs with its configuration."""
        if not state.id or state.id == UNKNOWN_STRING:
            raise EngineError(f"provider '{state.urn}' has an unknown ID")
        unconfigured = self._unconfigured.pop(state.urn, None) if from_check else None
        if (state.urn, state.id) in self._providers:
            self._give_back(state.urn, state.inputs, unconfigured)
            return
        provider = unconfigured or await self._take(PluginSpec(state.urn, state.inputs))
        self._configure(provider, state.urn, state.id, state.inputs)

    def _give_back(self, urn: str, inputs: Properties, provider: Provider | None) -> None:
        if isinstance(provider, PluginProvider) and not provider.is_configured:
            ready: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            ready.set_result(provider)
            self._warm[PluginSpec(urn, inputs).key].append(ready)  # type: ignore[arg-type]

    def _configure(self, provider: Provider, urn: str, id: str, inputs: Properties) -> None:
        if isinstance(provider, PluginProvider):
            provider.configure(urn, id, visible(inputs))
            self._configurations[(urn, id)] = PluginSpec(urn, inputs), visible(inputs)
        self._set(urn, id, provider)

    async def create(self, urn: str, inputs: Properties, timeout: float, preview: bool) -> Result:
        provider = self._unconfigured.pop(urn, None) or await self._take(PluginSpec(urn, inputs))
        id = UNKNOWN_STRING if preview else str(uuid.uuid4())
        self._configure(provider, urn, id, inputs)
        return Result(id, visible(inputs))

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
        provider = self._unconfigured.pop(urn, None) or await self._take(PluginSpec(urn, news))
        self._configure(provider, urn, id, news)
        return Result(id, visible(news))

    async def delete(
        self, urn: str, id: str, inputs: Properties, outputs: Properties, timeout: float
    ) -> None:
        self._providers.pop((urn, id), None)
        self._configurations.pop((urn, id), None)

    async def read(
        self, urn: str, id: str, inputs: Properties | None, state: Properties, timeout: float
    ) -> Result:
        raise EngineError("provider resources may not be read")

    async def invoke(
        self, token: str, args: Properties, preview: bool
    ) -> tuple[Properties, list[tuple[str, str]]]:
        raise EngineError("the provider registry is not invokable")

    async def cancel(self) -> None:
        """Tell every provider that the user wants to stop."""
        running = {id(p): p for p in self._providers.values() if isinstance(p, PluginProvider)}
        await asyncio.gather(*(provider.cancel() for provider in running.values()))

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        pending = [task for tasks in self._warm.values() for task in tasks if not task.done()]
        for task in pending:
            task.cancel()
        if pending:
            await asyncio.wait(pending, timeout=1)
        await asyncio.gather(*(process.stop() for process in self._processes), return_exceptions=True)
