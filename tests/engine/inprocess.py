"""The engine without processes: a cloud in memory behind Pulumi's provider protocol, programs as plain data.

A program is a list of `Node`s. Everything of the engine runs but the parts that start processes; state goes
through the JSON of the state file between runs. `Crash` stands for kill -9: it is raised between any two
writes of the state.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emulator.engine import checkpoint, urn
from emulator.engine.backend import FileBackend, StackName
from emulator.engine.builtin import BuiltinProvider
from emulator.engine.deployment import Deployment, Options, OutputsRequest
from emulator.engine.errors import Bail
from emulator.engine.hooks import Callbacks, Hooks
from emulator.engine.journal import Journal
from emulator.engine.planner import Registration
from emulator.engine.protocol import empty_pb2, grpc, plugin_pb2, provider_pb2, provider_pb2_grpc
from emulator.engine.provider import PluginProvider
from emulator.engine.registry import PluginSpec, Registry
from emulator.engine.session import event_loop
from emulator.engine.state import Alias, Goal, Snapshot
from emulator.engine.steps import Registered, Step
from emulator.engine.values import Secret, unwrap
from emulator.engine.wire import Keep, plain, to_struct

STACK = StackName("proj", "dev")
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


def identity(name: str, kind: str, depth: int) -> str:
    """The cloud's ID of a thing below `depth` components: what moves to another parent is another thing."""
    return f"{name}:{kind}:{depth}"


class Crash(BaseException):
    """The process is gone."""


@dataclass
class Node:
    """A resource of a program. `ref` and `kind_ref` name resources whose address it takes as label, or as
    kind.
    """

    name: str
    kind: str = "a"
    label: str = "x"
    ref: str = ""
    kind_ref: str = ""
    needs: tuple[str, ...] = ()
    parent: str = ""
    component: bool = False
    secret: bool = False
    before: bool | None = None
    protect: bool = False
    retain: bool = False
    old_name: str = ""
    fails: str = ""

    @property
    def all_needs(self) -> set[str]:
        return {name for name in (self.ref, self.kind_ref, self.parent, *self.needs) if name}


