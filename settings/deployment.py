"""A managed online deployment: every key of az ml's deployment.yml, and what this product adds."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from settings.base import Flag, Int, PublicAccess, RollingRate, Section, Texts, Version, setting, wrong
from settings.environment import READ_ONLY, Environment
from settings.models import Model
from settings.probes import Probe, RequestSettings
from settings.rollout import Autoscale, Rollout, SmokeTest
from settings.vllm import Vllm

KUBERNETES = (
    "This belongs to Kubernetes online endpoints; this stack makes managed ones. Remove it, and choose the "
    "machine with "
    "instance_type."
)
SCORING_SCRIPT = (
    "This belongs to scoring scripts that Azure's inference server runs. vLLM is a server of its own: put "
    "what the "
    "container needs into the image, its settings into environment_variables, and name its routes in "
    "environment.inference_config."
)


def text_or_mapping(value: Any) -> str | None:
    """Tell a reference from an inline asset, so that an error speaks of the one that was meant."""
    if isinstance(value, str):
        return "reference"
    return "inline"


ModelChoice = Annotated[
    Annotated[str, Tag("reference")] | Annotated[Model, Tag("inline")], Discriminator(text_or_mapping)
]
EnvironmentChoice = Annotated[
    Annotated[str, Tag("reference")] | Annotated[Environment, Tag("inline")], Discriminator(text_or_mapping)
]


def _managed(value: Any) -> Any:
    if isinstance(value, str) and value.lower() == "kubernetes":
        raise wrong(
            "is kubernetes, and this stack makes managed deployments.", "Write managed, or remove the key."
        )
    return value.lower() if isinstance(value, str) else value


DeploymentType = Annotated[Literal["managed"], BeforeValidator(_managed)]


class DataAsset(Section):
    """Where collected data goes."""

    name: str | None = setting(
        None, "Name of the data asset.", azure="ENDPOINT-DEPLOYMENT-COLLECTION when omitted."
    )
    version: Version | None = setting(None, "Version of the data asset.", azure="1 when omitted.")
    path: str | None = setting(None, "azureml:// path the data is written to.")
    data_id: str | None = setting(None, "ARM id of a registered data asset.")


DataChoice = Annotated[
    Annotated[str, Tag("reference")] | Annotated[DataAsset, Tag("inline")], Discriminator(text_or_mapping)
]


class Collection(Section):
    """One collection of the data collector."""

    example = {"enabled": True}

    enabled: Flag = Field(description="Collect it.", examples=[True])
    data: DataChoice | None = setting(None, "Data asset to write to: its reference, or inline.")
    client_id: str | None = setting(None, "Client id of the identity that writes.")


class RequestLogging(Section):
    """Which request headers are collected."""

    capture_headers: list[str] | None = setting(None, "Headers to collect with the payload.")


class DataCollector(Section):
    """Model data collector. vLLM has no hook for the collector's library; Azure collects request and
    response.
    """

    collections: dict[str, Collection] = setting(
        dict, "Collections by name: request, response, or the model's own."
    )
    rolling_rate: RollingRate | None = setting(
        None, "How often a new file is begun: minute, hour or day.", azure="Hour when omitted."
    )
    sampling_rate: float | None = setting(
        None, "Share of the requests to collect, 0.0 to 1.0.", ge=0, le=1, azure="1.0 when omitted."
    )
    request_logging: RequestLogging | None = setting(None, "Headers to collect.")


class ScaleSettings(Section):
    """az ml's scale settings. Managed deployments have `default` only; use `autoscale` for rules."""

    example = {"type": "default"}
    refused = dict.fromkeys(
        ("polling_interval", "target_utilization_percentage", "min_instances", "max_instances"),
        "This belongs to target_utilization scaling of Kubernetes endpoints. Use `autoscale` on this "
        "deployment.",
    )

    type: Literal["default", "target_utilization"] = Field(
        description="Kind of scaling. Only `default` exists for managed deployments.", examples=["default"]
    )


