"""Puts the listeners up: ARM, login, gates, vaults and front doors, each on its own loopback address."""

from __future__ import annotations

import asyncio
import logging

from emulator.azure import crud
from emulator.azure.arm import Arm
from emulator.azure.cloud import Cloud
from emulator.azure.errors import ArmError
from emulator.azure.front_doors import FrontDoors
from emulator.azure.frontdoor import app as frontdoor
from emulator.azure.gates.manager import Gates
from emulator.azure.login import Login
from emulator.azure.resources.ml.common import DEPLOYMENT
from emulator.azure.resources.ml.deploy_spec import make_spec
from emulator.azure.upstream import Blobs, Images, client
from emulator.host.certificates import ensure_authority

_log = logging.getLogger(__name__)


class Server:
    """The one process that serves the emulated Azure."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    async def start(self) -> None:
        """Listen; raises OSError when an address is taken. ARM comes last: who reaches it reaches the
        rest.
        """
        cloud, settings = self.cloud, self.cloud.settings
        ensure_authority(settings)
        await asyncio.to_thread(cloud.schemas.prepare, cloud.types.models())
        cloud.session = client(settings)
        cloud.blobs = Blobs(settings, cloud.store, cloud.session)
        cloud.images = Images(settings, cloud.session)
        cloud.gates = Gates(cloud)
        cloud.operations.run = lambda row: crud.perform(cloud, row)
        login = Login(settings, cloud.store, cloud.principals, cloud.tokens).app()
        await cloud.listeners.add(settings.login_host, login)
        await cloud.listeners.add(settings.login_host, login, tls=False, port=settings.identity_port)
        await cloud.nodes.start()
        cloud.front_doors = FrontDoors(cloud)
        await cloud.gates.open_all()
        await self._resume_deployments()
        cloud.operations.resume()
        await cloud.listeners.add(settings.arm_host, Arm(cloud).app())
        _log.info("the embedded Azure listens at %s", settings.arm_url)

    async def _resume_deployments(self) -> None:
        """Bring back what ran before: deployments that had succeeded, and are not being worked on."""
        specs = []
        for item in self.cloud.store.all(DEPLOYMENT):
            if "live" in item.private and item.state in {"Succeeded", "Failed", "Updating"}:
                try:
                    specs.append(await make_spec(self.cloud, item))
                except ArmError as error:
                    _log.warning("%s is not brought back: %s", item.id, error)
                except Exception:  # noqa: BLE001 - one of them must not keep the whole of Azure from starting
                    _log.exception("%s is not brought back", item.id)
        await self.cloud.nodes.resume(specs)

    async def stop(self) -> None:
        await self.cloud.operations.close()
        await self.cloud.listeners.close()
        await frontdoor.close(self.cloud.nodes)
        await self.cloud.nodes.stop()
        if hasattr(self.cloud, "session"):
            await self.cloud.session.close()
        self.cloud.store.close()
