"""The model of a deployment: its blobs copied from the raw blob service into a folder that is mounted
read-only.

Done by Azure's storage initializer on the real thing. Folders are named by what they hold (names, sizes and
ETags), so that a second deployment of the same model, or a restart, copies nothing.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulator.host import azurite
from emulator.nodes.interface import DeploymentSpec, ModelMount
from emulator.settings import Settings

# Azure's place for models (how-to-deploy-online-endpoints; AZUREML_MODEL_DIR in the inference server's
# documentation).
DEFAULT_MOUNT = "/var/azureml-app/azureml-models"
# It logs every header of every request.
logging.getLogger("azure.core.pipeline.policies.http_logging_policy").setLevel(logging.WARNING)


class ModelError(Exception):
    """The model cannot be brought to the node."""


@dataclass(frozen=True)
class Placed:
    """A folder of this machine and the path at which the container sees it."""

    folder: Path
    mount_path: str


def mount_path(spec: DeploymentSpec, model: ModelMount, layout: str = "folder") -> str:
    """Where Azure mounts a model, which is also AZUREML_MODEL_DIR.

    Without `modelMountPath`: `/var/azureml-app/azureml-models/NAME/VERSION`. With it the sources disagree:
    public vLLM deployments find a registered folder F at `PATH/F` (layout `folder`, the default here),
    Microsoft's documentation says
    `PATH/DEPLOYMENT/1` (layout `documented`). Unverified; EMULATOR_MODEL_LAYOUT chooses, and images should
    cope with both.
    """
    if model.mount_path is None:
        return f"{DEFAULT_MOUNT}/{model.name}/{model.version}"
    root = "/" + model.mount_path.strip("/")
    return f"{root}/{spec.deployment}/1" if layout == "documented" else root


def fetch(settings: Settings, model: ModelMount, say: Callable[[str], None]) -> Path:
    """The folder that holds the model's last path segment;

    raises ModelError. Blocking: call it in a thread.
    """
    from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError
    from azure.storage.blob import ContainerClient

    client = ContainerClient(
        f"{settings.azurite_url}/{model.account}",
        model.container,
        credential=_Token(settings),
        connection_verify=str(settings.ca_file),
        max_chunk_get_size=16 * 2**20,
        max_single_get_size=16 * 2**20,
    )
    prefix = model.prefix.strip("/")
    try:
        with client:
            blobs = [b for b in client.list_blobs(name_starts_with=prefix) if _below(b.name, prefix)]
            if not blobs:
                raise ModelError(f"there are no blobs at {prefix} in the container {model.container}")
            return _place(settings, client, model, blobs, say)
    except ResourceNotFoundError:
        raise ModelError(f"the container {model.container} does not exist") from None
    except HttpResponseError as error:
        raise ModelError(f"the blob service answered {error.status_code}: {error.reason}") from error
    except AzureError as error:
        raise ModelError(f"the blob service could not be read: {error}") from error


def forget_unused(settings: Settings, used: Iterable[Path]) -> None:
    """Remove model folders that no deployment uses."""
    keep = {path.name for path in used}
    for folder in list(settings.models.glob("*")):
        if folder.name not in keep:
            shutil.rmtree(folder, ignore_errors=True)


def _place(
    settings: Settings, client: Any, model: ModelMount, blobs: list[Any], say: Callable[[str], None]
) -> Path:
    prefix = model.prefix.strip("/")
    facts = "\n".join(f"{blob.name} {blob.size} {blob.etag}" for blob in sorted(blobs, key=lambda b: b.name))
    key = hashlib.sha256(f"{model.account} {model.container} {prefix}\n{facts}".encode()).hexdigest()[:24]
    folder = settings.models / key
    if folder.exists():
        say(f"model {model.name}:{model.version} is on the node already")
        return folder
    began, total = time.monotonic(), sum(blob.size for blob in blobs)
    say(f"downloading model {model.name}:{model.version}: {len(blobs)} files, {total} bytes")
    beside = settings.models / f"{key}.{time.monotonic_ns()}.new"
    try:
        parent = prefix.rpartition("/")[0]
        for blob in blobs:
            target = beside / (blob.name[len(parent) + 1 :] if parent else blob.name)
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as file:
                client.download_blob(blob.name).readinto(file)
            say(f"downloaded {blob.name} ({blob.size} bytes)")
        if not folder.exists():
            beside.rename(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    say(f"downloaded {total} bytes in {time.monotonic() - began:.1f} s")
    return folder


def _below(name: str, prefix: str) -> bool:
    """Whether the blob is the prefix itself or inside it as a folder:

    `models/a` does not hold `models/ab`.
    """
    return not prefix or name == prefix or name.startswith(f"{prefix}/")


class _Token:
    """The raw blob service's own token, in the shape of azure-core's TokenCredential."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def get_token(self, *scopes: str, **kwargs: Any) -> Any:
        from azure.core.credentials import AccessToken

        return AccessToken(azurite.token(self._settings), int(time.time()) + 3600)
