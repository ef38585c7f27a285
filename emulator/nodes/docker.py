"""`Nodes` on a Docker engine: each instance of a deployment is a container of the pushed image.

Pulls the image as the endpoint's identity, brings the model to the node, starts and probes the containers.
A changed deployment gets its new containers first, and loses the old ones when the new are ready. See
instance.py for probes and restarts, containers.py for what a container is given.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from emulator.host.engine import DEFAULT_ENGINE, sdk
from emulator.host.started import Started
from emulator.nodes import containers, models
from emulator.nodes.containers import DockerContainer, Engine, PullError
from emulator.nodes.instance import Instance, Patience
from emulator.nodes.interface import DeploymentSpec, Outcome, Progress, Reason, Stage
from emulator.nodes.models import ModelError, Placed
from emulator.nodes.probes import RealClock, http_check
from emulator.settings import Settings

_log = logging.getLogger(__name__)


@dataclass
class Group:
    """The instances of one deployment that were made from one spec."""

    spec: DeploymentSpec
    image: str
    placed: Placed | None
    instances: list[Instance] = field(default_factory=list)

    @property
    def key(self) -> str:
        return containers.runtime_key(self.spec, self.image)


class StageError(Exception):
    """A deployment failed before its containers ran."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.text)
        self.outcome = outcome


