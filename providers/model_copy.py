"""`ModelCopy`: a model snapshot in the workspace's datastore, copied by the `transfer` library.

The module path and the class names are in users' state: they stay. The provider is stateless; credentials
come from `providers.credentials` when they are used. What is left out: the registration of the model
(azure-native's `ModelVersion`, by `model_uri`) and every byte of the copy (`transfer`).
"""

from __future__ import annotations

import hashlib
import os
import secrets
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pulumi
from pulumi.dynamic import (
    CheckFailure,
    CheckResult,
    CreateResult,
    DiffResult,
    ReadResult,
    Resource,
    UpdateResult,
)

import transfer
from providers import arm, base, credentials
from providers.errors import ArmError, ProviderError
from transfer.datastore import DatastoreId, lookup, parse, stored_access
from transfer.errors import AccessDenied, ContainerGone, SourceError
from transfer.progress import LogWatcher, summary

# A role assignment "can take up to 10 minutes" to count, on the data plane too.
# https://learn.microsoft.com/azure/role-based-access-control/troubleshooting
ROLE_SECONDS = 900.0
ROLE_RETRY_SECONDS = 15.0
_CHOICES = {"server_side_copy": ("auto", "trust", "never"), "authentication": ("identity", "datastore")}
_IDENTITY = (
    "repository",
    "subscription_id",
    "resource_group",
    "workspace",
    "datastore",
    "prefix",
    "allow_patterns",
    "ignore_patterns",
    "include_pickle",
)
_SETTINGS = ("token", "server_side_copy", "authentication")


@dataclass(frozen=True, kw_only=True)
class ModelCopyArgs:
    """What is copied, and to which datastore.

    `repository` is a hub id (`Qwen/Qwen3-8B`), a local folder (`./model`) or an `azureml://` path. `lock` is
    the entry of the lock file: `{"commit": hex, "files": {path: {"size": bytes, "sha256": hex}}}`, with
    `git_blob` in place of `sha256` for files outside LFS; with it no hub is asked what the revision is.
    `token` says where the hub's token is, never what it is: `env:NAME` or `https://VAULT/secrets/NAME`.
    `server_side_copy` is `auto` (probe, copy in the service, read back to verify), `trust` (without reading
    back) or `never`. `authentication` is `identity` (keyless) or `datastore` (the account key or SAS that the
    datastore holds). `setting` is the configuration key the model stands under, for errors.
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
    setting: str = ""


class ModelCopyProvider(base.AzureProvider):
    """Copies, checks and removes one snapshot. Holds nothing, so that nothing secret can reach the state."""

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        failures = [
            CheckFailure(key, f"{key} is {news[key]!r}; it must be one of {', '.join(allowed)}.")
            for key, allowed in _CHOICES.items()
            if not base.unknown(news.get(key)) and news.get(key) not in allowed
        ]
        return CheckResult(news, failures)

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        lock = _news.get("lock")
        identity = [*_IDENTITY, *([] if lock else ["revision"])]
        found = base.diff(_olds, _news, identity=identity, settings=_SETTINGS)
        replaces, changes = list(found.replaces or []), bool(found.changes)
        if base.unknown(lock):
            replaces.append("lock")
        elif lock and str(lock.get("commit")) != _olds.get("commit"):
            replaces.append("lock")  # another commit goes to another folder; the old one goes last
        elif lock:
            changes |= _digests(lock.get("files")) != _digests(_locked_files(_olds))
        changes |= bool(_olds.get("altered"))  # what `read` found missing or written over
        return DiffResult(changes=changes or bool(replaces), replaces=replaces)

    def create(self, props: dict[str, Any]) -> CreateResult:
        # The nonce keeps a replacement's reference apart from that of the resource it replaces.
        owner = hashlib.sha256(props["owner"].encode()).hexdigest()[:16]
        outputs = _copy(props, f"{owner}.{secrets.token_hex(4)}", props.get("lock"), {})
        return CreateResult(f"{outputs['container_url']}/{outputs['path']}", outputs)

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        lock = _news.get("lock") or {"commit": _olds["commit"], "files": _olds["files"]}
        etags = {_path(key): facts.get("etag", "") for key, facts in _olds["files"].items()}
        outputs = _copy(_news, _olds["reference"], lock, etags)
        if outputs["path"] != _olds["path"]:  # a local folder with other content goes to another place
            transfer.remove(_destination(_olds), _olds["path"], reference=_olds["reference"])
        return UpdateResult(outputs)

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        try:
            # A preview outside the network must not hang, hence no retries.
            request = replace(_destination(props), control_retries=0)
            snapshot = transfer.snapshot_of_lock(props["repository"], _plain(props) or {})
            etags = transfer.state(request, snapshot, props["path"])
        except ArmError as problem:
            return ReadResult("", {}) if problem.status == 404 else base.not_checked(id_, props, problem)
        except ContainerGone:
            return ReadResult("", {})
        except (ProviderError, transfer.TransferError) as problem:
            return base.not_checked(id_, props, problem)
        files = {_path(key): facts for key, facts in props["files"].items()}
        altered = [path for path, facts in files.items() if etags.get(path) != facts.get("etag")]
        if altered:
            print(f"{id_}: missing or altered: {', '.join(sorted(altered)[:10])}", file=sys.stderr)
        return ReadResult(id_, {**props, "altered": sorted(altered)})

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Give the reference back; the files go with the last one, and only those that such copies wrote."""
        try:
            transfer.remove(_destination(_props), _props["path"], reference=_props["reference"])
        except ArmError as problem:
            if problem.status != 404:  # the workspace or its storage is gone, and the files with it
                raise
        except ContainerGone:
            return


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
        outputs = dict.fromkeys(
            ("commit", "files", "model_uri", "path", "reference", "container_url", "altered")
        )
        props = {**vars(args), "lock": _escape(args.lock), "owner": owner, **outputs}
        super().__init__(ModelCopyProvider(), name, props, opts)


