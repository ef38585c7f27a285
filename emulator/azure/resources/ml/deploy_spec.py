"""What the nodes are asked to run: image and model, pulled and read as the endpoint's identity, and probes.

Texts follow azure-docs issue 107890 (pull permission), azure-docs issue 120727 (model artifacts) and
azure-cli-extensions issue 5583 (no routes and no scoring script).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.azure import autoscale, identities
from emulator.azure.errors import ArmError
from emulator.azure.gates.registry import TOKEN_USER, RegistryGate
from emulator.azure.resources.container_registry import registry_at
from emulator.azure.resources.ml import image_build, managed_network
from emulator.azure.resources.ml.common import GUIDE, find_asset, workspace_of
from emulator.azure.resources.ml.deployment_log import event, failure, reached
from emulator.azure.resources.ml.model_uri import BlobPath, parse_uri
from emulator.azure.resources.ml.secret_injection import environment
from emulator.azure.store import Resource
from emulator.nodes.interface import DeploymentSpec, ModelMount, Outcome, Probe, Reason, Stage

if TYPE_CHECKING:
    from emulator.azure.cloud import Cloud

_BLOB_READ = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"
_PULL = "Microsoft.ContainerRegistry/registries/pull/read"


async def make_spec(cloud: Cloud, resource: Resource, *, check: bool = False) -> DeploymentSpec:
    """Return what the nodes need; with `check` the permissions and the presence of image and model are
    tested.
    """
    properties = resource.properties
    image, password = await _image(cloud, resource, check=check)
    inference = inference_config(cloud, resource)
    scoring_port, scoring_path = route_of(inference, "scoringRoute")
    limits = properties["requestSettings"]
    return DeploymentSpec(
        endpoint=resource.parent_id.rsplit("/", 1)[1],
        deployment=resource.name,
        resource_id=resource.id,
        image=image,
        environment=environment(cloud, resource),
        registry_username=TOKEN_USER if password else None,
        registry_password=password,
        model=await _mount(cloud, resource, check=check),
        instances=int(resource.doc["sku"]["capacity"]),
        scoring_port=scoring_port,
        scoring_path=scoring_path,
        liveness=_probe(properties["livenessProbe"], route_of(inference, "livenessRoute")),
        readiness=_probe(properties["readinessProbe"], route_of(inference, "readinessRoute")),
        # What the service does with a startup probe is unverified; here it is Kubernetes' own.
        startup=_probe(properties["startupProbe"], route_of(inference, "startupRoute"))
        if properties.get("startupProbe")
        else None,
        egress=properties["egressPublicNetworkAccess"] != "Disabled" and _network_egress(cloud, resource),
        request_timeout=autoscale.seconds(limits["requestTimeout"]),
        max_concurrent=limits["maxConcurrentRequestsPerInstance"],
    )


def _network_egress(cloud: Cloud, resource: Resource) -> bool:
    return managed_network.mode(workspace_of(cloud, resource.id)) != "AllowOnlyApprovedOutbound"


def _environment_version(cloud: Cloud, resource: Resource) -> Resource | None:
    found = find_asset(
        cloud, workspace_of(cloud, resource.id).id, "environments", resource.properties["environmentId"]
    )
    return found.resource if found else None


def inference_config(cloud: Cloud, resource: Resource) -> dict[str, Any]:
    version = _environment_version(cloud, resource)
    config = (version.properties.get("inferenceConfig") if version else None) or {}
    if version is not None and not config and not resource.properties.get("codeConfiguration"):
        # azure-cli-extensions issue 5583: no routes and no scoring script leaves Azure without a server to
        # ask.
        text = (
            "User container has crashed or terminated: MissingDriverProgram: the environment "
            "has no inferenceConfig and "
            f"the deployment no scoring script. {GUIDE}#error-resourcenotready"
        )
        raise ArmError(400, "ResourceNotReady", text)
    return config


def route_of(inference: dict[str, Any], name: str) -> tuple[int, str]:
    found = inference.get(name) or {"port": 5001, "path": "/score" if name == "scoringRoute" else "/"}
    return int(found["port"]), str(found["path"])


def _probe(settings: dict[str, Any], target: tuple[int, str]) -> Probe:
    """What is not set is Azure's default, which is `Probe`'s own."""
    times = {"initial_delay": "initialDelay", "period": "period", "timeout": "timeout"}
    counts = {"success_threshold": "successThreshold", "failure_threshold": "failureThreshold"}
    given: dict[str, Any] = {
        name: autoscale.seconds(settings[key]) for name, key in times.items() if key in settings
    }
    given |= {name: settings[key] for name, key in counts.items() if key in settings}
    return Probe(port=target[0], path=target[1], **given)


async def _image(cloud: Cloud, resource: Resource, *, check: bool) -> tuple[str, str | None]:
    """Return the image and the password for its pull as the endpoint's identity."""
    version = _environment_version(cloud, resource)
    if version is None:  # an environment of a registry
        return resource.properties["environmentId"], None
    image = version.properties.get("image") or await image_build.built_image(cloud, version)
    server, _, rest = image.partition("/")
    registry = registry_at(cloud, server)
    if registry is None:
        if check:
            _check_outside(cloud, resource, image)
        return image, None
    principal = await _allowed(cloud, resource, registry) if check else _first(cloud, resource)
    if check:
        await _check_image(cloud, resource, registry, rest)
    if principal is None:
        return image, None
    found = cloud.principals.get(principal)
    password = RegistryGate(cloud, registry.id).refresh_token(found) if found else None
    return image, password


