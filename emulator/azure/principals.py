"""Who there is in the emulated tenant: the deployer, a reader, and the identities of resources.

The deployer is like a person with Contributor and User Access Administrator (Owner covers both) and
without any data-plane role. Identities of resources come and go with them. There are no users, groups or
applications.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from emulator.azure.store import Store
from emulator.settings import Settings

_NAMESPACE = uuid.UUID("6f1a4d8e-6d0b-4d4e-9a53-3b7f6f0f6a11")
_KIND = "principal"


@dataclass(frozen=True)
class Principal:
    """An identity: `id` is its object id, `client_id` its application id, `resource_id` whose identity it
    is.
    """

    id: str
    name: str
    client_id: str
    resource_id: str = ""


def stable_id(*parts: str) -> str:
    """Return a GUID that is the same each time for the same words."""
    return str(uuid.uuid5(_NAMESPACE, "|".join(parts)))


class Principals:
    def __init__(self, settings: Settings, store: Store) -> None:
        self._store = store
        self.deployer = _known("deployer")
        self.reader = _known("reader")
        self._headers = {settings.deployer_header: self.deployer, settings.reader_header: self.reader}

    def by_header(self, header: str) -> Principal | None:
        """Return who an IDENTITY_HEADER speaks for."""
        return self._headers.get(header)

    def by_client(self, client_id: str, secret: str) -> Principal | None:
        """Return whom a client id and its secret (the identity header) stand for."""
        principal = self._headers.get(secret)
        return principal if principal and client_id in {principal.client_id, principal.name} else None

    def get(self, object_id: str) -> Principal | None:
        for known in (self.deployer, self.reader):
            if known.id == object_id:
                return known
        row = self._store.table(_KIND).get(object_id)
        return Principal(**row) if row else None

    def create(self, resource_id: str, name: str) -> Principal:
        """Make an identity for a resource; a new one each time, as a resource made anew has a new
        identity.
        """
        principal = Principal(str(uuid.uuid4()), name, str(uuid.uuid4()), resource_id)
        self._store.put(_KIND, principal.id, dict(principal.__dict__))
        return principal

    def remove(self, object_id: str) -> None:
        self._store.drop(_KIND, object_id)


def _known(name: str) -> Principal:
    return Principal(stable_id("object", name), name, stable_id("client", name))
