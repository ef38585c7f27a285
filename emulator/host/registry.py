"""The raw OCI registry: Debian's docker-registry on a loopback address, behind the registries' own
authentication.

Listens in plain http and is never exported: clients see the emulated container registries, which check
tokens.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

import yaml

from emulator.host.process import Service, write_atomically
from emulator.settings import Settings


def service(settings: Settings, ready: Callable[[], bool]) -> Service:
    folder = settings.home / "registry"
    folder.mkdir(parents=True, exist_ok=True)
    address = f"{settings.registry_host}:{settings.port}"
    config = {
        "version": 0.1,
        "log": {"level": "warn"},
        "storage": {
            "filesystem": {"rootdirectory": str(folder / "data")},
            "delete": {"enabled": True},
            "cache": {"blobdescriptor": "inmemory"},
        },
        # Relative Location headers: the authentication in front has another scheme and address.
        "http": {"addr": address, "relativeurls": True, "secret": secrets.token_hex(16)},
    }
    path = folder / "config.yml"
    write_atomically(path, yaml.safe_dump(config))
    return Service(
        name="registry",
        argv=["docker-registry", "serve", str(path)],
        environment={"OTEL_TRACES_EXPORTER": "none"},
        ready=ready,
        listens=[(settings.registry_host, settings.port, "EMULATOR_PORT or EMULATOR_NETWORK")],
    )
