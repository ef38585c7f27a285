"""One server, one name: how a deployment is called, so that a change of it is a new one beside the old one.

azure-native deletes before it creates whatever is replaced under an explicit name. So what makes a server
different is hashed into its logical and its physical name: then the new server is created, tried and given
the traffic, and the old one, which the program no longer has, is deleted last. What may change without
another server (instance count, request settings, tags, description) is not in the hash.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.content import LENGTH, short_hash

# Names of deployments: 3 to 32 characters.
# https://learn.microsoft.com/azure/machine-learning/reference-yaml-deployment-managed-online
LONGEST = 32


@dataclass(frozen=True)
class Server:
    """How one server is called. `adopted` servers run already and are imported under `physical`."""

    logical: str
    physical: str
    hash: str
    adopted: bool = False
    fixed: bool = False


def server(
    base: str,
    content: Mapping[str, Any],
    *,
    rollout: str = "blue_green",
    import_: bool | str = False,
    prefix: str = "",
) -> Server:
    """Name the server that `content` (plain values only) describes.

    `import_` is False, or True (adopted, under its own name), or the hash it was adopted with: another
    hash means it has changed since and is rolled like any other. `prefix` makes logical names of several
    endpoints differ.
    """
    digest = short_hash(content)
    adopted = import_ is True or import_ == digest
    if adopted or rollout == "recreate":
        return Server(f"{prefix}{base}", base, digest, adopted=adopted, fixed=not adopted)
    name = f"{base[: LONGEST - LENGTH - 1].rstrip('-')}-{digest}"
    return Server(f"{prefix}{name}", name, digest)
