"""What a workspace stands on, one function a resource; used by `components.workspace` only.

Each takes an id of something that exists, or makes it with settings that Azure ML needs and that are
closed by default. https://learn.microsoft.com/azure/machine-learning/concept-workspace#associated-resources
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import pulumi


class Place(NamedTuple):
    """Where a part is made, and as whose child."""

    resource_group_name: pulumi.Input[str]
    location: str
    opts: pulumi.ResourceOptions


@dataclass(frozen=True, kw_only=True)
class StorageArgs:
    """`shared_key_access` off means nobody can use account keys, Azure ML included (identity-based
    datastores)."""

    name: str = ""
    id: str | None = None
    sku: str = "Standard_LRS"
    public_network_access: str = "Enabled"
    shared_key_access: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class KeyVaultArgs:
    name: str = ""
    id: str | None = None
    public_network_access: str = "Enabled"
    purge_protection: bool = True
    retention_days: int = 90
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RegistryArgs:
    name: str = ""
    id: str | None = None
    sku: str = "Premium"
    public_network_access: str = "Enabled"
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class InsightsArgs:
    name: str = ""
    id: str | None = None
    log_analytics_workspace_id: str | None = None
    retention_days: int = 30
    tags: Mapping[str, str] = field(default_factory=dict)


def storage(name: str, args: StorageArgs, where: Place) -> pulumi.Output[str]:
    """The storage account's id."""
    from pulumi_azure_native import storage as az

    if args.id:
        return pulumi.Output.from_input(args.id)
    closed = args.public_network_access == "Disabled"
    account = az.StorageAccount(
        f"{name}-storage",
        account_name=args.name,
        resource_group_name=where.resource_group_name,
        location=where.location,
        kind="StorageV2",
        sku=az.SkuArgs(name=args.sku),
        allow_blob_public_access=False,
        allow_shared_key_access=args.shared_key_access,
        enable_https_traffic_only=True,
        minimum_tls_version="TLS1_2",
        is_hns_enabled=False,  # the default store of a workspace cannot be hierarchical
        public_network_access=args.public_network_access,
        network_rule_set=az.NetworkRuleSetArgs(
            default_action=az.DefaultAction.DENY if closed else az.DefaultAction.ALLOW,
            bypass="AzureServices",
            # Said although empty: azure-native takes Azure's own default of this property for drift
            # otherwise.
            ip_rules=[],
            virtual_network_rules=[],
        ),
        tags=dict(args.tags),
        opts=where.opts,
    )
    return account.id


def key_vault(
    name: str, args: KeyVaultArgs, tenant_id: pulumi.Input[str], where: Place
) -> pulumi.Output[str]:
    """The vault's id. Trusted services pass, or creating an endpoint with keys fails."""
    from pulumi_azure_native import keyvault as az

    if args.id:
        return pulumi.Output.from_input(args.id)
    closed = args.public_network_access == "Disabled"
    vault = az.Vault(
        f"{name}-vault",
        vault_name=args.name,
        resource_group_name=where.resource_group_name,
        location=where.location,
        properties=az.VaultPropertiesArgs(
            tenant_id=tenant_id,
            sku=az.SkuArgs(family="A", name=az.SkuName.STANDARD),
            enable_rbac_authorization=True,
            enable_soft_delete=True,
            soft_delete_retention_in_days=args.retention_days,
            # Azure takes true or nothing: purge protection cannot be switched off, and false is refused.
            enable_purge_protection=True if args.purge_protection else None,
            public_network_access=args.public_network_access,
            network_acls=az.NetworkRuleSetArgs(
                bypass="AzureServices", default_action="Deny" if closed else "Allow"
            ),
        ),
        tags=dict(args.tags),
        opts=where.opts,
    )
    return vault.id


def registry(name: str, args: RegistryArgs, where: Place) -> tuple[pulumi.Output[str], pulumi.Output[str]]:
    """The registry's id and login server."""
    from pulumi_azure_native import containerregistry as az

    if args.id:
        found = az.Registry.get(f"{name}-registry", args.id, opts=where.opts)
        return found.id, found.login_server
    made = az.Registry(
        f"{name}-registry",
        registry_name=args.name,
        resource_group_name=where.resource_group_name,
        location=where.location,
        sku=az.SkuArgs(name=args.sku),
        admin_user_enabled=False,
        anonymous_pull_enabled=False,
        public_network_access=args.public_network_access,
        network_rule_bypass_options="AzureServices",
        tags=dict(args.tags),
        opts=where.opts,
    )
    return made.id, made.login_server


def insights(name: str, args: InsightsArgs, where: Place) -> pulumi.Output[str]:
    """The Application Insights component's id; it stores in a Log Analytics workspace."""
    from pulumi_azure_native import applicationinsights, operationalinsights

    if args.id:
        return pulumi.Output.from_input(args.id)
    logs: pulumi.Input[str] | None = args.log_analytics_workspace_id
    if not logs:
        logs = operationalinsights.Workspace(
            f"{name}-logs",
            workspace_name=f"{args.name}-logs",
            resource_group_name=where.resource_group_name,
            location=where.location,
            sku=operationalinsights.WorkspaceSkuArgs(name="PerGB2018"),
            retention_in_days=args.retention_days,
            tags=dict(args.tags),
            opts=where.opts,
        ).id
    component = applicationinsights.Component(
        f"{name}-insights",
        resource_name_=args.name,
        resource_group_name=where.resource_group_name,
        location=where.location,
        application_type="web",
        kind="web",
        ingestion_mode="LogAnalytics",
        workspace_resource_id=logs,
        tags=dict(args.tags),
        opts=where.opts,
    )
    return component.id
