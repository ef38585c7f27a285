"""`BuildContext`: a Docker context in the workspace's datastore, for images that Azure ML builds itself.

Files go where their content says, so that the same context is uploaded once; what .dockerignore leaves out
stays here. The module path and the class names are in users' state: they stay. Every byte is moved and
removed by `transfer`, through `providers.model_copy`, which knows datastores, references and roles that do
not count yet. Left out: the environment version that names the context, and the build.
"""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, UpdateResult

from providers import base
from providers.model_copy import ModelCopyProvider

_IDENTITY = ("content", "subscription_id", "resource_group", "workspace", "datastore")


@dataclass(frozen=True, kw_only=True)
class BuildContextArgs:
    """`folder` is one of the project, `paths` its files without what .dockerignore leaves out.

    `content` is the hash of the context (`components.content.context_hash`): another one goes elsewhere.
    """

    folder: str
    paths: Sequence[str]
    content: str
    subscription_id: str
    resource_group: pulumi.Input[str]
    workspace: pulumi.Input[str]
    datastore: str = "workspaceblobstore"


class BuildContextProvider(base.AzureProvider):
    """Uploads, checks and removes one context. Holds nothing."""

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        found = base.diff(_olds, _news, identity=_IDENTITY)
        altered = bool(_olds.get("altered"))  # what `read` found missing or written over
        return DiffResult(changes=bool(found.changes) or altered, replaces=found.replaces)

    def create(self, props: dict[str, Any]) -> CreateResult:
        made = ModelCopyProvider().create(_as_copy(props))
        return CreateResult(made.id, _outputs(made.outs or {}))

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        made = ModelCopyProvider().update(_id, _olds, _as_copy(_news))
        return UpdateResult(_outputs(made.outs or {}))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        return ModelCopyProvider().read(id_, props)

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Give the reference back; the files go with the last one, and only those that such uploads
        wrote.
        """
        ModelCopyProvider().delete(_id, _props)


class BuildContext(Resource, module="vllm-azureml", name="BuildContext"):
    """One context, whole and verified, at a path that names its content."""

    context_uri: pulumi.Output[str]
    """The https address of the folder with a slash at its end, as az ml registers it."""

    def __init__(self, name: str, args: BuildContextArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        owner = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}/{name}"
        outputs = dict.fromkeys(
            ("context_uri", "commit", "files", "path", "reference", "container_url", "altered")
        )
        props = {**vars(args), "paths": sorted(args.paths), "owner": owner, **outputs}
        super().__init__(BuildContextProvider(), name, props, opts)


def _as_copy(props: dict[str, Any]) -> dict[str, Any]:
    """The same as `model_copy` takes it: exactly these files, pickles and dotfiles included."""
    folder = props["folder"]
    return {
        **props,
        "repository": folder if folder.startswith(("/", ".", "~")) else f"./{folder}",
        "revision": "main",
        "lock": None,
        "prefix": "contexts",
        "allow_patterns": [glob.escape(path) for path in props["paths"]],
        "ignore_patterns": [],
        "include_pickle": True,
        "token": None,
        "server_side_copy": "never",
        "authentication": "identity",
    }


def _outputs(outs: dict[str, Any]) -> dict[str, Any]:
    return {**outs, "context_uri": f"{outs['container_url']}/{outs['path']}/"}
