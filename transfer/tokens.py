"""Where the hub's token comes from: a reference is kept, the token itself is taken when it is used.

References: `env:NAME`, the URI of a Key Vault secret (`https://VAULT/secrets/NAME`), or nothing, which means
HF_TOKEN and then the file that `hf auth login` writes.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from transfer.errors import Retryable, SourceError
from transfer.retry import PASSING, Policy, retry_after, retrying

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

    from transfer.wire import Wire

KEY_VAULT_API = "7.4"
KEPT_SECONDS = 600.0
_NOT_THERE = "There is no such secret; check its name, and that it is enabled."
_NO_ROLE = (
    "The identity needs the role Key Vault Secrets User there, and the vault's firewall must let this "
    "machine in."
)


def hub_token(
    reference: str,
    wire: Wire,
    credential: TokenCredential | None = None,
    vault_audience: str = "https://vault.azure.net",
) -> Callable[[], str]:
    """A function that answers the token now, "" for none."""
    # The configuration writes vault references as the rest of Azure ML does: ${{keyvault:URI}}.
    wrapped = re.fullmatch(r"\$\{\{\s*keyvault:(.+?)\s*\}\}", reference.strip())
    reference = wrapped[1] if wrapped else reference.strip()
    if not reference:
        return _ambient
    if reference.startswith("env:"):
        return lambda: _from_environment(reference[4:])
    if reference.startswith("https://") and "/secrets/" in urlsplit(reference).path:
        return _Secret(reference, wire, credential, vault_audience).get
    raise SourceError(
        "the hub's token is given by neither env:NAME nor the URI of a Key Vault secret "
        "(https://VAULT/secrets/NAME). A token itself does not belong in a configuration; put it into an "
        "environment variable or a vault and refer to it.",
        about="token",
    )


def _ambient() -> str:
    token = os.environ.get("HF_TOKEN", "").strip()
    if token or os.environ.get("HF_HUB_DISABLE_IMPLICIT_TOKEN"):
        return token
    home = Path(os.environ.get("HF_HOME", Path.home() / ".cache" / "huggingface"))
    path = Path(os.environ.get("HF_TOKEN_PATH", home / "token"))
    return path.read_text().strip() if path.is_file() else ""


def _from_environment(name: str) -> str:
    token = os.environ.get(name, "").strip()
    if not token:
        raise SourceError(
            f"env:{name} is asked for as the hub's token, but the environment variable {name} is empty here.",
            about="token",
        )
    return token


class _Secret:
    """A Key Vault secret, read when it is used and kept for ten minutes at most."""

    def __init__(self, uri: str, wire: Wire, credential: TokenCredential | None, audience: str) -> None:
        self._uri, self._wire, self._credential, self._audience = uri, wire, credential, audience
        self._lock, self._value, self._read = threading.Lock(), "", float("-inf")

    def get(self) -> str:
        with self._lock:
            if time.monotonic() - self._read > KEPT_SECONDS:
                self._value = retrying(
                    self._fetch, Policy(), self._wire.cancel, advice="Check the vault's address and network."
                )
                self._read = time.monotonic()
            return self._value

    def _fetch(self) -> str:
        if self._credential is None:
            raise SourceError(
                f"{self._uri} is a Key Vault secret, but there is no Azure credential to read it.",
                about="token",
            )
        bearer = self._credential.get_token(f"{self._audience.rstrip('/')}/.default").token
        url = f"{self._uri}?api-version={KEY_VAULT_API}"
        with self._wire.request("GET", url, {"Authorization": f"Bearer {bearer}"}) as answer:
            text = answer.text()
        if answer.status in PASSING:
            after = retry_after(answer.headers.get("Retry-After"))
            raise Retryable(f"the vault answers {answer.status} for {self._uri}", after=after)
        if answer.status >= 300:
            fix = _NOT_THERE if answer.status == 404 else _NO_ROLE
            raise SourceError(f"the vault answers {answer.status} for {self._uri}. {fix}", about="token")
        return json.loads(text)["value"].strip()
