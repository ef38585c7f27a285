"""One small resource of every type of the table, in an order in which they can be created."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SUBSCRIPTION = "00000000-0000-4000-8000-000000000001"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-plugins"
PROVIDERS = GROUP + "/providers"
WORKSPACE_ID = PROVIDERS + "/Microsoft.MachineLearningServices/workspaces/mlw-plugins"
ENDPOINT_ID = WORKSPACE_ID + "/onlineEndpoints/ep-plugins"
VNET_ID = PROVIDERS + "/Microsoft.Network/virtualNetworks/vnet"
STORAGE_ID = PROVIDERS + "/Microsoft.Storage/storageAccounts/saplugins"
DEPLOYER = "14d669d9-9c66-56dc-a72a-cde29347dcf0"  # a test below holds it against a token
READER = (
    f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions"
    "/acdd72a7-3385-48ef-bd42-f606fba81ae7"
)
ROLE_NAME = "11111111-2222-4333-8444-555555555555"


@dataclass(frozen=True)
class Example:
    """`change` is merged into the inputs for an update; None: the type has nothing that can be updated."""

    token: str
    inputs: dict[str, Any]
    change: dict[str, Any] | None = None
    outputs: dict[str, Any] = field(default_factory=dict)  # some that must come back


def _rg(**inputs: Any) -> dict[str, Any]:
    return {"resourceGroupName": "rg-plugins", **inputs}


def _ws(**inputs: Any) -> dict[str, Any]:
    return _rg(workspaceName="mlw-plugins", **inputs)


TAGS = {"tags": {"changed": "yes"}}

EXAMPLES = (
    Example("resources:ResourceGroup", _rg(), TAGS),
    Example(
        "network:NetworkSecurityGroup",
        _rg(networkSecurityGroupName="nsg", securityRules=[]),
        TAGS,
    ),
    Example(
        "network:VirtualNetwork",
        _rg(virtualNetworkName="vnet", addressSpace={"addressPrefixes": ["10.20.0.0/16"]}),
        TAGS,
    ),
    Example(
        "network:Subnet",
        _rg(virtualNetworkName="vnet", subnetName="pe", addressPrefix="10.20.1.0/24"),
        {"privateEndpointNetworkPolicies": "Disabled"},
        {"addressPrefix": "10.20.1.0/24"},
    ),
    Example("privatedns:PrivateZone", _rg(privateZoneName="privatelink.blob.test", location="global"), TAGS),
    Example(
        "privatedns:VirtualNetworkLink",
        _rg(
            privateZoneName="privatelink.blob.test",
            virtualNetworkLinkName="link",
            location="global",
            registrationEnabled=False,
            virtualNetwork={"id": VNET_ID},
        ),
        TAGS,
    ),
    Example(
        "privatedns:PrivateRecordSet",
        _rg(
            privateZoneName="privatelink.blob.test",
            recordType="A",
            relativeRecordSetName="x",
            ttl=60,
            aRecords=[{"ipv4Address": "10.20.1.9"}],
        ),
        {"ttl": 120},
    ),
    Example(
        "storage:StorageAccount",
        _rg(
            accountName="saplugins",
            kind="StorageV2",
            sku={"name": "Standard_LRS"},
            enableHttpsTrafficOnly=True,
            allowSharedKeyAccess=False,
        ),
        {"minimumTlsVersion": "TLS1_2"},
        {"enableHttpsTrafficOnly": True},
    ),
    Example(
        "storage:BlobServiceProperties",
        _rg(accountName="saplugins", blobServicesName="default", isVersioningEnabled=True),
        {"isVersioningEnabled": False},
    ),
    Example(
        "storage:BlobContainer",
        _rg(accountName="saplugins", containerName="models"),
        {"metadata": {"a": "b"}},
    ),
    Example(
        "network:PrivateEndpoint",
        _rg(
            privateEndpointName="pe-blob",
            subnet={"id": VNET_ID + "/subnets/pe"},
            privateLinkServiceConnections=[
                {"name": "blob", "privateLinkServiceId": STORAGE_ID, "groupIds": ["blob"]}
            ],
        ),
        TAGS,
    ),
    Example(
        "network:PrivateDnsZoneGroup",
        _rg(
            privateEndpointName="pe-blob",
            privateDnsZoneGroupName="default",
            privateDnsZoneConfigs=[
                {
                    "name": "blob",
                    "privateDnsZoneId": PROVIDERS
                    + "/Microsoft.Network/privateDnsZones/privatelink.blob.test",
                }
            ],
        ),
    ),
    Example(
        "keyvault:Vault",
        _rg(
            vaultName="kv-plugins",
            properties={
                "tenantId": "00000000-0000-4000-8000-000000000002",
                "sku": {"family": "A", "name": "standard"},
                "enableRbacAuthorization": False,
                "accessPolicies": [
                    {
                        "tenantId": "00000000-0000-4000-8000-000000000002",
                        "objectId": DEPLOYER,
                        "permissions": {"secrets": ["get", "set", "delete"]},
                    }
                ],
            },
        ),
        TAGS,
    ),
    Example(
        "keyvault:Secret",
        _rg(vaultName="kv-plugins", secretName="key", properties={"value": "s3cret"}),
        TAGS,
    ),
    Example(
        "containerregistry:Registry",
        _rg(registryName="acrplugins", sku={"name": "Premium"}, adminUserEnabled=False),
        TAGS,
    ),
    Example(
        "operationalinsights:Workspace",
        _rg(workspaceName="log-plugins", sku={"name": "PerGB2018"}, retentionInDays=30),
        {"retentionInDays": 60},
    ),
    Example(
        "applicationinsights:Component",
        _rg(
            resourceName="appi-plugins",
            kind="web",
            applicationType="web",
            workspaceResourceId=PROVIDERS + "/Microsoft.OperationalInsights/workspaces/log-plugins",
        ),
        TAGS,
        {"applicationType": "web"},
    ),
    Example("managedidentity:UserAssignedIdentity", _rg(resourceName="id-plugins"), TAGS),
    Example(
        "authorization:RoleAssignment",
        {
            "scope": GROUP,
            "roleAssignmentName": ROLE_NAME,
            "principalId": "33333333-2222-4333-8444-555555555555",
            "principalType": "ServicePrincipal",
            "roleDefinitionId": READER,
        },
    ),
    Example(
        "authorization:ManagementLockByScope",
        {
            "scope": GROUP + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-plugins",
            "lockName": "keep",
            "level": "CanNotDelete",
        },
        {"notes": "why"},
    ),
    Example(
        "machinelearningservices:Workspace",
        _ws(
            storageAccount=STORAGE_ID,
            keyVault=PROVIDERS + "/Microsoft.KeyVault/vaults/kv-plugins",
            applicationInsights=PROVIDERS + "/Microsoft.Insights/components/appi-plugins",
            containerRegistry=PROVIDERS + "/Microsoft.ContainerRegistry/registries/acrplugins",
            identity={"type": "SystemAssigned"},
            managedNetwork={"isolationMode": "AllowInternetOutbound"},
            provisionNetworkNow=True,
        ),
        {"description": "changed"},
    ),
    Example(
        "machinelearningservices:Datastore",
        _ws(
            name="more",
            properties={
                "datastoreType": "AzureBlob",
                "accountName": "saplugins",
                "containerName": "models",
                "credentials": {"credentialsType": "None"},
            },
        ),
        {"properties": {"description": "changed"}},
    ),
    Example(
        "machinelearningservices:ManagedNetworkSettingsRule",
        _ws(
            ruleName="to-vault",
            properties={
                "type": "PrivateEndpoint",
                "destination": {
                    "serviceResourceId": PROVIDERS + "/Microsoft.KeyVault/vaults/kv-plugins",
                    "subresourceTarget": "vault",
                },
                "category": "UserDefined",
            },
        ),
    ),
    Example(
        "machinelearningservices:ModelContainer",
        _ws(name="tiny", properties={"description": "a model"}),
        {"properties": {"description": "changed"}},
    ),
    Example(
        "machinelearningservices:ModelVersion",
        _ws(
            name="tiny",
            version="1",
            properties={
                "modelType": "custom_model",
                "modelUri": f"azureml:/{WORKSPACE_ID}/datastores/more/paths/tiny",
            },
        ),
        {"properties": {"description": "changed"}},
    ),
    Example(
        "machinelearningservices:DataContainer",
        _ws(name="collected", properties={"dataType": "uri_folder"}),
        {"properties": {"description": "changed"}},
    ),
    Example(
        "machinelearningservices:DataVersion",
        _ws(
            name="collected",
            version="1",
            properties={
                "dataType": "uri_folder",
                "dataUri": f"azureml:/{WORKSPACE_ID}/datastores/more/paths/collected",
            },
        ),
        {"properties": {"description": "changed"}},
    ),
    Example(
        "machinelearningservices:EnvironmentContainer",
        _ws(name="vllm", properties={"description": "an environment"}),
        {"properties": {"description": "changed"}},
    ),
    Example(
        "machinelearningservices:EnvironmentVersion",
        _ws(
            name="vllm",
            version="1",
            properties={
                "image": "mcr.test/vllm:1",
                "osType": "Linux",
                "inferenceConfig": {
                    "livenessRoute": {"path": "/health", "port": 8000},
                    "readinessRoute": {"path": "/health", "port": 8000},
                    "scoringRoute": {"path": "/", "port": 8000},
                },
            },
        ),
        {"properties": {"description": "changed"}},
    ),
    Example(
        "machinelearningservices:OnlineEndpoint",
        _ws(
            endpointName="ep-plugins",
            identity={"type": "SystemAssigned"},
            kind="Managed",
            properties={"authMode": "Key"},
        ),
        {"properties": {"description": "changed"}},
    ),
    Example(
        "machinelearningservices:OnlineDeployment",
        _ws(
            endpointName="ep-plugins",
            deploymentName="blue",
            kind="Managed",
            sku={"name": "Default", "capacity": 1},
            properties={
                "endpointComputeType": "Managed",
                "instanceType": "Standard_NC24ads_A100_v4",
                "environmentId": WORKSPACE_ID + "/environments/vllm/versions/1",
                "livenessProbe": {"initialDelay": "PT10S"},
                "scaleSettings": {"scaleType": "Default"},
                "egressPublicNetworkAccess": "Enabled",  # the SDK fills it in
            },
        ),
        {"properties": {"requestSettings": {"requestTimeout": "PT1M30S"}}},
    ),
    Example(
        "monitor:AutoscaleSetting",
        _rg(
            autoscaleSettingName="autoscale",
            enabled=True,
            targetResourceUri=ENDPOINT_ID + "/deployments/blue",
            profiles=[
                {"name": "default", "capacity": {"minimum": "1", "maximum": "2", "default": "1"}, "rules": []}
            ],
        ),
        TAGS,
    ),
    Example(
        "monitor:DiagnosticSetting",
        {
            "resourceUri": ENDPOINT_ID,
            "name": "logs",
            "workspaceId": PROVIDERS + "/Microsoft.OperationalInsights/workspaces/log-plugins",
            "logs": [{"category": "AmlOnlineEndpointConsoleLog", "enabled": True}],
        },
    ),
)


def merged(inputs: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """Merge two levels deep."""
    result = dict(inputs)
    for name, value in change.items():
        known = result.get(name)
        result[name] = {**known, **value} if isinstance(known, dict) and name == "properties" else value
    return result


def example(token: str) -> Example:
    """Return the example of a type."""
    return next(item for item in EXAMPLES if item.token == token)
