"""The workspace and what it stands on. Names follow the Azure Verified Module for a workspace."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from settings.base import (
    DatastoresAuth,
    IsolationMode,
    LockLevel,
    PublicAccess,
    Section,
    Texts,
    WorkspaceIdentityType,
    setting,
)


class ResourceGroup(Section):
    """The resource group everything is created in."""

    example = {"name": "rg-vllm"}

    name: str = Field(description="Name of the resource group.", examples=["rg-vllm"])
    existing: bool = setting(False, "Use a group that is already there, and leave it there on destroy.")
    tags: Texts = setting(dict, "Tags of the resource group.")


class StorageAccount(Section):
    """The workspace's storage account."""

    example = {"name": "stvllm"}

    name: str | None = setting(None, "Name, 3 to 24 lower-case letters and digits, unique in Azure.")
    id: str | None = setting(None, "ARM id of an account that exists. Instead of name.")
    sku: Literal["Standard_LRS", "Standard_ZRS", "Standard_GRS", "Standard_RAGRS", "Premium_LRS"] = setting(
        "Standard_LRS", "Replication of the account."
    )
    public_network_access: PublicAccess | None = setting(
        None, "Public access; that of the workspace when omitted."
    )
    shared_key_access: bool = setting(False, "Allow account keys. Everything here works without them.")
    tags: Texts = setting(dict, "Tags.")


class KeyVault(Section):
    """The workspace's Key Vault; endpoint keys are written to it."""

    example = {"name": "kv-vllm"}

    name: str | None = setting(None, "Name, 3 to 24 letters, digits and single hyphens, unique in Azure.")
    id: str | None = setting(None, "ARM id of a vault that exists. Instead of name.")
    public_network_access: PublicAccess | None = setting(
        None, "Public access; that of the workspace when omitted."
    )
    purge_protection: bool = setting(
        True, "Keep a deleted vault for the retention time, whoever asks. Cannot be undone."
    )
    soft_delete_retention_days: int = setting(
        90, "How long a deleted vault can be recovered.", unit="days", ge=7, le=90
    )
    tags: Texts = setting(dict, "Tags.")


class ContainerRegistry(Section):
    """The workspace's container registry."""

    example = {"name": "acrvllm"}

    name: str | None = setting(None, "Name, 5 to 50 letters and digits, unique in Azure.")
    id: str | None = setting(None, "ARM id of a registry that exists. Instead of name.")
    sku: Literal["Basic", "Standard", "Premium"] = setting("Premium", "Tier; private endpoints need Premium.")
    public_network_access: PublicAccess | None = setting(
        None, "Public access; that of the workspace when omitted."
    )
    tags: Texts = setting(dict, "Tags.")


class ApplicationInsights(Section):
    """Where logs and metrics go."""

    example = {"name": "appi-vllm"}

    name: str | None = setting(
        None, "Name of the component; of its Log Analytics workspace too, with a suffix."
    )
    id: str | None = setting(None, "ARM id of a component that exists. Instead of name.")
    log_analytics_workspace_id: str | None = setting(None, "ARM id of a Log Analytics workspace to use.")
    retention_days: int = setting(30, "How long logs are kept.", unit="days", ge=30, le=730)
    tags: Texts = setting(dict, "Tags.")


class OutboundRuleFqdn(Section):
    """Let the managed network reach a host. Creates an Azure Firewall, which costs."""

    example = {"type": "fqdn", "destination": "mirror.example.com"}

    type: Literal["fqdn"] = Field(description="fqdn.", examples=["fqdn"])
    destination: str = Field(description="Host name.", examples=["mirror.example.com"])


class OutboundRuleServiceTag(Section):
    """Let the managed network reach a service tag."""

    example = {"type": "service_tag", "service_tag": "AzureMonitor", "protocol": "TCP", "port_ranges": "443"}

    type: Literal["service_tag"] = Field(description="service_tag.", examples=["service_tag"])
    service_tag: str = Field(description="Service tag.", examples=["AzureMonitor"])
    protocol: Literal["TCP", "UDP", "ICMP", "*"] = setting("TCP", "Protocol.")
    port_ranges: str = setting("443", "Ports, for example 443 or 80,443.")


class OutboundRulePrivateEndpoint(Section):
    """Let the managed network reach a resource through a private endpoint."""

    example = {
        "type": "private_endpoint",
        "service_resource_id": "/subscriptions/s/resourceGroups/rg/providers/"
        "Microsoft.Storage/storageAccounts/st",
        "subresource_target": "blob",
    }

    type: Literal["private_endpoint"] = Field(description="private_endpoint.", examples=["private_endpoint"])
    service_resource_id: str = Field(
        description="ARM id of the resource.",
        examples=["/subscriptions/s/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/st"],
    )
    subresource_target: str = Field(description="Subresource, for example blob.", examples=["blob"])
    spark_enabled: bool = setting(False, "Also for Spark jobs.")


def _rule_kind(value: Any) -> str | None:
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return kind if isinstance(kind, str) else None


OutboundRule = Annotated[
    Annotated[OutboundRuleFqdn, Tag("fqdn")]
    | Annotated[OutboundRuleServiceTag, Tag("service_tag")]
    | Annotated[OutboundRulePrivateEndpoint, Tag("private_endpoint")],
    Discriminator(_rule_kind),
]


class ManagedNetwork(Section):
    """The workspace's managed network. Isolation goes from internet to approved, never back or off."""

    isolation_mode: IsolationMode = setting(
        "Disabled",
        "Disabled (deployments isolate themselves by egress_public_network_access), "
        "allow_internet_outbound or "
        "allow_only_approved_outbound.",
    )
    outbound_rules: dict[str, OutboundRule] = setting(dict, "Outbound rules by name.")
    firewall_sku: Literal["Basic", "Standard"] = setting(
        "Basic", "Tier of the Azure Firewall that FQDN rules create."
    )
    provision: bool = setting(
        True,
        "Provision the network before the first deployment, which takes about 30 minutes; Azure refuses "
        "deployments "
        "before (WorkspaceManagedNetworkNotReady).",
    )


