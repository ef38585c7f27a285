"""Requests to ARM: retries, asynchronous operations, and errors passed on in full.

Retries what azure-native retries (408, 429, 500, 502, 503, 504, and 409 AnotherOperationInProgress), three
times; Retry-After is honoured, else EMULATOR_PLUGIN_RETRY_SECONDS doubles (azure-native: 20, 60, 120 s).
Polling waits what Retry-After says, else EMULATOR_PLUGIN_POLL_SECONDS (azure-native: 10 s for updates, 30 s
for deletes).
"""

from __future__ import annotations

import http.client
import json
import os
import threading
import time
import urllib.parse
import uuid
from dataclasses import dataclass
from typing import Any

from emulator.plugins.azure_native.connection import Session
from emulator.plugins.errors import CancelledError, PluginError
from emulator.plugins.transport import Response, require_private

RETRIED = {408, 429, 500, 502, 503, 504}
RETRIES = 3
RETRY_SECONDS = float(os.environ.get("EMULATOR_PLUGIN_RETRY_SECONDS", "1"))
POLL_SECONDS = float(os.environ.get("EMULATOR_PLUGIN_POLL_SECONDS", "1"))
SHORTEST = 0.05  # a Retry-After of 0 must not become a busy loop
REQUEST_SECONDS = 180.0  # of one request; operations as a whole end with their deadline
_IN_PATHS = "/%:@!$&'()*+,;=~"  # ids come with what must be encoded encoded already
IN_PROGRESS = {
    "accepted",
    "creating",
    "created",
    "updating",
    "deleting",
    "provisioning",
    "running",
    "inprogress",
}


