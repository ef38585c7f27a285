"""The raw parts behind the gates, as the emulated services themselves use them: blobs and images.

Trusted and inside: no role is checked here. With `--nodes none` a raw part may be missing; then what would
have been done there is logged and left out, so that requests can be tested alone.
"""

from __future__ import annotations

import hashlib
import logging
import ssl
import xml.etree.ElementTree as ET
from typing import Any

import aiohttp

from emulator.azure.errors import ArmError
from emulator.azure.store import Resource, Store
from emulator.host import azurite
from emulator.settings import Settings

_log = logging.getLogger(__name__)
_SLOT = "blob-slot"
_VERSION = "2024-11-04"
_MANIFESTS = ", ".join(
    [
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    ]
)


def client(settings: Settings) -> aiohttp.ClientSession:
    """Return a session that trusts our authority only; no proxy, no decompression: bytes pass as they are."""
    context = ssl.create_default_context(cafile=str(settings.ca_file))
    connector = aiohttp.TCPConnector(ssl=context, limit=0)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
    return aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False)


class Blobs:
    """Storage accounts live in the raw blob service's slots; an account keeps its slot for life."""

    def __init__(self, settings: Settings, store: Store, session: aiohttp.ClientSession) -> None:
        self._settings = settings
        self._store = store
        self._session = session

    def slot(self, account: Resource) -> str:
        """Return the account's name in the raw service."""
        table = self._store.table(_SLOT)
        number = table.get(account.id.lower())
        if number is None:
            taken = set(table.values())
            free = [n for n in range(1, azurite.SLOTS + 1) if n not in taken]
            if not free:
                text = f"The embedded Azure holds {azurite.SLOTS} storage accounts at most; delete some."
                raise ArmError(409, "SubscriptionQuotaExceeded", text)
            number = free[0]
            self._store.put(_SLOT, account.id.lower(), number)
        return azurite.slot_account(number)

    def token(self) -> str:
        return azurite.token(self._settings)

    def url(self, account: Resource, path: str = "") -> str:
        return f"{self._settings.azurite_url}/{self.slot(account)}/{path}"

    async def create_container(self, account: Resource, name: str) -> None:
        await self._call("PUT", self.url(account, f"{name}?restype=container"), good={201, 409})

    async def delete_container(self, account: Resource, name: str) -> None:
        await self._call("DELETE", self.url(account, f"{name}?restype=container"), good={202, 404})

    async def has_prefix(self, account: Resource, container: str, prefix: str) -> bool | None:
        """Say whether a blob exists at or below a prefix; None when the raw service is not there to ask."""
        query = f"{container}?restype=container&comp=list&maxresults=1&prefix={prefix}"
        text = await self._call("GET", self.url(account, query), good={200, 404})
        return None if text is None else "<Name>" in text

    async def release(self, account: Resource) -> None:
        """Empty an account's slot and give it back."""
        if account.id.lower() not in self._store.table(_SLOT):
            return
        text = await self._call("GET", self.url(account, "?comp=list"), good={200})
        if text:
            for name in ET.fromstring(text).iterfind(".//Container/Name"):
                await self.delete_container(account, name.text or "")
        self._store.drop(_SLOT, account.id.lower())

    async def _call(self, method: str, url: str, *, good: set[int]) -> str | None:
        headers = {"Authorization": f"Bearer {self.token()}", "x-ms-version": _VERSION}
        try:
            async with self._session.request(method, url, headers=headers) as response:
                text = await response.text()
                if response.status not in good:
                    code = f"{method} {url} answered {response.status}: {text[:300]}"
                    raise ArmError(500, "InternalServerError", f"The raw blob service refused: {code}")
                return text
        except aiohttp.ClientConnectionError as error:
            return _missing(self._settings, "blob service", error)


class Images:
    """The raw registry holds every emulated registry's repositories below the registry's name."""

    def __init__(self, settings: Settings, session: aiohttp.ClientSession) -> None:
        self._settings = settings
        self._session = session

    def repository(self, registry: Resource, name: str) -> str:
        return f"{registry.name.lower()}/{name}"

    async def digest(self, registry: Resource, repository: str, reference: str) -> str | None:
        """Return an image's digest, "" when it is not there, None when the raw registry is not there to
        ask.
        """
        name = self.repository(registry, repository)
        url = f"{self._settings.registry_url}/v2/{name}/manifests/{reference}"
        try:
            async with self._session.get(url, headers={"Accept": _MANIFESTS}) as response:
                body = await response.read()
                if response.status != 200:
                    return ""
                found = response.headers.get("Docker-Content-Digest")
                return found or "sha256:" + hashlib.sha256(body).hexdigest()
        except aiohttp.ClientConnectionError as error:
            _missing(self._settings, "registry", error)
            return None


def _missing(settings: Settings, what: str, error: Exception) -> Any:
    if settings.nodes == "none":
        _log.warning("the raw %s is not running (--nodes none): left out (%s)", what, error)
        return None
    text = f"The raw {what} of the embedded Azure is not running: {error}. Run `python -m emulator start`."
    raise ArmError(503, "ServiceUnavailable", text)
