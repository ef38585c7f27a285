"""Where a datastore of an Azure ML workspace keeps its blobs, and what its `azureml://` paths mean.

Asked of Azure Resource Manager through a function the caller gives (`arm(method, id, api_version)`), so
that the library has no opinion on credentials or clouds. The blob endpoint is the one the storage account
names. https://learn.microsoft.com/azure/machine-learning/how-to-read-write-data-v2 (paths),
https://learn.microsoft.com/rest/api/azureml/datastores
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from transfer.access import Access, KeyAccess, SasAccess
from transfer.errors import TransferError

Arm = Callable[[str, str, str], dict[str, Any]]

ML_API = "2025-12-01"
STORAGE_API = "2024-01-01"
_PATH = re.compile(
    r"^azureml://(?:subscriptions/(?P<subscription>[^/]+)/resource[gG]roups/(?P<group>[^/]+)"
    r"(?:/providers/Microsoft\.MachineLearningServices)?/workspaces/(?P<workspace>[^/]+)/)?"
    r"datastores/(?P<datastore>[^/]+)/paths/(?P<path>.*)$"
)


@dataclass(frozen=True)
class DatastoreId:
    """Which datastore."""

    subscription: str
    group: str
    workspace: str
    datastore: str

    @property
    def workspace_id(self) -> str:
        """The workspace's ARM id."""
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{self.workspace}"
        )

    @property
    def arm_id(self) -> str:
        """The datastore's ARM id."""
        return f"{self.workspace_id}/datastores/{self.datastore}"

    def uri(self, path: str) -> str:
        """The `azureml://` address of a folder, in the form azure-ai-ml writes."""
        return (
            f"azureml://subscriptions/{self.subscription}/resourcegroups/{self.group}"
            f"/workspaces/{self.workspace}/datastores/{self.datastore}/paths/{path.strip('/')}"
        )


@dataclass(frozen=True)
class Datastore:
    """What ARM says of a datastore."""

    id: DatastoreId
    account: str
    container_url: str


def parse(uri: str, here: DatastoreId | None = None) -> tuple[DatastoreId, str]:
    """The datastore and the path that an `azureml://` address names; the short form means the workspace of
    `here`.
    """
    found = _PATH.match(uri)
    if not found or (not found["subscription"] and here is None):
        raise TransferError(
            f"{uri!r} is not the path of a datastore. It reads "
            "azureml://subscriptions/S/resourcegroups/G/workspaces/W/datastores/D/paths/P (or "
            "azureml://datastores/D/paths/P within a workspace)."
        )
    if found["subscription"]:
        return DatastoreId(
            found["subscription"], found["group"], found["workspace"], found["datastore"]
        ), found["path"]
    assert here is not None
    return DatastoreId(here.subscription, here.group, here.workspace, found["datastore"]), found["path"]


def lookup(which: DatastoreId, arm: Arm) -> Datastore:
    """Ask ARM for the datastore, and the storage account for its blob endpoint."""
    facts = arm("GET", which.arm_id, ML_API).get("properties") or {}
    if facts.get("datastoreType") != "AzureBlob":
        raise TransferError(
            f"datastore {which.datastore} is of type {facts.get('datastoreType')!r}; models are copied to "
            "AzureBlob datastores. The workspace's own is called workspaceblobstore."
        )
    account = facts["accountName"]
    storage = arm("GET", _account_id(which, facts, account, arm), STORAGE_API).get("properties") or {}
    endpoint = (storage.get("primaryEndpoints") or {}).get("blob")
    if not endpoint:
        raise TransferError(
            f"storage account {account} names no blob endpoint yet; is it still being created?"
        )
    return Datastore(which, account, f"{endpoint.rstrip('/')}/{facts['containerName']}")


def stored_access(where: Datastore, arm: Arm) -> Access:
    """The account key or SAS that the datastore holds, for workspaces that still use them."""
    secrets = arm("POST", where.id.arm_id + "/listSecrets", ML_API)
    if secrets.get("secretsType") == "AccountKey" and secrets.get("key"):
        return KeyAccess(where.container_url, where.account, secrets["key"])
    if secrets.get("secretsType") == "Sas" and secrets.get("sasToken"):
        return SasAccess(secrets["sasToken"])
    raise TransferError(
        f"datastore {where.id.datastore} holds neither an account key nor a SAS. Use an identity "
        "(in a stack: copy_authentication: identity)."
    )


def _account_id(which: DatastoreId, facts: dict[str, Any], account: str, arm: Arm) -> str:
    """The storage account's ARM id: in the group the datastore names, else the workspace's own account."""
    if facts.get("resourceGroup") and facts.get("subscriptionId"):
        group = f"/subscriptions/{facts['subscriptionId']}/resourceGroups/{facts['resourceGroup']}"
        return f"{group}/providers/Microsoft.Storage/storageAccounts/{account}"
    workspace = arm("GET", which.workspace_id, ML_API).get("properties") or {}
    own = workspace.get("storageAccount") or ""
    if own.rpartition("/")[2].lower() == account.lower():
        return own
    raise TransferError(
        f"datastore {which.datastore} names the account {account} without its resource group, and it is "
        "not the workspace's own. Use workspaceblobstore, or a datastore that records subscriptionId and "
        "resourceGroup."
    )
