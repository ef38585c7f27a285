"""Images and the environments that name them.

An environment's version is the hash of what is in it, image included, so it is known before the image is
built.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pulumi

from components.content import context_files, context_hash, short_hash
from components.environment import (
    EnvironmentContainer,
    EnvironmentContainerArgs,
    EnvironmentVersion,
    EnvironmentVersionArgs,
)
from components.registry_image import RegistryImage, RegistryImageArgs, resolve
from settings.azml import environment_body
from settings.deployment import Deployment
from settings.environment import Environment
from settings.images import Build, Image
from settings.references import Registered, environment_of, image_of
from stack.context import Context
from stack.platform import Platform

if TYPE_CHECKING:
    from providers.build_context import BuildContextArgs


@dataclass(frozen=True)
class NamedImage:
    """`reference` is what Azure pulls; `identity` is plain and differs when the content does."""

    reference: pulumi.Input[str]
    identity: str


@dataclass(frozen=True)
class NamedEnvironment:
    """`environment_id` is what a deployment names; `image` is "" where Azure ML builds or somebody else
    knows."""

    environment_id: pulumi.Input[str]
    identity: str
    image: pulumi.Input[str] = ""


@dataclass
class Environments:
    """Every environment of a stack once, however many deployments name it."""

    platform: Platform
    images: Mapping[str, NamedImage]
    _containers: dict[str, EnvironmentContainer] = field(default_factory=dict)
    _versions: dict[tuple[str, str], NamedEnvironment] = field(default_factory=dict)

    def register_all(self) -> None:
        """Register what is under `environments`, used or not: another stack may refer to it."""
        for name, environment in self.platform.context.settings.environments.items():
            self._register(name, environment)

    def of(
        self, endpoint: str, key: str, deployment: Deployment, *, register: bool = True
    ) -> NamedEnvironment | None:
        """The environment of one deployment, registered if it is this stack's.

        Without `register` only its identity counts: a server that is taken over has an environment.
        """
        context = self.platform.context
        found = environment_of(context.settings, deployment)
        if found is None:
            return None
        if isinstance(found, Registered):
            setting = f"vllm-azureml:endpoints.{endpoint}.deployments.{key}.environment"
            identity = _registered_id(context, found, setting)
            return NamedEnvironment(identity, identity)
        name, environment = found
        key_image = image_of(context.settings, environment.image)
        # Deployments that only name an image of this stack share an environment of that name.
        return self._register(name or key_image or f"{endpoint}-{key}", environment, register=register)

    def _register(self, name: str, environment: Environment, *, register: bool = True) -> NamedEnvironment:
        context = self.platform.context
        key = image_of(context.settings, environment.image)
        image = self.images[key] if key else NamedImage(environment.image or "", environment.image or "")
        named = environment.model_copy(update={"name": name})
        built = _build_hash(environment)
        # The content of a local context counts, not where on this machine it is.
        plain = environment_body(named, image=image.identity, context_uri="" if built else None)
        identity = short_hash([plain, built])
        version = environment.version or identity
        if not register:
            return NamedEnvironment("", f"{name}:{identity}", image.reference)
        if (name, version) not in self._versions:
            body = environment_body(named, image=image.reference or None)["properties"]
            made = EnvironmentVersion(
                f"{name}-{version}",
                EnvironmentVersionArgs(
                    container=self._container(name),
                    version=version,
                    resource_group_name=self.platform.group_name,
                    workspace_name=self.platform.workspace.name,
                    body=body,
                    context=_context(self.platform, environment),
                    depends_on=self.platform.copy_ready,
                ),
            )
            self._versions[name, version] = NamedEnvironment(
                made.environment_id, f"{name}:{identity}", image.reference
            )
        return self._versions[name, version]

    def _container(self, name: str) -> EnvironmentContainer:
        if name not in self._containers:
            self._containers[name] = EnvironmentContainer(
                name,
                EnvironmentContainerArgs(
                    name=name,
                    resource_group_name=self.platform.group_name,
                    workspace_name=self.platform.workspace.name,
                ),
            )
        return self._containers[name]


def build(platform: Platform) -> dict[str, NamedImage]:
    """Every image under `images`: built and pushed, or resolved to its digest."""
    return {key: _image(platform, key, image) for key, image in platform.context.settings.images.items()}


def _image(platform: Platform, key: str, image: Image) -> NamedImage:
    if image.build is None:
        reference = image.registry_image or ""
        try:
            resolved = resolve(reference) if image.reference == "digest" else reference
        except ValueError as problem:
            raise pulumi.RunError(f"vllm-azureml:images.{key}.registry_image: {problem}") from None
        return NamedImage(resolved, resolved)
    content = _context_hash(image.build)
    repository = image.repository or key
    made = RegistryImage(
        key,
        RegistryImageArgs(
            login_server=platform.workspace.login_server,
            repository=repository,
            tag=image.tag,
            content=content,
            context=image.build.context,
            dockerfile=image.build.dockerfile,
            build_args=image.build.args,
            target=image.build.target,
            platform=image.build.platform,
            no_cache=image.build.no_cache,
            by_digest=image.reference == "digest",
            push_grant=platform.push_grant,
        ),
        opts=pulumi.ResourceOptions(depends_on=platform.push_ready),
    )
    return NamedImage(made.reference, f"{repository}:{image.tag}#{content}")


def _context_hash(build: Build) -> str:
    return context_hash(Path(build.context), build.dockerfile, build.args, build.target)


def _build_hash(environment: Environment) -> str:
    """The content of a context that Azure ML builds; a context that is in blob storage is its URL."""
    folder, dockerfile = _local_build(environment)
    return context_hash(Path(folder), dockerfile, {}, None) if folder else ""


def _context(platform: Platform, environment: Environment) -> BuildContextArgs | None:
    """The upload of a local Docker context; None for an image and for a context that is in blob storage."""
    folder, dockerfile = _local_build(environment)
    if not folder:
        return None
    from providers.build_context import BuildContextArgs

    context = platform.context
    # Docker sends the Dockerfile whatever .dockerignore says.
    paths = {*(path.as_posix() for path in context_files(Path(folder))), Path(dockerfile).as_posix()}
    return BuildContextArgs(
        folder=folder,
        paths=sorted(paths),
        content=_build_hash(environment),
        subscription_id=context.caller.subscription_id,
        resource_group=platform.group_name,
        workspace=platform.workspace.name,
        datastore=environment.datastore or "workspaceblobstore",
    )


def _local_build(environment: Environment) -> tuple[str, str]:
    """(folder, Dockerfile in it) of a context on this machine, ("", "") where there is none."""
    build = environment.build
    if build is None or not build.path or "://" in build.path:
        return "", ""
    return build.path, build.dockerfile_path or "Dockerfile"


def _registered_id(context: Context, asset: Registered, setting: str) -> str:
    from stack.models import registered_id

    return registered_id(context, "environments", asset, setting)


def routes(deployment: Deployment, context: Context) -> Any:
    """The inference config of a deployment's environment, None where somebody else registered it."""
    found = environment_of(context.settings, deployment)
    return None if found is None or isinstance(found, Registered) else found[1].inference_config
