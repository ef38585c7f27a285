"""Endpoints, the servers behind them, and who gets the requests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pulumi

from components.autoscale import Autoscale, AutoscaleArgs
from components.content import short_hash
from components.data_asset import DataAsset, DataAssetArgs
from components.deployment import Deployment, DeploymentArgs, SmokeTestArgs
from components.online_endpoint import OnlineEndpoint, OnlineEndpointArgs
from components.roles import RoleGrants, RoleGrantsArgs
from components.rollout import Server, server
from components.traffic import Traffic, TrafficArgs
from providers.role_propagation import RolePropagation
from providers.smoke_test import ROUTE_OF_ENVIRONMENT
from settings import vllm_arguments
from settings.azml import data_assets, deployment_body, endpoint_body
from settings.deployment import Deployment as DeploymentSettings
from settings.endpoint import Endpoint as EndpointSettings
from settings.references import Registered, environment_of
from settings.rollout import SmokeTest
from stack import images as images_
from stack.images import Environments, NamedEnvironment
from stack.known import fitted_one
from stack.models import Models, NamedModel
from stack.platform import Platform

# What changes in place; everything else makes another server.
IN_PLACE = ("requestSettings", "description", "properties")
# "up to 10 minutes": https://learn.microsoft.com/azure/role-based-access-control/troubleshooting
# Five are usual; an endpoint that comes too early fails to pull and is retried by the next `up`.
SETTLE_SECONDS = 300


@dataclass
class Served:
    """One deployment of an endpoint, as the outputs show it."""

    server: Server
    deployment: Deployment
    environment: NamedEnvironment | None
    model: NamedModel | None


@dataclass(frozen=True)
class NamedData:
    """A registered data asset; its id follows from names, so that a server's hash can hold it."""

    asset_id: str
    resource: pulumi.Resource | None


@dataclass
class BuiltEndpoint:
    name: str
    settings: EndpointSettings
    endpoint: OnlineEndpoint
    served: dict[str, Served] = field(default_factory=dict)
    traffic: Traffic | None = None


def build(platform: Platform, models: Models, environments: Environments) -> dict[str, BuiltEndpoint]:
    """Every endpoint of the stack with its deployments and its traffic."""
    return {
        name: _endpoint(platform, models, environments, name, endpoint)
        for name, endpoint in platform.context.settings.endpoints.items()
    }


def _endpoint(
    platform: Platform, models: Models, environments: Environments, name: str, wanted: EndpointSettings
) -> BuiltEndpoint:
    context = platform.context
    body = endpoint_body(wanted, location=context.location)
    made = OnlineEndpoint(
        name,
        OnlineEndpointArgs(
            name=name,
            **_placed(platform),
            vault_id=platform.workspace.key_vault_id,
            secret_name=wanted.key_secret_name or f"{name}-key",
            body=body["properties"],
            identity=body["identity"],
            tags=context.tags(wanted.tags),
            depends_on=[*platform.deploy_ready, *_identity_roles(platform, name, wanted)],
            import_id=f"{context.workspace_id}/onlineEndpoints/{name}" if wanted.import_ else None,
        ),
    )
    built = BuiltEndpoint(name, wanted, made)
    for key in wanted.deployments:
        # With what the product chooses for values that were left out; the plan explains each.
        deployment = fitted_one(context.settings, models.lock, name, key).deployment
        built.served[key] = _deployment(platform, models, environments, built, key, deployment)
    if built.served:
        built.traffic = _traffic(name, built)
    return built


def _deployment(
    platform: Platform,
    models: Models,
    environments: Environments,
    built: BuiltEndpoint,
    key: str,
    wanted: DeploymentSettings,
) -> Served:
    context = platform.context
    variables = vllm_arguments.variables(context.settings, wanted)
    wanted = wanted.model_copy(update={"environment_variables": variables})
    collected = _data_assets(platform, built.name, key, wanted)
    body = deployment_body(
        wanted,
        location=context.location,
        environment_id=None,
        data_ids={name: asset.asset_id for name, asset in collected.items()},
    )["properties"]
    autoscale = wanted.autoscale or context.settings.autoscale
    where = (built.name, key, wanted)
    # What a server that is taken over runs with is registered already.
    keep = bool(wanted.import_)
    model, environment = models.of(*where, register=not keep), environments.of(*where, register=not keep)
    content = {
        "body": {name: value for name, value in body.items() if name not in IN_PLACE},
        "model": model and model.identity,
        "environment": environment and environment.identity,
    }
    rollout = wanted.rollout or context.settings.rollout
    named = server(key, content, rollout=rollout, import_=wanted.import_, prefix=f"{built.name}-")
    if keep and not named.adopted:
        model, environment = models.of(*where), environments.of(*where)
    if wanted.import_ is True:
        _say_hash(built.name, key, named)
    deployment = Deployment(
        named.logical,
        DeploymentArgs(
            server=named,
            endpoint=built.endpoint,
            deployment_id=f"{context.workspace_id}/onlineEndpoints/{built.name}/deployments/{named.physical}",
            **_placed(platform),
            body=body,
            environment_id=environment.environment_id if environment else None,
            model_id=model.model_id if model else None,
            auth_mode=built.settings.auth_mode,
            private=built.settings.public_network_access == "Disabled",
            instance_count=wanted.instance_count or (autoscale.minimum if autoscale else None),
            tags=context.tags(wanted.tags),
            autoscaled=bool(autoscale and autoscale.enabled),
            smoke_test=_smoke_test(platform, wanted, short_hash([content, body])),
            depends_on=[
                *platform.deploy_ready,
                *(asset.resource for asset in collected.values() if asset.resource),
            ],
        ),
    )
    if autoscale:
        _autoscale(platform, named, deployment, autoscale)
    return Served(named, deployment, environment, model)


