"""What is allowed and probably not meant. Shown in the plan; never stops anything.

Every warning is a `Problem` with key, reason and fix, as an error is.
"""

from collections.abc import Iterator

from settings.deployment import Deployment
from settings.environment import Environment
from settings.errors import Path, Problem
from settings.messages import nearest
from settings.models import Model
from settings.references import environment_of, image_of, parse
from settings.stack import StackSettings


def collect(stack: StackSettings) -> list[Problem]:
    """Every warning about a stack that passed its checks."""
    rules = (_access, _unused, _deployments, _rollouts, _platform)
    return [warning for rule in rules for warning in rule(stack)]


def _access(stack: StackSettings) -> Iterator[Problem]:
    private = stack.workspace.public_network_access == "Disabled"
    for name, endpoint in stack.endpoints.items():
        at: Path = ("endpoints", name, "public_network_access")
        if private and endpoint.public_network_access != "Disabled":
            reason = "the endpoint is public although the workspace is private."
            yield Problem(at, reason, "Write `public_network_access: disabled` unless that is meant.")
        if (
            endpoint.public_network_access == "Disabled"
            and stack.network is None
            and not stack.workspace.existing
        ):
            reason = (
                "nothing in this stack reaches the endpoint: there is no `network` with a private endpoint."
            )
            yield Problem(
                at, reason, "Add a `network`, or see that the workspace has a private endpoint elsewhere."
            )
        if endpoint.identity is not None and endpoint.identity.type == "None":
            reason = "without an identity the endpoint can neither pull the image nor read the model."
            yield Problem(
                ("endpoints", name, "identity"), reason, "Leave `identity` out for a system assigned one."
            )


def _unused(stack: StackSettings) -> Iterator[Problem]:
    images: set[str | None] = {image_of(stack, env.image) for env in stack.environments.values()}
    models: set[str | None] = set()
    for _, _, deployment in stack.deployments():
        found = environment_of(stack, deployment)
        images.add(image_of(stack, found[1].image) if isinstance(found, tuple) else None)
        reference = parse(deployment.model) if isinstance(deployment.model, str) else None
        models.add(reference.name if reference else None)
    for name in stack.images:
        if name not in images:
            yield Problem(("images", name), "is used by no deployment.", "Remove it, or use it.")
    for name in stack.models:
        if name not in models:
            yield Problem(
                ("models", name), "is registered and used by no deployment.", "Remove it, or use it."
            )


def _deployments(stack: StackSettings) -> Iterator[Problem]:
    for endpoint, name, deployment in stack.deployments():
        at: Path = ("endpoints", endpoint, "deployments", name)
        found = environment_of(stack, deployment)
        if isinstance(found, tuple) and found[1].inference_config is None:
            reason = "names no routes: unless the model is an MLflow model, Azure looks for a scoring script."
            yield Problem((*at, "environment"), reason, "Name the three routes, for vLLM port 8000.")
        yield from _download(deployment, at)
        yield from _tags(deployment, at)
        yield from _size(deployment, at)


def _download(deployment: Deployment, at: Path) -> Iterator[Problem]:
    closed = deployment.egress_public_network_access == "Disabled" or deployment.private_network_connection
    if deployment.model is None and closed:
        reason = "the container has no model and no way out to download one."
        yield Problem((*at, "model"), reason, "Give it a model, or have the image contain it.")


def _tags(deployment: Deployment, at: Path) -> Iterator[Problem]:
    environment = deployment.environment
    image = environment.image if isinstance(environment, Environment) else deployment.image
    if image and image.endswith(":latest"):
        reason = "`latest` may be another image on the next start of an instance."
        yield Problem((*at, "environment", "image"), reason, "Name a version, or better a digest.")


def _size(deployment: Deployment, at: Path) -> Iterator[Problem]:
    """Azure adds sizes, so a table cannot refuse one; a misspelt one is worth a word."""
    from serving.errors import UnknownHardwareError
    from serving.skus import find_size

    try:
        find_size(deployment.instance_type)
    except UnknownHardwareError:
        from serving.skus import skus

        guess = nearest(deployment.instance_type, skus())
        fix = f"Did you mean `{guess}`?" if guess else "See the list of sizes that managed endpoints offer."
        reason = f"`{deployment.instance_type}` is not in the list of sizes that managed endpoints offer."
        yield Problem((*at, "instance_type"), reason, fix)


def _rollouts(stack: StackSettings) -> Iterator[Problem]:
    for endpoint, name, deployment in stack.deployments():
        if (deployment.rollout or stack.rollout) == "recreate":
            at: Path = ("endpoints", endpoint, "deployments", name, "rollout")
            reason = "recreate deletes the server before it makes the new one: an outage at every change."
            yield Problem(at, reason, "Use blue_green unless the name must stay.")


def _platform(stack: StackSettings) -> Iterator[Problem]:
    space = stack.workspace
    registry = space.container_registry.public_network_access if space.container_registry else None
    closed = (registry or space.public_network_access) == "Disabled"
    built = [env.build for env in stack.environments.values()]
    built += [
        d.environment.build for _, _, d in stack.deployments() if isinstance(d.environment, Environment)
    ]
    if closed and any(built) and space.image_build_compute is None and not space.existing:
        reason = "Azure ML builds an image, and its registry has no public access: the build needs a cluster."
        yield Problem(
            ("workspace", "image_build_compute"), reason, "Name a compute cluster of the workspace."
        )
    for name, model in stack.models.items():
        yield from _patterns(name, model)


def _patterns(name: str, model: Model) -> Iterator[Problem]:
    if model.allow_patterns is not None and not model.allow_patterns:
        yield Problem(
            ("models", name, "allow_patterns"), "allows no file at all.", "Remove it, or list patterns."
        )
