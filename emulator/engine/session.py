"""Putting one deployment together: servers, registry, program, event sinks, journal; and taking it apart
again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from .backend import FileBackend, StackName
from .builtin import BuiltinProvider
from .config import StackConfig
from .defaults import DefaultProviders, ProviderRequest, installed_plugins
from .deployment import Deployment, Options
from .errors import Bail, EngineError
from .events import EventLog, EventStream
from .hooks import Callbacks, Hooks
from .journal import Journal
from .monitor import EngineService, Monitor
from .program import Program
from .project import Project, interpreter
from .protocol import CHANNEL_OPTIONS, engine_pb2_grpc, grpc, resource_pb2_grpc
from .registry import Registry
from .runinfo import RunInfo
from .secrets import SecretsManager
from .state import Snapshot

_KINDS = {"update": "update", "refresh": "refresh", "destroy": "destroy"}


@dataclass
class Target:
    """What the command works on. `check` raises for a wrong passphrase, and takes a while."""

    project: Project
    backend: FileBackend
    stack: StackName
    config: StackConfig
    message: str = ""
    check: Callable[[], None] = lambda: None


@dataclass
class Outcome:
    changes: dict[str, int] = field(default_factory=dict)
    error: EngineError | None = None
    snapshot: Snapshot | None = None


@cache
def event_loop() -> asyncio.AbstractEventLoop:
    """One loop for the life of the process: gRPC ties itself to the loop that it is first used in."""
    return asyncio.new_event_loop()


def packages_of(python: str) -> list[Path]:
    """Where an interpreter finds its packages. Asked of it, unless it is the one that runs this."""
    if os.path.abspath(python) == os.path.abspath(sys.executable):
        return [Path(entry) for entry in sys.path if entry.endswith("-packages")]
    script = "import json,sys;print(json.dumps([p for p in sys.path if p.endswith('-packages')]))"
    found = subprocess.run([python, "-c", script], capture_output=True, text=True, check=False)
    return [Path(entry) for entry in json.loads(found.stdout or "[]")]


class Session:
    """`sinks` get every event; `ready` is called before there are any, when nothing speaks against the run.
    `program` is a process started ahead of time, or None.
    """

    def __init__(
        self,
        target: Target,
        options: Options,
        sinks: list[Callable[..., None]],
        event_log: str = "",
        program: subprocess.Popen[bytes] | None = None,
        ready: Callable[[], None] = lambda: None,
    ) -> None:
        self.target = target
        self.options = options
        self._sinks = sinks
        self._event_log = event_log
        self._program = program
        self._ready = ready
        self._interrupts = 0
        self._telling: asyncio.Future[None] | None = None  # providers being told of the interrupt

    def run(self) -> Outcome:
        return event_loop().run_until_complete(self._run())

    async def _run(self) -> Outcome:
        options = self.options
        stream = EventStream(options.preview, options.show_secrets)
        with contextlib.ExitStack() as stack:
            if self._event_log:
                file = stack.enter_context(open(self._event_log, "w", encoding="utf-8"))  # noqa: ASYNC230
                stream.subscribe(EventLog(file))
            for sink in self._sinks:
                stream.subscribe(sink)
            if not options.preview:
                self.target.backend.lock(self.target.stack)
                stack.callback(self.target.backend.unlock)
            return await self._deploy(stream)

    async def _deploy(self, stream: EventStream) -> Outcome:
        target, options = self.target, self.options
        started = time.time()
        try:
            base = target.backend.snapshot(target.stack)
            info = self._run_info()
        except EngineError:
            target.check()  # a wrong passphrase explains it better
            raise
        manager = self._manager(base)
        server = grpc.aio.server(options=CHANNEL_OPTIONS)
        callbacks = Callbacks()
        port = server.add_insecure_port("127.0.0.1:0")
        info.monitor = info.engine = f"127.0.0.1:{port}"
        info.debug = stream.debug
        registry, find = self._registry(stream, info)
        hooks = Hooks(callbacks, options.preview, stream.diagnostic)
        journal = (
            None
            if options.preview
            else Journal(base, lambda s: target.backend.save(target.stack, s, manager()))
        )
        deployment = Deployment(
            stack=target.stack,
            base=base,
            options=options,
            registry=registry,
            hooks=hooks,
            events=stream,
            journal=journal,
            source=None,
        )
        find.append(deployment.find)
        registry.engine_address = info.engine
        ears = grpc.aio.server(options=CHANNEL_OPTIONS)
        info.program_engine = f"127.0.0.1:{ears.add_insecure_port('127.0.0.1:0')}"
        self._serve(server, ears, deployment, callbacks, info, stream)
        await asyncio.gather(server.start(), ears.start())
        self._warm(registry, base)
        if isinstance(deployment.source, Program) and options.kind == "update" and options.refresh:
            deployment.source.begin()
        await self._check(deployment)
        self._watch_signals(deployment, stream)
        outcome = await self._carry_out(deployment, stream, started)
        await callbacks.close()
        await asyncio.gather(server.stop(0), ears.stop(0))
        outcome.snapshot = journal.snapshot() if journal is not None else base
        if not options.preview:
            self._add_history(started, outcome)
        return outcome

    async def _check(self, deployment: Deployment) -> None:
        """See whether the passphrase is right. Plugins and program have been started beside it, but not one
        call was made and nothing has been said.
        """
        try:
            await asyncio.to_thread(self.target.check)
        except EngineError:
            if deployment.source is not None:
                await deployment.source.stop()
            await deployment.registry.close()
            raise
        self._ready()

    def _serve(
        self,
        server: Any,
        ears: Any,
        deployment: Deployment,
        callbacks: Callbacks,
        info: RunInfo,
        stream: EventStream,
    ) -> None:
        """Plugins log to `server` and are heard at once, the program to `ears`: see program.py."""
        defaults = DefaultProviders(deployment, self.target.config, self._installed)
        monitor = Monitor(deployment, defaults, callbacks, info)
        resource_pb2_grpc.add_ResourceMonitorServicer_to_server(monitor, server)
        engine_pb2_grpc.add_EngineServicer_to_server(EngineService(stream.diagnostic), server)
        if self._program is not None:
            program = Program(self._program, info, monitor, stream.diagnostic)
            engine_pb2_grpc.add_EngineServicer_to_server(EngineService(program.said), ears)
            deployment.source = program

    async def _carry_out(self, deployment: Deployment, stream: EventStream, started: float) -> Outcome:
        outcome = Outcome()
        stream.prelude(self.target.config.blinded())
        try:
            self._refuse_hooks(deployment)
            await deployment.run()
        except Bail as error:
            outcome.error = error
        except EngineError as error:
            stream.diagnostic("error", "", str(error))
            outcome.error = Bail(str(error))
        outcome.changes = dict(deployment.changes)
        result = "failed" if outcome.error else "succeeded"
        stream.summary(outcome.changes, time.time() - started, deployment.maybe_corrupt, result)
        stream.cancel()
        return outcome

    def _refuse_hooks(self, deployment: Deployment) -> None:
        if self.options.kind != "destroy" or self.options.run_program:
            return
        held = [
            state
            for state in deployment.base.resources
            if state.resource_hooks.get("BeforeDelete") or state.resource_hooks.get("AfterDelete")
        ]
        for state in held:
            hooks = [
                *state.resource_hooks.get("BeforeDelete", ()),
                *state.resource_hooks.get("AfterDelete", ()),
            ]
            message = "Resource has delete hooks registered, but the program is not running. Hooks: "
            deployment.report("error", state.urn, message + ", ".join(hooks))
        if held:
            raise EngineError(
                "You must run with the `--run-program` flag to use delete hooks during destroy."
            )

    def _manager(self, base: Snapshot) -> Callable[[], SecretsManager | None]:
        """The manager that state is written with: the stack's own; made when there is a first
        secret to keep.
        """
        config = self.target.config

        def manager() -> SecretsManager | None:
            if config.salt:
                return config.manager()
            from .secrets import manager_from_state

            return manager_from_state(base.secrets_provider)

        return manager

    def _run_info(self) -> RunInfo:
        project, config = self.target.project, self.target.config
        return RunInfo(
            project=project.name,
            stack=self.target.stack.name,
            root=project.root,
            folder=project.working_directory,
            program=project.program,
            config=config.decrypted(),
            secret_keys=config.secret_keys,
            preview=self.options.preview,
            parallel=self.options.parallel,
        )

    def _registry(self, stream: EventStream, info: RunInfo) -> tuple[Registry, list[Any]]:
        project = self.target.project
        find: list[Any] = []
        builtin = BuiltinProvider(self.target.backend, project.name, lambda urn: find[0](urn))
        environment = {
            f"PULUMI_RUNTIME_{key.upper()}": str(value) for key, value in project.runtime_options.items()
        }
        environment |= {"PULUMI_PROJECT": project.name, "PULUMI_CONFIG": json.dumps(info.config)}
        registry = Registry(
            preview=self.options.preview,
            interpreter=interpreter(project),
            folder=project.working_directory,
            environment=environment,
            builtin=builtin,
            log=lambda severity, message: stream.diagnostic(severity, "", message),
        )
        return registry, find

    def _warm(self, registry: Registry, base: Snapshot) -> None:
        """Start the plugins of every provider in the state: they will be needed whatever happens."""
        used = {state.provider.rpartition("::")[0] for state in base.resources if state.provider}
        for state in base.resources:
            if state.is_provider and not state.delete and state.urn in used:
                registry.warm(state.urn, state.inputs)

    def _installed(self) -> dict[str, ProviderRequest]:
        """Plugins named by the packages in the program's environment."""
        return installed_plugins(packages_of(interpreter(self.target.project)))

    def _watch_signals(self, deployment: Deployment, stream: EventStream) -> None:
        loop = asyncio.get_running_loop()

        def interrupted() -> None:
            self._interrupts += 1
            if self._interrupts == 1:
                stream.diagnostic(
                    "warning",
                    "",
                    "cancelling: operations that are running are finished and recorded. Interrupt again to "
                    "stop at once.",
                )
                deployment.cancel()
                self._telling = asyncio.ensure_future(deployment.registry.cancel())
            else:
                sys.stderr.write("terminated: the state holds the interrupted operations as pending\n")
                self.target.backend.unlock()
                os._exit(8)

        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                loop.add_signal_handler(number, interrupted)

    def _add_history(self, started: float, outcome: Outcome) -> None:
        info = {
            "kind": _KINDS[self.options.kind],
            "startTime": int(started),
            "message": self.target.message,
            "environment": {"exec.kind": "cli"},
            "config": self.target.config.values,
            "version": 0,
            "result": "failed" if outcome.error else "succeeded",
            "endTime": int(time.time()),
            "resourceChanges": outcome.changes,
        }
        self.target.backend.add_history(self.target.stack, info)
