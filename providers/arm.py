"""A small client of Azure Resource Manager for the dynamic providers.

It follows asynchronous operations to their end, retries what Azure says may be retried, and turns refusals
into `ArmError`. It does not log: bodies may hold keys. Long-running operations:
https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from providers import credentials
from providers.errors import ArmError, ProviderError

if TYPE_CHECKING:
    import httpx

RETRIED = {408, 429, 500, 502, 503, 504}
ATTEMPTS = 5
TERMINAL = {"succeeded", "failed", "canceled"}


def request(
    method: str,
    target: str,
    api_version: str = "",
    json: Mapping[str, Any] | None = None,
    *,
    timeout: float = 7200,
    missing_ok: bool = False,
) -> dict[str, Any]:
    """Send one request to an ARM id (`/subscriptions/...`) or URL; wait for the operation that it starts.

    `timeout` is in seconds and bounds the wait for an operation. With `missing_ok` a 404 answers `{}`. Raises
    `ArmError` for a refusal or a failed operation.
    """
    url = target if "://" in target else credentials.cloud().resource_manager + target
    params = {"api-version": api_version} if api_version else None
    answer = _send(method, url, params, json)
    if answer.status_code == 404 and missing_ok:
        return {}
    _raise_for(answer, method, url)
    if answer.status_code in (201, 202) and _operation(answer):
        _wait(answer, method, url, time.monotonic() + timeout)
        if method.upper() in ("PUT", "PATCH"):
            return request("GET", url, api_version)
        return {}
    return _json(answer)


def _send(method: str, url: str, params: dict | None, json: Mapping[str, Any] | None) -> httpx.Response:
    import httpx

    for attempt in range(1, ATTEMPTS + 1):
        headers = {"Authorization": f"Bearer {credentials.token(credentials.cloud().audience)}"}
        try:
            # httpx's own `params` would replace a query that is there.
            whole = httpx.URL(url).copy_merge_params(params or {})
            answer = httpx.request(
                method, whole, json=json, headers=headers, timeout=120, verify=credentials.tls()
            )
        except httpx.TransportError as problem:
            if attempt == ATTEMPTS:
                raise ProviderError(
                    f"{method} {url.split('?')[0]}: {problem or type(problem).__name__}. Azure Resource "
                    "Manager cannot be reached from here; check the network and ARM_METADATA_HOSTNAME."
                ) from None
            time.sleep(min(2**attempt, 20))
            continue
        if answer.status_code not in RETRIED or attempt == ATTEMPTS:
            return answer
        time.sleep(_retry_after(answer, default=min(2**attempt, 20)))
    raise AssertionError("unreachable")


def _operation(answer: httpx.Response) -> str:
    return answer.headers.get("Azure-AsyncOperation") or answer.headers.get("Location") or ""


def _wait(answer: httpx.Response, method: str, url: str, deadline: float) -> None:
    operation = _operation(answer)
    by_status = "Azure-AsyncOperation" in answer.headers
    while True:
        if time.monotonic() > deadline:
            raise ProviderError(f"{method} {_path(url)}: Azure has not finished in time; it may still do so.")
        time.sleep(_retry_after(answer, default=5))
        answer = _send("GET", operation, None, None)
        if not by_status and answer.status_code != 202:
            _raise_for(answer, method, url)
            return
        _raise_for(answer, method, url)
        body = _json(answer)
        status = str(body.get("status", "")).lower()
        if status == "succeeded":
            return
        if status in TERMINAL:
            error = body.get("error") or {}
            raise ArmError(
                answer.status_code,
                error.get("code") or status,
                error.get("message") or "the operation did not say why",
                request=f"{method} {_path(url)}",
                request_id=answer.headers.get("x-ms-request-id", ""),
            )


def _raise_for(answer: httpx.Response, method: str, url: str) -> None:
    if answer.status_code < 400:
        return
    error = _json(answer).get("error") or {}
    raise ArmError(
        answer.status_code,
        error.get("code") or answer.reason_phrase,
        error.get("message") or answer.text[:500],
        request=f"{method} {_path(url)}",
        request_id=answer.headers.get("x-ms-request-id", ""),
    )


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {"value": body}


def _retry_after(answer: httpx.Response, default: float) -> float:
    try:
        return max(0.0, min(float(answer.headers["Retry-After"]), 60.0))
    except (KeyError, ValueError):
        return default


def _path(url: str) -> str:
    return "/" + url.split("://", 1)[-1].split("/", 1)[-1].split("?")[0]
