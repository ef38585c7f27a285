"""Azure's built-in roles as far as a deployment of an online endpoint needs them, with their real ids.

Source of names and ids: learn.microsoft.com, "Azure built-in roles" (page of 2026-09-10); of the actions:
the pages of each category linked there, cut down to the providers that are emulated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Role:
    id: str
    name: str
    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()

    def document(self, scope: str) -> dict[str, Any]:
        """Return the role as `GET roleDefinitions` shows it, under a subscription's scope."""
        permission = {
            "actions": list(self.actions),
            "notActions": list(self.not_actions),
            "dataActions": list(self.data_actions),
            "notDataActions": [],
        }
        return {
            "id": f"{scope}/providers/Microsoft.Authorization/roleDefinitions/{self.id}",
            "name": self.id,
            "type": "Microsoft.Authorization/roleDefinitions",
            "properties": {
                "roleName": self.name,
                "type": "BuiltInRole",
                "description": self.name,
                "assignableScopes": ["/"],
                "permissions": [permission],
            },
        }


_BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers"
_SECRETS = "Microsoft.KeyVault/vaults/secrets"
_ML = "Microsoft.MachineLearningServices/workspaces"
_REGISTRY = "Microsoft.ContainerRegistry/registries"
_NOT_CONTRIBUTOR = (
    "Microsoft.Authorization/*/Delete",
    "Microsoft.Authorization/*/Write",
    "Microsoft.Authorization/elevateAccess/Action",
)
# "AzureML Data Scientist": everything in the workspace except compute and the workspace itself.
_NOT_SCIENTIST = (
    f"{_ML}/delete",
    f"{_ML}/write",
    f"{_ML}/computes/*/write",
    f"{_ML}/computes/*/delete",
    f"{_ML}/computes/listKeys/action",
    f"{_ML}/listKeys/action",
    f"{_ML}/hubs/write",
    f"{_ML}/hubs/delete",
    f"{_ML}/featurestores/write",
    f"{_ML}/featurestores/delete",
)

OWNER = Role("8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "Owner", ("*",))
CONTRIBUTOR = Role("b24988ac-6180-42a0-ab88-20f7382dd24c", "Contributor", ("*",), _NOT_CONTRIBUTOR)
READER = Role("acdd72a7-3385-48ef-bd42-f606fba81ae7", "Reader", ("*/read",))
ACR_PULL = Role("7f951dda-4ed3-4680-a7ca-43fe172d538d", "AcrPull", (f"{_REGISTRY}/pull/read",))
ACR_PUSH = Role(
    "8311e382-0749-4cb8-b61a-304f252e45ec", "AcrPush", (f"{_REGISTRY}/pull/read", f"{_REGISTRY}/push/write")
)
ACR_DELETE = Role("c2f4ef07-c644-48eb-af81-4b1b4947fb11", "AcrDelete", (f"{_REGISTRY}/artifacts/delete",))
BLOB_READER = Role(
    "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
    "Storage Blob Data Reader",
    (f"{_BLOBS}/read", "Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action"),
    data_actions=(f"{_BLOBS}/blobs/read",),
)
BLOB_CONTRIBUTOR = Role(
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "Storage Blob Data Contributor",
    (
        f"{_BLOBS}/delete",
        f"{_BLOBS}/read",
        f"{_BLOBS}/write",
        "Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action",
    ),
    data_actions=tuple(
        f"{_BLOBS}/blobs/{verb}" for verb in ("delete", "read", "write", "move/action", "add/action")
    ),
)
BLOB_OWNER = Role(
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "Storage Blob Data Owner",
    (f"{_BLOBS}/*", "Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action"),
    data_actions=(f"{_BLOBS}/blobs/*",),
)
METRICS_WRITER = Role(
    "635dd51f-9968-44d3-b7fb-6d9a6bd613ae", "AzureML Metrics Writer (preview)", (f"{_ML}/metrics/*/write",)
)
NETWORK_APPROVER = Role(
    "b556d68e-0be0-4f35-a333-ad7ee1ce17ea",
    "Azure AI Enterprise Network Connection Approver",
    (
        f"{_REGISTRY}/privateEndpointConnectionsApproval/action",
        "Microsoft.KeyVault/vaults/privateEndpointConnectionsApproval/action",
        "Microsoft.Storage/storageAccounts/privateEndpointConnectionsApproval/action",
        f"{_ML}/privateEndpointConnectionsApproval/action",
    ),
)

ROLES: tuple[Role, ...] = (
    OWNER,
    CONTRIBUTOR,
    READER,
    Role(
        "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",
        "User Access Administrator",
        ("*/read", "Microsoft.Authorization/*", "Microsoft.Support/*"),
    ),
    Role(
        "f58310d9-a9f6-439a-9e8d-f62e7b41a168",
        "Role Based Access Control Administrator",
        (
            "*/read",
            "Microsoft.Authorization/roleAssignments/write",
            "Microsoft.Authorization/roleAssignments/delete",
            "Microsoft.Support/*",
        ),
    ),
    ACR_PULL,
    ACR_PUSH,
    ACR_DELETE,
    BLOB_READER,
    BLOB_CONTRIBUTOR,
    BLOB_OWNER,
    Role("69566ab7-960f-475b-8e7c-b3118f30c6bd", "Storage File Data Privileged Contributor"),
    Role(
        "00482a5a-887f-4fb3-b363-3b7fe8e74483",
        "Key Vault Administrator",
        ("*/read",),
        data_actions=("Microsoft.KeyVault/vaults/*",),
    ),
    Role(
        "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
        "Key Vault Secrets Officer",
        ("*/read",),
        data_actions=(f"{_SECRETS}/*",),
    ),
    Role(
        "4633458b-17de-408a-b874-0445c86b69e6",
        "Key Vault Secrets User",
        data_actions=(f"{_SECRETS}/getSecret/action", f"{_SECRETS}/readMetadata/action"),
    ),
    Role(
        "21090545-7ca7-4776-b22c-e363652d74d2",
        "Key Vault Reader",
        ("*/read",),
        data_actions=("Microsoft.KeyVault/vaults/*/read", f"{_SECRETS}/readMetadata/action"),
    ),
    Role(
        "f6c7c914-8db3-469d-8ca1-694a8f32e121",
        "AzureML Data Scientist",
        (f"{_ML}/*/read", f"{_ML}/*/action", f"{_ML}/*/delete", f"{_ML}/*/write"),
        _NOT_SCIENTIST,
    ),
    Role(
        "e503ece1-11d0-4e8e-8e2c-7a6c3bf38815",
        "AzureML Compute Operator",
        (f"{_ML}/computes/*", f"{_ML}/notebooks/vm/*"),
    ),
    METRICS_WRITER,
    NETWORK_APPROVER,
    Role(
        "f1a07417-d97a-45cb-824c-7a7467783830",
        "Managed Identity Operator",
        (
            "Microsoft.ManagedIdentity/userAssignedIdentities/*/read",
            "Microsoft.ManagedIdentity/userAssignedIdentities/*/assign/action",
        ),
    ),
    Role("4d97b98b-1d4f-4787-a291-c67834d212e7", "Network Contributor", ("Microsoft.Network/*",)),
    Role("43d0d8ad-25c7-4714-9337-8ba259a9fe05", "Monitoring Reader", ("*/read",)),
)

BY_ID = {role.id: role for role in ROLES}