def _check_outside(cloud: Cloud, resource: Resource, image: str) -> None:
    """Without a way out no public registry is reached: the image has to be in the workspace's own.

    Source: the guide of the private deployment, "the workspace ACR cannot pull images from public
    registries"; for the approved mode of a managed network: learn.microsoft.com, "Workspace managed virtual
    network isolation".
    """
    closed = resource.properties["egressPublicNetworkAccess"] == "Disabled"
    if not cloud.settings.content_required or image.startswith(image_build.UNBUILT):
        return
    if not closed and _network_egress(cloud, resource):
        return
    reached(cloud, resource, Stage.IMAGE_PULL, "Start pulling container image")
    text = f"{image} is in a public registry, which the deployment's isolated network does not reach."
    raise failure(cloud, resource, Outcome.failure(Stage.IMAGE_PULL, Reason.IMAGE_PULL_FAILED, text))


def _first(cloud: Cloud, resource: Resource) -> str | None:
    endpoint = cloud.store.get(resource.parent_id)
    found = identities.principals(cloud, endpoint) if endpoint else []
    return found[0] if found else None


async def _allowed(cloud: Cloud, resource: Resource, registry: Resource) -> str:
    endpoint = cloud.store.get(resource.parent_id)
    assert endpoint is not None
    for principal in identities.principals(cloud, endpoint):
        if cloud.rbac.allowed(principal, _PULL, registry.id):
            return principal
    text = (
        "BadArgument: Endpoint identity does not have pull permission on the registry. "
        f"Assign it AcrPull on {registry.id}. {GUIDE}#authorization-error"
    )
    event(resource, "ImagePullFailed", "Warning", "Image pull failed: authentication required")
    raise ArmError(400, "BadArgument", text)


async def _check_image(cloud: Cloud, resource: Resource, registry: Resource, rest: str) -> None:
    repository, _, digest = rest.partition("@")
    name, _, tag = repository.partition(":")
    found = await cloud.images.digest(registry, name, digest or tag or "latest")
    if found == "":
        reached(cloud, resource, Stage.IMAGE_PULL, "Start pulling container image")
        text = f"manifest for {registry.name}/{rest} not found: manifest unknown"
        outcome = Outcome.failure(Stage.IMAGE_PULL, Reason.IMAGE_PULL_FAILED, text)
        raise failure(cloud, resource, outcome)


async def _mount(cloud: Cloud, resource: Resource, *, check: bool) -> ModelMount | None:
    reference = resource.properties.get("model")
    if not reference:
        return None
    workspace = workspace_of(cloud, resource.id)
    found = find_asset(cloud, workspace.id, "models", reference)
    if found is None or found.resource is None:
        # A registry's asset: there is nothing to mount here, which a server that runs would not survive.
        if check and found is not None and cloud.settings.content_required:
            text = (
                f"The model {reference} is in a registry of Azure ML, which the embedded Azure does not have."
            )
            reached(cloud, resource, Stage.MODEL_DOWNLOAD, "Start downloading models")
            outcome = Outcome.failure(Stage.MODEL_DOWNLOAD, Reason.MODEL_DOWNLOAD_FAILED, text)
            raise failure(cloud, resource, outcome)
        return None
    where = parse_uri(cloud, found.resource.id, found.resource.properties["modelUri"])
    if check:
        await _check_model(cloud, resource, found.name, where)
    return ModelMount(
        account=cloud.blobs.slot(where.account),
        container=where.container,
        prefix=where.prefix,
        name=found.name,
        version=found.version,
        mount_path=resource.properties.get("modelMountPath"),
    )


async def _check_model(cloud: Cloud, resource: Resource, name: str, where: BlobPath) -> None:
    endpoint = cloud.store.get(resource.parent_id)
    assert endpoint is not None
    scope = f"{where.account.id}/blobServices/default/containers/{where.container}"
    may = any(
        cloud.rbac.allowed(principal, _BLOB_READ, scope, data=True)
        for principal in identities.principals(cloud, endpoint)
    )
    if not may:
        text = (
            "BadArgument: Endpoint identity does not have permission to read the model's "
            "artifacts: assign it "
            f"Storage Blob Data Reader on {where.account.id}. {GUIDE}#authorization-error"
        )
        raise ArmError(400, "BadArgument", text)
    if not cloud.settings.content_required:
        return
    if await cloud.blobs.has_prefix(where.account, where.container, where.prefix) is False:
        text = (
            f"StorageManifestError: the artifacts of model {name} were not found at "
            f"{where.container}/{where.prefix} in "
            f"storage account {where.account.name}. {GUIDE}#error-resourcenotfound"
        )
        reached(cloud, resource, Stage.MODEL_DOWNLOAD, "Start downloading models")
        outcome = Outcome.failure(Stage.MODEL_DOWNLOAD, Reason.MODEL_DOWNLOAD_FAILED, text)
        raise failure(cloud, resource, outcome)
