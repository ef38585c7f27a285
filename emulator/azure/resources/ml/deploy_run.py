"""The work of a deployment: permissions of the endpoint's identity, image, model, then the nodes; failures
in stages.

Order and texts follow what users of the service quote: azureml-examples issue 3444 (instance status and
events), mlops-v2 issue 120 (ResourceNotReady), azure-docs issue 107890 (pull permission), azure-docs issue
120727 (model).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from emulator.azure import autoscale, identities, vault_secrets
from emulator.azure.clock import iso
from emulator.azure.errors import ArmError
from emulator.azure.gates.registry import TOKEN_USER, RegistryGate
from emulator.azure.resources.container_registry import registry_at
from emulator.azure.resources.ml import image_build
from emulator.azure.resources.ml.common import GUIDE, find_asset, workspace_of
from emulator.azure.resources.ml.model_uri import BlobPath, parse_uri
from emulator.azure.store import Resource
from emulator.nodes.interface import DeploymentSpec, ModelMount, Outcome, Probe, Reason, Stage

if TYPE_CHECKING:
    from emulator.azure.cloud import Cloud

_BLOB_READ = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"
_PULL = "Microsoft.ContainerRegistry/registries/pull/read"
_SECRET = re.compile(r"\$\{\{keyvault:(https://[^}]+?)/secrets/([^/}]+)(?:/([^/}]+))?\}\}")
_STAGES = (Stage.SYSTEM_SETUP, Stage.IMAGE_PULL, Stage.MODEL_DOWNLOAD, Stage.CONTAINER_START)


async def deploy(cloud: Cloud, resource: Resource, old: dict[str, Any] | None) -> None:
    """Run a deployment; raises ArmError with Azure's text when it fails."""
    resource.private["stages"] = {stage.value: "Waiting" for stage in _STAGES}
    resource.private["events"] = []
    _reached(cloud, resource, Stage.SYSTEM_SETUP, "")
    if old is not None and _only_capacity(old, resource) and "live" in resource.private:
        outcome = await cloud.nodes.scale(resource.id, resource.doc["sku"]["capacity"])
    else:
        spec = await make_spec(cloud, resource, check=True)
        outcome = await cloud.nodes.deploy(spec, lambda stage, text: _reached(cloud, resource, stage, text))
    if not outcome.ok:
        raise _failure(cloud, resource, outcome)
    for stage in _STAGES:
        resource.private["stages"][stage.value] = "Succeeded"
    resource.private["live"] = _live(cloud, resource)


def _only_capacity(old: dict[str, Any], new: Resource) -> bool:
    return old.get("properties") == new.doc.get("properties")


def _live(cloud: Cloud, resource: Resource) -> dict[str, Any]:
    """Return what the front door sees once this deployment has succeeded."""
    limits = resource.properties["requestSettings"]
    _, path = _route(_inference(cloud, resource), "scoringRoute")
    return {
        "scoring_path": path,
        "request_timeout": autoscale.seconds(limits["requestTimeout"]),
        "max_concurrent": limits["maxConcurrentRequestsPerInstance"],
    }


def _reached(cloud: Cloud, resource: Resource, stage: Stage, text: str) -> None:
    """Write down that a stage has begun; those before it have succeeded."""
    stages = resource.private["stages"]
    for other in _STAGES:
        if other == stage:
            stages[other.value] = "InProgress"
            break
        stages[other.value] = "Succeeded"
    if text:
        _event(resource, stage.value, "Normal", text)
    cloud.store.save(resource)


def _event(resource: Resource, name: str, kind: str, text: str) -> None:
    events = resource.private.setdefault("events", [])
    events.append(f"Kind: Pod, Name: {name}, Type: {kind}, Time: {iso()}, Message: {text}")
    del events[:-20]


def status_text(resource: Resource) -> str:
    """Return the head of a deployment's log: the stages and the container's events."""
    stages = resource.private.get("stages") or {stage.value: "Waiting" for stage in _STAGES}
    lines = ["Instance status:", *(f"{name}: {state}" for name, state in stages.items())]
    return "\n".join([*lines, "", "Container events:", *resource.private.get("events", [])])


