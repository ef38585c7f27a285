"""What everything else stands on: the resource group, the network, the workspace, and the roles to use
them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pulumi

from components.dependencies import InsightsArgs, KeyVaultArgs, RegistryArgs, StorageArgs
from components.governance import Governance, GovernanceArgs
from components.managed_network import ManagedNetwork, ManagedNetworkArgs
from components.private_endpoint import PrivateEndpoint, PrivateEndpointArgs
from components.private_network import PRIVATE_ENDPOINTS, PrivateNetwork, PrivateNetworkArgs
from components.roles import RoleGrants, RoleGrantsArgs
from components.workspace import ExistingWorkspace, Workspace, WorkspaceArgs
from providers.role_propagation import RolePropagation
from providers.soft_deleted import SoftDeleted
from settings.workspace import PrivateEndpoint as PrivateEndpointSettings
from stack.context import Context

# Settings key of a private endpoint -> (private link group, attribute of the workspace with its target).
TARGETS = {
    "workspace": ("amlworkspace", "workspace_id"),
    "blob": ("blob", "storage_id"),
    "file": ("file", "storage_id"),
    "key_vault": ("vault", "key_vault_id"),
    "container_registry": ("registry", "registry_id"),
}


@dataclass
class Platform:
    """`*_ready` are what pushes, copies and deployments wait for."""

    context: Context
    group_name: pulumi.Input[str]
    workspace: Workspace | ExistingWorkspace
    push_grant: pulumi.Output[str] | None = None
    push_ready: list[pulumi.Resource] = field(default_factory=list)
    copy_ready: list[pulumi.Resource] = field(default_factory=list)
    deploy_ready: list[pulumi.Resource] = field(default_factory=list)


def build(context: Context) -> Platform:
    """The platform of a stack, made or found."""
    group = _resource_group(context)
    workspace: Workspace | ExistingWorkspace
    if context.settings.workspace.existing:
        workspace = ExistingWorkspace("workspace", context.workspace_id)
    else:
        workspace = _workspace(context, group)
    platform = Platform(context, group, workspace)
    if not context.settings.workspace.existing:
        _private_endpoints(platform)
        _managed_network(platform)
        _governance(platform)
    _deployer_roles(platform)
    return platform


def _resource_group(context: Context) -> pulumi.Input[str]:
    from pulumi_azure_native import resources

    wanted = context.settings.resource_group
    if wanted.existing or context.settings.workspace.existing:
        return wanted.name
    return resources.ResourceGroup(
        "group",
        resource_group_name=wanted.name,
        location=context.location,
        tags=context.tags(wanted.tags),
    ).name


def _workspace(context: Context, group: pulumi.Input[str]) -> Workspace:
    wanted, parts = context.settings.workspace, _parts(context)
    return Workspace(
        "workspace",
        WorkspaceArgs(
            name=wanted.name,
            resource_group_name=group,
            location=context.location,
            tenant_id=context.caller.tenant_id,
            **parts,
            leftovers=_leftovers(context, parts["key_vault"]),
            public_network_access=wanted.public_network_access,
            identity_type=wanted.identity.type,
            user_assigned_identities=wanted.identity.user_assigned_identities,
            primary_identity=wanted.identity.primary,
            friendly_name=wanted.friendly_name,
            description=wanted.description,
            isolation_mode=wanted.managed_network.isolation_mode,
            firewall_sku=wanted.managed_network.firewall_sku,
            high_business_impact=wanted.high_business_impact,
            image_build_compute=wanted.image_build_compute,
            datastores_auth_mode=wanted.system_datastores_auth_mode,
            encryption=wanted.customer_managed_key.model_dump(exclude_none=True)
            if wanted.customer_managed_key
            else {},
            tags=context.tags(wanted.tags),
        ),
    )


def _leftovers(context: Context, vault: KeyVaultArgs) -> SoftDeleted | None:
    """A stack whose vault may be purged is one that comes and goes: it leaves no blocked names behind."""
    if vault.id or vault.purge_protection:
        return None
    vault_id = f"{context.group_id}/providers/Microsoft.KeyVault/vaults/{vault.name}"
    return SoftDeleted(
        "leftovers", workspace_id=context.workspace_id, vault_id=vault_id, location=context.location
    )


def _parts(context: Context) -> dict[str, Any]:
    """Arguments for what the workspace stands on; a part without public access of its own has the
    workspace's."""
    wanted = context.settings.workspace
    public = wanted.public_network_access
    storage, vault = wanted.storage_account, wanted.key_vault
    registry, insights = wanted.container_registry, wanted.application_insights

    def common(part: Any, prefix: str, longest: int, *, hyphens: bool = False) -> dict[str, Any]:
        return {
            "name": (part and part.name) or context.derived(prefix, longest, hyphens=hyphens),
            "id": part and part.id,
            "tags": context.tags(part.tags if part else {}),
        }

    def access(part: Any) -> str:
        return (part and part.public_network_access) or public

    def chosen(part: Any, *fields: str) -> dict[str, Any]:
        return part.model_dump(include=set(fields)) if part else {}

    vault_options = chosen(vault, "purge_protection")
    if vault:
        vault_options["retention_days"] = vault.soft_delete_retention_days
    return {
        "storage": StorageArgs(
            **common(storage, "st", 24),
            **chosen(storage, "sku", "shared_key_access"),
            public_network_access=access(storage),
        ),
        "key_vault": KeyVaultArgs(
            **common(vault, "kv-", 24, hyphens=True),
            **vault_options,
            public_network_access=access(vault),
        ),
        "registry": RegistryArgs(
            **common(registry, "acr", 50),
            **chosen(registry, "sku"),
            public_network_access=access(registry),
        ),
        "insights": InsightsArgs(
            **common(insights, "appi-", 60, hyphens=True),
            **chosen(insights, "log_analytics_workspace_id", "retention_days"),
        ),
    }


