"""Folders and files the stack names: there, and of the right kind. Paths are relative to the project."""

from collections.abc import Iterator
from pathlib import Path as Folder

from settings.environment import Environment
from settings.errors import Path, Problem
from settings.models import Model
from settings.stack import StackSettings


def check(stack: StackSettings, folder: Folder) -> Iterator[Problem]:
    """Docker contexts, Dockerfiles, conda files and models on disk."""
    for name, image in stack.images.items():
        if image.build is not None:
            at: Path = ("images", name, "build")
            yield from _context(
                folder, image.build.context, image.build.dockerfile, at, "context", "dockerfile"
            )
    for name, environment in stack.environments.items():
        yield from _environment(folder, environment, ("environments", name))
    for name, model in stack.models.items():
        yield from _model(folder, model, ("models", name))
    for endpoint, key, deployment in stack.deployments():
        here: Path = ("endpoints", endpoint, "deployments", key)
        if isinstance(deployment.environment, Environment):
            yield from _environment(folder, deployment.environment, (*here, "environment"))
        if isinstance(deployment.model, Model):
            yield from _model(folder, deployment.model, (*here, "model"))


def _environment(folder: Folder, environment: Environment, at: Path) -> Iterator[Problem]:
    build = environment.build
    if build is not None and build.path and not is_url(build.path):
        dockerfile = build.dockerfile_path or "Dockerfile"
        yield from _context(folder, build.path, dockerfile, (*at, "build"), "path", "dockerfile_path")
    if isinstance(environment.conda_file, str) and not _is(folder, environment.conda_file, "is_file"):
        yield Problem(
            (*at, "conda_file"), f"there is no file {environment.conda_file[:120]}.", "Correct the path."
        )


def _context(
    folder: Folder, context: str, dockerfile: str, at: Path, first: str, second: str
) -> Iterator[Problem]:
    if not _is(folder, context, "is_dir"):
        fix = "Correct the path; it is relative to the project."
        yield Problem((*at, first), f"there is no folder {context[:120]}.", fix)
    elif not _is(folder / context, dockerfile, "is_file"):
        fix = "Correct the path; it is relative to the context."
        yield Problem((*at, second), f"there is no file {dockerfile[:120]} in {context[:120]}.", fix)


def _model(folder: Folder, model: Model, at: Path) -> Iterator[Problem]:
    if model.path and not is_url(model.path) and not _is(folder, model.path, "exists"):
        fix = "Correct the path; it is relative to the project."
        yield Problem((*at, "path"), f"there is no file or folder {model.path[:120]}.", fix)


def is_url(path: str) -> bool:
    """https://..., azureml://..., wasbs://...: not on this machine."""
    return "://" in path or path.startswith("azureml:")


def _is(folder: Folder, path: str, kind: str) -> bool:
    """A path with a NUL or of absurd length is simply not there."""
    try:
        return bool(getattr(folder / Folder(path).expanduser(), kind)())
    except (OSError, ValueError, RuntimeError):
        return False
