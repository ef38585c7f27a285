"""Address ranges and private endpoints."""

import re
from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network

from settings.checks.platform import arm_id
from settings.errors import Path, Problem
from settings.network import Network
from settings.stack import StackSettings
from settings.workspace import PrivateEndpoint

Range = IPv4Network | IPv6Network
KINDS = ("workspace", "blob", "file", "key_vault", "container_registry")
HOST = re.compile(r"(?P<host>[A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\])(:(?P<port>\d{1,5}))?")


def check(stack: StackSettings) -> Iterator[Problem]:
    """Ranges that fit into each other, subnets that are there, an address that can be dialled."""
    network = stack.network
    if network is not None and not network.existing:
        yield from _ranges(network)
    if network is not None and network.existing and network.address_space:
        fix = "Remove it, or set `existing: false` to have the stack make the network."
        yield Problem(("network", "address_space"), "belongs to a network that exists already.", fix)
    if network is not None and network.existing and "private_endpoints" not in network.subnets:
        fix = "Write `subnets: {private_endpoints: NAME or ARM id}`."
        yield Problem(("network", "subnets"), "does not name the subnet for private endpoints.", fix)
    yield from _endpoints(stack)
    yield from _runner(stack.runner.private_address)


def _ranges(network: Network) -> Iterator[Problem]:
    space: list[Range] = []
    for index, text in enumerate(network.address_space):
        found = _range(text)
        if isinstance(found, str):
            yield Problem(("network", "address_space", index), found, "Write for example 10.20.0.0/16.")
        else:
            space.append(found)
    if len(space) != len(network.address_space):
        return
    space = space or [ip_network("10.20.0.0/16")]
    known: dict[str, Range] = {}
    for name, text in network.subnets.items():
        at: Path = ("network", "subnets", name)
        found = _range(text)
        if isinstance(found, str):
            yield Problem(at, found, "Write for example 10.20.1.0/24.")
            continue
        yield from _subnet(at, found, space, known)
        known[name] = found
    if network.subnets and "private_endpoints" not in network.subnets:
        fix = "Add `private_endpoints:` with an address range."
        yield Problem(("network", "subnets"), "has no subnet called private_endpoints.", fix)


def _subnet(at: Path, found: Range, space: list[Range], known: dict[str, Range]) -> Iterator[Problem]:
    if not any(found.version == s.version and found.subnet_of(s) for s in space):  # type: ignore[arg-type]
        whole = ", ".join(map(str, space))
        yield Problem(
            at, f"{found} is not inside the network's address space {whole}.", "Choose a range inside it."
        )
    for other, taken in known.items():
        if found.overlaps(taken):
            yield Problem(at, f"{found} overlaps the subnet {other} ({taken}).", "Choose another range.")
    if found.version == 4 and found.prefixlen > 29:
        yield Problem(
            at, f"{found} is too small: Azure keeps five addresses of a subnet.", "Use /29 or larger."
        )


def _range(text: str) -> Range | str:
    try:
        return ip_network(text)
    except ValueError:
        pass
    try:
        return f"`{text[:60]}` has host bits set: the range is {ip_network(text, strict=False)}."
    except ValueError:
        return f"`{text[:60]}` is not an address range."


def _endpoints(stack: StackSettings) -> Iterator[Problem]:
    for kind in KINDS:
        spec = getattr(stack.workspace.private_endpoints, kind)
        at: Path = ("workspace", "private_endpoints", kind)
        if not isinstance(spec, PrivateEndpoint):
            continue
        if spec.subnet and spec.subnet.startswith("/"):
            yield from arm_id(spec.subnet, (*at, "subnet"), "Microsoft.Network/virtualNetworks")
        elif stack.network is None:
            fix = "Add a `network`, or give the ARM id of a subnet as `subnet`."
            yield Problem(at, "has no network to stand in.", fix)
        elif spec.subnet and spec.subnet not in stack.network.subnets:
            known = ", ".join(stack.network.subnets) or "none"
            yield Problem(
                (*at, "subnet"), f"`{spec.subnet[:60]}` is no subnet of the network.", f"Subnets: {known}."
            )


def _runner(address: str | None) -> Iterator[Problem]:
    if address is None:
        return
    found = HOST.fullmatch(address)
    if not found or (found["port"] and not 0 < int(found["port"]) < 65_536):
        at = ("runner", "private_address")
        yield Problem(at, f"`{address[:60]}` is not HOST or HOST:PORT.", "Write for example 10.20.1.5:443.")
