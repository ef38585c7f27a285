"""What a deployment's `model`, `environment` and `image` mean: this stack's asset, or one that is registered
already.

Used by the checks and by the components, so that both read a reference the same way.
"""

import re
from dataclasses import dataclass

from settings.deployment import Deployment
from settings.environment import Environment, InferenceConfig
from settings.models import Model
from settings.probes import Route
from settings.stack import StackSettings

VERSIONED = re.compile(r"azureml:(?P<name>[^:@/]+):(?P<version>[^:@/]+)")
LABELLED = re.compile(r"azureml:(?P<name>[^:@/]+)@(?P<label>[^:@/]+)")
REGISTRY = re.compile(
    r"azureml://registries/[^/]+/(?P<kind>models|environments)/[^/]+/(versions|labels)/[^/]+"
)
ARM = re.compile(
    r"(azureml:)?/subscriptions/.+/(?P<kind>models|environments)/[^/]+/(versions|labels)/[^/]+", re.IGNORECASE
)
BARE_IMAGE = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
VLLM_ROUTES = InferenceConfig(
    liveness_route=Route(port=8000, path="/health"),
    readiness_route=Route(port=8000, path="/health"),
    scoring_route=Route(port=8000, path="/"),
)


@dataclass(frozen=True)
class Registered:
    """An asset somebody else registered: by name and version, by name and label, or by the whole id."""

    name: str | None = None
    version: str | None = None
    label: str | None = None
    asset_id: str | None = None


def parse(text: str) -> Registered | None:
    """A reference in one of az ml's forms, or None."""
    if found := VERSIONED.fullmatch(text):
        return Registered(name=found["name"], version=found["version"])
    if found := LABELLED.fullmatch(text):
        return Registered(name=found["name"], label=found["label"])
    if REGISTRY.fullmatch(text):
        return Registered(asset_id=text)
    if ARM.fullmatch(text):
        return Registered(asset_id=text.removeprefix("azureml:"))
    return None


def model_of(stack: StackSettings, deployment: Deployment) -> tuple[str, Model] | Registered | None:
    """This stack's model (its name and settings; an inline one has its own name or none), another's, or no
    model.
    """
    if isinstance(deployment.model, Model):
        return deployment.model.name or "", deployment.model
    found = parse(deployment.model) if deployment.model else None
    if found and found.name in stack.models:
        model = stack.models[found.name]
        if found.label == "latest" or found.version == model.version:
            return found.name, model
    return found


def environment_of(
    stack: StackSettings, deployment: Deployment
) -> tuple[str, Environment] | Registered | None:
    """This stack's environment, another's, or none. `image:` of a deployment is an environment with vLLM's
    routes.
    """
    if deployment.image is not None:
        return "", Environment(image=deployment.image, inference_config=VLLM_ROUTES)
    if isinstance(deployment.environment, Environment):
        return deployment.environment.name or "", deployment.environment
    found = parse(deployment.environment) if deployment.environment else None
    if found and found.name in stack.environments:
        environment = stack.environments[found.name]
        if found.label == "latest" or found.version == environment.version:
            return found.name, environment
    return found


def image_of(stack: StackSettings, image: str | None) -> str | None:
    """The key under `images` that a bare name means, or None for a reference to a registry."""
    return image if image is not None and image in stack.images else None


def is_bare(image: str) -> bool:
    """A name without host, path, tag or digest can only mean an entry of `images`."""
    return BARE_IMAGE.fullmatch(image) is not None
