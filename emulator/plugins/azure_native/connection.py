"""Where the embedded Azure is and who one is there: provider configuration, metadata document, tokens.

Only managed identity is supported (azure-native knows more), and only hosts on loopback or in private
networks: this stand-in never talks to a real Azure. Reads nothing from the network until the first request.
"""

from __future__ import annotations

import http.client
import os
import ssl
import threading
import time
import urllib.parse
from dataclasses import dataclass
from typing import Any

from emulator.plugins.errors import PluginError
from emulator.plugins.transport import SET_UP, Transport, require_private

UNSUPPORTED = {  # methods of azure-native that come before managed identity, and what switches each on
    "clientSecret": "ARM_CLIENT_SECRET",
    "clientCertificatePath": "ARM_CLIENT_CERTIFICATE_PATH",
    "useOidc": "ARM_USE_OIDC",
    "useDefaultAzureCredential": "ARM_USE_DEFAULT_AZURE_CREDENTIAL",
}


@dataclass(frozen=True)
class Account:
    """What the provider's configuration says, after checks."""

    metadata_host: str
    subscription: str
    tenant: str
    client: str
    location: str


def read_account(config: dict[str, str]) -> Account:
    """Take provider configuration and environment; raise PluginError for what this stand-in cannot do."""

    def setting(key: str, variable: str) -> str:
        return config.get(key) or os.environ.get(variable, "")

    host = setting("metadataHost", "ARM_METADATA_HOSTNAME")
    if not host:
        raise PluginError(
            "the azure-native stand-in has no Azure to talk to: ARM_METADATA_HOSTNAME "
            f"(azure-native:metadataHost) is not set, and it never talks to the public Azure. {SET_UP}"
        )
    require_private(host, "ARM_METADATA_HOSTNAME")
    for key, variable in UNSUPPORTED.items():
        if setting(key, variable).lower() not in ("", "false", "0"):
            raise PluginError(
                f"the azure-native stand-in signs in by managed identity only: unset {variable} ({key})"
            )
    if setting("useMsi", "ARM_USE_MSI").lower() not in ("true", "1"):
        raise PluginError(f"the azure-native stand-in needs ARM_USE_MSI=true (azure-native:useMsi). {SET_UP}")
    subscription = setting("subscriptionId", "ARM_SUBSCRIPTION_ID")
    if not subscription:
        raise PluginError(f"ARM_SUBSCRIPTION_ID (azure-native:subscriptionId) is not set. {SET_UP}")
    return Account(
        metadata_host=host if "://" in host else f"https://{host}",
        subscription=subscription,
        tenant=setting("tenantId", "ARM_TENANT_ID"),
        client=setting("clientId", "ARM_CLIENT_ID"),
        location=config.get("location", ""),
    )


class Session:
    """The cloud's addresses and this principal's tokens."""

    def __init__(self, account: Account, transport: Transport | None = None) -> None:
        self.account = account
        self.transport = transport or Transport()
        self._lock = threading.Lock()
        self._cloud: dict[str, Any] | None = None
        self._tokens: dict[str, tuple[str, float]] = {}

    @property
    def cloud(self) -> dict[str, Any]:
        """Return the metadata document (GET /metadata/endpoints), read once."""
        with self._lock:
            if self._cloud is None:
                url = f"{self.account.metadata_host}/metadata/endpoints?api-version=2022-09-01"
                document = self.fetch(url, {}, "the metadata document of ARM_METADATA_HOSTNAME")
                self._cloud = document[0] if isinstance(document, list) else document
                require_private(self._cloud["resourceManager"], "resourceManager in the metadata document")
            return self._cloud

    @property
    def arm(self) -> str:
        return str(self.cloud["resourceManager"]).rstrip("/")

    def token(self, resource: str = "", *, renew: bool = False) -> str:
        """Return an access token, for ARM unless a resource is named."""
        audience = (resource or str(self.cloud["authentication"]["audiences"][0])).removesuffix("/.default")
        with self._lock:
            value, expires = self._tokens.get(audience, ("", 0.0))
            if renew or expires < time.time() + 120:
                value, expires = self._new_token(audience)
                self._tokens[audience] = (value, expires)
            return value

    def _new_token(self, audience: str) -> tuple[str, float]:
        endpoint = os.environ.get("IDENTITY_ENDPOINT", "")
        if not endpoint:
            raise PluginError(
                f"IDENTITY_ENDPOINT is not set: the azure-native stand-in cannot sign in. {SET_UP}"
            )
        require_private(endpoint, "IDENTITY_ENDPOINT")
        query = {"api-version": "2019-08-01", "resource": audience}
        if self.account.client:
            query["client_id"] = self.account.client
        headers = {"X-IDENTITY-HEADER": os.environ.get("IDENTITY_HEADER", "")}
        answer = self.fetch(
            f"{endpoint}?{urllib.parse.urlencode(query)}", headers, "a token of IDENTITY_ENDPOINT"
        )
        return str(answer["access_token"]), float(answer["expires_on"])

    def fetch(self, url: str, headers: dict[str, str], what: str) -> Any:
        """GET a JSON document of the cloud itself; failures say that Azure may not be running."""
        try:
            response = self.transport.request("GET", url, {"Accept": "application/json", **headers}, None, 30)
        except ssl.SSLError as error:
            raise PluginError(
                f"cannot get {what} from {url}: {error}. SSL_CERT_FILE must be its bundle. {SET_UP}"
            ) from error
        except (OSError, http.client.HTTPException) as error:
            raise PluginError(f"cannot get {what} from {url}: {error}. Is it running? {SET_UP}") from error
        document = response.json()
        if response.status != 200 or document is None:
            text = response.content.decode(errors="replace")[:500]
            raise PluginError(f"cannot get {what} from {url}: status {response.status}, {text}")
        return document
