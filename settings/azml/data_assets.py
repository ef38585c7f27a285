"""The data assets that collected requests go to.

az ml registers one for each collection before it sends the deployment
(`_register_collection_data_assets`), named after endpoint, deployment and collection unless the
collection says otherwise, and puts its id into the collection.
"""

from dataclasses import dataclass
from typing import Any

from settings.deployment import DataAsset, Deployment

ROOT = "azureml://datastores/workspaceblobstore/paths/modelDataCollector"


@dataclass(frozen=True)
class CollectedData:
    """One asset to register: PUT data/NAME/versions/VERSION with `body`."""

    name: str
    version: str
    body: dict[str, Any]


def data_assets(endpoint: str, name: str, deployment: Deployment) -> dict[str, CollectedData]:
    """By collection; one whose `data` is a reference or has a `data_id` is registered already."""
    collector = deployment.data_collector
    found: dict[str, CollectedData] = {}
    for key, collection in (collector.collections if collector else {}).items():
        if isinstance(collection.data, str) or (collection.data is not None and collection.data.data_id):
            continue
        asset = collection.data or DataAsset()
        path = asset.path or f"{ROOT}/{endpoint}/{name}/{key}"
        kind = {"dataType": "uri_folder", "dataUri": path, "isAnonymous": False, "isArchived": False}
        body = {"properties": {**kind, "tags": {}, "properties": {}}}
        found[key] = CollectedData(asset.name or f"{endpoint}-{name}-{key}", asset.version or "1", body)
    return found
