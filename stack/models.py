"""Models: copied and registered by this stack, or registered by somebody else and only named."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pulumi

from components.content import folder_hash, short_hash
from components.model import Model, ModelArgs, ModelSourceArgs
from settings.azml import model_body
from settings.deployment import Deployment
from settings.models import Model as ModelSettings
from settings.references import Registered, model_of
from stack.context import Context
from stack.platform import Platform

if TYPE_CHECKING:
    from serving.lock import Lock


# What tools leave in a folder (.git, .cache): not hashed by `folder_hash` either.
HIDDEN = [".*", "*/.*"]


@dataclass(frozen=True)
class NamedModel:
    """`model_id` is what a deployment names; `identity` is plain; `name` and `version` as registered."""

    model_id: pulumi.Input[str]
    identity: str
    name: str = ""
    version: str = ""
    commit: pulumi.Input[str] = ""


@dataclass
class Models:
    """Every model of a stack once, however many deployments serve it."""

    platform: Platform
    lock: Lock | None = None
    _models: dict[tuple[str, str], NamedModel] = field(default_factory=dict)

    def register_all(self) -> None:
        """Register what is under `models`, served or not: another stack may refer to it."""
        for name, model in self.platform.context.settings.models.items():
            self._register(name, model, f"vllm-azureml:models.{name}")

    def of(
        self, endpoint: str, key: str, deployment: Deployment, *, register: bool = True
    ) -> NamedModel | None:
        """The model of one deployment; None when its container downloads its own.

        Without `register` only its identity counts: a server that is taken over has a model.
        """
        context = self.platform.context
        found = model_of(context.settings, deployment)
        if found is None:
            return None
        if isinstance(found, Registered):
            setting = f"vllm-azureml:endpoints.{endpoint}.deployments.{key}.model"
            identity = registered_id(context, "models", found, setting)
            return NamedModel(identity, identity, found.name or "", found.version or "")
        name, model = found
        inline = isinstance(deployment.model, ModelSettings)
        setting = f"endpoints.{endpoint}.deployments.{key}.model" if inline else f"models.{name}"
        return self._register(
            name or f"{endpoint}-{key}", model, f"vllm-azureml:{setting}", register=register
        )

    def _register(
        self, name: str, model: ModelSettings, setting: str, *, register: bool = True
    ) -> NamedModel:
        context, locked = self.platform.context, self._locked(model)
        identity = _identity(model, locked)
        version = model.version or identity
        if (name, version) in self._models:
            return self._models[name, version]
        if not register:
            return NamedModel("", f"{name}:{version}#{identity}", name, version)
        made = Model(
            f"{name}-{version}",
            ModelArgs(
                name=name,
                version=version,
                resource_group_name=context.settings.resource_group.name,
                workspace_name=self.platform.workspace.name,
                body=model_body(model.model_copy(update={"name": name}))["properties"],
                source=self._source(model, locked, setting),
                protect=model.protect,
                import_id=context.asset_id("models", name, version) if model.import_ else None,
                depends_on=self.platform.copy_ready,
            ),
        )
        named = NamedModel(made.model_id, f"{name}:{version}#{identity}", name, version, made.commit)
        self._models[name, version] = named
        return named

    def _source(
        self, model: ModelSettings, locked: Mapping[str, Any] | None, setting: str
    ) -> ModelSourceArgs | None:
        if not model.huggingface and not _is_local(model.path):
            return None
        shared: dict[str, Any] = {
            "subscription_id": self.platform.context.caller.subscription_id,
            "datastore": model.datastore or "workspaceblobstore",
            "authentication": model.copy_authentication,
            "setting": setting,
        }
        if not model.huggingface:
            return _of_disk(Path(model.path or ""), shared)
        return ModelSourceArgs(
            **shared,
            repository=model.huggingface,
            revision=model.revision,
            lock=locked,
            allow_patterns=model.allow_patterns,
            ignore_patterns=model.ignore_patterns,
            token=_token_reference(model.token),
            server_side_copy=model.server_side_copy,
        )

    def _locked(self, model: ModelSettings) -> Mapping[str, Any] | None:
        """The lock's commit and files (`stack.pinned` has checked them)."""
        entry = self.lock.find(model.huggingface, model.revision) if self.lock and model.huggingface else None
        if entry is None:
            return None
        return {"commit": entry.commit, "files": {path: dict(file) for path, file in entry.files.items()}}