class ArmError(PluginError):
    """ARM refused; the text carries status, code, message, target and details."""

    def __init__(self, status: int, text: str, code: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.code = code


class FailedOperationError(ArmError):
    """ARM had accepted the request, and then the asynchronous operation failed."""


@dataclass
class Deadline:
    """Ends an operation: customTimeouts (default 2 h, as azure-native) or the engine's Cancel."""

    cancelled: threading.Event
    at: float

    @classmethod
    def after(cls, seconds: float, cancelled: threading.Event) -> Deadline:
        return cls(cancelled, time.monotonic() + (seconds if seconds > 0 else 7200))

    def wait(self, seconds: float, what: str) -> None:
        """Sleep; raise CancelledError when the operation has to end."""
        self.check(what)
        self.cancelled.wait(max(0.0, min(seconds, self.at - time.monotonic())))
        self.check(what)

    def check(self, what: str) -> None:
        if self.cancelled.is_set():
            raise CancelledError(
                f"{what} was cancelled; it may still go on in Azure. Refresh before the next `up`"
            )
        if time.monotonic() >= self.at:
            raise CancelledError(
                f"operation timed out: {what}. Raise its limit with ResourceOptions(custom_timeouts=...)"
            )


class Arm:
    """Sends requests for resource ids; `session` says where and as whom."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def call(
        self,
        method: str,
        url: str,
        api: str,
        deadline: Deadline,
        body: Any = None,
        query: dict[str, str] | None = None,
    ) -> Response:
        """Send one request, retried; `url` is a resource id or absolute. Returns whatever the status is."""
        url = self._url(url, api, query or {})
        data = None if body is None else json.dumps(body).encode()
        renewed = False
        attempt = 0
        while True:
            deadline.check(f"{method} {url}")
            response = self._send(method, url, data, renew=renewed)
            if response.status == 401 and not renewed:
                renewed = True
                continue
            if attempt >= RETRIES or not _retryable(response):
                return response
            deadline.wait(_retry_after(response, RETRY_SECONDS * 2**attempt), f"{method} {url}")
            attempt += 1

    def get(self, id_: str, api: str, deadline: Deadline) -> Any:
        """Return a resource's body; ArmError with status 404 when it is not there."""
        response = self.call("GET", id_, api, deadline)
        if response.status != 200:
            raise error_of(response)
        return response.json()

    def finish(self, response: Response, id_: str, api: str, deadline: Deadline, *, deleting: bool) -> None:
        """Wait until what `response` started is over; raise FailedOperationError with Azure's reason."""
        location = response.headers.get("azure-asyncoperation") or response.headers.get("operation-location")
        if location:
            self._follow_operation(response, location, api, deadline)
        elif response.status == 202 and "location" in response.headers:
            self._follow_location(response, response.headers["location"], api, deadline)
        elif not deleting:
            self._follow_state(response, id_, api, deadline)

    def _follow_operation(self, response: Response, url: str, api: str, deadline: Deadline) -> None:
        while True:
            deadline.wait(_retry_after(response, POLL_SECONDS), f"waiting for {url}")
            response = self.call("GET", url, api, deadline)
            if response.status not in (200, 201, 202):
                raise error_of(response, FailedOperationError)
            document = response.json() or {}
            status = str(document.get("status", "Succeeded" if response.status == 200 else "InProgress"))
            if status.lower() == "succeeded":
                return
            if status.lower() in ("failed", "canceled", "cancelled"):
                raise error_of(response, FailedOperationError, default=f"the operation ended as {status}")

    def _follow_location(self, response: Response, url: str, api: str, deadline: Deadline) -> None:
        while response.status == 202:
            deadline.wait(_retry_after(response, POLL_SECONDS), f"waiting for {url}")
            url = response.headers.get("location", url)
            response = self.call("GET", url, api, deadline)
        if response.status not in (200, 201, 204, 404):
            raise error_of(response, FailedOperationError)

    def _follow_state(self, response: Response, id_: str, api: str, deadline: Deadline) -> None:
        while (state := _provisioning_state(response)).lower() in IN_PROGRESS:
            deadline.wait(_retry_after(response, POLL_SECONDS), f"waiting for {id_} ({state})")
            response = self.call("GET", id_, api, deadline)
        if state.lower() in ("failed", "canceled"):
            raise FailedOperationError(response.status, f"{id_} ended in provisioningState {state}", state)

    def _url(self, url: str, api: str, query: dict[str, str]) -> str:
        if "://" in url:
            require_private(url, "the address of an asynchronous operation")
            parts = urllib.parse.urlsplit(url)
            has_version = "api-version" in urllib.parse.parse_qs(parts.query)
            return url if has_version else f"{url}{'&' if parts.query else '?'}api-version={api}"
        path = urllib.parse.quote(url, safe=_IN_PATHS)
        return f"{self.session.arm}{path}?{urllib.parse.urlencode({'api-version': api, **query})}"

    def _send(self, method: str, url: str, data: bytes | None, *, renew: bool) -> Response:
        headers = {
            "Accept": "application/json",
            "Authorization": f"Bearer {self.session.token(renew=renew)}",
            "User-Agent": "pulumi-azure-native/3.29.0 (stand-in)",
            "x-ms-client-request-id": str(uuid.uuid4()),
        }
        if data is not None:
            headers["Content-Type"] = "application/json; charset=utf-8"
        elif method in ("POST", "PUT"):
            headers["Content-Length"] = "0"
        try:
            return self.session.transport.request(method, url, headers, data, REQUEST_SECONDS)
        except (OSError, http.client.HTTPException) as error:
            raise PluginError(
                f"no answer from {url}: {type(error).__name__}: {error}. Is the embedded Azure running "
                "(`python -m emulator status`)?"
            ) from error


def _retryable(response: Response) -> bool:
    if response.status == 409:
        return _error_body(response).get("code") == "AnotherOperationInProgress"
    return response.status in RETRIED


def _retry_after(response: Response, default: float) -> float:
    """Return seconds. azcore, under azure-native, reads these headers in this order."""
    for name, factor in (("retry-after-ms", 0.001), ("x-ms-retry-after-ms", 0.001), ("retry-after", 1)):
        try:
            return max(SHORTEST, float(response.headers[name]) * factor)
        except (KeyError, ValueError):
            continue
    return default


def _provisioning_state(response: Response) -> str:
    document = response.json()
    properties = document.get("properties") if isinstance(document, dict) else None
    return str(properties.get("provisioningState") or "") if isinstance(properties, dict) else ""


def _error_body(response: Response) -> dict[str, Any]:
    document = response.json()
    if not isinstance(document, dict):
        return {}
    error = document.get("error", document)
    return error if isinstance(error, dict) else {"message": str(error)}


def error_of(response: Response, kind: type[ArmError] = ArmError, default: str = "") -> ArmError:
    """Make the error of an answer. Nothing of what ARM said is left out."""
    error = _error_body(response)
    if not error.get("code") and not error.get("message"):
        said = (
            default
            or response.content.decode(errors="replace").strip()
            or http.client.responses.get(response.status, "")
        )
        return kind(response.status, f"Status={response.status} Message={said!r}")
    text = f'Status={response.status} Code="{error.get("code", "")}" Message="{error.get("message", "")}"'
    if error.get("target"):
        text += f' Target="{error["target"]}"'
    for key in ("details", "additionalInfo", "innererror"):
        if error.get(key):
            text += f" {key[0].upper()}{key[1:]}={json.dumps(error[key])}"
    return kind(response.status, text, str(error.get("code", "")))
