"""Models, environments, code and data: containers and versions; versions are immutable but for notes and
tags.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.azure.errors import bad_request, user_error
from emulator.azure.resource_type import Call, ResourceType, pick
from emulator.azure.resources.ml.common import WORKSPACE, MlType, sdk_model
from emulator.azure.resources.ml.model_uri import parse_uri
from emulator.azure.store import Resource

if TYPE_CHECKING:
    from emulator.azure.cloud import Cloud


class Container(MlType):
    name_pattern = r"[A-Za-z0-9][\w.-]{0,254}"
    name_rule = "1 to 255 letters, digits, hyphens, underscores and periods, starting with a letter or digit"

    def outputs(self, cloud: Cloud, resource: Resource) -> dict[str, Any]:
        versions = [item.name for item in cloud.store.all(self.type + "/versions", under=resource.id)]
        latest = versions[-1] if versions else None
        following = str(int(latest) + 1) if latest and latest.isdigit() else "1"
        properties = {"latestVersion": latest, "nextVersion": following, "provisioningState": "Succeeded"}
        return {"properties": {"isArchived": False, **resource.properties, **properties}}


class Version(MlType):
    """A version; making the first one makes its container."""

    # azure-ai-ml registers anonymous environments under 64 hexadecimal digits; the true limit is unverified.
    name_pattern = Container.name_pattern
    name_rule = Container.name_rule
    immutable: tuple[str, ...] = ()
    own_immutability = True
    makes_parent = True

    def prepare(self, call: Call, old: Resource | None, new: Resource) -> None:
        for path in self.immutable:
            if old and pick(old.doc, path) != pick(new.doc, path):
                text = (
                    f"{self.type.split('/')[-2][:-1].capitalize()} version "
                    f"{new.id.rsplit('/', 3)[1]}:{new.name} "
                    f"already exists, and its '{path.rsplit('.', 1)[-1]}' cannot be changed: "
                    "versions are immutable. "
                    "Register another version."
                )
                raise user_error(text, target=path)
        self._make_container(call, new)

    def _make_container(self, call: Call, new: Resource) -> None:
        cloud = call.cloud
        container_id = new.id.rsplit("/", 2)[0]
        if cloud.store.get(container_id) is None:
            kind: ResourceType = cloud.types.get(self.type.rsplit("/", 1)[0])
            kind.check_name(container_id.rsplit("/", 1)[1])
            private = {"state": "Succeeded", "systemData": {"createdBy": call.principal.name}}
            cloud.store.save(Resource(container_id, kind.type, {"properties": {}}, private))

    def outputs(self, cloud: Cloud, resource: Resource) -> dict[str, Any]:
        defaults: dict[str, Any] = {"isArchived": False, "isAnonymous": False, "tags": {}, "properties": {}}
        return {"properties": {**defaults, **resource.properties, "provisioningState": "Succeeded"}}


class ModelContainer(Container):
    type = f"{WORKSPACE}/models"
    model = sdk_model("ModelContainer")


class ModelVersion(Version):
    type = f"{WORKSPACE}/models/versions"
    model = sdk_model("ModelVersion")
    immutable = ("properties.modelUri", "properties.modelType")

    def prepare(self, call: Call, old: Resource | None, new: Resource) -> None:
        uri = new.properties.get("modelUri")
        if not uri:
            raise user_error("A model version needs a modelUri.", target="properties.modelUri")
        new.properties.setdefault("modelType", "custom_model")
        if uri.startswith(("azureml://jobs/", "runs:/")):
            raise bad_request("Models from jobs are not emulated.", code="NotEmulated")
        parse_uri(call.cloud, new.id, uri)
        super().prepare(call, old, new)

    def outputs(self, cloud: Cloud, resource: Resource) -> dict[str, Any]:
        out = super().outputs(cloud, resource)
        out["properties"].setdefault("flavors", {})  # azure-ai-ml iterates over it
        return out


class EnvironmentContainer(Container):
    type = f"{WORKSPACE}/environments"
    model = sdk_model("EnvironmentContainer")


class EnvironmentVersion(Version):
    type = f"{WORKSPACE}/environments/versions"
    model = sdk_model("EnvironmentVersion")
    immutable = (
        "properties.image",
        "properties.build",
        "properties.condaFile",
        "properties.inferenceConfig",
        "properties.osType",
    )

    def prepare(self, call: Call, old: Resource | None, new: Resource) -> None:
        properties = new.properties
        if not properties.get("image") and not properties.get("build"):
            raise user_error("An environment needs an image or a build context.", target="properties.image")
        if properties.get("image") and properties.get("build"):
            raise user_error(
                "An environment has an image or a build context, not both.", target="properties.build"
            )
        if properties.get("condaFile") and not properties.get("image"):
            raise user_error("A conda file needs a base image.", target="properties.condaFile")
        properties.setdefault("osType", "Linux")
        super().prepare(call, old, new)

    def outputs(self, cloud: Cloud, resource: Resource) -> dict[str, Any]:
        out = super().outputs(cloud, resource)
        out["properties"]["environmentType"] = "UserCreated"
        return out


class CodeContainer(Container):
    type = f"{WORKSPACE}/codes"
    model = sdk_model("CodeContainer")


class CodeVersion(Version):
    type = f"{WORKSPACE}/codes/versions"
    model = sdk_model("CodeVersion")
    immutable = ("properties.codeUri",)


class DataContainer(Container):
    type = f"{WORKSPACE}/data"
    model = sdk_model("DataContainer")


class DataVersion(Version):
    type = f"{WORKSPACE}/data/versions"
    model = sdk_model("DataVersionBase")
    immutable = ("properties.dataUri", "properties.dataType")