def _of_disk(path: Path, shared: Mapping[str, Any]) -> ModelSourceArgs:
    """A folder with all that is in it, weights in any form, as az ml uploads it; or one file."""
    if path.is_file():
        name = path.name
        return ModelSourceArgs(
            **shared,
            repository=str(path.parent),
            allow_patterns=[escape(name)],
            ignore_patterns=[],
            include_pickle=True,
            file=name,
        )
    return ModelSourceArgs(
        **shared, repository=str(path), allow_patterns=["*"], ignore_patterns=HIDDEN, include_pickle=True
    )


def registered_id(context: Context, kind: str, asset: Registered, setting: str) -> str:
    """The id of an asset that somebody else registered; `@latest` is resolved now, because ARM takes no
    labels. What is not there is said under its key, before anything is made."""
    if asset.asset_id:
        return asset.asset_id
    name, version = asset.name or "", asset.version
    if version and (kind, name, version) in _inline(context):
        return context.asset_id(kind, name, version)  # another deployment of this stack registers it
    from pulumi_azure_native import machinelearningservices as ml

    place: dict[str, Any] = {
        "name": name,
        "resource_group_name": context.settings.resource_group.name,
        "workspace_name": context.settings.workspace.name,
    }
    try:
        if version:
            one = ml.get_model_version if kind == "models" else ml.get_environment_version
            one(**place, version=version)
            return context.asset_id(kind, name, version)
        container = ml.get_model_container if kind == "models" else ml.get_environment_container
        latest = container(**place).properties.latest_version
    except Exception as problem:
        if not re.search(r"not ?found|does not exist|404", str(problem), re.IGNORECASE):
            raise
        latest = None
    if latest:
        return context.asset_id(kind, name, str(latest))
    text = f"azureml:{name}:{version}" if version else f"azureml:{name}@latest"
    raise pulumi.RunError(
        f"{setting}: {text} is not registered in workspace {context.settings.workspace.name}. Register it "
        f"there first, write it under `vllm-azureml:{kind}`, or correct its name and version."
    )


def _inline(context: Context) -> set[tuple[str, str, str]]:
    """What deployments of the stack register themselves under a name and a version."""
    return {
        (kind, asset.name, asset.version)
        for _, _, deployment in context.settings.deployments()
        for kind, asset in (("models", deployment.model), ("environments", deployment.environment))
        if asset is not None and not isinstance(asset, str) and asset.name and asset.version
    }


def _identity(model: ModelSettings, locked: Mapping[str, Any] | None) -> str:
    """What makes one content different from another, as far as it is known before anything is copied."""
    patterns = [model.allow_patterns, model.ignore_patterns]
    if model.huggingface:
        commit = locked["commit"] if locked else model.revision
        return short_hash([model.huggingface, commit, patterns, model.type])
    if _is_local(model.path):
        return short_hash([folder_hash(Path(model.path or "")), patterns, model.type])
    return short_hash([model.path, model.type])


def _is_local(path: str | None) -> bool:
    return bool(path) and "://" not in str(path) and not str(path).startswith("azureml:")


def _token_reference(token: str | None) -> str | None:
    """`${{keyvault:URI}}` by its URI; `env:NAME` as it is."""
    if token and token.startswith("${{keyvault:"):
        return token.removeprefix("${{keyvault:").removesuffix("}}").strip()
    return token
