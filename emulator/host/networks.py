"""The docker networks of one embedded Azure: the virtual network, and the deployments' with and without
egress.

All three are internal networks: nothing is forwarded out of them. What a container can reach is this
machine's own addresses, so who listens there decides: the front doors serve the virtual network's bridge,
the hub answers the egress network alone. Programs of this machine that listen on all addresses can be
reached, too.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from emulator.host.engine import sdk
from emulator.host.errors import HostError
from emulator.host.ports import is_local
from emulator.host.started import gateway, instance_id
from emulator.settings import Settings

LABEL = "embedded-azure"
HOME = f"{LABEL}.home"
KINDS = {"vnet": "vnet_subnet", "nodes": "nodes_subnet", "egress": "egress_subnet"}


def name(settings: Settings, kind: str) -> str:
    return f"{LABEL}-{instance_id(settings)}-{kind}"


def ensure(settings: Settings, client: Any) -> None:
    """Create the networks that are missing or have another subnet than the settings say."""
    for kind, field in KINDS.items():
        subnet = getattr(settings, field)
        for found in client.networks.list(names=[f"^{name(settings, kind)}$"]):
            if found.attrs["IPAM"]["Config"][0]["Subnet"] == subnet:
                break
            found.remove()
        else:
            _create(settings, client, kind, subnet)
    _require_reachable(gateway(settings.vnet_subnet))


def mine(settings: Settings) -> dict[str, str]:
    """The engine's filter for what belongs to this embedded Azure."""
    return {"label": f"{LABEL}={instance_id(settings)}"}


def sweep(settings: Settings, client: Any, *, networks: bool = True) -> None:
    """Remove every container of this embedded Azure, and its networks."""
    for container in client.containers.list(all=True, filters=mine(settings)):
        container.remove(force=True, v=True)
    for network in client.networks.list(filters=mine(settings)) if networks else []:
        network.remove()


def sweep_abandoned(client: Any, alive: Callable[[Path], bool]) -> None:
    """Remove what embedded Azures left that were killed and whose folder is gone or asleep:

    it blocks subnets.
    """
    for network in client.networks.list(filters={"label": HOME}):
        if alive(Path(network.attrs["Labels"][HOME])):
            continue
        owner = {"label": f"{LABEL}={network.attrs['Labels'][LABEL]}"}
        for container in client.containers.list(all=True, filters=owner):
            container.remove(force=True, v=True)
        network.remove()


def _create(settings: Settings, client: Any, kind: str, subnet: str) -> None:
    docker = sdk()
    overlap = HostError(
        f"The Docker network {name(settings, kind)} cannot have the subnet {subnet}: another network "
        f"of this machine overlaps it. Choose a free one with EMULATOR_{KINDS[kind].upper()} (see "
        "docker network ls), or stop the other embedded Azure."
    )
    if is_local(gateway(subnet)):  # of another engine: ours would not see it
        raise overlap
    pools = [docker.types.IPAMPool(subnet=subnet, gateway=gateway(subnet))]
    try:
        client.networks.create(
            name(settings, kind),
            driver="bridge",
            internal=True,
            ipam=docker.types.IPAMConfig(pool_configs=pools),
            labels={LABEL: instance_id(settings), HOME: str(settings.home)},
        )
    except docker.errors.APIError as error:
        if "overlaps" not in str(error):
            raise
        raise overlap from None


def _require_reachable(address: str) -> None:
    if not is_local(address):
        raise HostError(
            f"The Docker engine runs, but its bridge {address} is not an address of this machine (an "
            "engine in a virtual machine or without root?). Deployments need an engine on this machine; "
            "or start with --nodes none."
        )