class Cloud(provider_pb2_grpc.ResourceProviderServicer):
    """`label` updates in place, `kind` replaces, the ID is name and kind. `log` has every change,
    in order.
    """

    def __init__(self) -> None:
        self.things: dict[str, dict[str, Any]] = {}
        self.log: list[tuple[str, str]] = []
        self.pause = 0.0  # seconds that every change takes
        self.running = 0
        self.most_at_once = 0

    async def _change(self, operation: str, identifier: str) -> None:
        self.running += 1
        self.most_at_once = max(self.most_at_once, self.running)
        await asyncio.sleep(self.pause)
        self.running -= 1
        self.log.append((operation, identifier))

    async def CheckConfig(self, request: Any, context: Any) -> Any:
        return provider_pb2.CheckResponse(inputs=request.news)

    async def DiffConfig(self, request: Any, context: Any) -> Any:
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    async def Configure(self, request: Any, context: Any) -> Any:
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    async def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version="1.0.0")

    async def Cancel(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()

    async def Check(self, request: Any, context: Any) -> Any:
        return provider_pb2.CheckResponse(inputs=request.news)

    async def Diff(self, request: Any, context: Any) -> Any:
        old, new = plain(request.old_inputs), plain(request.news)
        keys = sorted(key for key in set(old) | set(new) if old.get(key) != new.get(key))
        some = provider_pb2.DiffResponse.DIFF_SOME if keys else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(changes=some, diffs=keys, replaces=[k for k in keys if k == "kind"])

    def _outputs(self, name: str, inputs: dict[str, Any], preview: bool) -> Any:
        address = UNKNOWN if preview else f"addr-{name}-{inputs['kind']}"
        return to_struct({**inputs, "address": address}, Keep(unknowns=True))

    async def Create(self, request: Any, context: Any) -> Any:
        inputs, name = plain(request.properties), urn.name_of(request.urn)
        if request.preview:
            return provider_pb2.CreateResponse(properties=self._outputs(name, inputs, True))
        if inputs.get("fails") == "create":
            await context.abort(grpc.StatusCode.UNKNOWN, "told to fail")
        identifier = identity(name, inputs["kind"], request.urn.count("$"))
        if identifier in self.things:
            await context.abort(grpc.StatusCode.ALREADY_EXISTS, f"{identifier} exists")
        self.things[identifier] = inputs
        await self._change("create", identifier)
        return provider_pb2.CreateResponse(id=identifier, properties=self._outputs(name, inputs, False))

    async def Update(self, request: Any, context: Any) -> Any:
        inputs, name = plain(request.news), urn.name_of(request.urn)
        if not request.preview:
            if inputs.get("fails") == "update":
                await context.abort(grpc.StatusCode.UNKNOWN, "told to fail")
            self.things[request.id] = inputs
            await self._change("update", request.id)
        return provider_pb2.UpdateResponse(properties=self._outputs(name, inputs, False))

    async def Delete(self, request: Any, context: Any) -> Any:
        self.things.pop(request.id, None)
        await self._change("delete", request.id)
        return empty_pb2.Empty()

    async def Read(self, request: Any, context: Any) -> Any:
        inputs = self.things.get(request.id)
        if inputs is None:
            return provider_pb2.ReadResponse()
        struct = to_struct(inputs, Keep())
        name = urn.name_of(request.urn)
        outputs = to_struct({**inputs, "address": f"addr-{name}-{inputs['kind']}"}, Keep())
        return provider_pb2.ReadResponse(id=request.id, properties=outputs, inputs=struct)


class _Process:
    """Stands where a plugin's process would."""

    def __init__(self, channel: Any) -> None:
        self.channel = channel

    async def stop(self) -> None:
        await self.channel.close()


class _Registry(Registry):
    """Providers are the cloud in this process."""

    address = ""

    async def _start(self, spec: PluginSpec) -> PluginProvider:
        process: Any = _Process(grpc.aio.insecure_channel(self.address))
        self._processes.append(process)
        return PluginProvider(spec.package, process)


@dataclass
class Run:
    operations: Counter[str]
    by_name: dict[str, str]
    events: list[tuple[str, str, str]]
    failed: bool
    diagnostics: list[str]


class _Events:
    def __init__(self) -> None:
        self.events: list[tuple[str, str, str]] = []
        self.diagnostics: list[str] = []

    def diagnostic(self, severity: str, urn: str, message: str) -> None:
        if severity == "error":
            self.diagnostics.append(message)

    def step(self, event: str, step: Step, op: str, internal: bool) -> None:
        self.events.append((event, op, urn.name_of(step.urn)))

    def failed(self, step: Step, status: str, steps: int) -> None:
        self.events.append(("failed", step.op, urn.name_of(step.urn)))


class Program:
    """Registers its nodes, each when what it needs has been registered, all others at once."""

    def __init__(self, nodes: list[Node]) -> None:
        self._nodes = nodes
        self._made: dict[str, asyncio.Future[Registered]] = {}

    async def stop(self) -> None:
        """It has no process."""

    async def run(self, deployment: Deployment) -> None:
        loop = asyncio.get_running_loop()
        root = await self._register(deployment, Goal(urn.STACK_TYPE, "proj-dev", False, {}))
        inputs: dict[str, Any] = {}
        provider = await self._register(deployment, Goal("pulumi:providers:toy", "default", True, inputs))
        reference = f"{provider.state.urn}::{provider.state.id}"
        self._made = {node.name: loop.create_future() for node in self._nodes}
        await asyncio.gather(
            *(self._node(deployment, node, root.state.urn, reference) for node in self._nodes)
        )
        outputs = {name: made.result().state.outputs.get("address") for name, made in self._made.items()}
        await self._outputs(deployment, root.state.urn, outputs)

    async def _node(self, deployment: Deployment, node: Node, root: str, provider: str) -> None:
        made = {name: await self._made[name] for name in sorted(node.all_needs)}
        goal = self._goal(node, made, root, provider)
        registered = await self._register(deployment, goal)
        if node.component:
            await self._outputs(deployment, registered.state.urn, {"done": True})
        self._made[node.name].set_result(registered)

    def _goal(self, node: Node, made: dict[str, Registered], root: str, provider: str) -> Goal:
        parent = made[node.parent].state.urn if node.parent else root
        needs = sorted(made[name].state.urn for name in {node.ref, node.kind_ref, *node.needs} if name)
        aliases = [Alias(name=node.old_name)] if node.old_name else []
        if node.component:
            return Goal(
                "toy:index:Group", node.name, False, {}, parent=parent, dependencies=needs, aliases=aliases
            )

        def address(name: str) -> Any:
            return unwrap(made[name].state.outputs["address"])

        label: Any = address(node.ref) if node.ref else node.label
        properties = {
            "label": Secret(label) if node.secret else label,
            "kind": address(node.kind_ref) if node.kind_ref else node.kind,
            **({"fails": node.fails} if node.fails else {}),
        }
        by_property = {
            "label": [node.ref] if node.ref else [],
            "kind": [node.kind_ref] if node.kind_ref else [],
        }
        return Goal(
            "toy:index:Thing",
            node.name,
            True,
            properties,
            parent=parent,
            dependencies=needs,
            provider=provider,
            property_dependencies={k: [made[n].state.urn for n in names] for k, names in by_property.items()},
            delete_before_replace=node.before,
            protect=node.protect,
            retain_on_delete=node.retain,
            aliases=aliases,
        )

    async def _register(self, deployment: Deployment, goal: Goal) -> Registered:
        registration = Registration(goal, asyncio.get_running_loop().create_future())
        deployment.submit(registration)
        return await registration.answer

    async def _outputs(self, deployment: Deployment, urn_: str, outputs: dict[str, Any]) -> None:
        request = OutputsRequest(urn_, outputs, asyncio.get_running_loop().create_future())
        deployment.submit(request)
        await request.answer


@dataclass
class World:
    """A cloud and a stack's state. `crash_at`: the write of the state before which the process dies."""

    cloud: Cloud = field(default_factory=Cloud)
    document: str = ""
    crash_at: int | None = None
    manager: Any = None
    writes: int = 0
    crashed: asyncio.Event = field(default_factory=asyncio.Event)

    def snapshot(self) -> Snapshot:
        if not self.document:
            return Snapshot()
        return checkpoint.load_checkpoint(json.loads(self.document))[0] or Snapshot()

    def _save(self, snapshot: Snapshot) -> None:
        if self.crash_at is not None and self.writes >= self.crash_at:
            self.crashed.set()  # and nothing is ever written again
            raise Crash
        self.writes += 1
        self.document = checkpoint.encode(checkpoint.wrap(STACK.full, snapshot, self.manager))

    def run(self, nodes: list[Node] | None, **options: Any) -> Run:
        return event_loop().run_until_complete(self._run(nodes, Options(**options)))

    async def _run(self, nodes: list[Node] | None, options: Options) -> Run:
        server = grpc.aio.server()
        provider_pb2_grpc.add_ResourceProviderServicer_to_server(self.cloud, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            return await self._deploy(nodes, options, f"127.0.0.1:{port}")
        finally:
            await server.stop(0)

    async def _deploy(self, nodes: list[Node] | None, options: Options, address: str) -> Run:
        self.writes = 0
        base, events = self.snapshot(), _Events()
        builtin = BuiltinProvider(FileBackend(Path("/nonexistent")), "proj", lambda _urn: None)
        registry = _Registry(
            preview=options.preview,
            interpreter="",
            folder=Path(),
            environment={},
            builtin=builtin,
            log=lambda _severity, _message: None,
        )
        registry.address = address
        deployment = Deployment(
            stack=STACK,
            base=base,
            options=options,
            registry=registry,
            hooks=Hooks(Callbacks(), options.preview, events.diagnostic),
            events=events,
            journal=None if options.preview else Journal(base, self._save),
            source=Program(nodes) if nodes is not None else None,
        )
        failed = await self._until_the_end(deployment)
        by_name = {name: op for event, op, name in events.events if event == "resOutputsEvent"}
        return Run(deployment.changes, by_name, events.events, failed, events.diagnostics)

    async def _until_the_end(self, deployment: Deployment) -> bool:
        """Whether it failed. A crash ends everything at once."""
        self.crashed.clear()
        run = asyncio.ensure_future(deployment.run())
        crash = asyncio.ensure_future(self.crashed.wait())
        await asyncio.wait([run, crash], return_when=asyncio.FIRST_COMPLETED)
        if not crash.done():
            crash.cancel()
            try:
                await run
            except Bail:
                return True
            return False
        assert deployment._executor is not None
        tasks = [run, *deployment._executor._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=2)
        for task in tasks:
            if task.done() and not task.cancelled():
                task.exception()  # seen
        raise Crash

    def up(self, nodes: list[Node], **options: Any) -> Run:
        return self.run(nodes, **options)

    def preview(self, nodes: list[Node]) -> Run:
        return self.run(nodes, preview=True)

    def destroy(self) -> Run:
        return self.run(None, kind="destroy", run_program=False)

    def refresh(self) -> Run:
        return self.run(None, kind="refresh", run_program=False)

    def things(self) -> dict[str, Any]:
        """Custom resources in the state, by name; those that wait for deletion are not there."""
        return {s.name: s for s in self.snapshot().resources if s.type == "toy:index:Thing" and not s.delete}