async def make_spec(cloud: Cloud, resource: Resource, *, check: bool = False) -> DeploymentSpec:
    """Return what the nodes need; with `check` the permissions and the presence of image and model are
    tested.
    """
    properties = resource.properties
    image, password = await _image(cloud, resource, check=check)
    inference = _inference(cloud, resource)
    scoring_port, scoring_path = _route(inference, "scoringRoute")
    limits = properties["requestSettings"]
    return DeploymentSpec(
        endpoint=resource.parent_id.rsplit("/", 1)[1],
        deployment=resource.name,
        resource_id=resource.id,
        image=image,
        environment=_environment(cloud, resource),
        registry_username=TOKEN_USER if password else None,
        registry_password=password,
        model=await _mount(cloud, resource, check=check),
        instances=int(resource.doc["sku"]["capacity"]),
        scoring_port=scoring_port,
        scoring_path=scoring_path,
        liveness=_probe(properties["livenessProbe"], _route(inference, "livenessRoute")),
        readiness=_probe(properties["readinessProbe"], _route(inference, "readinessRoute")),
        egress=properties["egressPublicNetworkAccess"] != "Disabled" and _network_egress(cloud, resource),
        request_timeout=autoscale.seconds(limits["requestTimeout"]),
        max_concurrent=limits["maxConcurrentRequestsPerInstance"],
    )


def _network_egress(cloud: Cloud, resource: Resource) -> bool:
    from emulator.azure.resources.ml import managed_network

    return managed_network.mode(workspace_of(cloud, resource.id)) != "AllowOnlyApprovedOutbound"


def _environment_version(cloud: Cloud, resource: Resource) -> Resource | None:
    found = find_asset(
        cloud, workspace_of(cloud, resource.id).id, "environments", resource.properties["environmentId"]
    )
    return found.resource if found else None


def _inference(cloud: Cloud, resource: Resource) -> dict[str, Any]:
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


def _route(inference: dict[str, Any], name: str) -> tuple[int, str]:
    found = inference.get(name) or {"port": 5001, "path": "/score" if name == "scoringRoute" else "/"}
    return int(found["port"]), str(found["path"])


def _probe(settings: dict[str, Any], target: tuple[int, str]) -> Probe:
    return Probe(
        port=target[0],
        path=target[1],
        initial_delay=autoscale.seconds(settings["initialDelay"]),
        period=autoscale.seconds(settings["period"]),
        timeout=autoscale.seconds(settings["timeout"]),
        success_threshold=settings["successThreshold"],
        failure_threshold=settings["failureThreshold"],
    )


async def _image(cloud: Cloud, resource: Resource, *, check: bool) -> tuple[str, str | None]:
    """Return the image and the password for its pull as the endpoint's identity."""
    version = _environment_version(cloud, resource)
    if version is None:  # an environment of a registry
        return resource.properties["environmentId"], None
    image = version.properties.get("image") or await image_build.built_image(cloud, version)
    server, _, rest = image.partition("/")
    registry = registry_at(cloud, server)
    if registry is None:
        return image, None
    principal = await _allowed(cloud, resource, registry) if check else _first(cloud, resource)
    if check:
        await _check_image(cloud, resource, registry, rest)
    if principal is None:
        return image, None
    found = cloud.principals.get(principal)
    password = RegistryGate(cloud, registry.id).refresh_token(found) if found else None
    return image, password


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
    _event(resource, "ImagePullFailed", "Warning", "Image pull failed: authentication required")
    raise ArmError(400, "BadArgument", text)


async def _check_image(cloud: Cloud, resource: Resource, registry: Resource, rest: str) -> None:
    repository, _, digest = rest.partition("@")
    name, _, tag = repository.partition(":")
    found = await cloud.images.digest(registry, name, digest or tag or "latest")
    if found == "":
        _reached(cloud, resource, Stage.IMAGE_PULL, "Start pulling container image")
        text = f"manifest for {registry.name}/{rest} not found: manifest unknown"
        outcome = Outcome.failure(Stage.IMAGE_PULL, Reason.IMAGE_PULL_FAILED, text)
        raise _failure(cloud, resource, outcome)


