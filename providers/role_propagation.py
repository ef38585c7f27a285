"""A wait until a new role assignment takes effect.

Azure applies role assignments late ("up to 10 minutes",
https://learn.microsoft.com/azure/role-based-access-control/troubleshooting);
what needs them fails until then. For the deploying principal's access to blobs this asks the data plane
until it stops refusing. What another identity may do cannot be asked from here, so for those it lets the
assignments reach an age (`settle_seconds`, at most what ROLE_SETTLE_SECONDS says of the cloud that this
machine talks to).
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, UpdateResult

from providers import arm, base, credentials
from providers.errors import ProviderError

AUTHORIZATION_API = "2022-04-01"
STORAGE_API = "2024-01-01"
STORAGE_VERSION = "2023-11-03"  # of the data plane; any that takes OAuth
# A fact about the cloud, as its addresses are; so it comes from the environment and is not in the state.
LONGEST = "VLLM_AZUREML_ROLE_SETTLE_SECONDS"


class RolePropagationProvider(base.AzureProvider):
    """Waits on create and whenever the assignments change."""

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        return base.diff(_olds, _news, identity=["assignments"], settings=["datastore_id", "settle_seconds"])

    def create(self, props: dict[str, Any]) -> CreateResult:
        _wait(props)
        return CreateResult("role-propagation", dict(props))

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        _wait(_news)
        return UpdateResult(dict(_news))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        return ReadResult(id_, props)

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Nothing was made."""


class RolePropagation(Resource, module="vllm-azureml", name="RolePropagation"):
    """`assignments` are ids; with `datastore_id`, blobs of that datastore must become readable to the
    caller."""

    assignments: pulumi.Output[list[str]]

    def __init__(
        self,
        name: str,
        *,
        assignments: pulumi.Input[list[pulumi.Input[str]]],
        datastore_id: pulumi.Input[str] | None = None,
        settle_seconds: pulumi.Input[float] = 0,
        timeout_seconds: pulumi.Input[float] = 900,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {
            "assignments": assignments,
            "datastore_id": datastore_id or "",
            "settle_seconds": settle_seconds,
            "timeout_seconds": timeout_seconds,
        }
        super().__init__(RolePropagationProvider(), name, props, opts)


def _wait(props: dict[str, Any]) -> None:
    for assignment in props["assignments"]:
        made = arm.request("GET", assignment, AUTHORIZATION_API).get("properties", {}).get("createdOn")
        time.sleep(max(0.0, settle_seconds(props) - _age_seconds(made)))
    if props["datastore_id"]:
        _wait_for_blobs(props["datastore_id"], props["timeout_seconds"])


def settle_seconds(props: dict[str, Any]) -> float:
    """How old an assignment must be before it counts."""
    try:
        return min(float(os.environ.get(LONGEST) or "inf"), props["settle_seconds"])
    except ValueError:
        raise ProviderError(
            f"{LONGEST} is {os.environ[LONGEST]!r}, which is no number of seconds. Write for example 300, or "
            "unset it."
        ) from None


def _age_seconds(created_on: str | None) -> float:
    if not created_on:
        return 0.0
    made = datetime.fromisoformat(created_on.replace("Z", "+00:00"))
    return (datetime.now(UTC) - (made if made.tzinfo else made.replace(tzinfo=UTC))).total_seconds()


def _wait_for_blobs(datastore_id: str, timeout: float) -> None:
    """Ask for a blob that does not exist until 404 replaces 403."""
    import httpx

    url = f"{_container_url(datastore_id)}/.role-propagation"
    deadline = time.monotonic() + timeout
    wait = 1.0
    while True:
        token = credentials.token(credentials.cloud().storage_audience)
        headers = {"Authorization": f"Bearer {token}", "x-ms-version": STORAGE_VERSION}
        try:
            status = httpx.head(url, headers=headers, timeout=60).status_code
        except httpx.TransportError as problem:
            raise ProviderError(
                f"{url.rsplit('/', 1)[0]} cannot be reached from here "
                f"({problem or type(problem).__name__}). Models "
                "are copied by the machine that runs `up`; a storage account without public access is "
                "reached from "
                "inside its network only."
            ) from None
        if status in (200, 404):
            return
        if time.monotonic() + wait > deadline:
            raise ProviderError(
                f"{url.rsplit('/', 1)[0]} still refuses ({status}) after {timeout:.0f} s. Whoever runs `up` "
                "needs "
                "Storage Blob Data Contributor on the workspace's storage account."
            )
        time.sleep(wait)
        wait = min(wait * 1.5, 20)


def _container_url(datastore_id: str) -> str:
    """The container of a datastore, by the endpoint that its storage account names."""
    store = arm.request("GET", datastore_id, base.ML_API)["properties"]
    subscription = store.get("subscriptionId") or datastore_id.split("/")[2]
    group = store.get("resourceGroup") or datastore_id.split("/")[4]
    account = arm.request(
        "GET",
        f"/subscriptions/{subscription}/resourceGroups/{group}"
        f"/providers/Microsoft.Storage/storageAccounts/{store['accountName']}",
        STORAGE_API,
    )
    return account["properties"]["primaryEndpoints"]["blob"].rstrip("/") + "/" + store["containerName"]
