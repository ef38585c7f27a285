"""One image: built and pushed for real or, without containers, a minimal one that only has a digest."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import os
import tarfile
import tempfile
from contextlib import ExitStack
from pathlib import Path

from emulator.plugins.docker_build import client
from emulator.plugins.docker_build.context import context_hash
from emulator.plugins.errors import PluginError
from emulator.plugins.registry import Credentials, Reference, Registry, docker_config
from emulator.plugins.transport import require_private
from emulator.plugins.values import UNKNOWN, Properties


def hash_of(inputs: Properties) -> str:
    """Return the context's hash, unknown when the program does not know yet where the context is."""
    location = inputs["context"].get("location", ".") if isinstance(inputs["context"], dict) else UNKNOWN
    dockerfile = inputs.get("dockerfile") or {}
    file = dockerfile.get("location") if isinstance(dockerfile, dict) else UNKNOWN
    if UNKNOWN in (location, file):
        return UNKNOWN
    return context_hash(Path(location), Path(file) if file else None)


def credentials_of(inputs: Properties) -> Credentials:
    """Return the program's registry credentials, which come before the docker login."""
    added = {}
    for registry in inputs.get("registries") or []:
        address = str(registry.get("address", "")).removeprefix("https://").rstrip("/")
        if registry.get("username") or registry.get("password"):
            added[address] = (str(registry.get("username", "")), str(registry.get("password", "")))
    return Credentials(added)


def build(inputs: Properties, runner: client.Client, *, export: bool) -> str:
    """Build; push when `export` and the inputs say so. Returns the digest, "" when nothing was pushed."""
    pushing = export and inputs.get("push") is True
    tags = list(inputs.get("tags") or [])
    if pushing:
        for tag in tags:
            require_private(Reference.parse(tag).host, f"the registry of the tag {tag}")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="docker-build-")))
        runner.config = _own_login(inputs, folder)
        arguments = [*_arguments(inputs, folder), *(f"--tag={tag}" for tag in tags if export)]
        runner.build([*arguments, _context(inputs)], f"building {', '.join(tags) or 'the image'}")
        digests = [runner.push(tag) for tag in tags] if pushing else []
    return digests[0] if digests else ""


def _context(inputs: Properties) -> str:
    return str(inputs["context"].get("location", "."))


def _arguments(inputs: Properties, folder: Path) -> list[str]:
    dockerfile = inputs.get("dockerfile") or {}
    file = dockerfile.get("location")
    if dockerfile.get("inline"):
        (folder / "Dockerfile").write_text(dockerfile["inline"])
        file = str(folder / "Dockerfile")
    found = [f"--file={file}"] if file else []
    found += [
        f"--build-arg={name}={value}" for name, value in sorted((inputs.get("buildArgs") or {}).items())
    ]
    found += [f"--label={name}={value}" for name, value in sorted((inputs.get("labels") or {}).items())]
    found += [f"--add-host={host}" for host in inputs.get("addHosts") or []]
    found += [f"--platform={platform}" for platform in inputs.get("platforms") or []]
    if inputs.get("network", "default") != "default":
        found.append(f"--network={inputs['network']}")
    if inputs.get("target"):
        found.append(f"--target={inputs['target']}")
    found += [
        flag for name, flag in (("noCache", "--no-cache"), ("pull", "--pull")) if inputs.get(name) is True
    ]
    for i, (name, value) in enumerate(sorted((inputs.get("secrets") or {}).items())):
        path = folder / f"secret-{i}"
        path.touch(mode=0o600)
        path.write_text(value)
        found.append(f"--secret=id={name},src={path}")
    return found


def _own_login(inputs: Properties, folder: Path) -> Path | None:
    """Write a docker configuration with the program's credentials over the ambient ones; None without any."""
    added = credentials_of(inputs).added
    if not added:
        return None
    config = docker_config()
    config.pop("credsStore", None)
    auths = {
        host: {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}
        for host, (user, password) in added.items()
    }
    config["auths"] = {**config.get("auths", {}), **auths}
    path = folder / "config.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(config))
    return folder


def push_placeholder(inputs: Properties, content: str) -> str:
    """Push an image made of the context's hash and the build's inputs; "" when nothing is to be pushed.

    For `--nodes none`: digests must resolve and change with the content, but nothing ever runs.
    """
    if inputs.get("push") is not True:
        return ""
    parts = {name: inputs.get(name) for name in ("buildArgs", "labels", "platforms", "target", "dockerfile")}
    text = json.dumps({"context": content, **parts}, sort_keys=True)
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        entry = tarfile.TarInfo("build.json")
        entry.size = len(text.encode())
        archive.addfile(entry, io.BytesIO(text.encode()))
    layer = gzip.compress(tar.getvalue(), mtime=0)
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Labels": inputs.get("labels") or {}},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(tar.getvalue()).hexdigest()]},
    }
    digests = [
        Registry(Reference.parse(tag), credentials_of(inputs)).push(
            json.dumps(config, sort_keys=True).encode(), layer
        )
        for tag in inputs.get("tags") or []
    ]
    return digests[0] if digests else ""


def reference_of(inputs: Properties, digest: str) -> str:
    """Return the output `ref`: the first tag that names a registry, by digest when there is one."""
    for tag in inputs.get("tags") or []:
        try:
            reference = Reference.parse(tag)
        except PluginError:
            continue
        return reference.at(digest) if digest else str(tag)
    return ""


def nodes_mode() -> str:
    """Return docker or none: EMULATOR_NODES, else what the Azure in EMULATOR_HOME was started with."""
    named = os.environ.get("EMULATOR_NODES")
    if named:
        return named
    try:
        started = json.loads((Path(os.environ["EMULATOR_HOME"]) / "started.json").read_text())
        return str(started["nodes"])
    except (KeyError, OSError, ValueError):
        return "docker"
