"""A deployment as a whole: what must be there, what contradicts, what Azure refuses."""

import re
from collections.abc import Iterator

from settings.deployment import Deployment
from settings.environment import Environment
from settings.errors import Path, Problem
from settings.images import Build
from settings.references import environment_of, image_of, model_of
from settings.stack import StackSettings

INSTANCE_TYPE = re.compile(r"Standard_[A-Za-z0-9_]+")


def check(stack: StackSettings) -> Iterator[Problem]:
    """Every deployment by itself and against the workspace."""
    for endpoint, key, deployment in stack.deployments():
        at: Path = ("endpoints", endpoint, "deployments", key)
        yield from _environment(deployment, at)
        yield from _routes(stack, deployment, at)
        yield from _machine(deployment, at)
        yield from _network(stack, deployment, at)
        yield from _startup(deployment, at)
        yield from _mount(stack, deployment, at)
        yield from _model(stack, deployment, at)


def _environment(deployment: Deployment, at: Path) -> Iterator[Problem]:
    if deployment.environment is None and deployment.image is None:
        fix = (
            "Write `environment: {image: NAME, inference_config: {...}}`, or `image: NAME` for vLLM's routes."
        )
        yield Problem(at, "has no environment: nothing says which image it runs.", fix)
    if deployment.environment is not None and deployment.image is not None:
        yield Problem(
            (*at, "image"), "is the short form of `environment`, which is there too.", "Keep one of them."
        )


def _routes(stack: StackSettings, deployment: Deployment, at: Path) -> Iterator[Problem]:
    """Without routes Azure looks for a scoring script. Only MLflow and Triton models do without either."""
    environment = environment_of(stack, deployment)
    if not isinstance(environment, tuple) or environment[1].inference_config is not None:
        return
    model = model_of(stack, deployment)
    if model is None or (isinstance(model, tuple) and model[1].type == "custom_model"):
        inline = isinstance(deployment.environment, Environment)
        place: Path = (*at, "environment") if inline else ("environments", environment[0])
        reason = (
            "is missing: without routes Azure looks for a scoring script and fails (MissingDriverProgram)."
        )
        fix = "Add liveness_route, readiness_route and scoring_route, for vLLM port 8000."
        yield Problem((*place, "inference_config"), reason, fix)


def _machine(deployment: Deployment, at: Path) -> Iterator[Problem]:
    if not INSTANCE_TYPE.fullmatch(deployment.instance_type):
        reason = f"`{deployment.instance_type[:80]}` is not an Azure VM size."
        yield Problem((*at, "instance_type"), reason, "Write for example Standard_NC24ads_A100_v4.")
    if deployment.scale_settings is not None and deployment.scale_settings.type != "default":
        reason = "managed deployments have `default` scale settings only (azure-ai-ml refuses this too)."
        fix = "Remove scale_settings and use `autoscale` on this deployment."
        yield Problem((*at, "scale_settings", "type"), reason, fix)


def _network(stack: StackSettings, deployment: Deployment, at: Path) -> Iterator[Problem]:
    mode = stack.workspace.managed_network.isolation_mode
    where = (*at, "egress_public_network_access")
    if mode != "Disabled" and deployment.egress_public_network_access is not None:
        reason = f"cannot be set in a workspace with a managed network (isolation_mode {mode})."
        yield Problem(where, reason, "Remove it.")
    if deployment.private_network_connection and deployment.egress_public_network_access == "Enabled":
        reason = "is enabled, and private_network_connection says the opposite."
        yield Problem(where, reason, "Remove private_network_connection.")


def _startup(deployment: Deployment, at: Path) -> Iterator[Problem]:
    environment = deployment.environment
    config = environment.inference_config if isinstance(environment, Environment) else None
    if config is not None and config.startup_route is not None and deployment.startup_probe is None:
        where = (*at, "environment", "inference_config", "startup_route")
        yield Problem(
            where, "is never asked: there is no startup_probe.", "Add `startup_probe`, or remove the route."
        )
    if config is not None and config.startup_route is None and deployment.startup_probe is not None:
        fix = "Add `startup_route` to environment.inference_config."
        yield Problem((*at, "startup_probe"), "has no route to ask.", fix)


def _mount(stack: StackSettings, deployment: Deployment, at: Path) -> Iterator[Problem]:
    path = deployment.model_mount_path
    where = (*at, "model_mount_path")
    if path is None:
        return
    if not path.startswith("/"):
        yield Problem(
            where, f"`{path[:80]}` is not an absolute path.", "Begin it with a slash, for example /models."
        )
    elif deployment.model is None and model_of(stack, deployment) is None:
        yield Problem(where, "mounts nothing: the deployment has no model.", "Add `model`, or remove it.")


def _model(stack: StackSettings, deployment: Deployment, at: Path) -> Iterator[Problem]:
    """The image of this repository serves what it is told; another image may hold a model of its own."""
    found = environment_of(stack, deployment)
    name = image_of(stack, found[1].image) if isinstance(found, tuple) else None
    build = stack.images[name].build if name else None
    own = build is not None and (build.context, build.dockerfile) == (Build().context, Build().dockerfile)
    told = {"MODEL", "MODEL_NAME"} & set(deployment.environment_variables)
    if own and deployment.model is None and not told:
        fix = (
            "Write `model: azureml:NAME:VERSION`, or set MODEL_NAME under environment_variables to a "
            "Hugging Face id that the container downloads."
        )
        yield Problem((*at, "model"), f"is missing: nothing says what `{name}` serves.", fix)
