"""The engine deploys to the embedded Azure only: it refuses to start Azure's provider against anything else.

A real deployment belongs to the Pulumi CLI, which locks, retries and audits as people expect. What the
provider will talk to is decided by ARM_METADATA_HOSTNAME; it must be a loopback or private address.
"""

from __future__ import annotations

import ipaddress
import os
import socket

from .errors import EngineError

_PACKAGES = {"azure-native", "azure", "azuread", "azapi"}


def check(package: str) -> None:
    if package not in _PACKAGES:
        return
    host = os.environ.get("ARM_METADATA_HOSTNAME", "").removeprefix("https://").split("/")[0]
    name = host.rsplit(":", 1)[0].strip("[]")
    if not name:
        raise EngineError(
            f"the program uses the provider {package!r}, but ARM_METADATA_HOSTNAME is not set: that would "
            "be the real "
            "Azure, which the embedded engine refuses to talk to. Start the embedded Azure and load "
            "`python -m emulator env`, or install the Pulumi CLI to deploy to Azure."
        )
    if not all(_is_local(address) for address in _addresses(name)):
        raise EngineError(
            f"the program uses the provider {package!r}, and ARM_METADATA_HOSTNAME={host} is not a "
            "loopback or private "
            "address. The embedded engine refuses to talk to anything but the embedded Azure; use the "
            "Pulumi CLI."
        )


def _addresses(name: str) -> list[str]:
    try:
        return [str(ipaddress.ip_address(name))]
    except ValueError:
        pass
    try:
        return [str(info[4][0]) for info in socket.getaddrinfo(name, None)]
    except OSError:
        return ["0.0.0.0"]  # unknown: counts as not local


def _is_local(address: str) -> bool:
    parsed = ipaddress.ip_address(address)
    return not parsed.is_unspecified and (parsed.is_loopback or parsed.is_private)
