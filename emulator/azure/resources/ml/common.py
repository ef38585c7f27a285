"""What the Machine Learning types share: api-versions, SDK models, ids of assets, error texts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emulator.azure.resource_type import ResourceType
from emulator.azure.schema import Model

if TYPE_CHECKING:
    from emulator.azure.cloud import Cloud
    from emulator.azure.store import Resource

NAMESPACE = "Microsoft.MachineLearningServices"
WORKSPACE = f"{NAMESPACE}/workspaces"
ENDPOINT = f"{WORKSPACE}/onlineEndpoints"
DEPLOYMENT = f"{ENDPOINT}/deployments"
MODELS = "azure.ai.ml._restclient.arm_ml_service.models"

# azure-native 3.29 speaks 2025-12-01; azure-ai-ml 1.35.2 the others (azure/ai/ml/_ml_client.py). All are
# held against the one set of models that azure-ai-ml bundles (2025-12-01), which it also serializes for
# the older versions.
VERSIONS = frozenset(
    {
        "2025-12-01",
        "2022-02-01-preview",
        "2022-05-01",
        "2022-10-01",
        "2022-10-01-preview",
        "2023-02-01-preview",
        "2023-04-01",
        "2023-04-01-preview",
        "2023-06-01-preview",
        "2023-08-01-preview",
        "2023-10-01",
        "2024-01-01-preview",
        "2024-04-01-preview",
        "2024-10-01-preview",
        "2025-01-01-preview",
    }
)
GUIDE = "Please see troubleshooting guide, available here: https://aka.ms/oe-tsg"

# Bodies of actions.
BODIES = (
    "QuotaUpdateParameters",
    "RegenerateEndpointKeysRequest",
    "DeploymentLogsRequest",
    "ManagedNetworkProvisionOptions",
)


def sdk_model(name: str) -> Model:
    return Model("azure-ai-ml", MODELS, name)


class MlType(ResourceType):
    versions = VERSIONS
    system_data = True
    show_state = False


@dataclass(frozen=True)
class AssetRef:
    """What an asset id names: a resource of this workspace, or an asset of a registry (`registry`)."""

    resource: Resource | None
    name: str = ""
    version: str = ""
    registry: str = ""


_ARM = re.compile(
    r"/subscriptions/.+/workspaces/[^/]+/(models|environments)/([^/]+)/versions/([^/]+)/?", re.I
)
_ASSET = re.compile(
    r"azureml://locations/[^/]+/workspaces/[^/]+/(models|environments)/([^/]+)/versions/([^/]+)", re.I
)
_REGISTRY = re.compile(
    r"azureml://registries/([^/]+)/(models|environments)/([^/]+)/(?:versions|labels)/([^/]+)", re.I
)


def find_asset(cloud: Cloud, workspace_id: str, kind: str, reference: str) -> AssetRef | None:
    """Return what an id of a model or environment version names; None when it is neither form."""
    reference = reference.removeprefix("azureml:") if reference.startswith("azureml:/sub") else reference
    found = _REGISTRY.fullmatch(reference)
    if found:
        return AssetRef(None, found[3], found[4], found[1])
    found = _ARM.fullmatch(reference)
    if found and found[1].lower() == kind:
        return AssetRef(cloud.resource(reference.rstrip("/")), found[2], found[3])
    found = _ASSET.fullmatch(reference)
    if found and found[1].lower() == kind:
        resource = cloud.resource(f"{workspace_id}/{kind}/{found[2]}/versions/{found[3]}")
        return AssetRef(resource, found[2], found[3])
    return None


def workspace_of(cloud: Cloud, resource_id: str) -> Resource:
    """Return the workspace in which a resource lives."""
    at = resource_id.lower().index("/workspaces/")
    name = resource_id[at + len("/workspaces/") :].split("/")[0]
    found = cloud.store.get(resource_id[: at + len("/workspaces/")] + name)
    assert found is not None
    return found


def dependency(cloud: Cloud, workspace: Resource, name: str) -> Resource | None:
    """Return the workspace's storageAccount, keyVault, containerRegistry or applicationInsights."""
    wanted = workspace.properties.get(name)
    return cloud.resource(wanted) if wanted else None


def text(value: Any) -> str:
    return "" if value is None else str(value)
