"""Which azure-native resource types the stand-in knows, and what Azure's API says of each. One row a type.

A token that is not here is refused by name. Rows hold what the Python SDK does not: ARM paths, create-only
properties, the models that give wire names. The shapes of inputs and outputs are in shapes.json, which
generate.py makes from the installed SDK and from these rows. Paths use the SDK's parameter names.

Sources. `path`: the Azure REST specification of the row's api-version. `api`: the docstring of the SDK
class ("Uses Azure REST API version ..."; a test compares). `create_only`: `spec` means x-ms-mutability or
the visibility ["read", "create"] in the models named by `model`; `provider` means azure-native's own list
of forced replacements (provider/pkg/gen/replacement.go). All path parameters are create-only. What Azure
cannot change and azure-native does not know to be so is no row's business: it is sent, and refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field

NETWORK = "azure.mgmt.network.models"
ML = "azure.ai.ml._restclient.arm_ml_service.models"
STORAGE = "azure.mgmt.storage.models"
DNS = "azure.mgmt.privatedns.models"
GROUP = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}"
WORKSPACE = GROUP + "/providers/Microsoft.MachineLearningServices/workspaces/{workspaceName}"
ACCOUNT = GROUP + "/providers/Microsoft.Storage/storageAccounts/{accountName}"


@dataclass(frozen=True)
class Row:
    """One resource type. Property names are the SDK's (camelCase); dots go into objects."""

    token: str
    api: str
    path: str
    model: str  # module:class with the wire names of the body; "" when SDK and wire names are the same
    create_only: tuple[str, ...] = ()
    source: str = ""  # where create_only and any speciality of the row comes from
    autoname: str = "copy"  # random | copy | uuid | none: how a missing last path parameter is filled
    # Lists that are resources of their own too: kept as they are when the program does not state them.
    maintained: tuple[str, ...] = ()
    singleton: bool = False  # exists with its parent: create may find it, delete puts it back to its default
    bag: tuple[str, ...] = ()  # what belongs under ARM's `properties` where `model` does not say so
    delete: str = "arm"  # arm, or vault: at the data plane, because ARM cannot
    query: tuple[str, ...] = ()  # inputs that are query parameters of the PUT
    # What Azure takes for "removed" where leaving a property out means "no change".
    defaults: dict[str, object] = field(default_factory=dict)

    @property
    def module(self) -> str:
        return self.token.split(":")[1]

    @property
    def name(self) -> str:
        return self.token.split(":")[2]


def _row(token: str, api: str, path: str, model: str, **rest: object) -> Row:
    return Row("azure-native:" + token, api, path, model, **rest)  # type: ignore[arg-type]


