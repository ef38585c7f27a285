"""The cloud metadata document: what tells clients that this is not a public cloud, and where its parts are.

Served as `GET /metadata/endpoints`. One object for api-version 2022-09-01 (azure-native, azure-ai-ml), a
list of clouds for 2019-05-01 (the Azure CLI). azure-ai-ml needs a `name` that no public cloud has, a
portal with at least three labels, and a `resourceManager` that is a literal part of ARM_CLOUD_METADATA_URL
(azure/ai/ml/_azure_environments.py). Suffixes end in the reserved `.invalid`: whoever builds a host name
from parts leaves nothing and fails at once.
"""

from __future__ import annotations

from typing import Any

from emulator.settings import Settings

CLOUD_NAME = "EmbeddedAzure"
PUBLIC_ARM = ("https://management.azure.com", "https://management.core.windows.net")


def document(settings: Settings) -> dict[str, Any]:
    """Return the document in the shape of api-version 2022-09-01."""
    arm = settings.arm_url + "/"
    return {
        "name": CLOUD_NAME,
        "portal": "https://portal.azure.invalid/",
        "resourceManager": arm,
        "authentication": {
            "loginEndpoint": settings.login_url + "/",
            "audiences": [url + "/" for url in PUBLIC_ARM] + [arm],
            "tenant": settings.tenant,
            "identityProvider": "AAD",
        },
        "graph": f"{settings.login_url}/graph/",
        "graphAudience": f"{settings.login_url}/graph/",
        "microsoftGraphResourceId": f"{settings.login_url}/graph/",
        "gallery": arm,
        "batch": "https://batch.azure.invalid/",
        "media": "https://media.azure.invalid",
        "activeDirectoryDataLake": "https://datalake.azure.invalid/",
        "vmImageAliasDoc": "https://aliases.azure.invalid/aliases.json",
        "appInsightsResourceId": "https://api.applicationinsights.io",
        "appInsightsTelemetryChannelResourceId": "https://dc.applicationinsights.azure.com/v2/track",
        "logAnalyticsResourceId": "https://api.loganalytics.io",
        "suffixes": {
            "storage": "core.azure.invalid",
            "keyVaultDns": "vault.azure.invalid",
            "acrLoginServer": "azurecr.invalid",
            "sqlServerHostname": "database.azure.invalid",
            "azureDataLakeStoreFileSystem": "datalakestore.azure.invalid",
            "azureDataLakeAnalyticsCatalogAndJob": "datalakeanalytics.azure.invalid",
            "azureFrontDoorEndpointSuffix": "azurefd.invalid",
            "storageSyncEndpointSuffix": "afs.azure.invalid",
            "mhsmDns": "managedhsm.azure.invalid",
            "synapseAnalytics": "dev.azuresynapse.invalid",
        },
    }


def answer(settings: Settings, api_version: str) -> Any:
    """Return the document as this api-version has it, or None for a version that is not known."""
    if api_version in {"2022-09-01", "2020-06-01"}:
        return document(settings)
    if api_version in {"2019-05-01", "2018-05-01"}:
        return [document(settings)]
    return None


def arm_audiences(settings: Settings) -> set[str]:
    """Audiences that Resource Manager accepts: clients ask for the public names and for ours."""
    return {*PUBLIC_ARM, settings.arm_url}
