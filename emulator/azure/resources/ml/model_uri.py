"""Where the bytes of an asset are: `azureml://` datastore paths and blob addresses."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emulator.azure.errors import user_error
from emulator.azure.resources.ml.common import workspace_of
from emulator.azure.store import Resource

if TYPE_CHECKING:
    from emulator.azure.cloud import Cloud

_LONG = re.compile(
    r"azureml://subscriptions/([^/]+)/resourcegroups/([^/]+)/(?:providers/Microsoft\.MachineLearningServices/)?"
    r"workspaces/([^/]+)/datastores/([^/]+)/paths/(.*)",
    re.IGNORECASE,
)
_SHORT = re.compile(r"azureml://datastores/([^/]+)/paths/(.*)", re.IGNORECASE)


@dataclass(frozen=True)
class BlobPath:
    account: Resource
    container: str
    prefix: str


def parse_uri(cloud: Cloud, resource_id: str, uri: str) -> BlobPath:
    """Return where a URI of a resource points; raises UserError when it names no known datastore or
    account.
    """
    workspace = workspace_of(cloud, resource_id)
    found = _LONG.fullmatch(uri)
    if found and found[3].lower() != workspace.name.lower():
        raise user_error(f"'{uri}' names the workspace {found[3]}, not {workspace.name}.", target="uri")
    short = _SHORT.fullmatch(uri)
    if found or short:
        store, path = (found[4], found[5]) if found else (short[1], short[2])  # type: ignore[index]
        return _datastore_path(cloud, workspace, store, path)
    if uri.startswith("https://"):
        return _blob_path(cloud, uri)
    raise user_error(
        f"'{uri}' is neither an azureml:// path of a datastore nor a blob address.", target="uri"
    )


def _datastore_path(cloud: Cloud, workspace: Resource, name: str, path: str) -> BlobPath:
    store = cloud.resource(f"{workspace.id}/datastores/{name}")
    if store is None:
        raise user_error(f"The datastore '{name}' was not found in workspace {workspace.name}.", target="uri")
    account = next(
        cloud.store.find("Microsoft.Storage/storageAccounts", store.properties["accountName"]), None
    )
    if account is None or "containerName" not in store.properties:
        raise user_error(f"The datastore '{name}' has no blob container behind it.", target="uri")
    return BlobPath(account, store.properties["containerName"], path.strip("/"))


def _blob_path(cloud: Cloud, uri: str) -> BlobPath:
    for account in cloud.store.all("Microsoft.Storage/storageAccounts"):
        base = cloud.addresses.url(account.private["host"])
        if uri.startswith(base):
            container, _, prefix = uri[len(base) :].partition("/")
            return BlobPath(account, container, prefix.strip("/"))
    raise user_error(f"'{uri}' is in no storage account of this subscription.", target="uri")
