"""A model asset: files in the workspace's datastore, registered under a name and a version.

Files come from a Hugging Face snapshot or a folder (copied by `providers.model_copy`), or are in a
datastore already. Versions are immutable; the logical names carry the version, so a new one is a new
resource.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from components.bodies import arm
from providers.version_guard import VersionGuard


@dataclass(frozen=True, kw_only=True)
class ModelSourceArgs:
    """What is copied. `repository` is a hub id or a folder; `lock` is the lock file's entry, if there is
    one; `setting` is the configuration key that errors name. With a `file`, that one is the model and not the
    folder."""

    repository: str
    subscription_id: str
    revision: str = "main"
    lock: Mapping[str, Any] | None = None
    datastore: str = "workspaceblobstore"
    allow_patterns: Sequence[str] | None = None
    ignore_patterns: Sequence[str] | None = None
    token: str | None = None
    server_side_copy: str = "auto"
    authentication: str = "identity"
    setting: str = ""
    include_pickle: bool = False
    file: str = ""


@dataclass(frozen=True, kw_only=True)
class ModelArgs:
    """`body` is ARM's `ModelVersionProperties` in ARM's own names; with a `source`, `modelUri` is where it
    went."""

    name: str
    version: str
    resource_group_name: str
    workspace_name: pulumi.Input[str]
    body: Mapping[str, Any]
    source: ModelSourceArgs | None = None
    container: pulumi.Resource | None = None
    protect: bool = False
    import_id: str | None = None
    depends_on: Sequence[pulumi.Resource] = ()


class Model(pulumi.ComponentResource):
    """`model_id` is what a deployment names; `commit` is the commit that was copied, "" for what was not."""

    model_id: pulumi.Output[str]
    commit: pulumi.Output[str]
    container: pulumi.Resource

    def __init__(self, name: str, args: ModelArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vllm-azureml:components:Model", name, None, opts)
        from pulumi_azure_native import machinelearningservices as ml

        uri, self.commit = self._content(name, args)
        self.container = args.container or ml.ModelContainer(
            args.name,
            name=args.name,
            resource_group_name=args.resource_group_name,
            workspace_name=args.workspace_name,
            properties={},
            opts=pulumi.ResourceOptions(parent=self),
        )
        version = ml.ModelVersion(
            name,
            name=args.name,
            version=args.version,
            resource_group_name=args.resource_group_name,
            workspace_name=args.workspace_name,
            properties=arm(args.body, uri),
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=[self.container], protect=args.protect or None, import_=args.import_id
            ),
        )
        self.model_id = VersionGuard(
            name, version_id=version.id, opts=pulumi.ResourceOptions(parent=self)
        ).version_id
        self.register_outputs({"model_id": self.model_id, "commit": self.commit})

    def _content(self, name: str, args: ModelArgs) -> tuple[dict[str, Any], pulumi.Output[str]]:
        if args.source is None:
            return {}, pulumi.Output.from_input("")
        from providers.model_copy import ModelCopy, ModelCopyArgs

        copy = ModelCopy(
            name,
            ModelCopyArgs(
                repository=args.source.repository,
                revision=args.source.revision,
                lock=args.source.lock,
                subscription_id=args.source.subscription_id,
                resource_group=args.resource_group_name,
                workspace=args.workspace_name,
                datastore=args.source.datastore,
                allow_patterns=args.source.allow_patterns,
                ignore_patterns=args.source.ignore_patterns,
                token=args.source.token,
                server_side_copy=args.source.server_side_copy,
                authentication=args.source.authentication,
                setting=args.source.setting,
                include_pickle=args.source.include_pickle,
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(args.depends_on)),
        )
        within = f"/{args.source.file}" if args.source.file else ""
        return {"modelUri": copy.model_uri.apply(lambda uri: uri + within)}, copy.commit