class Deployment(Section):
    """A server: a model, an image, a machine."""

    read_only = dict.fromkeys(("id", "provisioning_state", "creation_context", "resourceGroup"), READ_ONLY)
    refused = {
        "code_configuration": SCORING_SCRIPT,
        "code_path": SCORING_SCRIPT,
        "scoring_script": SCORING_SCRIPT,
        "resources": KUBERNETES,
        "package_model": "Packaging builds an image with a scoring script. Use an image with vLLM.",
    }
    example = {
        "instance_type": "Standard_NC24ads_A100_v4",
        "environment": {"image": "myacr.azurecr.io/vllm:1.0"},
    }

    name: str | None = setting(None, "Name of the deployment; must equal the key.")
    endpoint_name: str | None = setting(None, "Name of the endpoint; must equal the endpoint's key.")
    type: DeploymentType | None = setting(None, "`managed`; Kubernetes deployments are not supported.")
    description: str | None = setting(None, "Description of the deployment.")
    tags: Texts = setting(dict, "Tags of the deployment.")
    properties: Texts = setting(
        dict, "Properties of the deployment.", azure="Properties can be added, never changed or removed."
    )
    model: ModelChoice | None = setting(
        None,
        "Model: azureml:NAME:VERSION or azureml:NAME@latest (an entry of `models` with that name and "
        "version is this "
        "stack's, anything else is registered already), a registry's azureml://registries/..., or inline "
        "(`path` or `huggingface`). Without a model the container downloads its own.",
    )
    model_mount_path: str | None = setting(
        None,
        "Folder in the container under which the model appears.",
        azure="/var/azureml-app/azureml-models/NAME/VERSION when omitted.",
    )
    environment: EnvironmentChoice | None = setting(
        None,
        "Environment: azureml:NAME:VERSION, azureml:NAME@latest, a registry's azureml://registries/..., or "
        "inline.",
    )
    image: str | None = setting(
        None,
        "Short form: an entry of `images` (or an image reference) with vLLM's routes on port 8000. "
        "Instead of environment.",
    )
    environment_variables: Texts = setting(
        dict,
        "Environment variables of the container. Secrets only as ${{keyvault:...}} or "
        "${{azureml://connections/NAME/credentials/KEY}}.",
    )
    instance_type: str = Field(description="Azure VM size.", examples=["Standard_NC24ads_A100_v4"])
    instance_count: Int | None = setting(
        None,
        "Instances.",
        unit="instances",
        azure="1 when omitted; 50 at most. A change never rolls the deployment.",
        ge=1,
        le=50,
    )
    app_insights_enabled: bool = setting(False, "Send the container's logs to Application Insights.")
    scale_settings: ScaleSettings | None = setting(None, "Kind of scaling; leave it out.")
    request_settings: RequestSettings | None = setting(None, "Timeout and concurrency of requests.")
    liveness_probe: Probe | None = setting(None, "When Azure restarts the container.")
    readiness_probe: Probe | None = setting(None, "When Azure sends it requests.")
    startup_probe: Probe | None = setting(
        None,
        "Holds the other probes back until the container is up. The API has it, az ml's YAML does not: "
        "opt-in.",
        azure="Accepted by API 2025-12-01; behaviour of the service unverified.",
    )
    data_collector: DataCollector | None = setting(None, "Collect requests and responses.")
    egress_public_network_access: PublicAccess | None = setting(
        None,
        "Outbound access of the container (legacy network isolation). Leave it out when the workspace has "
        "a managed "
        "network.",
        azure="Enabled when omitted; cannot be changed after creation.",
    )
    private_network_connection: bool | None = setting(
        None, "az ml's older name for egress_public_network_access: disabled."
    )
    rollout: Rollout | None = setting(
        None,
        "How a change of the server happens. blue_green: the new one beside the old one, tried, then the "
        "traffic, "
        "under a name with a hash. recreate: the name as written, with an outage. The stack's `rollout` "
        "when omitted.",
    )
    smoke_test: SmokeTest | None = setting(None, "Requests that decide whether the deployment gets traffic.")
    autoscale: Autoscale | None = setting(
        None, "Azure Monitor autoscale; the stack's `autoscale` when omitted."
    )
    vllm: Vllm | None = setting(None, "vLLM's arguments; the stack's `vllm` when omitted.")
    import_: bool | str = setting(
        False,
        "Take over a deployment that already runs under this name. It keeps its name until the first "
        "change that "
        "makes a different server. A text is the server hash it was taken over with.",
        union_mode="left_to_right",
    )