def _say_hash(endpoint: str, key: str, named: Server) -> None:
    """Taken over for good, a server is changed in place; with its hash, a change is rolled."""
    pulumi.log.info(
        f"vllm-azureml:endpoints.{endpoint}.deployments.{key}.import_: is taken over as it is. Write "
        f'`import_: "{named.hash}"` once it is: then the first change that makes a different server is '
        "rolled like any other instead of changing this one in place."
    )


def _placed(platform: Platform) -> dict[str, Any]:
    return {
        "resource_group_name": platform.group_name,
        "workspace_name": platform.workspace.name,
        "location": platform.context.location,
    }


def _data_assets(
    platform: Platform, endpoint: str, key: str, wanted: DeploymentSettings
) -> dict[str, NamedData]:
    """What the data collector writes to, by collection; the asset stays when the server rolls."""
    found = {}
    for collection, asset in data_assets(endpoint, key, wanted).items():
        asset_id = platform.context.asset_id("data", asset.name, asset.version)
        if wanted.import_:  # registered by whoever made the deployment
            found[collection] = NamedData(asset_id, None)
            continue
        made = DataAsset(
            f"{asset.name}-{asset.version}",
            DataAssetArgs(
                name=asset.name,
                version=asset.version,
                resource_group_name=platform.group_name,
                workspace_name=platform.workspace.name,
                body=asset.body["properties"],
            ),
        )
        found[collection] = NamedData(asset_id, made)
    return found


def _smoke_test(platform: Platform, wanted: DeploymentSettings, subject: str) -> SmokeTestArgs | None:
    test = wanted.smoke_test or SmokeTest()
    if not test.enabled:
        return None
    return SmokeTestArgs(
        subject=subject,
        private_address=platform.context.settings.runner.private_address or "",
        prompt=test.prompt,
        model=test.model or "",
        path=test.path or _scoring_path(platform, wanted),
        max_tokens=test.max_tokens,
        stream=test.stream,
        expect=test.expect or "",
        timeout_seconds=test.timeout,
    )


def _scoring_path(platform: Platform, wanted: DeploymentSettings) -> str:
    """Only with the route `/` are the container's own paths reachable; else the route itself is asked."""
    if isinstance(environment_of(platform.context.settings, wanted), Registered):
        return ROUTE_OF_ENVIRONMENT
    config = images_.routes(wanted, platform.context)
    path = config.scoring_route.path if config else "/"
    return "" if path == "/" else path


def _traffic(name: str, built: BuiltEndpoint) -> Traffic:
    share = built.settings.traffic
    if share is None:
        share = dict.fromkeys(built.served, 100) if len(built.served) == 1 else {}
    mirror = built.settings.mirror_traffic or {}
    return Traffic(
        name,
        TrafficArgs(
            endpoint=built.endpoint,
            deployments=[served.deployment for served in built.served.values()],
            traffic={built.served[key].server.physical: percent for key, percent in share.items()},
            mirror_traffic={built.served[key].server.physical: percent for key, percent in mirror.items()},
            recreated=[served.deployment for served in built.served.values() if served.server.fixed],
        ),
    )


def _identity_roles(platform: Platform, name: str, wanted: EndpointSettings) -> list[pulumi.Resource]:
    """Roles of a user-assigned identity, before the endpoint exists: Azure gives it none.

    A system-assigned identity gets AcrPull and Storage Blob Data Reader from Azure itself.
    https://learn.microsoft.com/azure/machine-learning/concept-endpoints-online-auth
    """
    identities = wanted.identity.user_assigned_identities if wanted.identity and not wanted.import_ else []
    if not identities or platform.context.settings.workspace.existing:
        return []
    from pulumi_azure_native import managedidentity

    identity = managedidentity.UserAssignedIdentity.get(f"{name}-identity", identities[0].resource_id or "")
    grants = RoleGrants(
        f"{name}-identity",
        RoleGrantsArgs(
            principal_id=identity.principal_id,
            subscription_id=platform.context.caller.subscription_id,
            principal_type="ServicePrincipal",
            grants={
                "pull": ("AcrPull", platform.workspace.registry_id),
                "read": ("Storage Blob Data Reader", platform.workspace.storage_id),
            },
        ),
    )
    wait = RolePropagation(
        f"{name}-identity", assignments=list(grants.ids.values()), settle_seconds=SETTLE_SECONDS
    )
    return [wait]


def _autoscale(platform: Platform, named: Server, deployment: Deployment, wanted: Any) -> None:
    Autoscale(
        named.logical,
        AutoscaleArgs(
            name=f"autoscale-{named.logical}",
            resource_group_name=platform.group_name,
            location=platform.context.location,
            deployment_id=deployment.deployment_id,
            settings=wanted.model_dump(),
        ),
    )
