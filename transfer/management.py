"""Azure Resource Manager for the command line: GET and POST of a few small documents, nothing else.

Programs that have their own client of ARM (the dynamic providers) give that to `datastore` instead.
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


def arm(credential: TokenCredential) -> Arm:
    """A function that asks ARM; the cloud's address is AZURE_RESOURCE_MANAGER, else the public one."""
    base = os.environ.get("AZURE_RESOURCE_MANAGER", PUBLIC).rstrip("/")
    wire = Wire(Cancellation())

    def ask(method: str, path: str, api_version: str) -> dict[str, Any]:
        def once() -> dict[str, Any]:
            headers = {"Authorization": f"Bearer {credential.get_token(base + '/.default').token}"}
            with wire.request(method, f"{base}{path}?api-version={api_version}", headers) as answer:
                text = answer.text()
            if answer.status in PASSING:
                raise Retryable(
                    f"{path}: ARM answers {answer.status}",
                    after=retry_after(answer.headers.get("Retry-After")),
                )
            if answer.status >= 300:
                raise TransferError(
                    f"{method} {path}: {answer.status} {text[:300].decode(errors='replace')} Check the "
                    "path and that "
                    "the identity may read the workspace."
                )
            return json.loads(text)

        return retrying(once, Policy(), wire.cancel)

    return ask
