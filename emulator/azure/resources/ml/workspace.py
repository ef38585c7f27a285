"""Workspaces: dependencies, identity, default datastores, soft delete, and the managed network."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any

from emulator.azure import identities, roles, soft_delete
from emulator.azure.errors import ArmError, bad_request, conflict
from emulator.azure.resource_type import Action, Answer, Call
from emulator.azure.resources.ml import datastores, managed_network
from emulator.azure.resources.ml.common import WORKSPACE, MlType, dependency, sdk_model
from emulator.azure.store import Resource
from emulator.azure.validation import validate

if TYPE_CHECKING:
    from emulator.azure.cloud import Cloud

_DEPENDENCIES = {
    "storageAccount": "Microsoft.Storage/storageAccounts",
    "keyVault": "Microsoft.KeyVault/vaults",
    "containerRegistry": "Microsoft.ContainerRegistry/registries",
    "applicationInsights": "Microsoft.Insights/components",
}
_SOFT_DELETE_DAYS = 14  # learn.microsoft.com, "Recover workspace data while soft deleted"


class Workspace(MlType):
    type = WORKSPACE
    model = sdk_model("Workspace")
    patch_model = sdk_model("WorkspaceUpdateParameters")
    asynchronous = True
    asynchronous_delete = True
    show_state = True
    create_only = ("properties.storageAccount", "properties.keyVault", "properties.hbiWorkspace")
    # learn.microsoft.com, "Naming rules", Microsoft.MachineLearningServices/workspaces
    name_pattern = r"[A-Za-z0-9][\w-]{2,32}"
    name_rule = "3 to 33 letters, digits, hyphens and underscores, starting with a letter or digit"

    def prepare(self, call: Call, old: Resource | None, new: Resource) -> None:
        cloud = call.cloud
        if old is None:
            self._claim_name(cloud, new)
        new.doc.setdefault("identity", {"type": "SystemAssigned"})
        new.doc.setdefault("kind", "Default")
        new.doc.setdefault("sku", {"name": "Basic", "tier": "Basic"})
        new.properties.setdefault("friendlyName", new.name)
        new.properties.setdefault("publicNetworkAccess", "Enabled")
        new.properties.setdefault("v1LegacyMode", False)
        self._check_dependencies(cloud, new)
        self._check_storage(cloud, new)
        self._check_primary_identity(new)
        identities.prepare(cloud, new)
        managed_network.check(cloud, old, new)
        new.private.setdefault("guid", str(uuid.uuid4()))

    def _claim_name(self, cloud: Cloud, new: Resource) -> None:
        if soft_delete.find(cloud, WORKSPACE, new.name, under=new.id.rsplit("/providers/", 1)[0] + "/"):
            text = "Soft-deleted workspace exists. Please purge or recover it. https://aka.ms/wsoftdelete"
            raise conflict(text)

    def _check_dependencies(self, cloud: Cloud, new: Resource) -> None:
        for name in ("storageAccount", "keyVault"):
            if not new.properties.get(name):
                raise bad_request(
                    f"Missing dependent resources in workspace json: {name}.", code="ValidationError"
                )
        for name, kind in _DEPENDENCIES.items():
            wanted = new.properties.get(name)
            if not wanted:
                continue
            found = cloud.resource(wanted)
            if found is None or found.type.lower() != kind.lower():
                text = f"The workspace's {name} '{wanted}' was not found or is not a {kind}."
                raise bad_request(text, code="ValidationError", target=f"properties.{name}")

    def _check_storage(self, cloud: Cloud, new: Resource) -> None:
        """The default account is a standard one without hierarchical namespace (documented limitation)."""
        account = dependency(cloud, new, "storageAccount")
        sku = (account.doc.get("sku") or {}).get("name", "") if account else ""
        if account and (account.properties.get("isHnsEnabled") or sku.startswith("Premium")):
            text = (
                f"The storage account {account.name} has a hierarchical namespace or is premium ({sku}): a "
                "workspace cannot use it as its default account."
            )
            raise bad_request(text, code="ValidationError", target="properties.storageAccount")

    def _check_primary_identity(self, new: Resource) -> None:
        identity = new.doc["identity"]
        known = {key.lower() for key in identity.get("userAssignedIdentities") or {}}
        primary = new.properties.get("primaryUserAssignedIdentity")
        alone = identity.get("type") == "UserAssigned"
        if (alone and not primary) or (primary and primary.lower() not in known):
            text = "primaryUserAssignedIdentity must be one of the workspace's user-assigned identities."
            raise bad_request(text, code="ValidationError", target="properties.primaryUserAssignedIdentity")

    async def provision(self, cloud: Cloud, resource: Resource, data: Any) -> None:
        self._grant(cloud, resource)
        await datastores.make_defaults(cloud, resource)
        if data and data.get("created") and resource.properties.get("provisionNetworkNow"):
            await self.provision_network(cloud, resource, {})

    def _grant(self, cloud: Cloud, resource: Resource) -> None:
        """Give the workspace's own identity what Azure gives it on the dependencies."""
        principal = resource.private.get("principal")
        if not principal:
            return
        for name in _DEPENDENCIES:
            found = dependency(cloud, resource, name)
            if found:
                cloud.rbac.grant(principal, roles.CONTRIBUTOR, found.id, by=resource.id)
        account = dependency(cloud, resource, "storageAccount")
        if account:
            cloud.rbac.grant(principal, roles.BLOB_CONTRIBUTOR, account.id, by=resource.id)

    async def remove(self, cloud: Cloud, resource: Resource) -> None:
        query = resource.private.get("delete_query") or {}
        if str(query.get("forceToPurge", "")).lower() != "true":
            soft_delete.keep(cloud, resource, _SOFT_DELETE_DAYS)
        identities.drop(cloud, resource)

    def delete_missing(self, call: Call) -> bool:
        """Purge a soft-deleted workspace: `DELETE ...?forceToPurge=true`."""
        group = call.target.id.rsplit("/providers/", 1)[0] + "/"
        row = soft_delete.find(call.cloud, WORKSPACE, call.target.name, under=group)
        if row is None or str(call.query.get("forceToPurge", "")).lower() != "true":
            return False
        soft_delete.forget(call.cloud, row)
        return True

    def outputs(self, cloud: Cloud, resource: Resource) -> dict[str, Any]:
        from emulator.azure.resources.private_endpoints import connections_of

        guid = resource.private["guid"]
        arm = cloud.settings.arm_url
        properties: dict[str, Any] = {
            "workspaceId": guid,
            "tenantId": cloud.settings.tenant,
            "discoveryUrl": f"{arm}/discovery",
            "mlFlowTrackingUri": f"azureml://{resource.location}.api.azureml.invalid/mlflow/v1.0{resource.id}",
            "notebookInfo": {"resourceId": guid, "fqdn": f"ml-{resource.name}.notebooks.azure.invalid"},
            "privateEndpointConnections": connections_of(cloud, resource),
            "storageHnsEnabled": False,
            "managedNetwork": managed_network.view(resource),
        }
        return {"properties": properties, **identities.outputs(cloud, resource)}

    def actions(self) -> dict[str, Action]:
        return {
            "provisionmanagednetwork": self.start_network,
            "listkeys": self.list_keys,
            "diagnose": self.diagnose,
        }

    def start_network(self, call: Call, resource: Resource) -> Answer:
        schema = call.cloud.schemas.get(sdk_model("ManagedNetworkProvisionOptions"))
        options = validate(schema, call.body or {})
        if managed_network.mode(resource) == "Disabled":
            text = f"Workspace {resource.name} has no managed network: its isolation mode is Disabled."
            raise bad_request(text, code="ValidationError")
        row = call.cloud.operations.start(
            "provision_network",
            resource.id,
            namespace=resource.type.split("/")[0],
            location=resource.location,
            data=options,
        )
        return Answer(status=202, operation=row)

    async def provision_network(self, cloud: Cloud, resource: Resource, data: Any) -> dict[str, Any]:
        """Provision the managed network; Azure takes about half an hour."""
        await asyncio.sleep(cloud.settings.delays.managed_network)
        if managed_network.mode(resource) == "Disabled":
            return {}
        managed_network.check_approver(cloud, resource)
        managed_network.make_required_rules(cloud, resource)
        spark = bool((data or {}).get("includeSpark"))
        resource.private["network"] = {"status": "Active", "sparkReady": spark}
        cloud.store.save(resource)
        return resource.private["network"]

    def list_keys(self, call: Call, resource: Resource) -> Answer:
        account = dependency(call.cloud, resource, "storageAccount")
        if account and account.properties.get("allowSharedKeyAccess") is False:
            text = "Key based authentication is not permitted on the workspace's storage account."
            raise ArmError(403, "KeyBasedAuthenticationNotPermitted", text)
        keys = {"userStorageKey": account.private["keys"][0]} if account else {}
        return Answer({**keys, "userStorageArmId": account.id if account else ""})

    def diagnose(self, call: Call, resource: Resource) -> Answer:
        names = ["userDefinedRoute", "networkSecurityRule", "resourceLock", "dnsResolution", "storageAccount"]
        names += ["keyVault", "containerRegistry", "other"]
        return Answer({"value": {f"{name}Results": [] for name in names}})