_ROWS = (
    _row(
        "resources:ResourceGroup",
        "2024-03-01",
        GROUP,
        "azure.mgmt.resource.resources.models:ResourceGroup",
        create_only=("location",),
        source="provider",
        autoname="random",
    ),
    _row(
        "network:VirtualNetwork",
        "2024-05-01",
        GROUP + "/providers/Microsoft.Network/virtualNetworks/{virtualNetworkName}",
        f"{NETWORK}:VirtualNetwork",
        create_only=("location",),
        source="provider",
        autoname="random",
        maintained=("subnets", "virtualNetworkPeerings"),
    ),
    _row(
        "network:Subnet",
        "2024-05-01",
        GROUP + "/providers/Microsoft.Network/virtualNetworks/{virtualNetworkName}/subnets/{subnetName}",
        f"{NETWORK}:Subnet",
    ),
    _row(
        "network:NetworkSecurityGroup",
        "2024-05-01",
        GROUP + "/providers/Microsoft.Network/networkSecurityGroups/{networkSecurityGroupName}",
        f"{NETWORK}:NetworkSecurityGroup",
        source="azure-native updates a changed location, which Azure refuses",
        autoname="random",
        maintained=("securityRules",),
    ),
    _row(
        "network:PrivateEndpoint",
        "2024-05-01",
        GROUP + "/providers/Microsoft.Network/privateEndpoints/{privateEndpointName}",
        f"{NETWORK}:PrivateEndpoint",
        create_only=("subnet",),
        source="provider; azure-native updates a changed location, which Azure refuses",
        autoname="random",
    ),
    _row(
        "network:PrivateDnsZoneGroup",
        "2024-05-01",
        GROUP
        + "/providers/Microsoft.Network/privateEndpoints/{privateEndpointName}"
        + "/privateDnsZoneGroups/{privateDnsZoneGroupName}",
        f"{NETWORK}:PrivateDnsZoneGroup",
    ),
    _row(
        "privatedns:PrivateZone",
        "2024-06-01",
        GROUP + "/providers/Microsoft.Network/privateDnsZones/{privateZoneName}",
        f"{DNS}:PrivateZone",
        create_only=("location",),
        source="spec",
        autoname="random",
    ),
    _row(
        "privatedns:VirtualNetworkLink",
        "2024-06-01",
        GROUP
        + "/providers/Microsoft.Network/privateDnsZones/{privateZoneName}"
        + "/virtualNetworkLinks/{virtualNetworkLinkName}",
        f"{DNS}:VirtualNetworkLink",
        create_only=("location",),
        source="spec",
    ),
    _row(
        "privatedns:PrivateRecordSet",
        "2024-06-01",
        GROUP
        + "/providers/Microsoft.Network/privateDnsZones/{privateZoneName}"
        + "/{recordType}/{relativeRecordSetName}",
        f"{DNS}:RecordSet",
    ),
    _row(
        "storage:StorageAccount",
        "2024-01-01",
        ACCOUNT,
        f"{STORAGE}:StorageAccountCreateParameters,StorageAccount",
        create_only=("isHnsEnabled", "location"),
        source="provider (both; default of networkRuleSet: provider/pkg/gen/propertyDefaults.go)",
        autoname="random",
        defaults={
            "networkRuleSet": {
                "bypass": "AzureServices",
                "defaultAction": "Allow",
                "ipRules": [],
                "virtualNetworkRules": [],
            }
        },
    ),
    _row(
        "storage:BlobContainer",
        "2024-01-01",
        ACCOUNT + "/blobServices/default/containers/{containerName}",
        f"{STORAGE}:BlobContainer",
        source="provider: no forced replacements",
    ),
    _row(
        "storage:BlobServiceProperties",
        "2024-01-01",
        ACCOUNT + "/blobServices/{blobServicesName}",
        f"{STORAGE}:BlobServiceProperties",
        singleton=True,
        source="provider/pkg/openapi/defaults: exists with the account, default {}",
    ),
    _row(
        "keyvault:Vault",
        "2024-11-01",
        GROUP + "/providers/Microsoft.KeyVault/vaults/{vaultName}",
        "azure.mgmt.keyvault.models:VaultCreateOrUpdateParameters,Vault",
        source="azure-native updates a changed location, which Azure refuses",
        autoname="random",
        maintained=("properties.accessPolicies",),
    ),
    _row(
        "keyvault:Secret",
        "2024-11-01",
        GROUP + "/providers/Microsoft.KeyVault/vaults/{vaultName}/secrets/{secretName}",
        "azure.mgmt.keyvault.models:SecretCreateOrUpdateParameters,Secret",
        delete="vault",
        source="delete: provider/pkg/resources/customresources/custom_keyvault.go",
    ),
    _row(
        "containerregistry:Registry",
        "2023-01-01-preview",
        GROUP + "/providers/Microsoft.ContainerRegistry/registries/{registryName}",
        "azure.mgmt.containerregistry.models:Registry",
        create_only=("location",),
        source="spec",
        autoname="random",
    ),
    _row(
        "operationalinsights:Workspace",
        "2023-09-01",
        GROUP + "/providers/Microsoft.OperationalInsights/workspaces/{workspaceName}",
        "azure.mgmt.loganalytics.models:Workspace",
        create_only=("location",),
        source="spec",
        autoname="random",
    ),
    _row(
        "applicationinsights:Component",
        "2020-02-02",
        GROUP + "/providers/Microsoft.Insights/components/{resourceName}",
        "azure.mgmt.applicationinsights.v2020_02_02.models:ApplicationInsightsComponent",
        create_only=("location",),
        source="spec (provider/pkg/gen/replacement.go says so; the models here do not tell)",
        autoname="random",
    ),
    _row(
        "managedidentity:UserAssignedIdentity",
        "2023-01-31",
        GROUP + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{resourceName}",
        "azure.mgmt.msi.models:Identity",
        create_only=("location",),
        source="spec",
        autoname="random",
    ),
    _row(
        "authorization:RoleAssignment",
        "2022-04-01",
        "/{scope}/providers/Microsoft.Authorization/roleAssignments/{roleAssignmentName}",
        "azure.mgmt.authorization.v2022_04_01.models:RoleAssignmentCreateParameters,RoleAssignment",
        create_only=("principalId",),
        source="provider; another role or type is an update, which Azure refuses",
        autoname="uuid",
    ),
    _row(
        "authorization:ManagementLockByScope",
        "2020-05-01",
        "/{scope}/providers/Microsoft.Authorization/locks/{lockName}",
        "",
        bag=("level", "notes", "owners"),
        source="bag: REST specification, locks 2020-05-01 (no package with its model is installed)",
    ),
    _row(
        "monitor:AutoscaleSetting",
        "2021-05-01-preview",
        GROUP + "/providers/Microsoft.Insights/autoscaleSettings/{autoscaleSettingName}",
        "azure.mgmt.monitor.models:AutoscaleSettingResource",
        create_only=("location",),
        source="spec",
        autoname="random",
    ),
    _row(
        "monitor:DiagnosticSetting",
        "2021-05-01-preview",
        "/{resourceUri}/providers/Microsoft.Insights/diagnosticSettings/{name}",
        "",
        bag=(
            "eventHubAuthorizationRuleId",
            "eventHubName",
            "logAnalyticsDestinationType",
            "logs",
            "marketplacePartnerId",
            "metrics",
            "serviceBusRuleId",
            "storageAccountId",
            "workspaceId",
        ),
        source="bag: REST specification (no package with its model is installed)",
    ),
    _row(
        "machinelearningservices:Workspace",
        "2025-12-01",
        WORKSPACE,
        f"{ML}:Workspace",
        source="azure-native updates a changed location, which Azure refuses",
        autoname="random",
    ),
    _row(
        "machinelearningservices:Datastore",
        "2025-12-01",
        WORKSPACE + "/datastores/{name}",
        f"{ML}:Datastore",
        query=("skipValidation",),
        source="query: REST specification of Datastores_CreateOrUpdate",
    ),
    _row(
        "machinelearningservices:ModelContainer",
        "2025-12-01",
        WORKSPACE + "/models/{name}",
        f"{ML}:ModelContainer",
    ),
    _row(
        "machinelearningservices:ModelVersion",
        "2025-12-01",
        WORKSPACE + "/models/{name}/versions/{version}",
        f"{ML}:ModelVersion",
        create_only=("properties.isAnonymous",),
        source="spec; modelUri is sent in an update and refused by the service",
    ),
    _row(
        "machinelearningservices:DataContainer",
        "2025-12-01",
        WORKSPACE + "/data/{name}",
        f"{ML}:DataContainer",
        create_only=("properties.dataType",),
        source="spec",
    ),
    _row(
        "machinelearningservices:DataVersion",
        "2025-12-01",
        WORKSPACE + "/data/{name}/versions/{version}",
        f"{ML}:DataVersionBase",
        create_only=("properties.dataUri", "properties.isAnonymous", "properties.referencedUris"),
        source="spec",
    ),
    _row(
        "machinelearningservices:EnvironmentContainer",
        "2025-12-01",
        WORKSPACE + "/environments/{name}",
        f"{ML}:EnvironmentContainer",
    ),
    _row(
        "machinelearningservices:EnvironmentVersion",
        "2025-12-01",
        WORKSPACE + "/environments/{name}/versions/{version}",
        f"{ML}:EnvironmentVersion",
        create_only=tuple(
            "properties." + name
            for name in (
                "autoRebuild",
                "build",
                "condaFile",
                "image",
                "inferenceConfig",
                "isAnonymous",
                "osType",
            )
        ),
        source="spec",
    ),
    _row(
        "machinelearningservices:OnlineEndpoint",
        "2025-12-01",
        WORKSPACE + "/onlineEndpoints/{endpointName}",
        f"{ML}:OnlineEndpoint",
        create_only=("location", "properties.keys"),
        source="spec",
    ),
    _row(
        "machinelearningservices:OnlineDeployment",
        "2025-12-01",
        WORKSPACE + "/onlineEndpoints/{endpointName}/deployments/{deploymentName}",
        f"{ML}:OnlineDeployment",
        create_only=("location", "properties.instanceType"),
        source="spec; not egressPublicNetworkAccess, which the service documents as immutable. Unverified: "
        "azure-native's diff.go looks for create-only properties in objects, and these are a union",
    ),
    _row(
        "machinelearningservices:ManagedNetworkSettingsRule",
        "2025-12-01",
        WORKSPACE + "/outboundRules/{ruleName}",
        f"{ML}:OutboundRuleBasicResource",
    ),
)

ROWS: dict[str, Row] = {row.token: row for row in _ROWS}
