"""An Azure ML workspace with what it stands on: storage, Key Vault, container registry, Application Insights.

Secure by default: no account keys, no registry admin, a vault that uses roles. Each part may be one that
exists, given by its id; then nothing of it is changed. Left out: computes and connections, which serving
does not need.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi

from components import dependencies as parts


@dataclass(frozen=True, kw_only=True)
class WorkspaceArgs:
    """Plain values are ARM's own spellings (`Enabled`, `AllowOnlyApprovedOutbound`). Names are physical
    names. `leftovers` purges what deleting the workspace leaves behind.
    """

    name: str
    resource_group_name: pulumi.Input[str]
    location: str
    tenant_id: pulumi.Input[str]
    storage: parts.StorageArgs
    key_vault: parts.KeyVaultArgs
    registry: parts.RegistryArgs
    insights: parts.InsightsArgs
    public_network_access: str = "Enabled"
    identity_type: str = "SystemAssigned"
    user_assigned_identities: Sequence[str] = ()
    primary_identity: str | None = None
    friendly_name: str | None = None
    description: str | None = None
    isolation_mode: str = "Disabled"
    firewall_sku: str | None = None
    high_business_impact: bool = False
    image_build_compute: str | None = None
    datastores_auth_mode: str = "Identity"
    encryption: Mapping[str, str] = field(default_factory=dict)
    leftovers: pulumi.Resource | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


class Workspace(pulumi.ComponentResource):
    """`generation` changes when the workspace is made anew under its name."""

    workspace_id: pulumi.Output[str]
    name: pulumi.Output[str]
    generation: pulumi.Output[str]
    storage_id: pulumi.Output[str]
    key_vault_id: pulumi.Output[str]
    registry_id: pulumi.Output[str]
    login_server: pulumi.Output[str]

    def __init__(self, name: str, args: WorkspaceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vllm-azureml:components:Workspace", name, None, opts)
        from pulumi_azure_native import machinelearningservices as ml

        before = [args.leftovers] if args.leftovers else None
        where = parts.Place(
            args.resource_group_name,
            args.location,
            pulumi.ResourceOptions(parent=self, depends_on=before),
        )
        self.storage_id = parts.storage(name, args.storage, where)
        self.key_vault_id = parts.key_vault(name, args.key_vault, args.tenant_id, where)
        self.registry_id, self.login_server = parts.registry(name, args.registry, where)
        insights_id = parts.insights(name, args.insights, where)
        workspace = ml.Workspace(
            name,
            workspace_name=args.name,
            resource_group_name=args.resource_group_name,
            location=args.location,
            friendly_name=args.friendly_name or args.name,
            description=args.description,
            identity=_identity(args),
            primary_user_assigned_identity=args.primary_identity,
            storage_account=self.storage_id,
            key_vault=self.key_vault_id,
            container_registry=self.registry_id,
            application_insights=insights_id,
            public_network_access=args.public_network_access,
            managed_network=_managed_network(args),
            system_datastores_auth_mode=args.datastores_auth_mode,
            hbi_workspace=args.high_business_impact,
            image_build_compute=args.image_build_compute,
            encryption=_encryption(args.encryption),
            # v1 legacy mode would put the v2 control plane behind the private endpoint, where azure-native
            # is not.
            v1_legacy_mode=False,
            tags=dict(args.tags),
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=before, custom_timeouts=pulumi.CustomTimeouts(create="30m")
            ),
        )
        self.resource = workspace
        self.workspace_id, self.name = workspace.id, workspace.name
        self.generation = created_at(workspace.system_data)
        self.register_outputs({"workspace_id": self.workspace_id, "login_server": self.login_server})


class ExistingWorkspace(pulumi.ComponentResource):
    """A workspace that is already there, with the same attributes; nothing of it is managed."""

    def __init__(self, name: str, workspace_id: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vllm-azureml:components:ExistingWorkspace", name, None, opts)
        from pulumi_azure_native import containerregistry
        from pulumi_azure_native import machinelearningservices as ml

        child = pulumi.ResourceOptions(parent=self)
        workspace = ml.Workspace.get(name, workspace_id, opts=child)
        self.resource = workspace
        self.workspace_id, self.name = workspace.id, workspace.name
        self.generation = created_at(workspace.system_data)
        self.storage_id = workspace.storage_account.apply(lambda id_: id_ or "")
        self.key_vault_id = workspace.key_vault.apply(lambda id_: id_ or "")
        self.registry_id = workspace.container_registry.apply(lambda id_: id_ or "")
        registry = containerregistry.Registry.get(f"{name}-registry", self.registry_id, opts=child)
        self.login_server = registry.login_server
        self.register_outputs({"workspace_id": self.workspace_id, "login_server": self.login_server})


def created_at(system_data: pulumi.Output[Any]) -> pulumi.Output[str]:
    """When a resource was created, as its identity beyond its name; "" where the service does not say."""
    return system_data.apply(lambda data: (getattr(data, "created_at", None) if data else None) or "")


def _identity(args: WorkspaceArgs) -> Any:
    from pulumi_azure_native import machinelearningservices as ml

    return ml.ManagedServiceIdentityArgs(
        type=args.identity_type, user_assigned_identities=list(args.user_assigned_identities) or None
    )


def _managed_network(args: WorkspaceArgs) -> Any:
    from pulumi_azure_native import machinelearningservices as ml

    isolated = args.isolation_mode != "Disabled"
    return ml.ManagedNetworkSettingsArgs(
        isolation_mode=args.isolation_mode, firewall_sku=args.firewall_sku if isolated else None
    )


def _encryption(key: Mapping[str, str]) -> Any:
    """`key` holds key_vault_id, key_identifier and, optionally, identity_id."""
    from pulumi_azure_native import machinelearningservices as ml

    if not key:
        return None
    identity = key.get("identity_id")
    return ml.EncryptionPropertyArgs(
        status="Enabled",
        key_vault_properties=ml.KeyVaultPropertiesArgs(
            key_identifier=key["key_identifier"], key_vault_arm_id=key["key_vault_id"]
        ),
        identity=ml.IdentityForCmkArgs(user_assigned_identity=identity) if identity else None,
    )
