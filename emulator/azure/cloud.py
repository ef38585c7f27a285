"""The parts of the emulated Azure, put together once; what resource types and gates get hold of."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from emulator.azure.addresses import Addresses
from emulator.azure.journal import Journal
from emulator.azure.listeners import Listeners
from emulator.azure.operations import Operations
from emulator.azure.principals import Principals
from emulator.azure.rbac import Rbac
from emulator.azure.registry_of_types import Types
from emulator.azure.resources import all_types
from emulator.azure.schema import Schemas
from emulator.azure.store import Resource, Store
from emulator.azure.tokens import Tokens
from emulator.host.started import inside_host
from emulator.nodes.interface import Nodes, NoNodes
from emulator.settings import Settings

if TYPE_CHECKING:
    import aiohttp

    from emulator.azure.front_doors import FrontDoors
    from emulator.azure.gates.manager import Gates
    from emulator.azure.upstream import Blobs, Images

_log = logging.getLogger(__name__)


class Cloud:
    """Everything that lives as long as the server; what needs its event loop is set by `Server.start`."""

    session: aiohttp.ClientSession
    blobs: Blobs
    images: Images
    gates: Gates
    front_doors: FrontDoors | None = None

    def __init__(self, settings: Settings, nodes: Nodes | None = None) -> None:
        self.settings = settings
        self.store = Store(settings.state_file)
        self.journal = Journal(settings.journal)
        self.tokens = Tokens(settings)
        self.principals = Principals(settings, self.store)
        self.rbac = Rbac(settings, self.store, self.principals)
        self.addresses = Addresses(settings, self.store)
        self.operations = Operations(self.store)
        self.schemas = Schemas(settings.cache / "schemas")
        self.types = Types(all_types())
        self.listeners = Listeners(settings)
        self.nodes: Nodes = nodes or NoNodes()

    @property
    def inside_host(self) -> str:
        return inside_host(self.settings)

    def resource(self, resource_id: str) -> Resource | None:
        """Return a resource that is there and not on its way out."""
        found = self.store.get(resource_id)
        return found if found and found.state != "Deleting" else None
