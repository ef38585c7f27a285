"""Role assignments: who may do what on which resource, under a name that follows from exactly that.

Role definition ids: https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi

ROLES = {
    "AcrPull": "7f951dda-4ed3-4680-a7ca-43fe172d538d",
    "AcrPush": "8311e382-0749-4cb8-b61a-304f252e45ec",
    "AzureML Data Scientist": "f6c7c914-8db3-469d-8ca1-694a8f32e121",
    "Key Vault Secrets User": "4633458b-17de-408a-b874-0445c86b69e6",
    "Storage Blob Data Contributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "Storage Blob Data Reader": "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
}
_NAMES = uuid.UUID("6b0d2d0c-5f5c-4f0a-9a35-6b6f6f0f7a51")  # any fixed namespace; only stability matters


@dataclass(frozen=True, kw_only=True)
class RoleGrantsArgs:
    """`grants` maps a short name to (role name or id, scope). `subscription_id` is where role definitions
    live. `principal_type` is always said: azure-native would say User, and Azure refuses the wrong one.
    """

    principal_id: pulumi.Input[str]
    subscription_id: str
    grants: Mapping[str, tuple[str, pulumi.Input[str]]] = field(default_factory=dict)
    principal_type: str = "ServicePrincipal"
    keep_principal: bool = False


class RoleGrants(pulumi.ComponentResource):
    """One assignment a grant; `ids` are theirs, by the grant's short name.

    With `keep_principal` the assignments stay with whoever first ran the program: another runner, or a
    preview with a reader's identity, must not move the roles to itself.
    """

    ids: dict[str, pulumi.Output[str]]

    def __init__(self, name: str, args: RoleGrantsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vllm-azureml:components:RoleGrants", name, None, opts)
        from pulumi_azure_native.authorization import RoleAssignment

        kept = ["principalId", "principalType", "roleAssignmentName"] if args.keep_principal else None
        self.ids = {}
        for short, (role, scope) in args.grants.items():
            definition = role_definition(args.subscription_id, role)
            assignment = RoleAssignment(
                f"{name}-{short}",
                # Deterministic, so that a crash between request and answer can be recovered from by name.
                role_assignment_name=pulumi.Output.all(scope, args.principal_id, definition).apply(
                    lambda parts: str(uuid.uuid5(_NAMES, "|".join(parts)))
                ),
                scope=scope,
                principal_id=args.principal_id,
                principal_type=args.principal_type,
                role_definition_id=definition,
                opts=pulumi.ResourceOptions(parent=self, ignore_changes=kept),
            )
            self.ids[short] = assignment.id
        self.register_outputs({"ids": self.ids})


def role_definition(subscription_id: str, role: str) -> str:
    """The id of a role's definition, by its name here, its GUID or its id."""
    if role.startswith("/"):
        return role
    guid = ROLES.get(role, role)
    return f"/subscriptions/{subscription_id}/providers/Microsoft.Authorization/roleDefinitions/{guid}"
