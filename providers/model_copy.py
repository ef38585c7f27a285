"""`ModelCopy`: a model snapshot in the workspace's datastore, copied by the `transfer` library.

The module path and the class names are in users' state: they stay. The provider is stateless; credentials
come from `providers.credentials` when they are used. What is left out: the registration of the model
(azure-native's `ModelVersion`, by `model_uri`) and every byte of the copy (`transfer`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi.dynamic import Resource, ResourceProvider


@dataclass(frozen=True, kw_only=True)
class ModelCopyArgs:
    """What is copied, and to which datastore.

    `repository` is a hub id (`Qwen/Qwen3-8B`), a local folder (`./model`) or an `azureml://` path. `lock` is
    the entry of the lock file: `{"commit": hex, "files": {path: {"size": bytes, "sha256": hex}}}`, with
    `git_blob` in place of `sha256` for files outside LFS; with it no hub is asked what the revision is.
    `token` says where the hub's token is, never what it is: `env:NAME` or `https://VAULT/secrets/NAME`.
    `server_side_copy` is `auto` (probe, copy in the service, read back to verify), `trust` (without reading
    back) or `never`. `authentication` is `identity` (keyless) or `datastore` (the account key or SAS that the
    datastore holds).
    """

    repository: pulumi.Input[str]
    subscription_id: pulumi.Input[str]
    resource_group: pulumi.Input[str]
    workspace: pulumi.Input[str]
    datastore: pulumi.Input[str] = "workspaceblobstore"
    revision: pulumi.Input[str] = "main"
    lock: pulumi.Input[Mapping[str, Any] | None] = None
    prefix: pulumi.Input[str] = "models"
    allow_patterns: pulumi.Input[Sequence[str] | None] = None
    ignore_patterns: pulumi.Input[Sequence[str] | None] = None
    include_pickle: pulumi.Input[bool] = False
    token: pulumi.Input[str | None] = None
    server_side_copy: pulumi.Input[str] = "auto"
    authentication: pulumi.Input[str] = "identity"


class ModelCopyProvider(ResourceProvider):
    """Copies, checks and removes one snapshot. Holds nothing, so that nothing secret can reach the state."""

    serialize_as_secret_always = False


class ModelCopy(Resource, module="vllm-azureml", name="ModelCopy"):
    """One snapshot, whole and verified, at a path that names its repository and commit."""

    commit: pulumi.Output[str]
    """The commit (or the content digest of a folder) that was copied."""
    files: pulumi.Output[dict[str, Any]]
    """Path -> size in bytes, the digest it was held against, and the ETag of the blob."""
    model_uri: pulumi.Output[str]
    """`azureml://subscriptions/.../datastores/NAME/paths/...`, what a `ModelVersion` is registered by."""
    path: pulumi.Output[str]
    """The folder inside the datastore's container."""

    def __init__(self, name: str, args: ModelCopyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        owner = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}/{name}"
        outputs = dict.fromkeys(("commit", "files", "model_uri", "path", "reference", "container_url"))
        super().__init__(ModelCopyProvider(), name, {**vars(args), "owner": owner, **outputs}, opts)
