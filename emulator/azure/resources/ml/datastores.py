"""Datastores: the defaults made with a workspace (their containers really exist), and further blob
datastores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.azure.errors import ArmError, bad_request
from emulator.azure.resource_type import Action, Answer, Call
from emulator.azure.resources.ml.common import WORKSPACE, MlType, dependency, sdk_model
from emulator.azure.store import Resource

if TYPE_CHECKING:
    from emulator.azure.cloud import Cloud

DATASTORE = f"{WORKSPACE}/datastores"
_CONTAINER = "Microsoft.Storage/storageAccounts/blobServices/containers"
_SUFFIX = "core.azure.invalid"


class Datastore(MlType):
    type = DATASTORE
    model = sdk_model("Datastore")
    name_pattern = r"[A-Za-z0-9_]{1,255}"
    name_rule = "letters, digits and underscores"

    def prepare(self, call: Call, old: Resource | None, new: Resource) -> None:
        kind = new.properties["datastoreType"]
        if kind == "AzureBlob" and not (
            new.properties.get("accountName") and new.properties.get("containerName")
        ):
            raise bad_request("A blob datastore needs accountName and containerName.", code="UserError")

    def check_delete(self, call: Call, resource: Resource) -> None:
        if resource.private.get("default"):
            raise bad_request(f"The default datastore {resource.name} cannot be deleted.", code="UserError")

    def outputs(self, cloud: Cloud, resource: Resource) -> dict[str, Any]:
        return {"properties": {"isDefault": resource.name == "workspaceblobstore"}}

    def actions(self) -> dict[str, Action]:
        return {"listsecrets": self.list_secrets}

    def list_secrets(self, call: Call, resource: Resource) -> Answer:
        if resource.properties["credentials"]["credentialsType"] != "AccountKey":
            text = f"Datastore {resource.name} has no credentials: it is accessed by identity."
            raise ArmError(400, "UserError", text)
        workspace = call.cloud.store.get(resource.parent_id)
        account = dependency(call.cloud, workspace, "storageAccount") if workspace else None
        return Answer({"secretsType": "AccountKey", "key": account.private["keys"][0] if account else ""})


async def make_defaults(cloud: Cloud, workspace: Resource) -> None:
    """Make the four default datastores and the containers behind them, once."""
    account = dependency(cloud, workspace, "storageAccount")
    if account is None:
        return
    guid = workspace.private["guid"]
    by_key = workspace.properties.get("systemDatastoresAuthMode", "AccessKey") == "AccessKey"
    for name, kind, folder in (
        ("workspaceblobstore", "AzureBlob", f"azureml-blobstore-{guid}"),
        ("workspaceartifactstore", "AzureBlob", "azureml"),
        ("workspacefilestore", "AzureFile", f"azureml-filestore-{guid}"),
        ("workspaceworkingdirectory", "AzureFile", f"code-{guid}"),
    ):
        resource_id = f"{workspace.id}/datastores/{name}"
        if cloud.store.get(resource_id):
            continue
        place = "containerName" if kind == "AzureBlob" else "fileShareName"
        properties = {
            "datastoreType": kind,
            "accountName": account.name,
            place: folder,
            "endpoint": _SUFFIX,
            "protocol": "https",
            "resourceGroup": account.id.split("/")[4],
            "subscriptionId": cloud.settings.subscription,
            "credentials": {"credentialsType": "AccountKey" if by_key else "None"},
            "serviceDataAccessAuthIdentity": "None" if by_key else "WorkspaceSystemAssignedIdentity",
        }
        if kind == "AzureBlob":
            await _container(cloud, account, folder)
        private = {"default": True, "state": "Succeeded", "systemData": workspace.private["systemData"]}
        cloud.store.save(Resource(resource_id, DATASTORE, {"properties": properties}, private))


async def _container(cloud: Cloud, account: Resource, name: str) -> None:
    await cloud.blobs.create_container(account, name)
    resource_id = f"{account.id}/blobServices/default/containers/{name}"
    if cloud.store.get(resource_id) is None:
        cloud.store.save(Resource(resource_id, _CONTAINER, {"properties": {}}, {"state": "Succeeded"}))
