"""An Azure ML environment: an image and the routes on which its server is asked.

Versions are immutable, so the version is the hash of what is in it and the logical name carries it: a changed
environment is a new resource, and the old one goes when nothing names it any more. The container is
declared because deleting the last version leaves it behind. A Docker context that Azure ML builds is
uploaded first, under a name that follows from its content.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pulumi

from components.bodies import arm
from providers.version_guard import VersionGuard

if TYPE_CHECKING:
    from providers.build_context import BuildContextArgs


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
            properties={},
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.resource = container
        self.name = container.name
        self.register_outputs({"name": self.name})


@dataclass(frozen=True, kw_only=True)
class EnvironmentVersionArgs:
    """`body` is ARM's `EnvironmentVersionProperties` in ARM's own names; its values may be Outputs.

    With a `context`, `build.contextUri` is where it went. `depends_on` is what its upload waits for.
    """

    container: EnvironmentContainer
    version: str
    resource_group_name: pulumi.Input[str]
    workspace_name: pulumi.Input[str]
    body: Mapping[str, Any]
    context: BuildContextArgs | None = None
    depends_on: Sequence[pulumi.Resource] = ()
    protect: bool = False


class EnvironmentVersion(pulumi.ComponentResource):
    """One immutable version; another content is another resource."""

    environment_id: pulumi.Output[str]

    def __init__(
        self, name: str, args: EnvironmentVersionArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("vllm-azureml:components:EnvironmentVersion", name, None, opts)
        from pulumi_azure_native import machinelearningservices as ml

        version = ml.EnvironmentVersion(
            name,
            name=args.container.name,
            version=args.version,
            resource_group_name=args.resource_group_name,
            workspace_name=args.workspace_name,
            properties=arm(args.body, self._built(name, args)),
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=[args.container.resource], protect=args.protect or None
            ),
        )
        self.environment_id = VersionGuard(
            name, version_id=version.id, opts=pulumi.ResourceOptions(parent=self)
        ).version_id
        self.register_outputs({"environment_id": self.environment_id})

    def _built(self, name: str, args: EnvironmentVersionArgs) -> dict[str, Any]:
        if args.context is None:
            return {}
        from providers.build_context import BuildContext

        uploaded = BuildContext(
            name,
            args.context,
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(args.depends_on)),
        )
        return {"build": {**args.body["build"], "contextUri": uploaded.context_uri}}