def _copy(
    props: dict[str, Any], reference: str, lock: Mapping[str, Any] | None, etags: dict[str, str]
) -> dict[str, Any]:
    """Copy what is missing, tell the log how it goes, answer all outputs."""
    watcher = LogWatcher(
        f"copy of {props['repository']}", lambda line: print(line, file=sys.stderr, flush=True)
    )
    try:
        request = replace(_request(props), lock=_plain(lock), reference=reference, known_etags=etags)
        copied = _once_allowed(lambda: transfer.copy_snapshot(request, watcher=watcher), watcher)
    except transfer.TransferError as problem:
        raise _named(problem, props) from None
    watcher.note(summary(copied.report))
    path = copied.prefix.rstrip("/")
    return {
        **props,
        "commit": copied.snapshot.commit,
        "files": {_key(path): dict(facts) for path, facts in copied.files.items()},
        "model_uri": _datastore(props).uri(path),
        "path": path,
        "reference": reference,
        "container_url": request.container_url,
        "altered": [],
    }


def _once_allowed(action, watcher: LogWatcher):
    """Run `action`; while a new role assignment does not count yet, wait and run it again."""
    deadline = time.monotonic() + ROLE_SECONDS
    while True:
        try:
            return action()
        except AccessDenied as problem:
            # Only this code means "the identity is known, its role is not": waiting cures no other refusal.
            if problem.code != "AuthorizationPermissionMismatch" or time.monotonic() > deadline:
                raise
            watcher.note(
                f"the role on the container does not count yet; trying again in {ROLE_RETRY_SECONDS:g} s"
            )
            time.sleep(ROLE_RETRY_SECONDS)


def _named(problem: transfer.TransferError, props: dict[str, Any]) -> ProviderError:
    """The same error with the configuration key that is to be looked at before it."""
    about = problem.about if isinstance(problem, SourceError) else ""
    if about == "repository":
        hub = not props["repository"].startswith((".", "/", "~", "azureml:"))
        about = "huggingface" if hub else "path"
    return ProviderError(_at(props, about, str(problem)))


def _at(props: dict[str, Any], key: str, text: str) -> str:
    """`text` after the configuration key that it is about."""
    where = ".".join(part for part in (props.get("setting"), key) if part)
    return f"{where}: {text}" if props.get("setting") else text


def _request(props: dict[str, Any]) -> transfer.Request:
    """What the properties ask for, with access as of now."""
    request = _destination(props)
    return replace(request, source=_source(props, request.access))


def _destination(props: dict[str, Any]) -> transfer.Request:
    """The same without its source. Asks ARM where the datastore is."""
    which = lookup(_datastore(props), arm.request)
    return transfer.Request(
        source="",
        container_url=which.container_url,
        access=_access(props, which),
        revision=props["revision"],
        selection=transfer.Selection.of(
            props.get("allow_patterns"), props.get("ignore_patterns"), bool(props.get("include_pickle"))
        ),
        root=props["prefix"],
        token=props.get("token") or "",
        credential=credentials.credential(),
        vault_audience=credentials.cloud().vault_audience,
        server_side_copy=props["server_side_copy"],
    )


def _access(props: dict[str, Any], which) -> transfer.TokenAccess | Any:
    if props["authentication"] == "datastore":
        try:
            return stored_access(which, arm.request)
        except ArmError as problem:
            if problem.status != 400:  # a datastore without credentials; that Azure says 400 is unverified
                raise
            raise ProviderError(
                _at(props, "copy_authentication", f"{problem.reason} Use identity.")
            ) from None
    return transfer.TokenAccess(credentials.credential())


def _source(props: dict[str, Any], access) -> str | transfer.BlobFolder:
    if not props["repository"].startswith("azureml://"):
        # A folder may be written without `./`; one that only looks like the id of a locked repository is
        # not meant.
        folder = not props.get("lock") and os.path.isdir(props["repository"])
        return os.path.abspath(props["repository"]) if folder else props["repository"]
    where, path = parse(props["repository"], _datastore(props))
    there = lookup(where, arm.request)
    same = where == _datastore(props)
    return transfer.BlobFolder(
        container_url=there.container_url, prefix=path, access=access if same else _access(props, there)
    )


def _datastore(props: dict[str, Any]) -> DatastoreId:
    return DatastoreId(
        props["subscription_id"], props["resource_group"], props["workspace"], props["datastore"]
    )


def _locked_files(olds: dict[str, Any]) -> Mapping[str, Any]:
    return (olds.get("lock") or {}).get("files") or olds.get("files") or {}


def _digests(files: Mapping[str, Any] | None) -> dict[str, tuple[int, str]]:
    return {
        path: (int(facts["size"]), facts.get("sha256") or facts.get("git_blob") or "")
        for path, facts in (files or {}).items()
    }


# Pulumi drops keys that begin with two underscores on their way to a provider, and `__init__.py` is a file.
def _key(path: str) -> str:
    return f"./{path}" if path.startswith("__") else path


def _path(key: str) -> str:
    return key.removeprefix("./")


def _escape(lock: pulumi.Input[Mapping[str, Any] | None]) -> pulumi.Input[Mapping[str, Any] | None]:
    if isinstance(lock, pulumi.Output):
        return lock.apply(_escape)
    if not isinstance(lock, Mapping) or not isinstance(lock.get("files"), Mapping):
        return lock
    return {**lock, "files": {_key(path): facts for path, facts in lock["files"].items()}}


def _plain(lock: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    if not lock:
        return None
    return {"commit": lock["commit"], "files": {_path(key): facts for key, facts in lock["files"].items()}}
