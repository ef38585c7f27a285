"""The emulated resource types, one module a provider namespace (Machine Learning split further)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.azure.resource_type import ResourceType

if TYPE_CHECKING:
    from emulator.azure.subscription_level import Route


def all_types() -> list[ResourceType]:
    """Return one instance of every emulated type."""
    from emulator.azure.resources import authorization as roles
    from emulator.azure.resources import container_registry as acr
    from emulator.azure.resources import (
        groups,
        insights,
        keyvault,
        locks,
        managed_identity,
        monitor,
        network,
        private_endpoints,
    )
    from emulator.azure.resources import private_dns as dns
    from emulator.azure.resources import storage as blobs
    from emulator.azure.resources.ml import (
        assets,
        datastores,
        deployments,
        endpoints,
        managed_network,
        workspace,
    )

    return [
        groups.ResourceGroup(),
        locks.Lock(),
        roles.RoleAssignment(),
        roles.RoleDefinition(),
        managed_identity.UserAssignedIdentity(),
        network.VirtualNetwork(),
        network.Subnet(),
        network.SecurityGroup(),
        private_endpoints.PrivateEndpoint(),
        private_endpoints.ZoneGroup(),
        dns.Zone(),
        dns.Link(),
        dns.ARecord(),
        blobs.Account(),
        blobs.BlobService(),
        blobs.FileService(),
        blobs.Container(),
        blobs.Share(),
        keyvault.Vault(),
        keyvault.Secret(),
        acr.Registry(),
        insights.LogWorkspace(),
        insights.Component(),
        monitor.AutoscaleSetting(),
        monitor.DiagnosticSetting(),
        workspace.Workspace(),
        managed_network.OutboundRule(),
        datastores.Datastore(),
        assets.ModelContainer(),
        assets.ModelVersion(),
        assets.EnvironmentContainer(),
        assets.EnvironmentVersion(),
        assets.CodeContainer(),
        assets.CodeVersion(),
        assets.DataContainer(),
        assets.DataVersion(),
        endpoints.OnlineEndpoint(),
        deployments.OnlineDeployment(),
    ]


def all_routes() -> list[Route]:
    """Return the providers' paths that are not resources."""
    from emulator.azure.resources import container_registry, keyvault, storage
    from emulator.azure.resources.ml import deployments, quota

    modules = (storage, keyvault, container_registry, quota, deployments)
    return [item for module in modules for item in module.routes()]
