"""Models, images and environments: where they come from, exactly one place each."""

import re
from collections.abc import Iterator
from typing import Any

from settings.base import Asset
from settings.environment import Environment
from settings.errors import Path, Problem, dotted
from settings.images import Image
from settings.models import Model
from settings.stack import StackSettings

REPOSITORY_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
REPOSITORY = re.compile(rf"{COMPONENT}(?:/{COMPONENT})*")
TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
IMAGE = re.compile(
    rf"(?:(?P<host>(?:[A-Za-z0-9-]+\.)+[A-Za-z0-9-]+(?::\d+)?|localhost(?::\d+)?|[A-Za-z0-9.-]+:\d+)/)?"
    rf"(?P<repository>{COMPONENT}(?:/{COMPONENT})*)(?::(?P<tag>[\w][\w.-]{{0,127}}))?(?:@sha256:(?P<digest>[0-9a-f]{{64}}))?"
)
TOKEN = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|\$\{\{\s*keyvault:https://.+\}\}")
HUB_ONLY = ("allow_patterns", "ignore_patterns", "token", "server_side_copy")


def check(stack: StackSettings) -> Iterator[Problem]:
    """Every asset of the stack, named or inline."""
    for name, model in stack.models.items():
        yield from _model(model, ("models", name))
    for name, image in stack.images.items():
        yield from _image(name, image, ("images", name))
    yield from _same_tag(stack)
    for name, environment in stack.environments.items():
        yield from _environment(environment, ("environments", name))
    for endpoint, key, deployment in stack.deployments():
        at: Path = ("endpoints", endpoint, "deployments", key)
        if isinstance(deployment.model, Model):
            yield from _model(deployment.model, (*at, "model"))
        if isinstance(deployment.environment, Environment):
            yield from _environment(deployment.environment, (*at, "environment"))
    yield from _same_version(stack)


def _same_version(stack: StackSettings) -> Iterator[Problem]:
    """A version is immutable, so what is written twice under one name and version must be the same."""
    seen: dict[tuple[str, str, str], tuple[Path, Asset]] = {}
    for at, asset in _named(stack):
        if not asset.name or not asset.version:  # what has no version gets one from its content
            continue
        kind = "model" if isinstance(asset, Model) else "environment"
        first, other = seen.setdefault((kind, asset.name, asset.version), (at, asset))
        if other != asset:
            reason = (
                f"is another content for version {asset.version} of `{asset.name}`, "
                f"which `{dotted(first)}` has too."
            )
            fix = "Versions are immutable: give it another version, or refer to the first by its name."
            yield Problem(at, reason, fix)


def _named(stack: StackSettings) -> Iterator[tuple[Path, Any]]:
    for name, model in stack.models.items():
        yield ("models", name), model
    for name, environment in stack.environments.items():
        yield ("environments", name), environment
    for endpoint, key, deployment in stack.deployments():
        for part in ("model", "environment"):
            if isinstance(getattr(deployment, part), Asset):
                yield ("endpoints", endpoint, "deployments", key, part), getattr(deployment, part)


def _model(model: Model, at: Path) -> Iterator[Problem]:
    if model.path is None and model.huggingface is None:
        fix = "Write `huggingface: ORG/NAME`, or `path` with a folder or an azureml:// path."
        yield Problem(at, "does not say where the model's files are.", fix)
    if model.path is not None and model.huggingface is not None:
        yield Problem(at, "has both a path and a Hugging Face repository.", "Keep one of them.")
    if model.huggingface is not None and not REPOSITORY_ID.fullmatch(model.huggingface):
        reason = f"`{model.huggingface[:80]}` is not a repository of the hub."
        yield Problem((*at, "huggingface"), reason, "Write ORG/NAME, for example Qwen/Qwen3-8B.")
    if model.huggingface is None:
        for key in (*HUB_ONLY, "revision"):
            if key in model.model_fields_set:
                yield Problem((*at, key), "goes with `huggingface` only.", "Remove it.")
    if model.token is not None and not TOKEN.fullmatch(model.token):
        fix = "Write ${{keyvault:https://VAULT/secrets/NAME}} or env:NAME."
        yield Problem((*at, "token"), "is not a reference; a token itself has no place in a file.", fix)
    if (
        model.path is not None
        and model.path.startswith("azureml:")
        and not model.path.startswith("azureml://")
    ):
        fix = "Refer to a registered model from the deployment: `model: azureml:NAME:VERSION`."
        yield Problem((*at, "path"), "is the reference of a registered asset, not a path.", fix)


def _image(name: str, image: Image, at: Path) -> Iterator[Problem]:
    if image.build is None and image.registry_image is None:
        fix = "Write `build` (a Docker context) or `registry_image` (one that is pushed already)."
        yield Problem(at, "does not say where the image comes from.", fix)
    if image.build is not None and image.registry_image is not None:
        yield Problem(at, "has both build and registry_image.", "Keep one of them.")
    if image.registry_image is not None:
        yield from reference(image.registry_image, (*at, "registry_image"))
        for key in ("repository", "tag"):
            if key in image.model_fields_set:
                yield Problem(
                    (*at, key), "goes with `build` only.", f"Put it into registry_image and remove `{key}`."
                )
    repository = image.repository if image.repository is not None else name
    if image.build is not None and not REPOSITORY.fullmatch(repository):
        where = (*at, "repository") if image.repository is not None else at
        fix = "Use lower-case letters and digits, separated by . _ - or /"
        fix += "." if image.repository is not None else "; set it as `repository`."
        yield Problem(where, f"`{repository[:80]}` cannot be a repository's name.", fix)
    if not TAG.fullmatch(image.tag):
        yield Problem((*at, "tag"), f"`{image.tag[:80]}` cannot be a tag.", "Use letters, digits, . _ and -.")
    if image.build is not None and image.build.platform != "linux/amd64":
        fix = "Write `platform: linux/amd64`, or remove the key."
        yield Problem((*at, "build", "platform"), "managed endpoints run linux/amd64 images only.", fix)


def _same_tag(stack: StackSettings) -> Iterator[Problem]:
    """Two builds pushed under one tag overwrite each other."""
    seen: dict[str, str] = {}
    for name, image in stack.images.items():
        target = f"{image.repository or name}:{image.tag}"
        first = seen.setdefault(target, name) if image.build is not None else name
        if first != name:
            reason = f"pushes {target}, and so does `images.{first}`: one would overwrite the other."
            yield Problem(("images", name), reason, "Give them different repositories or tags.")


def reference(text: str, at: Path) -> Iterator[Problem]:
    """An image reference that a registry understands, with a host of its own."""
    if not IMAGE.fullmatch(text):
        fix = "Write HOST/REPOSITORY:TAG or HOST/REPOSITORY@sha256:DIGEST, the repository in lower case."
        yield Problem(at, f"`{text[:80]}` is not an image reference.", fix)


def _environment(environment: Environment, at: Path) -> Iterator[Problem]:
    if environment.image is None and environment.build is None:
        yield Problem(
            at, "has neither an image nor a build.", "Write `image: NAME` or `build: {path: FOLDER}`."
        )
    if environment.image is not None and environment.build is not None:
        yield Problem(at, "has both an image and a build.", "Keep one of them.")
    if environment.conda_file is not None and environment.image is None and environment.build is not None:
        yield Problem(
            (*at, "conda_file"), "goes with `image` only.", "Install the packages in the Dockerfile."
        )
    if environment.build is not None and not environment.build.path:
        yield Problem((*at, "build", "path"), "is missing.", "Write the folder of the Docker context.")
    if environment.os_type == "Windows":
        yield Problem((*at, "os_type"), "vLLM needs Linux.", "Write `os_type: linux`, or remove the key.")
    config = environment.inference_config
    if config is None:
        return
    for name in ("liveness_route", "readiness_route", "scoring_route", "startup_route"):
        route = getattr(config, name)
        if route is not None and not route.path.startswith("/"):
            where = (*at, "inference_config", name, "path")
            yield Problem(
                where, f"`{route.path[:80]}` does not begin with a slash.", "Write for example /health."
            )
