"""Online deployments: the checks before, the work in `deploy_run`, logs, SKUs, scaling by PATCH."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.azure import autoscale
from emulator.azure.errors import ArmError, user_error
from emulator.azure.resource_type import Action, Answer, Call
from emulator.azure.resources.ml import deploy_run, managed_network, quota, skus
from emulator.azure.resources.ml.common import DEPLOYMENT, GUIDE, MlType, find_asset, sdk_model, workspace_of
from emulator.azure.resources.ml.deployment_log import status_text
from emulator.azure.resources.ml.endpoints import NAME, NAME_RULE
from emulator.azure.store import Resource
from emulator.azure.subscription_level import Route, route
from emulator.azure.validation import validate

if TYPE_CHECKING:
    from emulator.azure.cloud import Cloud

_MAX_INSTANCES = 50
_PER_ENDPOINT = 20
_PER_REGION = 500  # of a subscription; "Manage quotas", endpoint limits
_MAX_TIMEOUT = 180  # seconds; "maximum 180 s with no exception", learn.microsoft.com, "Manage quotas"


class OnlineDeployment(MlType):
    type = DEPLOYMENT
    model = sdk_model("OnlineDeployment")
    patch_model = sdk_model("PartialMinimalTrackedResourceWithSku")
    asynchronous = True
    asynchronous_delete = True
    show_state = True
    # The service documents the egress flag as immutable; instanceType is create-only in the SDK's models.
    create_only = (
        "properties.instanceType",
        "properties.egressPublicNetworkAccess",
        "properties.endpointComputeType",
    )
    name_pattern = NAME
    name_rule = NAME_RULE

    def delay(self, cloud: Cloud) -> float:
        return cloud.settings.delays.deployment

    def bad_name(self, name: str) -> ArmError:
        return user_error(f"The deployment name '{name}' is invalid: {NAME_RULE}.", target="name")

    def complete(self, new: Resource) -> None:
        _defaults(new)

    def prepare(self, call: Call, old: Resource | None, new: Resource) -> None:
        cloud = call.cloud
        workspace, endpoint = workspace_of(cloud, new.id), cloud.store.get(new.parent_id)
        assert endpoint is not None
        _check_settings(new)
        self._check_place(cloud, workspace, endpoint, new, old)
        self._check_assets(cloud, workspace, new)
        self._check_properties(old, new)
        quota.check(cloud, new)

    def _check_place(
        self, cloud: Cloud, workspace: Resource, endpoint: Resource, new: Resource, old: Resource | None
    ) -> None:
        if endpoint.state != "Succeeded" and old is None:
            text = (
                f"The endpoint {endpoint.name} is {endpoint.state}: it must have succeeded "
                "before a deployment."
            )
            raise user_error(text)
        if new.location != endpoint.location:
            raise user_error(
                f"The deployment's location '{new.location}' is not its endpoint's.", target="location"
            )
        if old is None and len(cloud.store.all(DEPLOYMENT, under=endpoint.id)) >= _PER_ENDPOINT:
            raise user_error(
                f"Endpoint {endpoint.name} has {_PER_ENDPOINT} deployments, the most it can have."
            )
        here = [item for item in cloud.store.all(DEPLOYMENT) if item.location == new.location]
        if old is None and len(here) >= _PER_REGION:
            raise user_error(
                f"The subscription has {_PER_REGION} deployments in {new.location}, the most it can have."
            )
        if not managed_network.active(workspace):
            text = (
                f"The managed network of workspace {workspace.name} is not provisioned. "
                "Provision it before the first "
                f"deployment. {GUIDE}#error-workspacemanagednetworknotready"
            )
            raise ArmError(400, "WorkspaceManagedNetworkNotReady", text)
        legacy = new.properties.get("egressPublicNetworkAccess") == "Disabled"
        if legacy and managed_network.mode(workspace) != "Disabled":
            text = (
                "egressPublicNetworkAccess Disabled is the legacy way of isolation and cannot "
                "be used in a workspace "
                "with a managed network; leave it out."
            )
            raise user_error(text, target="properties.egressPublicNetworkAccess")

    def _check_assets(self, cloud: Cloud, workspace: Resource, new: Resource) -> None:
        properties = new.properties
        for field, kind in (("environmentId", "environments"), ("model", "models")):
            reference = properties.get(field)
            if not reference:
                continue
            found = find_asset(cloud, workspace.id, kind, reference)
            if found is None:
                text = (
                    f"'{reference}' is not the id of "
                    f"{'an environment' if field != 'model' else 'a model'} version."
                )
                raise user_error(text, target=f"properties.{field}")
            if found.resource is None and not found.registry:
                text = f"The {kind[:-1]} version '{reference}' was not found in workspace {workspace.name}."
                raise user_error(text, target=f"properties.{field}")
        if not properties.get("environmentId"):
            text = (
                "A deployment without an environment is only possible for MLflow models, "
                "which are not emulated."
            )
            raise user_error(text, target="properties.environmentId")

    def _check_properties(self, old: Resource | None, new: Resource) -> None:
        for key, value in ((old.properties.get("properties") if old else None) or {}).items():
            if new.properties["properties"].setdefault(key, value) != value:
                text = (
                    f"The property '{key}' cannot be altered: properties can be added, but "
                    "not removed or altered."
                )
                raise user_error(text, target=f"properties.properties.{key}")

    async def provision(self, cloud: Cloud, resource: Resource, data: Any) -> None:
        await deploy_run.deploy(cloud, resource, data or {})

    def check_delete(self, call: Call, resource: Resource) -> None:
        """Refuse while it has traffic: stated for the studio; by ARM unverified."""
        endpoint = call.cloud.store.get(resource.parent_id)
        traffic = (endpoint.properties.get("traffic") or {}) if endpoint else {}
        share = traffic.get(resource.name, 0)
        if share and endpoint and endpoint.state != "Deleting":
            text = (
                f"Deployment {resource.name} has {share} percent of the live traffic of endpoint "
                f"{endpoint.name} and "
                "cannot be deleted. Set its traffic to 0 first."
            )
            raise user_error(text)

    async def remove(self, cloud: Cloud, resource: Resource) -> None:
        await cloud.nodes.delete(resource.id)
        endpoint = cloud.store.get(resource.parent_id)
        if endpoint and endpoint.state != "Deleting":
            for name in ("traffic", "mirrorTraffic"):
                (endpoint.properties.get(name) or {}).pop(resource.name, None)
            cloud.store.save(endpoint)

    def outputs(self, cloud: Cloud, resource: Resource) -> dict[str, Any]:
        return {"tags": resource.doc.get("tags", {}), "sku": {"tier": "Standard"}}

    def actions(self) -> dict[str, Action]:
        return {"getlogs": self.get_logs}

    async def get_logs(self, call: Call, resource: Resource) -> Answer:
        body = validate(call.cloud.schemas.get(sdk_model("DeploymentLogsRequest")), call.body or {})
        container = body.get("containerType", "InferenceServer")
        log = await call.cloud.nodes.logs(resource.id, container, int(body.get("tail", 100)))
        return Answer({"content": f"{status_text(resource)}\n\nContainer logs:\n{log}"})


def _defaults(new: Resource) -> None:
    """Fill in the documented defaults (docstrings of the SDK's models)."""
    properties = new.properties
    properties.setdefault("instanceType", skus.DEFAULT)
    properties.setdefault("appInsightsEnabled", False)
    properties.setdefault("egressPublicNetworkAccess", "Enabled")
    properties.setdefault("environmentVariables", {})
    properties.setdefault("properties", {})
    properties.setdefault("scaleSettings", {"scaleType": "Default"})
    limits = {"maxConcurrentRequestsPerInstance": 1, "requestTimeout": "PT5S", "maxQueueWait": "PT0.5S"}
    properties["requestSettings"] = {**limits, **(properties.get("requestSettings") or {})}
    probe = {
        "failureThreshold": 30,
        "successThreshold": 1,
        "initialDelay": "PT10S",
        "period": "PT10S",
        "timeout": "PT2S",
    }
    for name in ("livenessProbe", "readinessProbe"):
        properties[name] = {**probe, **(properties.get(name) or {})}
    if properties.get("startupProbe") is not None:  # only the other two are there unasked
        properties["startupProbe"] = {**probe, **properties["startupProbe"]}
    new.doc["sku"] = {"name": "Default", "capacity": 1, **(new.doc.get("sku") or {})}


def _check_settings(new: Resource) -> None:
    properties = new.properties
    if properties["endpointComputeType"] != "Managed":
        raise user_error(
            "Only managed online deployments are emulated.", target="properties.endpointComputeType"
        )
    if skus.find(properties["instanceType"]) is None:
        text = f"The VM size '{properties['instanceType']}' is not supported for managed online endpoints."
        raise user_error(text, target="properties.instanceType")
    if new.doc["sku"]["name"] != "Default":
        # The one that `GET .../skus` lists, and that azure-ai-ml always sends.
        text = (
            f"The SKU '{new.doc['sku']['name']}' is not available: managed online deployments have Default."
        )
        raise user_error(text, target="sku.name")
    capacity = new.doc["sku"]["capacity"]
    if not 1 <= capacity <= _MAX_INSTANCES:
        text = (
            f"The instance count is {capacity}: a managed online deployment has 1 to "
            f"{_MAX_INSTANCES} instances."
        )
        raise user_error(text, target="sku.capacity")
    if properties["scaleSettings"]["scaleType"] != "Default":
        text = (
            "Managed online deployments have scaleType Default; autoscale is an autoscale "
            "setting of Azure Monitor."
        )
        raise user_error(text, target="properties.scaleSettings")
    limits = properties["requestSettings"]
    if not 0 < autoscale.seconds(limits["requestTimeout"]) <= _MAX_TIMEOUT:
        text = f"requestTimeout is {limits['requestTimeout']}: it must be more than 0 and at most PT3M."
        raise user_error(text, target="properties.requestSettings.requestTimeout")
    autoscale.seconds(limits["maxQueueWait"])  # refuses what is negative, or longer than days
    if not properties.get("modelMountPath", "/").startswith("/"):
        text = f"modelMountPath is {properties['modelMountPath']!r}: it must be an absolute path."
        raise user_error(text, target="properties.modelMountPath")
    if limits["maxConcurrentRequestsPerInstance"] < 1:
        raise user_error(
            "maxConcurrentRequestsPerInstance must be 1 or more.", target="properties.requestSettings"
        )
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if properties.get(name):
            _check_probe(name, properties[name])


def _check_probe(name: str, probe: dict[str, Any]) -> None:
    """Least values as Kubernetes has them; a liveness probe succeeds at once."""
    for key in ("failureThreshold", "successThreshold"):
        if probe.get(key, 1) < 1:
            raise user_error(f"{name}.{key} must be 1 or more.", target=f"properties.{name}.{key}")
    for key in ("period", "timeout"):
        if autoscale.seconds(probe.get(key, "PT1S")) < 1:
            raise user_error(f"{name}.{key} must be PT1S or more.", target=f"properties.{name}.{key}")
    if name != "readinessProbe" and probe.get("successThreshold", 1) != 1:
        raise user_error(f"{name}.successThreshold must be 1.", target=f"properties.{name}.successThreshold")


def list_skus(call: Call, values: dict[str, str]) -> Answer:
    """`GET .../deployments/NAME/skus`: between 1 and 50 instances of the SKU Default."""
    resource = call.cloud.store.get(call.target.id.rsplit("/", 1)[0])
    if resource is None:
        raise ArmError(404, "ResourceNotFound", f"The resource '{call.target.id}' was not found.")
    capacity = {"minimum": 1, "maximum": _MAX_INSTANCES, "default": 1, "scaleType": "Manual"}
    row = {"resourceType": DEPLOYMENT, "sku": {"name": "Default", "tier": "Standard"}, "capacity": capacity}
    return Answer({"value": [row]})


def routes() -> list[Route]:
    path = "/resourceGroups/{group}/providers/Microsoft.MachineLearningServices/workspaces/{workspace}"
    path += "/onlineEndpoints/{endpoint}/deployments/{deployment}/skus"
    return [route("GET", path, list_skus, f"{DEPLOYMENT}/read")]
