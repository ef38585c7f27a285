"""Containers of the Docker engine: what a deployment's container is made of, and its life through the
engine's API.

The engine's SDK blocks, so each call runs in a thread. Names and labels carry the id of this embedded Azure.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from emulator.host.engine import client, sdk
from emulator.host.networks import LABEL, mine
from emulator.host.networks import name as network_name
from emulator.host.started import gateway, instance_id
from emulator.nodes.instance import StartError
from emulator.nodes.interface import DeploymentSpec
from emulator.nodes.models import Placed
from emulator.settings import REPOSITORY, Settings

SITE_PACKAGES = "/opt/embedded-azure/site-packages"
STANDIN = REPOSITORY / "emulator" / "nodes" / "standin"
RESOURCE, KEY = f"{LABEL}.resource", f"{LABEL}.key"
GRACE = 10  # seconds between SIGTERM and SIGKILL; Kubernetes' default is 30


class PullError(Exception):
    """The engine could not pull the image; the text is the engine's."""


class Engine:
    """The Docker engine with its calls moved to threads."""

    def __init__(self, address: str) -> None:
        self.api = client(address)
        self._threads = ThreadPoolExecutor(max_workers=16, thread_name_prefix="docker")

    async def call(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: function(*arguments, **named))

    async def pull(self, image: str, username: str | None, password: str | None) -> str:
        """Pull and answer the image's id; raises PullError."""
        return await self.call(self._pull, image, username, password)

    async def local(self, image: str) -> str | None:
        """The id of an image that the engine has already."""
        try:
            return (await self.call(self.api.images.get, image)).id
        except sdk().errors.ImageNotFound:
            return None

    def _pull(self, image: str, username: str | None, password: str | None) -> str:
        repository, tag = split_reference(image)
        # An empty mapping, because None would make the SDK look for the logins of whoever runs this.
        login = {"username": username, "password": password} if username else {}
        try:
            for line in self.api.api.pull(repository, tag=tag, auth_config=login, stream=True, decode=True):
                if "error" in line:
                    raise PullError(line["error"])
            return self.api.images.get(image).id
        except sdk().errors.APIError as error:
            raise PullError(error.explanation or str(error)) from None

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self.api.close()


class DockerContainer:
    """One container; made by `create`, or found again after a restart of the server."""

    def __init__(self, engine: Engine, handle: Any, network: str) -> None:
        self._engine, self._handle, self._network = engine, handle, network
        self.name: str = handle.name
        self._address: str | None = None

    @property
    def address(self) -> str | None:
        return self._address

    async def start(self) -> None:
        try:
            await self._engine.call(self._handle.start)
        except sdk().errors.APIError as error:
            # The entry point does not exist, cannot be executed, or the like.
            raise StartError(error.explanation or str(error)) from None
        await self.look()

    async def look(self) -> bool:
        """Read the address anew; whether the container runs."""
        try:
            await self._engine.call(self._handle.reload)
        except sdk().errors.NotFound:
            return False
        running = self._handle.attrs["State"]["Running"]
        networks = self._handle.attrs["NetworkSettings"]["Networks"]
        self._address = (networks.get(self._network) or {}).get("IPAddress") if running else None
        return bool(running)

    async def exited(self) -> int:
        """Polls, because a blocking wait would hold a thread for each container."""
        while await self._running():  # noqa: ASYNC110 - the engine has no event to wait for
            await asyncio.sleep(0.5)
        return int(self._handle.attrs["State"].get("ExitCode", -1))

    async def _running(self) -> bool:
        try:
            return await self.look()
        except (sdk().errors.APIError, OSError):
            return True  # the engine does not answer now: that says nothing about the container

    async def kill(self) -> None:
        await self._quietly(self._handle.stop, timeout=GRACE)

    async def logs(self, tail: int) -> str:
        try:
            raw = await self._engine.call(self._handle.logs, tail=tail)
        except (sdk().errors.APIError, OSError) as error:
            return f"(the log could not be read: {error})\n"
        return raw.decode(errors="replace")

    async def remove(self) -> None:
        await self._quietly(self._handle.stop, timeout=GRACE)
        await self._quietly(self._handle.remove, force=True, v=True)

    async def _quietly(self, function: Callable[..., Any], **named: Any) -> None:
        """Whatever the engine says: the container is gone or will be swept."""
        try:
            await self._engine.call(function, **named)
        except (sdk().errors.APIError, OSError):
            return


