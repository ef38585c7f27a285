"""The Docker engine: find a usable one, or start Debian's dockerd as our own.

An engine that is not ours is left as it is, but for networks, containers and one image tag that carry our
label. It has to run on this machine (containers reach our bridges, and it pulls from our loopback
addresses, which dockerd takes without extra trust: 127.0.0.0/8 is always in its insecure registries).
"""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from emulator.host.errors import HostError
from emulator.host.ports import is_local
from emulator.host.process import Service
from emulator.host.started import gateway, instance_id
from emulator.settings import Settings

DEFAULT_ENGINE = "unix:///var/run/docker.sock"
_SHIM = "containerd-shim-runc-v2"  # one a container; it and the container outlive dockerd and containerd
GET_DOCKER = "On Debian: apt-get install docker.io iptables (as root), or run scripts/bootstrap as root."


def find() -> str | None:
    """The address of an engine that answers: DOCKER_HOST when it is set, else the usual socket."""
    asked = os.environ.get("DOCKER_HOST")
    address = asked or DEFAULT_ENGINE
    if not address.startswith("unix://"):
        raise HostError(
            f"DOCKER_HOST={address} is not a Unix socket: the engine has to run on this machine, because "
            "deployments are containers on its bridges. Unset DOCKER_HOST, or start with --nodes none."
        )
    if answers(address):
        return address
    if asked:
        raise HostError(
            f"No Docker engine answers at DOCKER_HOST={asked}. Start it or unset DOCKER_HOST "
            "(then one is started for you), or start with --nodes none."
        )
    return None


def answers(address: str) -> bool:
    try:
        asking = sdk().DockerClient(base_url=address, timeout=10)
        try:
            return bool(asking.ping())
        finally:
            asking.close()
    except (sdk().errors.DockerException, OSError):
        return False


def client(address: str, timeout: float = 600) -> Any:
    """A docker SDK client of this engine."""
    return sdk().DockerClient(base_url=address, timeout=int(timeout), max_pool_size=32)


@contextlib.contextmanager
def failures_told() -> Iterator[None]:
    """Turn what the engine or its SDK raises into one sentence."""
    try:
        yield
    except sdk().errors.DockerException as error:
        text = getattr(error, "explanation", None) or str(error)
        raise HostError(
            f"The Docker engine failed: {text}. See its log; python -m emulator start --nodes none works "
            "without one."
        ) from error


def sdk() -> Any:
    """The docker SDK, imported late because most commands do not need it.

    By name, because type checkers take `import docker` for the folder docker/ of this repository.
    """
    return importlib.import_module("docker")


def own_service(settings: Settings) -> Service:
    """Our dockerd. Raises HostError naming what is missing."""
    if os.geteuid() != 0:
        raise HostError(
            "No Docker engine answers at /var/run/docker.sock, and starting one needs root. Start Docker, "
            "or run as root, or join the group docker; or start without containers: "
            "python -m emulator start --nodes none."
        )
    for program, package in (
        ("dockerd", "docker.io"),
        ("containerd", "containerd"),
        ("iptables", "iptables"),
    ):
        if not shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"):
            raise HostError(
                f"No Docker engine runs, and {program} (Debian package {package}) is not installed to "
                f"start one. {GET_DOCKER} Or start without containers: python -m emulator start --nodes "
                "none."
            )
    folder = settings.home / "docker"
    folder.mkdir(parents=True, exist_ok=True)
    run = _run_folder(settings)
    run.mkdir(mode=0o700, exist_ok=True)
    argv = ["dockerd", "--data-root", str(folder), "--exec-root", str(run / "exec")]
    argv += ["--pidfile", str(run / "dockerd.pid"), "--host", own_address(settings)]
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    return Service(
        name="dockerd",
        argv=argv,
        environment={"PATH": path},
        ready=lambda: answers(own_address(settings)),
        patience=60,
        grace=30,
    )


def own_address(settings: Settings) -> str:
    return f"unix://{_run_folder(settings)}/docker.sock"


def clear_wreck(settings: Settings) -> None:
    """After our dockerd was killed: its containerd lives on and would be in the next one's way."""
    run = _run_folder(settings)
    for pid in _processes(run, "containerd"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for leftover in ("dockerd.pid", "exec/containerd/containerd.pid", "exec/containerd/containerd.sock"):
        (run / leftover).unlink(missing_ok=True)


def left_behind(settings: Settings) -> bool:
    """Whether our dockerd was killed and its containers or bridges outlive it."""
    if any(_processes(_run_folder(settings), _SHIM)):
        return True
    subnets = (settings.vnet_subnet, settings.nodes_subnet, settings.egress_subnet)
    return any(is_local(gateway(subnet)) for subnet in subnets)


def tidy(settings: Settings) -> None:
    """Remove what our engine leaves behind when it has ended: containers that it has lost, its mounts and
    its folder of sockets.
    """
    run = _run_folder(settings)
    for shim in _processes(run, _SHIM):
        for pid in (*_children(shim), shim):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    for folder in (run, settings.home / "docker"):
        for point in sorted(_mount_points(folder), reverse=True):
            subprocess.run(["umount", "--lazy", point], check=False, capture_output=True)
    shutil.rmtree(run, ignore_errors=True)


def _processes(run: Path, program: str) -> Iterator[int]:
    """The pids of a program that was started with a path below our folder of sockets."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if words[0].endswith(program) and any(word.startswith(f"{run}/") for word in words[1:]):
            yield int(process.name)


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _run_folder(settings: Settings) -> Path:
    """In /run, because a socket's path is limited to 107 bytes, which a folder of a user's may exceed."""
    return Path(f"/run/embedded-azure-{instance_id(settings)}")


def _mount_points(folder: Path) -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [line.split()[4] for line in lines]
    return [point for point in points if f"{point}/".startswith(f"{folder}/")]
