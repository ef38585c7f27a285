"""References to models, environments and images that are not there."""

from collections.abc import Iterator

from settings.checks.assets import reference
from settings.environment import Environment
from settings.errors import Path, Problem
from settings.messages import nearest
from settings.references import is_bare, parse
from settings.stack import StackSettings

FORMS = "azureml:NAME:VERSION, azureml:NAME@latest, or a registry's azureml://registries/REGISTRY/{kind}/NAME/versions/VERSION"


def check(stack: StackSettings) -> Iterator[Problem]:
    """Every reference of every deployment and environment."""
    for endpoint, key, deployment in stack.deployments():
        at: Path = ("endpoints", endpoint, "deployments", key)
        if isinstance(deployment.model, str):
            versions = {name: model.version for name, model in stack.models.items()}
            yield from _asset(deployment.model, versions, (*at, "model"), "models")
        if isinstance(deployment.environment, str):
            versions = {name: env.version for name, env in stack.environments.items()}
            yield from _asset(deployment.environment, versions, (*at, "environment"), "environments")
        if isinstance(deployment.environment, Environment):
            yield from _image(stack, deployment.environment.image, (*at, "environment", "image"))
        yield from _image(stack, deployment.image, (*at, "image"))
    for name, environment in stack.environments.items():
        yield from _image(stack, environment.image, ("environments", name, "image"))


def _asset(text: str, versions: dict[str, str | None], at: Path, kind: str) -> Iterator[Problem]:
    found = parse(text)
    if found is None:
        yield _malformed(text, versions, at, kind)
        return
    if found.label is not None and found.label != "latest":
        fix = f"Write azureml:{found.name}@latest, or azureml:{found.name}:VERSION."
        yield Problem(at, f"`{found.label[:80]}` is not a label: Azure ML has `latest` only.", fix)
    if found.asset_id and f"/{kind}/" not in found.asset_id.lower():
        yield Problem(at, f"is not the id of one of the {kind}.", f"Write the id of one of the {kind}.")
    if found.name not in versions:
        return
    version = versions[found.name]
    if found.version is not None and version is None:
        reason = f"names version {found.version}, but `{kind}.{found.name}` has none: its content decides."
        yield Problem(
            at, reason, f'Write azureml:{found.name}@latest, or give it `version: "{found.version}"`.'
        )
    elif found.version is not None and found.version != version:
        reason = (
            f"names version {found.version}, but `{kind}.{found.name}` of this stack is version {version}."
        )
        yield Problem(at, reason, f"Write azureml:{found.name}:{version}.")


def _malformed(text: str, versions: dict[str, str | None], at: Path, kind: str) -> Problem:
    if text.startswith("file:"):
        return Problem(at, "is a file reference of az ml.", "Paste the content of the file here.")
    bare = text.removeprefix("azureml:")
    guess = bare if bare in versions else nearest(bare, versions)
    if guess:
        version = versions[guess]
        wanted = f"azureml:{guess}:{version}" if version else f"azureml:{guess}@latest"
        return Problem(at, f"`{text[:80]}` is not a reference.", f"For this stack's entry write {wanted}.")
    if kind == "models" and "/" in text and ":" not in text:
        fix = f"For a Hugging Face repository write `model: {{huggingface: {text[:80]}}}`."
        return Problem(at, f"`{text[:80]}` is not a reference.", fix)
    return Problem(at, f"`{text[:80]}` is not a reference.", f"Write {FORMS.format(kind=kind)}.")


def _image(stack: StackSettings, image: str | None, at: Path) -> Iterator[Problem]:
    if image is None or image in stack.images:
        return
    if is_bare(image):
        guess = nearest(image, stack.images)
        known = f"Its entries: {', '.join(stack.images)}." if stack.images else "The stack has no images."
        other = "For a registry's image write HOST/NAME:TAG, for example docker.io/library/ubuntu:24.04."
        fix = f"Did you mean `{guess}`?" if guess else f"{known} {other}"
        yield Problem(at, f"`{image[:80]}` is no entry of `images`.", fix)
    else:
        yield from reference(image, at)
