"""What `start` was asked for and what it found, kept in EMULATOR_HOME so that the other commands agree with
it.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
from dataclasses import asdict, dataclass, field

from emulator.host.process import write_atomically
from emulator.settings import Settings


@dataclass(frozen=True)
class Started:
    """`nodes` is docker or none, `server` vllm or standin;

    `engine` the engine's address, "" without containers.
    """

    nodes: str
    server: str = "vllm"
    engine: str = ""
    engine_is_ours: bool = False
    settings: dict[str, str] = field(default_factory=dict)  # by the names of their variables

    @classmethod
    def load(cls, settings: Settings) -> Started | None:
        try:
            return cls(**json.loads((settings.home / "started.json").read_text()))
        except (FileNotFoundError, json.JSONDecodeError, TypeError):
            return None

    def save(self, settings: Settings) -> None:
        write_atomically(settings.home / "started.json", json.dumps(asdict(self)))


def instance_id(settings: Settings) -> str:
    """Eight hex digits of the home's path: part of every docker name, so that several emulators coexist."""
    return hashlib.sha256(str(settings.home).encode()).hexdigest()[:8]


def gateway(subnet: str) -> str:
    """The address of a docker network's bridge on this machine: the subnet's first host, as we create it."""
    return str(next(ipaddress.ip_network(subnet).hosts()))


def inside_host(settings: Settings) -> str:
    """The address at which the "inside of the virtual network" is served:

    the VNet network's bridge with docker.
    """
    return gateway(settings.vnet_subnet) if settings.nodes == "docker" else settings.inside_host
