"""An Azure ML environment: an image and the routes on which its server is asked.

Versions are immutable, so the version is the hash of what is in it and the logical name carries it: a changed
environment is a new resource, and the old one goes when nothing names it any more. The container is
declared because deleting the last version leaves it behind. All routes are always given: without them
Azure expects a scoring script (MissingDriverProgram).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi

Route = tuple[int, str]  # port, path


@dataclass(frozen=True, kw_only=True)
class EnvironmentContainerArgs:
    name: str
    resource_group_name: pulumi.Input[str]
    workspace_name: pulumi.Input[str]


class EnvironmentContainer(pulumi.ComponentResource):
    """The name that versions stand under."""

    name: pulumi.Output[str]

    def __init__(
        self, name: str, args: EnvironmentContainerArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("vllm-azureml:components:EnvironmentContainer", name, None, opts)
        from pulumi_azure_native import machinelearningservices as ml

        container = ml.EnvironmentContainer(
            name,
            name=args.name,
            resource_group_name=args.resource_group_name,
            workspace_name=args.workspace_name,
            properties=ml.EnvironmentContainerPropertiesArgs(),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.resource = container
        self.name = container.name
        self.register_outputs({"name": self.name})


@dataclass(frozen=True, kw_only=True)
class EnvironmentVersionArgs:
    """Exactly one of `image` and `build_context_uri`. `anonymous` is how `az ml` registers an inline
    environment."""

    container: EnvironmentContainer
    version: str
    resource_group_name: pulumi.Input[str]
    workspace_name: pulumi.Input[str]
    image: pulumi.Input[str] | None = None
    build_context_uri: pulumi.Input[str] | None = None
    dockerfile_path: str | None = None
    conda_file: str | None = None
    routes: Mapping[str, Route] = field(default_factory=dict)
    os_type: str | None = None
    description: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


class EnvironmentVersion(pulumi.ComponentResource):
    """`routes` maps `liveness`, `readiness`, `scoring` and `startup` to (port, path)."""

    environment_id: pulumi.Output[str]

    def __init__(
        self, name: str, args: EnvironmentVersionArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("vllm-azureml:components:EnvironmentVersion", name, None, opts)
        from pulumi_azure_native import machinelearningservices as ml

        routes = {
            f"{kind}_route": ml.RouteArgs(port=port, path=path) for kind, (port, path) in args.routes.items()
        }
        build = None
        if args.build_context_uri is not None:
            build = ml.BuildContextArgs(
                context_uri=args.build_context_uri, dockerfile_path=args.dockerfile_path
            )
        version = ml.EnvironmentVersion(
            name,
            name=args.container.name,
            version=args.version,
            resource_group_name=args.resource_group_name,
            workspace_name=args.workspace_name,
            properties=ml.EnvironmentVersionPropertiesArgs(
                image=args.image,
                build=build,
                conda_file=args.conda_file,
                inference_config=ml.InferenceContainerPropertiesArgs(**routes) if routes else None,
                os_type=args.os_type,
                description=args.description,
                is_anonymous=False,
                is_archived=False,
                properties=dict(args.properties) or None,
                tags=dict(args.tags) or None,
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[args.container.resource]),
        )
        self.environment_id = version.id
        self.register_outputs({"environment_id": self.environment_id})
