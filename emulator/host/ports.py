"""Who has a port: asked before a service is started, so that the error is ours and names the setting."""

from __future__ import annotations

import socket
from pathlib import Path

from emulator.host.errors import HostError


def require_free(service: str, address: str, port: int, setting: str) -> None:
    """Raise HostError when the address cannot be bound."""
    try:
        _bind(address, port)
    except OSError as error:
        if error.errno == 99:  # EADDRNOTAVAIL
            raise HostError(
                f"{service} cannot listen on {address}: it is not an address of this machine. It stands "
                f"for a host of the embedded Azure; change it with {setting}."
            ) from None
        if error.errno not in {98, 13}:
            raise
        raise HostError(
            f"{service} cannot listen on {address}:{port}: {_holder(port) or 'another program'} has the "
            f"port. End that program, or choose another port or network with {setting}."
        ) from None


def answers(address: str, port: int) -> bool:
    """Whether something accepts TCP connections there."""
    try:
        with socket.create_connection((address, port), timeout=1):
            return True
    except OSError:
        return False


def is_local(address: str) -> bool:
    """Whether this machine has the address."""
    try:
        _bind(address, 0)
    except OSError:
        return False
    return True


def _bind(address: str, port: int) -> None:
    with socket.socket() as probe:
        # As servers do: without it, connections in TIME_WAIT would look like a taken port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((address, port))


def _holder(port: int) -> str | None:
    """The program that listens on this port, when /proc lets us see it."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{fields[9]}]")
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(link.readlink().name in inodes for link in (process / "fd").iterdir()):
                return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
        except OSError:
            continue  # gone meanwhile, or not ours to see
    return None