class DockerNodes:
    """`speed` runs the clocks of probes and back-off faster than real time, for tests
    (EMULATOR_NODE_SPEED).
    """

    serves = True

    def __init__(
        self, settings: Settings, *, speed: float | None = None, patience: Patience | None = None
    ) -> None:
        self._settings = settings
        started = Started.load(settings)
        self._server = os.environ.get("EMULATOR_SERVER") or (started.server if started else "vllm")
        self._engine_address = (started.engine if started else "") or DEFAULT_ENGINE
        self._layout = os.environ.get("EMULATOR_MODEL_LAYOUT") or "folder"
        self._clock = RealClock(speed or float(os.environ.get("EMULATOR_NODE_SPEED") or 1))
        self._patience = patience or Patience(restarts=int(os.environ.get("EMULATOR_NODE_RESTARTS") or 2))
        self._groups: dict[str, Group] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._at_work = 0
        self._background: set[asyncio.Task[None]] = set()

    # --- the protocol

    async def start(self) -> None:
        self._engine = Engine(self._engine_address)
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, force_close=True))

    async def stop(self) -> None:
        """Remove the containers; the specs are ARM's, and `resume` brings them back."""
        for task in list(self._background):
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        groups, self._groups = list(self._groups.values()), {}
        await asyncio.gather(*(self._close(group) for group in groups))
        await self._session.close()
        self._engine.close()

    async def deploy(self, spec: DeploymentSpec, progress: Progress) -> Outcome:
        identity = spec.resource_id.lower()
        async with self._lock(identity), self._working():
            try:
                return await self._deploy(identity, spec, progress)
            except StageError as error:
                self._note(identity, "StorageInitializer", error.outcome.text)
                return error.outcome
            except (sdk().errors.DockerException, OSError) as error:
                text = f"The Docker engine at {self._engine_address} failed: {error}"
                return Outcome.failure(Stage.SYSTEM_SETUP, Reason.NODES_UNAVAILABLE, text)

    async def scale(self, resource_id: str, instances: int) -> Outcome:
        identity = resource_id.lower()
        async with self._lock(identity):
            group = self._groups.get(identity)
            if group is None:
                text = "there is no running deployment to scale"
                return Outcome.failure(Stage.SYSTEM_SETUP, Reason.NODES_UNAVAILABLE, text)
            return await self._resize(group, instances)

    async def delete(self, resource_id: str) -> None:
        identity = resource_id.lower()
        async with self._lock(identity):
            group = self._groups.pop(identity, None)
            if group is not None:
                await self._close(group)
            for container in ("InferenceServer", "StorageInitializer"):
                self._log_file(identity, container).unlink(missing_ok=True)
            self._forget_models()

    def addresses(self, resource_id: str) -> list[tuple[str, int]]:
        group = self._groups.get(resource_id.lower())
        if group is None:
            return []
        ready = [i.container.address for i in group.instances if i.ready]
        return [(address, group.spec.scoring_port) for address in ready if address]

    async def logs(self, resource_id: str, container: str, tail: int) -> str:
        identity = resource_id.lower()
        group = self._groups.get(identity)
        if container != "StorageInitializer" and group is not None:
            texts = [await instance.container.logs(tail) for instance in group.instances]
            if len(texts) == 1:
                return texts[0]
            return "".join(f"--- instance {number}\n{text}" for number, text in enumerate(texts))
        try:
            lines = self._log_file(identity, container).read_text().splitlines(keepends=True)
        except FileNotFoundError:
            return ""
        return "".join(lines[-tail:])

    async def resume(self, specs: Sequence[DeploymentSpec]) -> None:
        """Runs in the background: pulling needs our own listeners, which come up after this."""
        wanted = {spec.resource_id.lower(): spec for spec in specs}
        for handle in await containers.find(self._settings, self._engine):
            if handle.labels.get(containers.RESOURCE) not in wanted:
                await self._engine.call(handle.remove, force=True, v=True)
        for identity, spec in wanted.items():
            task = asyncio.create_task(self._resume(identity, spec), name=f"resume {spec.deployment}")
            self._background.add(task)
            task.add_done_callback(self._background.discard)

    def served_names(self, resource_id: str) -> list[str]:
        return []

    # --- one deployment

    async def _deploy(self, identity: str, spec: DeploymentSpec, progress: Progress) -> Outcome:
        image = await self._pull(spec, progress)
        placed = await self._place(identity, spec, progress)
        old = self._groups.get(identity)
        group = Group(spec, image, placed)
        if old is not None and old.key == group.key and any(i.ready for i in old.instances):
            old.spec = spec
            return await self._resize(old, spec.instances)
        progress(Stage.CONTAINER_START, f"starting {spec.instances} instance(s)")
        try:
            outcome = await self._bring_up(group, spec.instances)
        except BaseException:
            await self._close(group)
            raise
        if not outcome.ok:
            self._write_log(identity, "InferenceServer", outcome.log)
            await self._close(group)
            return outcome
        self._groups[identity] = group
        if old is not None:
            await self._close(old)
        return outcome

    async def _pull(self, spec: DeploymentSpec, progress: Progress) -> str:
        progress(Stage.IMAGE_PULL, f"pulling {spec.image}")
        try:
            return await self._engine.pull(spec.image, spec.registry_username, spec.registry_password)
        except PullError as error:
            text = f"The image {spec.image} could not be pulled: {error}"
            raise StageError(Outcome.failure(Stage.IMAGE_PULL, Reason.IMAGE_PULL_FAILED, text)) from error

    async def _place(self, identity: str, spec: DeploymentSpec, progress: Progress) -> Placed | None:
        if spec.model is None:
            return None
        progress(Stage.MODEL_DOWNLOAD, f"downloading {spec.model.name}:{spec.model.version}")
        self._log_file(identity, "StorageInitializer").unlink(missing_ok=True)
        say = lambda text: self._note(identity, "StorageInitializer", text)  # noqa: E731
        try:
            folder = await self._engine.call(models.fetch, self._settings, spec.model, say)
        except ModelError as error:
            text = f"The model {spec.model.name}:{spec.model.version} could not be downloaded: {error}"
            raise StageError(
                Outcome.failure(Stage.MODEL_DOWNLOAD, Reason.MODEL_DOWNLOAD_FAILED, text)
            ) from error
        return Placed(folder, models.mount_path(spec, spec.model, self._layout))

    async def _bring_up(self, group: Group, count: int, *, proven: bool = False) -> Outcome:
        """Add instances to the group until it has `count`, and wait for the new ones;

        the first failure decides.
        """
        new = []
        for _ in range(len(group.instances), count):
            container = await containers.create(
                self._settings, self._engine, group.spec, group.image, group.placed, self._server
            )
            instance = self._instance(group, container)
            group.instances.append(instance)
            instance.begin(proven=proven)
            new.append(instance)
        for done in asyncio.as_completed([instance.settled for instance in new]):
            outcome = await done
            if not outcome.ok:
                return outcome
        return Outcome.success()

    async def _resize(self, group: Group, count: int) -> Outcome:
        surplus = group.instances[count:]
        del group.instances[count:]
        await asyncio.gather(*(instance.close() for instance in surplus))
        before = len(group.instances)
        outcome = await self._bring_up(group, count)
        if not outcome.ok:
            broken = group.instances[before:]
            del group.instances[before:]
            await asyncio.gather(*(instance.close() for instance in broken))
        else:
            group.spec = replace(group.spec, instances=count)
        return outcome

    def _instance(self, group: Group, container: DockerContainer) -> Instance:
        check = http_check(self._session, lambda: container.address)
        say = lambda text: _log.info("%s: %s", container.name, text)  # noqa: E731
        return Instance(group.spec, container, check, self._clock, self._patience, say)

    async def _resume(self, identity: str, spec: DeploymentSpec) -> None:
        """Adopt containers that still run, and start what is missing."""
        async with self._lock(identity), self._working():
            try:
                image = await self._engine.local(spec.image) or await self._pull(spec, _quiet)
                group = Group(spec, image, await self._place(identity, spec, _quiet))
                self._groups[identity] = group
                await self._adopt(identity, group)
                await self._bring_up(group, spec.instances, proven=True)
            except StageError as error:
                _log.warning("%s cannot be resumed: %s", spec.deployment, error)
            except (sdk().errors.DockerException, OSError) as error:
                _log.warning("%s cannot be resumed: %s", spec.deployment, error)

    async def _adopt(self, identity: str, group: Group) -> None:
        for handle in await containers.find(self._settings, self._engine):
            if handle.labels.get(containers.RESOURCE) != identity:
                continue
            network = containers.network_name(self._settings, "egress" if group.spec.egress else "nodes")
            container = DockerContainer(self._engine, handle, network)
            fits = (
                handle.labels.get(containers.KEY) == group.key and len(group.instances) < group.spec.instances
            )
            if fits and await container.look():
                instance = self._instance(group, container)
                group.instances.append(instance)
                instance.begin(running=True, proven=True)
            else:
                await container.remove()

    async def _close(self, group: Group) -> None:
        await asyncio.gather(*(instance.close() for instance in group.instances))

    # --- logs and models on disk

    def _log_file(self, identity: str, container: str) -> Path:
        digest = hashlib.sha256(identity.encode()).hexdigest()[:16]
        return self._settings.home / "nodes" / f"{digest}.{container}.log"

    def _write_log(self, identity: str, container: str, text: str) -> None:
        path = self._log_file(identity, container)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def _note(self, identity: str, container: str, text: str) -> None:
        path = self._log_file(identity, container)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {text}\n")

    @contextlib.asynccontextmanager
    async def _working(self) -> AsyncIterator[None]:
        """While a deployment is under way, the model that it has just downloaded belongs to no group yet."""
        self._at_work += 1
        try:
            yield
        finally:
            self._at_work -= 1

    def _forget_models(self) -> None:
        if self._at_work:
            return
        used = [group.placed.folder for group in self._groups.values() if group.placed]
        with contextlib.suppress(OSError):
            models.forget_unused(self._settings, used)

    def _lock(self, identity: str) -> asyncio.Lock:
        return self._locks.setdefault(identity, asyncio.Lock())


def _quiet(stage: Stage, text: str) -> None:
    """Nobody waits for the progress of a resumed deployment."""
