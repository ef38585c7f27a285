"""The request journal: one JSON line for each ARM request, secrets redacted.

Fields: time (ISO 8601), method, path, api-version, query, principal, body, status, error (Azure's code, when
refused), request-id. What is a secret is decided by field names and, for Key Vault, by the resource type.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

REDACTED = "**redacted**"
_SECRET_FIELDS = {
    "primarykey",
    "secondarykey",
    "accountkey",
    "key1",
    "key2",
    "password",
    "adminpassword",
    "clientsecret",
    "secret",
    "sastoken",
    "connectionstring",
    "accesstoken",
    "refreshtoken",
    "sharedkey",
    "keyvalue",
    "pat",
}
_TOKEN = re.compile(r"\bhf_[A-Za-z0-9]{16,}|\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*")


def redact(value: Any, path: str = "") -> Any:
    """Return a copy of a body without its secrets; `path` is the request path."""
    vault_secret = "/microsoft.keyvault/vaults/" in path.lower() and "/secrets/" in path.lower()
    return _redact(value, vault_secret)


def _redact(value: Any, vault_secret: bool) -> Any:
    if isinstance(value, dict):
        return {key: _field(key, item, vault_secret) for key, item in value.items()}
    if isinstance(value, list):
        return [_redact(item, vault_secret) for item in value]
    if isinstance(value, str):
        return _TOKEN.sub(REDACTED, value)
    return value


def _field(key: str, item: Any, vault_secret: bool) -> Any:
    if key.lower() == "secrets" and isinstance(item, dict):  # of a datastore: all but their kind
        return {name: text if name == "secretsType" else REDACTED for name, text in item.items()}
    secret = key.lower() in _SECRET_FIELDS or (vault_secret and key == "value")
    if secret and isinstance(item, str | int) and item != "":
        return REDACTED
    return _redact(item, vault_secret)


class Journal:
    """Appends lines; each is one write, so that a reader never sees half of one and a kill loses none."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)

    def write(self, entry: dict[str, Any]) -> None:
        entry = {**entry, "body": redact(entry.get("body"), entry.get("path", ""))}
        os.write(self._file, (json.dumps(entry, separators=(",", ":")) + "\n").encode())
