"""Environments that Azure ML builds itself: the context is taken from the blob store, built, and kept in
the ACR.

Azure builds when an environment is registered or first used and pushes to the workspace's registry as
`azureml/azureml_HASH`. Here it is built when the first deployment uses it, with the docker client of this
machine; with `--nodes none` nothing is built and the name alone is given.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from emulator.azure import identities
from emulator.azure.errors import ArmError
from emulator.azure.gates.registry import TOKEN_USER, RegistryGate
from emulator.azure.resources.container_registry import login_server
from emulator.azure.resources.ml.common import GUIDE, dependency, workspace_of
from emulator.azure.resources.ml.model_uri import BlobPath, parse_uri
from emulator.azure.store import Resource
from emulator.host.started import Started
from emulator.plugins.docker_build import client
from emulator.plugins.errors import PluginError

if TYPE_CHECKING:
    from emulator.azure.cloud import Cloud

UNBUILT = "unbuilt/"
_log = logging.getLogger(__name__)


async def built_image(cloud: Cloud, version: Resource) -> str:
    """Return the image of an environment with a build context, building it when it was not yet."""
    build = version.properties["build"]
    workspace = workspace_of(cloud, version.id)
    registry = dependency(cloud, workspace, "containerRegistry")
    if registry is None:
        raise _failed(version, "the workspace has no container registry to push the built image to")
    name = hashlib.sha256(json.dumps([version.id.lower(), build], sort_keys=True).encode()).hexdigest()[:32]
    repository = f"azureml/azureml_{name}"
    image = f"{login_server(cloud, registry)}/{repository}:1"
    if cloud.settings.nodes == "none":
        return image if await _known(cloud, registry, repository) else _unbuilt(image)
    if not await _known(cloud, registry, repository):
        where = parse_uri(cloud, version.id, build["contextUri"])
        with tempfile.TemporaryDirectory(prefix="context-") as folder:
            await _download(cloud, where, Path(folder))
            await _run(
                cloud, version, registry, image, Path(folder), build.get("dockerfilePath") or "Dockerfile"
            )
    return image


def _unbuilt(image: str) -> str:
    """Without containers there is no image to find: name one that is in no emulated registry."""
    return UNBUILT + image.split("/", 1)[1]


async def _known(cloud: Cloud, registry: Resource, repository: str) -> bool:
    return bool(await cloud.images.digest(registry, repository, "1"))


async def _download(cloud: Cloud, where: BlobPath, folder: Path) -> None:
    headers = {"Authorization": f"Bearer {cloud.blobs.token()}", "x-ms-version": "2024-11-04"}
    prefix = where.prefix.rstrip("/") + "/"
    url = cloud.blobs.url(
        where.account, f"{where.container}?restype=container&comp=list&prefix={quote(prefix)}"
    )
    async with cloud.session.get(url, headers=headers) as response:
        names = [item.text or "" for item in ET.fromstring(await response.text()).iterfind(".//Blob/Name")]
    for name in names:
        blob = cloud.blobs.url(where.account, f"{where.container}/{quote(name)}")
        async with cloud.session.get(blob, headers=headers) as response:
            _write(folder, name[len(prefix) :], await response.read())


def _write(folder: Path, name: str, content: bytes) -> None:
    """Write a file of the context; a name that leads out of the folder is left out."""
    path = (folder / name).resolve()
    if path.is_relative_to(folder.resolve()):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


async def _run(
    cloud: Cloud, version: Resource, registry: Resource, image: str, folder: Path, dockerfile: str
) -> None:
    owners = identities.principals(cloud, workspace_of(cloud, version.id))
    principal = cloud.principals.get(owners[0]) if owners else None
    if principal is None:
        raise _failed(version, "the workspace has no identity to push with")
    password = RegistryGate(cloud, registry.id).refresh_token(principal)
    with tempfile.TemporaryDirectory(prefix="login-") as login:
        env = {**os.environ, "DOCKER_BUILDKIT": "1", "DOCKER_CONFIG": login}
        started = Started.load(cloud.settings)
        if started and started.engine:
            env["DOCKER_HOST"] = started.engine
        try:
            docker = await asyncio.to_thread(client.find)
        except PluginError as error:
            raise _failed(version, str(error)) from None
        server = image.split("/", 1)[0]
        steps = (
            ([docker, "login", server, "-u", TOKEN_USER, "--password-stdin"], password),
            ([docker, "build", "-q", "-t", image, "-f", str(folder / dockerfile), str(folder)], None),
            ([docker, "push", "-q", image], None),
        )
        for command, text in steps:
            code, output = await _execute(command, env, text)
            if code:
                _log.warning("building %s: %s", version.id, output)
                raise _failed(version, output.strip()[-1500:])


async def _execute(command: list[str], env: dict[str, str], text: str | None) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command,
        env=env,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate(text.encode() if text else None)
    return process.returncode or 0, output.decode(errors="replace")


def _failed(version: Resource, why: str) -> ArmError:
    """Return the text of a failed image build (data-product-analytics issue 137)."""
    name = version.id.rsplit("/", 3)[1]
    text = (
        "Deployment failed due to timeout while waiting for Environment Image to become "
        "available. Check Environment "
        "Build Log in Workspace or Workspace storage for potential failures. Environment info: "
        f"Name: {name}, Version: "
        f"{version.name}. {why} {GUIDE}#error-resourcenotfound"
    )
    return ArmError(400, "ResourceNotFound", text)