def _private_endpoints(platform: Platform) -> None:
    context, network = platform.context, platform.context.settings.network
    if network is None:
        return
    wanted = {key: getattr(context.settings.workspace.private_endpoints, key) for key in TARGETS}
    wanted = {key: choice for key, choice in wanted.items() if choice is not False}
    place = _network(platform, [TARGETS[key][0] for key in wanted])
    for key, choice in wanted.items():
        group, target = TARGETS[key]
        chosen = choice if isinstance(choice, PrivateEndpointSettings) else PrivateEndpointSettings()
        subnet = chosen.subnet or PRIVATE_ENDPOINTS
        made = PrivateEndpoint(
            key.replace("_", "-"),
            PrivateEndpointArgs(
                name=chosen.name or f"pe-{context.settings.workspace.name}-{group}",
                resource_group_name=platform.group_name,
                location=context.location,
                target_id=getattr(platform.workspace, target),
                group=group,
                subnet_id=subnet if subnet.startswith("/") else place.subnet_ids[subnet],
                zone_ids=chosen.private_dns_zone_ids or place.zone_ids[group],
                tags=context.tags(chosen.tags),
            ),
        )
        if group == "registry":
            platform.push_ready.append(made.ready)
        if group in ("blob", "amlworkspace"):
            platform.copy_ready.append(made.ready)
        platform.deploy_ready.append(made.ready)


def _network(platform: Platform, groups: list[str]) -> PrivateNetwork:
    context, wanted = platform.context, platform.context.settings.network
    assert wanted is not None
    existing = None
    if wanted.existing:
        group = wanted.resource_group or context.settings.resource_group.name
        existing = (
            f"/subscriptions/{context.caller.subscription_id}/resourceGroups/{group}"
            f"/providers/Microsoft.Network/virtualNetworks/{wanted.name}"
        )
    zones = wanted.private_dns_zones.existing_resource_group
    if zones and not zones.startswith("/"):
        zones = f"/subscriptions/{context.caller.subscription_id}/resourceGroups/{zones}"
    return PrivateNetwork(
        "network",
        PrivateNetworkArgs(
            name=wanted.name,
            resource_group_name=platform.group_name,
            location=context.location,
            groups=groups,
            existing_id=existing,
            address_space=wanted.address_space,
            subnets=wanted.subnets,
            zones_group_id=zones,
            link_zones=wanted.private_dns_zones.link,
            cloud=_cloud_name(),
            tags=context.tags(wanted.tags),
        ),
    )


def _cloud_name() -> str:
    """The cloud whose zone names apply; a cloud known only by its metadata has the public ones."""
    name = (pulumi.Config("azure-native").get("environment") or "public").lower()
    return name if name in ("usgovernment", "china") else "public"


def _managed_network(platform: Platform) -> None:
    wanted = platform.context.settings.workspace.managed_network
    if wanted.isolation_mode == "Disabled":
        return
    made = ManagedNetwork(
        "managed-network",
        ManagedNetworkArgs(
            resource_group_name=platform.group_name,
            workspace_name=platform.workspace.name,
            workspace_id=platform.workspace.workspace_id,
            workspace_generation=platform.workspace.generation,
            isolation_mode=wanted.isolation_mode,
            rules={name: rule.model_dump() for name, rule in wanted.outbound_rules.items()},
            provision=wanted.provision,
        ),
    )
    platform.deploy_ready.extend(made.ready)


def _governance(platform: Platform) -> None:
    wanted = platform.context.settings.workspace
    if wanted.lock or wanted.diagnostic_settings:
        Governance(
            "governance",
            GovernanceArgs(
                target_id=platform.workspace.workspace_id,
                lock=wanted.lock.model_dump() if wanted.lock else None,
                diagnostics={name: entry.model_dump() for name, entry in wanted.diagnostic_settings.items()},
            ),
        )
    for name, grant in wanted.role_assignments.items():
        RoleGrants(
            f"role-{name}",
            RoleGrantsArgs(
                principal_id=grant.principal_id,
                subscription_id=platform.context.caller.subscription_id,
                principal_type=grant.principal_type or "Group",
                grants={"workspace": (grant.role, platform.workspace.workspace_id)},
            ),
        )


def _deployer_roles(platform: Platform) -> None:
    """Roles of whoever runs this on what this stack makes; on what exists, roles are somebody else's
    decision."""
    context, workspace = platform.context, platform.workspace
    wanted = context.settings.workspace
    made = {
        "push": ("AcrPush", workspace.registry_id, wanted.container_registry),
        "blobs": ("Storage Blob Data Contributor", workspace.storage_id, wanted.storage_account),
        "secrets": ("Key Vault Secrets User", workspace.key_vault_id, wanted.key_vault),
    }
    grants = {
        short: (role, scope)
        for short, (role, scope, part) in made.items()
        if not wanted.existing and not (part and part.id)
    }
    granted: dict[str, pulumi.Output[str]] = {}
    if grants:
        granted = RoleGrants(
            "deployer",
            RoleGrantsArgs(
                principal_id=context.caller.principal_id,
                subscription_id=context.caller.subscription_id,
                principal_type=context.caller.principal_type,
                grants=grants,
                keep_principal=True,
            ),
        ).ids
    platform.push_grant = granted.get("push")
    if "blobs" in granted:
        wait = RolePropagation(
            "deployer-blobs",
            assignments=[granted["blobs"]],
            datastore_id=pulumi.Output.concat(workspace.workspace_id, "/datastores/workspaceblobstore"),
            opts=pulumi.ResourceOptions(depends_on=[*platform.copy_ready]),
        )
        platform.copy_ready.append(wait)
