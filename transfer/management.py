"""Azure Resource Manager for the command line: GET and POST of a few small documents, nothing else.

Programs that have their own client of ARM (the dynamic providers) give that to `datastore` instead. The cloud
is that of ARM_METADATA_HOSTNAME, as for azure-native, else the public one.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from transfer.cancel import Cancellation
from transfer.datastore import Arm
from transfer.errors import Retryable, TransferError
from transfer.retry import PASSING, Policy, retry_after, retrying
from transfer.wire import Wire

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

PUBLIC = "https://management.azure.com"
_UNREACHABLE = "Check that ARM can be reached from here: the network, HTTPS_PROXY, ARM_METADATA_HOSTNAME."


def arm(credential: TokenCredential, *, policy: Policy | None = None) -> Arm:
    """A function that asks ARM."""
    wire, policy = Wire(Cancellation()), policy or Policy()
    base, audience = _cloud(wire, policy)

    def ask(method: str, path: str, api_version: str) -> dict[str, Any]:
        token = credential.get_token(f"{audience}/.default").token
        url = f"{base}{path}?api-version={api_version}"
        return _ask(wire, policy, method, url, {"Authorization": f"Bearer {token}"})

    return ask


def _cloud(wire: Wire, policy: Policy) -> tuple[str, str]:
    """ARM's address, and the audience of its tokens."""
    host = os.environ.get("ARM_METADATA_HOSTNAME", "")
    if not host:
        return PUBLIC, PUBLIC
    base = host if "://" in host else f"https://{host}"
    facts = _ask(wire, policy, "GET", f"{base}/metadata/endpoints?api-version=2022-09-01", {})
    return facts["resourceManager"].rstrip("/"), facts["authentication"]["audiences"][0].rstrip("/")


def _ask(wire: Wire, policy: Policy, method: str, url: str, headers: dict[str, str]) -> dict[str, Any]:
    what = f"{method} {url.partition('?')[0]}"

    def once() -> dict[str, Any]:
        with wire.request(method, url, headers) as answer:
            text = answer.text()
        if answer.status in PASSING:
            after = retry_after(answer.headers.get("Retry-After"))
            raise Retryable(f"{what}: {answer.status}", after=after)
        if answer.status >= 300:
            raise TransferError(
                f"{what}: {answer.status} {_message(text)} Check the path, and that the identity may read it."
            )
        return json.loads(text)

    return retrying(once, policy, wire.cancel, advice=_UNREACHABLE)


def _message(text: bytes) -> str:
    """Code and message of one of ARM's errors."""
    try:
        error = json.loads(text)["error"]
        return f"{error['code']}: {error['message']}"
    except (ValueError, KeyError, TypeError):
        return text[:300].decode(errors="replace")
