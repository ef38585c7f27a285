"""The stand-in for the base layer `vllm/vllm-openai`: a Debian root file system under the name that the
Dockerfile uses.

The real layer is several GB of CUDA that nothing here could run. The stand-in holds Debian and Python; vLLM
itself is mounted when a deployment runs. The name is taken from docker/Dockerfile, so that the product's
file is built unmodified.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emulator.host.engine import sdk
from emulator.host.errors import HostError
from emulator.settings import REPOSITORY, Settings

LABEL = "embedded-azure.base"
DOCKERFILE = REPOSITORY / "docker" / "Dockerfile"
# The environment of vLLM on CPU, which in the real layer would be CUDA's. 1 GiB of KV cache is plenty for a
# small model.
CHANGES = (
    "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "ENV VLLM_CPU_KVCACHE_SPACE=1",
    "ENV VLLM_NO_USAGE_STATS=1",
    "ENV PYTHONUNBUFFERED=1",
)


def root_file_system(settings: Settings) -> Path:
    return settings.cache / "rootfs.tar"


def base_names(dockerfile: Path = DOCKERFILE) -> list[str]:
    """Every `FROM` of the Dockerfile with its ARG defaults filled in; no earlier stages, no `scratch`."""
    if not dockerfile.exists():
        return []
    arguments: dict[str, str] = {}
    names: list[str] = []
    stages = {"scratch"}
    for line in dockerfile.read_text().splitlines():
        if found := re.match(r"\s*ARG\s+(\w+)(?:=(\S+))?\s*$", line, re.IGNORECASE):
            arguments[found[1]] = (found[2] or "").strip("\"'")
        if found := re.match(r"\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?", line, re.IGNORECASE):
            name = _expand(found[1], arguments)
            if name not in stages:
                names.append(name)
            stages.add(found[2] or "")
    return list(dict.fromkeys(names))


def _expand(text: str, arguments: Mapping[str, str]) -> str:
    """Fill in `$X`, `${X}`, `${X:-word}` and `${X:+word}`, which may be nested, as BuildKit does in FROM."""
    pattern = re.compile(r"\$(?:(\w+)|\{(\w+)(?::([-+])([^{}]*))?\})")

    def value(found: re.Match[str]) -> str:
        present = arguments.get(found[1] or found[2], "")
        if found[3] == "+":
            return found[4] if present else ""
        return present or found[4] or ""

    while pattern.search(text):
        text = pattern.sub(value, text)
    return text


def ensure(settings: Settings, client: Any, names: list[str]) -> list[str]:
    """Import the root file system once and tag it with these names. Returns what the user should know."""
    archive = root_file_system(settings)
    if not archive.exists():
        raise HostError(
            f"The base image's root file system ({archive}) is not there, so no image can be built. "
            "Run scripts/bootstrap, or start with --nodes none."
        )
    state = archive.stat()
    key = hashlib.sha256(f"{state.st_size} {state.st_mtime_ns} {CHANGES}".encode()).hexdigest()[:16]
    try:
        image = client.images.get(settings.node_image)
        fresh = image.labels.get(LABEL) == key
    except sdk().errors.ImageNotFound:
        fresh = False
    if not fresh:
        repository, _, tag = settings.node_image.rpartition(":")
        changes = [*CHANGES, f"LABEL {LABEL}={key}"]
        client.api.import_image_from_file(str(archive), repository=repository, tag=tag, changes=changes)
        image = client.images.get(settings.node_image)
    return [note for name in names if (note := _tag(client, image, name))]


def remove_tags(client: Any, names: list[str]) -> None:
    """Take the borrowed names away again, where they are ours."""
    for name in names:
        try:
            if LABEL in client.images.get(name).labels:
                client.images.remove(name, noprune=True)
        except (sdk().errors.ImageNotFound, sdk().errors.APIError):
            continue


def remove_pushed(settings: Settings, client: Any) -> None:
    """Remove images that were built for, or pulled from, registries of this embedded Azure."""
    for image in client.images.list():
        for tag in image.tags:
            if tag.startswith(f"{settings.network}."):
                with contextlib.suppress(sdk().errors.APIError):
                    client.images.remove(tag, noprune=False)


def _tag(client: Any, image: Any, name: str) -> str | None:
    if "@" in name:
        return f"docker/Dockerfile names {name} by digest; the embedded Azure cannot stand in for a digest."
    try:
        present = client.images.get(name)
    except sdk().errors.ImageNotFound:
        present = None
    if present is not None and LABEL not in (present.labels or {}):
        return (
            f"This Docker engine holds a real {name}, which is left as it is: builds here will use it, "
            "and it needs a GPU. Remove it, or set another base tag, to get the stand-in."
        )
    if present is None or present.id != image.id:
        repository, _, tag = name.rpartition(":") if ":" in name.rpartition("/")[2] else (name, "", "latest")
        image.tag(repository, tag)
    return None
