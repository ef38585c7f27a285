"""The workspace's managed network: isolation goes one way, rules depend on the mode, provisioning is its
own step.

Source: learn.microsoft.com, "Workspace managed virtual network isolation" (limitations and outbound rules).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from emulator.azure import identities
from emulator.azure.errors import ArmError, bad_request
from emulator.azure.resource_type import Call
from emulator.azure.resources.ml.common import WORKSPACE, MlType, dependency, sdk_model
from emulator.azure.store import Resource

if TYPE_CHECKING:
    from emulator.azure.cloud import Cloud

_ORDER = {"Disabled": 0, "AllowInternetOutbound": 1, "AllowOnlyApprovedOutbound": 2}
RULE = f"{WORKSPACE}/outboundRules"


def mode(workspace: Resource) -> str:
    return (workspace.properties.get("managedNetwork") or {}).get("isolationMode", "Disabled")


def active(workspace: Resource) -> bool:
    """Say whether deployments may be made: there is no managed network, or it is provisioned."""
    return mode(workspace) == "Disabled" or workspace.private.get("network", {}).get("status") == "Active"


def check(cloud: Cloud, old: Resource | None, new: Resource) -> None:
    """Refuse a step back in isolation and rules that the mode does not have."""
    before = mode(old) if old else "Disabled"
    if old and _ORDER[mode(new)] < _ORDER[before]:
        text = f"The managed network's isolation mode cannot go from {before} back to {mode(new)}."
        raise bad_request(text, code="ValidationError", target="properties.managedNetwork.isolationMode")
    network = new.properties.get("managedNetwork") or {}
    network.pop("status", None)
    for name, rule in (network.get("outboundRules") or {}).items():
        check_rule(cloud, mode(new), name, rule)


def check_rule(cloud: Cloud, isolation: str, name: str, rule: dict[str, Any]) -> None:
    if isolation == "Disabled":
        raise bad_request(
            f"Outbound rule '{name}': the workspace has no managed network.", code="ValidationError"
        )
    if rule["type"] == "FQDN":
        if isolation != "AllowOnlyApprovedOutbound":
            text = (
                f"Outbound rule '{name}': FQDN rules exist in AllowOnlyApprovedOutbound only, "
                f"not in {isolation}."
            )
            raise bad_request(text, code="ValidationError")
        if not re.fullmatch(r"(\*\.)?[\w-]+(\.[\w-]+)+", str(rule.get("destination", ""))):
            raise bad_request(f"Outbound rule '{name}': {rule.get('destination')!r} is not a host name.")
    if rule["type"] == "PrivateEndpoint":
        wanted = (rule.get("destination") or {}).get("serviceResourceId", "")
        if cloud.resource(wanted) is None:
            raise bad_request(f"Outbound rule '{name}': the resource {wanted!r} was not found.")


def check_approver(cloud: Cloud, workspace: Resource) -> None:
    """A workspace without a system-assigned identity needs a role to approve its private endpoints."""
    if "principal" in workspace.private:
        return
    for name, action in (
        ("storageAccount", "Microsoft.Storage/storageAccounts/privateEndpointConnectionsApproval/action"),
        ("keyVault", "Microsoft.KeyVault/vaults/privateEndpointConnectionsApproval/action"),
        (
            "containerRegistry",
            "Microsoft.ContainerRegistry/registries/privateEndpointConnectionsApproval/action",
        ),
    ):
        found = dependency(cloud, workspace, name)
        if found is None:
            continue
        for principal in identities.principals(cloud, workspace):
            if not cloud.rbac.allowed(principal, action, found.id):
                text = (
                    f"The workspace's user-assigned identity {principal} may not approve private "
                    f"endpoints on {found.id}. "
                    "Assign it the role Azure AI Enterprise Network Connection Approver."
                )
                raise ArmError(400, "ManagedNetworkProvisionFailed", text)


_LINKS = (
    ("storageAccount", "blob"),
    ("storageAccount", "file"),
    ("keyVault", "vault"),
    ("containerRegistry", "registry"),
)


def make_required_rules(cloud: Cloud, workspace: Resource) -> None:
    """Make the private endpoints that Azure makes by itself: in the approved mode to every dependency, else
    to those with public access disabled. Their names are unverified.
    """
    for name, group in _LINKS:
        found = dependency(cloud, workspace, name)
        if found is None:
            continue
        closed = found.properties.get("publicNetworkAccess") == "Disabled"
        if mode(workspace) != "AllowOnlyApprovedOutbound" and not closed:
            continue
        rule_id = f"{workspace.id}/outboundRules/__SYS_PE_{found.name}_{group}"
        destination = {"serviceResourceId": found.id, "subresourceTarget": group, "sparkEnabled": False}
        properties = {"type": "PrivateEndpoint", "category": "Required", "destination": destination}
        private = {"state": "Succeeded", "systemData": workspace.private["systemData"], "required": True}
        cloud.store.save(Resource(rule_id, RULE, {"properties": properties}, private))


def view(workspace: Resource) -> dict[str, Any]:
    """Return the read-only half of `managedNetwork`."""
    isolation = mode(workspace)
    if isolation == "Disabled":
        return {"isolationMode": "Disabled"}
    status = workspace.private.get("network", {"status": "Inactive", "sparkReady": False})
    return {"isolationMode": isolation, "status": status, "networkId": workspace.private["guid"]}


class OutboundRule(MlType):
    """An outbound rule as a resource of its own."""

    type = RULE
    model = sdk_model("OutboundRuleBasicResource")
    asynchronous = True
    asynchronous_delete = True

    def prepare(self, call: Call, old: Resource | None, new: Resource) -> None:
        workspace = call.cloud.store.get(new.parent_id)
        assert workspace is not None
        new.properties.setdefault("category", "UserDefined")
        check_rule(call.cloud, mode(workspace), new.name, new.properties)

    def check_delete(self, call: Call, resource: Resource) -> None:
        if resource.private.get("required"):
            text = f"The outbound rule {resource.name} is required by the workspace and cannot be deleted."
            raise bad_request(text, code="ValidationError")

    def outputs(self, cloud: Cloud, resource: Resource) -> dict[str, Any]:
        workspace = cloud.store.get(resource.parent_id)
        ready = workspace is not None and active(workspace)
        return {"properties": {"status": "Active" if ready else "Inactive"}}
