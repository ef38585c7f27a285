"""GET requests to Azure Resource Manager with a token that is there already, by Python's own library alone.

For a preview, which runs often: `providers.arm` and azure-identity behind it take a fifth of a second of CPU
to import and more to sign in, and azure-native has signed in anyway. One attempt, no waiting: what does not
answer is "not checked".
"""

from __future__ import annotations

import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from providers import credentials
from providers.errors import ProviderError


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """ARM sends none, and a token follows nobody."""

    def redirect_request(self, *_: Any) -> None:
        return None


class Reader:
    """Asks as whoever the token is for, until `seconds` have passed since it was made."""

    def __init__(self, token: str, seconds: float) -> None:
        self._token = token
        self._until = time.monotonic() + seconds
        # One context: reading the system's certificates is the most expensive part of asking.
        secure = urllib.request.HTTPSHandler(context=ssl.create_default_context())
        self._open = urllib.request.build_opener(_NoRedirects(), secure).open
        self._base = ""

    def __call__(self, target: str, api_version: str = "") -> Mapping[str, Any]:
        """The answer to an ARM id or the address of a further page; empty for what is not there."""
        base = self._resource_manager()
        url = target if "://" in target else base + target
        if urlsplit(url).netloc != urlsplit(base).netloc:
            raise ProviderError(f"Azure points to {urlsplit(url).netloc} for more, which is not {base}.")
        if api_version:
            url += f"{'&' if '?' in url else '?'}api-version={api_version}"
        try:
            return self._get(url, {"Authorization": f"Bearer {self._token}"})
        except urllib.error.HTTPError as refusal:
            if refusal.code == 404:
                return {}
            raise ProviderError(_refusal(refusal)) from None

    def _resource_manager(self) -> str:
        """Where ARM is; for a cloud of its own its metadata document says so."""
        host = credentials.setting("metadataHost")
        if not self._base and not host:
            self._base = credentials.cloud().resource_manager
        elif not self._base:
            where = host if "://" in host else f"https://{host}"
            found = self._get(f"{where}/metadata/endpoints?api-version=2022-09-01", {})
            self._base = str(found["resourceManager"]).rstrip("/")
        return self._base

    def _get(self, url: str, headers: dict[str, str]) -> Mapping[str, Any]:
        left = max(0.1, self._until - time.monotonic())
        asked = urllib.request.Request(url, headers={"Accept": "application/json", **headers})
        try:
            with self._open(asked, timeout=left) as answer:
                found = json.load(answer)
        except urllib.error.HTTPError:
            raise
        except (OSError, ValueError) as problem:
            place = urlsplit(url).netloc
            raise ProviderError(f"{place} gave no answer that can be read ({_text(problem)}).") from None
        return found if isinstance(found, dict) else {"value": found}


def _text(problem: Exception) -> str:
    return str(getattr(problem, "reason", problem)) or type(problem).__name__


def _refusal(refusal: urllib.error.HTTPError) -> str:
    """`AuthorizationFailed: ...` from ARM's error body, else the status."""
    try:
        error = json.load(refusal)["error"]
        return f"{error['code']}: {error['message']}"
    except (OSError, ValueError, KeyError, TypeError):
        return f"HTTP {refusal.code} {refusal.reason}"