async def create(
    settings: Settings,
    engine: Engine,
    spec: DeploymentSpec,
    image: str,
    placed: Placed | None,
    server: str,
) -> DockerContainer:
    """A container of this deployment, not started yet."""
    network = network_name(settings, "egress" if spec.egress else "nodes")
    named = arguments(settings, spec, image, placed, server)
    handle = await engine.call(engine.api.containers.create, network=network, **named)
    return DockerContainer(engine, handle, network)


async def find(settings: Settings, engine: Engine) -> list[Any]:
    """Every container of this embedded Azure."""
    return await engine.call(engine.api.containers.list, all=True, filters=mine(settings))


def arguments(
    settings: Settings, spec: DeploymentSpec, image: str, placed: Placed | None, server: str
) -> dict[str, Any]:
    """What the engine is asked for."""
    key = runtime_key(spec, image)
    mounts = {str(site_packages(settings, server)): {"bind": SITE_PACKAGES, "mode": "ro"}}
    if placed is not None:
        mounts[str(placed.folder)] = {"bind": placed.mount_path, "mode": "ro"}
    identity = instance_id(settings)
    suffix = secrets.token_hex(2)
    return {
        "image": image,
        "name": f"{LABEL}-{identity}-{spec.endpoint}-{spec.deployment}-{suffix}",
        "hostname": f"{spec.deployment}-{suffix}",
        "environment": environment(settings, spec, placed),
        "volumes": mounts,
        "labels": {LABEL: identity, RESOURCE: spec.resource_id.lower(), KEY: key},
        "shm_size": "1g",
        "log_config": sdk().types.LogConfig(type="json-file", config={"max-size": "20m", "max-file": "2"}),
    }


def environment(settings: Settings, spec: DeploymentSpec, placed: Placed | None) -> Mapping[str, str]:
    """The deployment's own variables, what Azure adds, and the hub's address where Azure would have the
    internet.
    """
    added = {"AZUREML_MODEL_DIR": placed.mount_path} if placed else {}
    if spec.egress:
        added["HF_ENDPOINT"] = f"http://{gateway(settings.egress_subnet)}:{settings.hub_port}"
    return added | dict(spec.environment)


def site_packages(settings: Settings, server: str) -> Path:
    """What stands for the base layer's Python packages: vLLM's environment, or the stand-in server."""
    if server == "standin":
        return STANDIN
    return settings.cache / "vllm" / "lib" / "python3.11" / "site-packages"


def runtime_key(spec: DeploymentSpec, image_id: str) -> str:
    """Equal for two deployments whose containers would be the same:

    limits of the front door and counts do not matter.
    """
    facts = asdict(spec)
    for name in ("instances", "registry_username", "registry_password", "request_timeout", "max_concurrent"):
        facts.pop(name)
    facts |= {"image": image_id, "environment": sorted(spec.environment.items()), "scoring_path": None}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def split_reference(image: str) -> tuple[str, str]:
    """An image reference as repository and tag or digest; `latest` where it has neither, as docker does."""
    if "@" in image:
        repository, _, digest = image.partition("@")
        # A tag beside a digest is only a remark.
        folder, _, last = repository.rpartition("/")
        last = last.partition(":")[0]
        return (f"{folder}/{last}" if folder else last), digest
    folder, _, last = image.rpartition("/")
    name, _, tag = last.partition(":")
    return (f"{folder}/{name}" if folder else name), tag or "latest"