class WorkspaceIdentity(Section):
    """Identity of the workspace."""

    type: WorkspaceIdentityType = setting("SystemAssigned", "Kind of identity.")
    user_assigned_identities: list[str] = setting(list, "ARM ids of the identities.")
    primary: str | None = setting(None, "ARM id of the identity the workspace acts as.")


class CustomerManagedKey(Section):
    """Encryption with a key of one's own."""

    example = {
        "key_vault_id": "/subscriptions/s/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/kv",
        "key_identifier": "https://kv.vault.azure.net/keys/key/1",
    }

    key_vault_id: str = Field(
        description="ARM id of the vault that holds the key.",
        examples=["/subscriptions/s/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/kv"],
    )
    key_identifier: str = Field(
        description="URI of the key with its version.", examples=["https://kv.vault.azure.net/keys/key/1"]
    )
    identity_id: str | None = setting(None, "ARM id of the identity that may use the key.")


class DiagnosticSetting(Section):
    """Where the workspace's logs go."""

    log_analytics_workspace_id: str | None = setting(None, "ARM id of a Log Analytics workspace.")
    storage_account_id: str | None = setting(None, "ARM id of a storage account.")
    log_groups: list[str] = setting(list, "Category groups; allLogs when no category and no group is given.")
    log_categories: list[str] = setting(list, "Categories, for example AmlOnlineEndpointTrafficLog.")
    metric_categories: list[str] = setting(list, "Metric categories, for example AllMetrics.")


class Lock(Section):
    """A management lock on the workspace."""

    kind: LockLevel = setting("CanNotDelete", "CanNotDelete or ReadOnly.")
    name: str | None = setting(None, "Name of the lock.")


class RoleAssignment(Section):
    """A role on the workspace for somebody else: the team that calls the endpoints, say."""

    example = {"role": "AzureML Data Scientist", "principal_id": "00000000-0000-0000-0000-000000000000"}

    role: str = Field(description="Name or id of the role.", examples=["AzureML Data Scientist"])
    principal_id: str = Field(
        description="Object id of the principal.", examples=["00000000-0000-0000-0000-000000000000"]
    )
    principal_type: Literal["User", "Group", "ServicePrincipal"] | None = setting(None, "Kind of principal.")
    description: str | None = setting(None, "Why.")


class PrivateEndpoint(Section):
    """A private endpoint of the workspace or of what it stands on."""

    name: str | None = setting(None, "Name; derived from the resource's when omitted.")
    subnet: str | None = setting(
        None, "Name of a subnet of `network`, or the ARM id of a subnet; private_endpoints when omitted."
    )
    private_dns_zone_ids: list[str] = setting(
        list, "ARM ids of zones that exist; the network's own when empty."
    )
    tags: Texts = setting(dict, "Tags.")


class PrivateEndpoints(Section):
    """Private endpoints; with a `network` there is one for each resource unless it is set to false."""

    workspace: PrivateEndpoint | bool = setting(
        True, "amlworkspace; endpoints with public access disabled answer here."
    )
    blob: PrivateEndpoint | bool = setting(True, "Blob service of the storage account.")
    file: PrivateEndpoint | bool = setting(True, "File service of the storage account.")
    key_vault: PrivateEndpoint | bool = setting(True, "Key Vault.")
    container_registry: PrivateEndpoint | bool = setting(True, "Container registry.")


class Workspace(Section):
    """The workspace."""

    example = {"name": "mlw-vllm"}

    name: str = Field(description="Name of the workspace.", examples=["mlw-vllm"])
    existing: bool = setting(False, "Use a workspace that is already there, with everything it stands on.")
    friendly_name: str | None = setting(None, "Display name.")
    description: str | None = setting(None, "Description.")
    public_network_access: PublicAccess = setting("Enabled", "Public access to the workspace.")
    identity: WorkspaceIdentity = setting(WorkspaceIdentity(), "Identity of the workspace.")
    managed_network: ManagedNetwork = setting(ManagedNetwork(), "Managed network.")
    storage_account: StorageAccount | None = setting(None, "Storage account; derived name when omitted.")
    key_vault: KeyVault | None = setting(None, "Key Vault; derived name when omitted.")
    container_registry: ContainerRegistry | None = setting(
        None, "Container registry; derived name when omitted."
    )
    application_insights: ApplicationInsights | None = setting(
        None, "Application Insights; derived name when omitted."
    )
    private_endpoints: PrivateEndpoints = setting(PrivateEndpoints(), "Private endpoints.")
    customer_managed_key: CustomerManagedKey | None = setting(None, "Encryption with a key of one's own.")
    diagnostic_settings: dict[str, DiagnosticSetting] = setting(dict, "Diagnostic settings by name.")
    lock: Lock | None = setting(None, "Management lock.")
    role_assignments: dict[str, RoleAssignment] = setting(
        dict, "Roles on the workspace for others, by a name of one's own."
    )
    high_business_impact: bool = setting(
        False, "The workspace holds sensitive data; cannot be changed later."
    )
    image_build_compute: str | None = setting(
        None,
        "Compute cluster on which Azure ML builds images; needed when its registry has no public access.",
    )
    system_datastores_auth_mode: DatastoresAuth = setting(
        "Identity", "How the workspace reads its own datastores."
    )
    tags: Texts = setting(dict, "Tags of the workspace.")
