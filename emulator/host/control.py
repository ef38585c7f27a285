"""start, stop, status and reset of the embedded Azure: which processes, in which order.

No supervisor stays behind: a process that dies is shown by `status` and brought back by the next `start`. Any
of them, and `start` itself, may be killed at any moment; what is on disk is always complete.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path

from emulator.host import azurite, base_image, certificates, engine, networks, ports, registry
from emulator.host.alive import NAMES, running
from emulator.host.errors import HostError
from emulator.host.process import Service, Supervisor
from emulator.host.started import Started, gateway, inside_host
from emulator.settings import Settings

SETTING = "EMULATOR_PORT or EMULATOR_NETWORK"
Say = Callable[[str], None]
# Who listens where: a change of one of these moves nearly everything.
_PLACES = {f"EMULATOR_{name}" for name in ("NETWORK", "PORT", "VNET_SUBNET", "NODES_SUBNET", "EGRESS_SUBNET")}
_NOT_COMPARED = {"EMULATOR_HOME", "EMULATOR_NODES", "PYTHONUNBUFFERED"}


def start(
    settings: Settings, nodes: str | None, server: str | None, say: Say, *, parts_only: bool = False
) -> None:
    """Bring everything up; what already runs stays. On failure what this call started is stopped again.

    `parts_only` leaves the Azure server out: the engine, the blob service, the registry and the hub alone.
    """
    if not sys.platform.startswith("linux"):
        raise HostError(
            "The embedded Azure needs Linux: it listens on many 127.x addresses and supervises by /proc."
        )
    _prepare_home(settings)
    with _lock(settings):
        before = Started.load(settings)
        wanted = Started(
            nodes=nodes or (before.nodes if before else settings.nodes),
            server=server or (before.server if before else "vllm"),
            settings={k: v for k, v in _environment(settings).items() if k not in _NOT_COMPARED},
        )
        settings = replace(settings, nodes=wanted.nodes)
        supervisor = Supervisor(settings.pids, settings.logs)
        if before is not None:
            wanted = _make_way(settings, before, wanted, say)
        begun: list[str] = []
        try:
            wanted = _start_parts(settings, supervisor, before, wanted, begun, say)
            if not parts_only:
                azure = _azure(settings, wanted)
                _spawn(azure, supervisor, begun)
                supervisor.wait_ready(azure)
        except BaseException:
            for name in reversed(begun):
                supervisor.stop(name)
            if not any(running(settings).values()):
                _sweep(settings, Started.load(settings))
            raise


def _make_way(settings: Settings, before: Started, wanted: Started, say: Say) -> Started:
    """Stop what runs when nearly everything would listen elsewhere; other changes are only told.

    Answers what will run: with the settings of before, where those are kept.
    """
    runs = any(running(settings).values())
    other = [name for name, value in wanted.settings.items() if before.settings.get(name, value) != value]
    moved = [name for name in other if name in _PLACES]
    if before.nodes != wanted.nodes or moved:
        reason = f"with another {' and '.join(moved)}" if moved else f"with --nodes {before.nodes}"
        if runs:
            say(f"stopping first: it ran {reason}")
        # Also when nothing runs: a killed one may have left containers.
        _stop_all(settings, say if runs else lambda text: None)
    elif runs and other:
        say(f"note: it runs with another {' and '.join(other)}; stop it first for the change to count")
        return replace(wanted, settings=before.settings)
    return wanted


def stop(settings: Settings, say: Say) -> None:
    """End everything in order and leave no container or network behind. State stays for the next start."""
    if not settings.home.exists():
        say("the embedded Azure is not running")
        return
    with _lock(settings):
        _stop_all(settings, say)


def reset(settings: Settings, say: Say) -> None:
    """Stop, and forget all state. What bootstrap installed (EMULATOR_CACHE) stays."""
    if not settings.home.exists():
        return
    if not (settings.home / "README").exists():
        raise HostError(
            f"EMULATOR_HOME={settings.home} was not made by the embedded Azure (it holds no README of it), "
            "so it is not removed."
        )
    with _lock(settings):
        started = Started.load(settings)
        if started and started.engine and engine.answers(started.engine):
            base_image.remove_pushed(settings, engine.client(started.engine))
        _stop_all(settings, say)
        shutil.rmtree(settings.home, ignore_errors=True)
    say(f"removed {settings.home}")


def containers(settings: Settings) -> list[tuple[str, str]]:
    """Name and status of every container of this embedded Azure."""
    started = Started.load(settings)
    if started is None or not started.engine or not engine.answers(started.engine):
        return []
    found = engine.client(started.engine).containers.list(all=True, filters=networks.mine(settings))
    return sorted((item.name, item.status) for item in found)


def _start_parts(
    settings: Settings,
    supervisor: Supervisor,
    before: Started | None,
    wanted: Started,
    begun: list[str],
    say: Say,
) -> Started:
    _require_parts(settings, wanted)
    certificates.ensure_authority(settings)
    if settings.nodes == "docker":
        wanted = _start_engine(settings, supervisor, wanted, begun, say)
    changed = before is not None and replace(before, settings=wanted.settings) != wanted
    if changed and supervisor.stop("azure", grace=30):
        say(f"restarting the Azure server for --server {wanted.server}")
    wanted.save(settings)
    first = [_azurite(settings), _registry(settings), _hub(settings)]
    for service in first:
        _spawn(service, supervisor, begun)
    if settings.nodes == "docker":
        with engine.failures_told():
            notes = base_image.ensure(settings, engine.client(wanted.engine), base_image.base_names())
        for note in notes:
            say(f"note: {note}")
    for service in first:
        supervisor.wait_ready(service)
    return wanted


def _start_engine(
    settings: Settings, supervisor: Supervisor, wanted: Started, begun: list[str], say: Say
) -> Started:
    address = engine.find() if supervisor.pid("dockerd") is None else None
    ours = address is None
    if ours:
        address = engine.own_address(settings)
        if supervisor.pid("dockerd") is None:
            say("starting a Docker engine (none was running)")
            engine.clear_wreck(settings)
        service = engine.own_service(settings)
        _spawn(service, supervisor, begun)
        supervisor.wait_ready(service)
    with engine.failures_told():
        client = engine.client(str(address))
        networks.sweep_abandoned(client, lambda home: home == settings.home or _alive(home))
        networks.ensure(settings, client)
    return replace(wanted, engine=str(address), engine_is_ours=ours)


def _stop_all(settings: Settings, say: Say) -> None:
    supervisor = Supervisor(settings.pids, settings.logs)
    started = Started.load(settings)
    stopped = [name for name in ("azure", "hub", "registry", "azurite") if supervisor.stop(name, grace=30)]
    _revive_engine(settings, supervisor, started, say)
    _sweep(settings, started)
    if supervisor.stop("dockerd", grace=30):
        stopped.append("dockerd")
    if started and started.engine_is_ours:
        engine.tidy(settings)
    say("stopped: " + ", ".join(stopped) if stopped else "the embedded Azure is not running")


def _alive(home: Path) -> bool:
    """Whether the embedded Azure with this home runs, or is being started or stopped just now."""
    try:
        with (home / "lock").open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    supervisor = Supervisor(home / "pids", home / "logs")
    return any(supervisor.pid(name) is not None for name in NAMES)


def _revive_engine(settings: Settings, supervisor: Supervisor, started: Started | None, say: Say) -> None:
    """Start our engine once more when it was killed: only it can remove the containers and bridges that
    outlive it.
    """
    if started is None or not started.engine_is_ours or supervisor.pid("dockerd") is not None:
        return
    if not engine.left_behind(settings):
        return
    say("the Docker engine was killed: it is started once more, to remove what it left")
    engine.clear_wreck(settings)
    service = engine.own_service(settings)
    _spawn(service, supervisor, [])
    supervisor.wait_ready(service)


def _sweep(settings: Settings, started: Started | None) -> None:
    """Remove our containers, networks and, when no other embedded Azure uses this engine, the base image's
    name.
    """
    if started is None or not started.engine or not engine.answers(started.engine):
        return
    with engine.failures_told():
        client = engine.client(started.engine)
        networks.sweep(settings, client)
        if not client.networks.list(filters={"label": networks.LABEL}):
            base_image.remove_tags(client, base_image.base_names())


def _spawn(service: Service, supervisor: Supervisor, begun: list[str]) -> None:
    if supervisor.pid(service.name) is not None:
        return
    for address, port, setting in service.listens:
        ports.require_free(service.name, address, port, setting)
    begun.append(service.name)
    supervisor.spawn(service)


def _require_parts(settings: Settings, wanted: Started) -> None:
    missing = []
    if not azurite.program(settings).exists() or not shutil.which("node"):
        missing.append("the blob service (Azurite, in the cache folder, and Debian's nodejs to run it)")
    if not shutil.which("docker-registry"):
        missing.append("the image registry (Debian package docker-registry)")
    if wanted.nodes == "docker" and wanted.server == "vllm" and not (settings.cache / "vllm").exists():
        missing.append("vLLM for CPU (or start with --server standin)")
    if missing:
        raise HostError("These parts are not installed: " + "; ".join(missing) + ". Run scripts/bootstrap.")


def _azurite(settings: Settings) -> Service:
    certificate, key = certificates.leaf_files(settings, "azurite", [settings.azurite_host])
    return azurite.service(settings, certificate, key, lambda: http_answers(settings, settings.azurite_url))


def _registry(settings: Settings) -> Service:
    return registry.service(settings, lambda: http_answers(settings, f"{settings.registry_url}/v2/"))


def _hub(settings: Settings) -> Service:
    hosts = [settings.hub_host]
    if settings.nodes == "docker":
        hosts.append(gateway(settings.egress_subnet))
    argv = [sys.executable, "-m", "emulator.hub"]
    for host in hosts:
        argv += ["--listen", f"{host}:{settings.hub_port}"]
    return Service(
        name="hub",
        argv=argv,
        environment=_environment(settings),
        ready=lambda: http_answers(settings, f"{settings.hub_url}/healthz"),
        listens=[(host, settings.hub_port + n, SETTING) for host in hosts for n in (0, 1)],
    )


def _azure(settings: Settings, wanted: Started) -> Service:
    port = settings.port
    listens = [
        (settings.arm_host, port),
        (settings.login_host, port),
        (settings.login_host, settings.identity_port),
    ]
    listens.append((inside_host(settings), port))
    environment = _environment(settings)
    if wanted.engine:
        environment["DOCKER_HOST"] = wanted.engine
    return Service(
        name="azure",
        argv=[sys.executable, "-m", "emulator.azure"],
        environment=environment,
        ready=lambda: http_answers(settings, f"{settings.arm_url}/metadata/endpoints?api-version=2019-05-01"),
        listens=[(address, number, SETTING) for address, number in listens],
        patience=90,
        grace=30,
    )


def _environment(settings: Settings) -> dict[str, str]:
    """Every setting as this process has it: children read theirs from the environment."""
    values = {f"EMULATOR_{f.name.upper()}": getattr(settings, f.name) for f in fields(settings)}
    values.pop("EMULATOR_DELAYS")
    for item in fields(settings.delays):
        values[f"EMULATOR_DELAY_{item.name.upper()}"] = getattr(settings.delays, item.name)
    return {name: str(value) for name, value in values.items()} | {"PYTHONUNBUFFERED": "1"}


def http_answers(settings: Settings, url: str) -> bool:
    """Whether the URL answers at all, below 500. TLS has to be ours."""
    context = ssl.create_default_context(cafile=str(settings.ca_file)) if url.startswith("https") else None
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    try:
        with opener.open(url, timeout=2):
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False


def _prepare_home(settings: Settings) -> None:
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    readme = settings.home / "README"
    if not readme.exists():
        readme.write_text("State of the embedded Azure. Remove it with: python -m emulator reset\n")


@contextlib.contextmanager
def _lock(settings: Settings) -> Iterator[None]:
    """One start or stop at a time for one home; the kernel releases it when we are killed."""
    with (settings.home / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("waiting for another start or stop to finish", file=sys.stderr)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