async def _mount(cloud: Cloud, resource: Resource, *, check: bool) -> ModelMount | None:
    reference = resource.properties.get("model")
    if not reference:
        return None
    workspace = workspace_of(cloud, resource.id)
    found = find_asset(cloud, workspace.id, "models", reference)
    if found is None or found.resource is None:
        return None  # a registry's asset: accepted, nothing to mount here
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
    if await cloud.blobs.has_prefix(where.account, where.container, where.prefix) is False:
        text = (
            f"StorageManifestError: the artifacts of model {name} were not found at "
            f"{where.container}/{where.prefix} in "
            f"storage account {where.account.name}. {GUIDE}#error-resourcenotfound"
        )
        _reached(cloud, resource, Stage.MODEL_DOWNLOAD, "Start downloading models")
        outcome = Outcome.failure(Stage.MODEL_DOWNLOAD, Reason.MODEL_DOWNLOAD_FAILED, text)
        raise _failure(cloud, resource, outcome)


def _environment(cloud: Cloud, resource: Resource) -> dict[str, str]:
    """Return the environment variables with secrets in their places (secret injection, a preview of the
    service).
    """
    found = dict(resource.properties["environmentVariables"])
    for name, value in found.items():
        match = _SECRET.fullmatch(value.strip())
        if match:
            found[name] = _injected(cloud, resource, name, match)
        elif value.strip().startswith("${{"):
            text = (
                f"SecretsInjectionError: the reference in environment variable {name} is not "
                "a Key Vault secret."
            )
            raise ArmError(400, "SecretsInjectionError", text)
    return found


def _injected(cloud: Cloud, resource: Resource, name: str, match: re.Match[str]) -> str:
    base, secret, version = match.groups()
    endpoint = cloud.store.get(resource.parent_id)
    assert endpoint is not None
    action = "Microsoft.KeyVault/vaults/secrets/getSecret/action"
    for vault in cloud.store.all("Microsoft.KeyVault/vaults"):
        if cloud.addresses.url(vault.private["host"]).rstrip("/") != base.rstrip("/"):
            continue
        people = identities.principals(cloud, endpoint)
        if not any(cloud.rbac.allowed(person, action, vault.id, data=True) for person in people):
            text = (
                f"SecretsInjectionError: the endpoint's identity may not read secrets of vault {vault.name}."
            )
            raise ArmError(400, "SecretsInjectionError", text)
        rows = vault_secrets.versions(cloud, vault.id, secret)
        rows = [row for row in rows if version is None or row["version"] == version]
        if rows:
            return rows[-1]["value"]
    text = f"SecretsInjectionError: the secret of environment variable {name} was not found."
    raise ArmError(400, "SecretsInjectionError", text)


_HEADLINES = {
    Reason.IMAGE_PULL_FAILED: ("ImagePullFailed", "Unable to download user container image"),
    Reason.MODEL_DOWNLOAD_FAILED: ("DownloadFailed", "Model download failed"),
    Reason.CONTAINER_CRASHED: ("BackOff", "User container has crashed or terminated"),
    Reason.LIVENESS_PROBE_FAILED: (
        "LivenessProbeFailed",
        "User container has crashed or terminated: Liveness probe failed",
    ),
    Reason.READINESS_PROBE_FAILED: ("ReadinessProbeFailed", "Readiness probe failed"),
    Reason.NODES_UNAVAILABLE: ("NodesUnavailable", "The embedded Azure has no nodes"),
}


def _failure(cloud: Cloud, resource: Resource, outcome: Outcome) -> ArmError:
    """Return Azure's text for an outcome: the headline, then the stages and events as its logs show them."""
    reason = outcome.reason or Reason.CONTAINER_CRASHED
    event, headline = _HEADLINES[reason]
    stages = resource.private["stages"]
    for stage in _STAGES:
        if stage == outcome.stage:
            stages[stage.value] = "InProgress" if stage is Stage.CONTAINER_START else "Failed"
            break
        stages[stage.value] = "Succeeded"
    _event(resource, event, "Warning", outcome.text)
    cloud.store.save(resource)
    log = f"\n\nContainer logs:\n{outcome.log}" if outcome.log else ""
    text = f"{headline}: {outcome.text} {GUIDE}#error-resourcenotready\n\n{status_text(resource)}{log}"
    return ArmError(400, "ResourceNotReady", text)
