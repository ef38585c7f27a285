"""How the blob service is convinced: a token of azure-identity, a SAS, or an account key (turned into a SAS).

Tokens are taken when they are used and renewed before they end; a refusal (401) renews them at once, since
clocks differ and tokens can be revoked. An account key signs short-lived SAS for the container, so that the
hot path knows only two things: a header or a query.
"""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from transfer.errors import AccessDenied, Retryable, TransferError

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, TokenCredential

# The audience of Blob storage in every Azure cloud.
# https://learn.microsoft.com/azure/storage/blobs/authorize-access-azure-active-directory
SCOPE = "https://storage.azure.com/.default"
# A token or SAS that ends within this many seconds is renewed first: a block may take that long.
MARGIN = 300.0


class Access(Protocol):
    """What is added to a request."""

    def headers(self) -> dict[str, str]:
        """Headers that authorize a request now."""

    def query(self) -> str:
        """A query that authorizes a request now, without `?`; may be empty."""

    def renew(self) -> bool:
        """The service said 401: get a new authorization; False when there is no other."""

    def sdk(self) -> Any:
        """The credential for azure-storage-blob."""


class TokenAccess:
    """Bearer tokens of an azure-identity credential."""

    def __init__(self, credential: TokenCredential, *, clock: Callable[[], float] = time.time) -> None:
        self._credential, self._clock = credential, clock
        self._lock = threading.Lock()
        self._token, self._ends = "", 0.0

    def headers(self) -> dict[str, str]:
        """An Authorization header with a token that lives a while yet."""
        with self._lock:
            if self._ends - self._clock() < MARGIN:
                self._renew_early()
            return {"Authorization": f"Bearer {self._token}"}

    def query(self) -> str:
        """Nothing."""
        return ""

    def renew(self) -> bool:
        """Fetch a token now."""
        with self._lock:
            self._fetch()
        return True

    def sdk(self) -> Any:
        """A credential that answers with the same tokens, so that they are fetched once."""
        return _SameTokens(self)

    def token(self, *scopes: str, **options: Any) -> AccessToken:
        """A token for azure-core; what it asks beyond the usual (a challenge) goes to the credential."""
        from azure.core.credentials import AccessToken

        if scopes != (SCOPE,) or options.get("claims") or options.get("tenant_id"):
            return self._credential.get_token(*scopes, **options)
        self.headers()
        with self._lock:
            return AccessToken(self._token, int(self._ends))

    def _renew_early(self) -> None:
        """A token that lives yet is good enough while there is trouble with getting the next one."""
        try:
            self._fetch()
        except (AccessDenied, Retryable):
            if self._ends <= self._clock():
                raise

    def _fetch(self) -> None:
        from azure.core.exceptions import AzureError, ClientAuthenticationError

        try:
            token = self._credential.get_token(SCOPE)
        except AzureError as problem:
            first = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
            if not isinstance(problem, ClientAuthenticationError):
                raise Retryable(f"no token for the blob service: {first}") from None
            raise AccessDenied(
                f"no token for the blob service: {first} Sign in (az login) or set the ARM_* or AZURE_* "
                "variables of the identity that may write to the container.",
                status=401,
            ) from None
        self._token, self._ends = token.token, float(token.expires_on)


class _SameTokens:
    """What azure-core takes for a credential, over the tokens of a `TokenAccess`."""

    def __init__(self, access: TokenAccess) -> None:
        self._access = access

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        return self._access.token(*scopes, **options)


class SasAccess:
    """A shared access signature that somebody gave us, or none (a server that asks for nothing)."""

    def __init__(self, query: str = "") -> None:
        self._query = query.lstrip("?")

    def headers(self) -> dict[str, str]:
        """Nothing."""
        return {}

    def query(self) -> str:
        """The signature."""
        return self._query

    def renew(self) -> bool:
        """There is no other one."""
        return False

    def sdk(self) -> Any:
        """The signature, or None for none."""
        if not self._query:
            return None
        from azure.core.credentials import AzureSasCredential

        return AzureSasCredential(self._query)


class KeyAccess:
    """An account key, which signs a SAS for the container for an hour at a time."""

    def __init__(
        self, container_url: str, account: str, key: str, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._container = urlsplit(container_url).path.rstrip("/").rpartition("/")[2]
        try:
            base64.b64decode(key, validate=True)
        except ValueError:
            raise TransferError(
                f"the key of the storage account {account} (AZURE_STORAGE_KEY) is not one: it is not base64."
            ) from None
        self._account, self._key, self._clock = account, key, clock
        self._lock = threading.Lock()
        self._query, self._ends = "", 0.0

    def headers(self) -> dict[str, str]:
        """Nothing."""
        return {}

    def query(self) -> str:
        """A signature that lives a while yet."""
        with self._lock:
            if self._ends - self._clock() < MARGIN:
                self._sign()
            return self._query

    def renew(self) -> bool:
        """Sign again."""
        with self._lock:
            self._sign()
        return True

    def sdk(self) -> Any:
        """The key with the account's name."""
        from azure.core.credentials import AzureNamedKeyCredential

        return AzureNamedKeyCredential(self._account, self._key)

    def _sign(self) -> None:
        from azure.storage.blob import ContainerSasPermissions, generate_container_sas

        self._ends = self._clock() + 3600
        now = datetime.fromtimestamp(self._clock(), UTC)
        self._query = generate_container_sas(
            self._account,
            self._container,
            account_key=self._key,
            permission=ContainerSasPermissions(read=True, write=True, list=True, add=True, create=True),
            start=now - timedelta(minutes=15),  # clocks differ
            expiry=now + timedelta(seconds=3600),
        )
