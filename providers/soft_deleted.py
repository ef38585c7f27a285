"""What a deleted workspace and a deleted vault leave behind: their names, blocked for weeks.

Azure keeps a deleted workspace for 14 days and a deleted vault for its retention time, and nothing else
can have the name until then. A stack that is meant to come and go has this resource, which workspace and
vault depend on: it is deleted after them and purges what they left, and made before them and purges what
an earlier run left. A vault with purge protection cannot be purged by anybody.
https://learn.microsoft.com/azure/machine-learning/concept-soft-delete
https://learn.microsoft.com/azure/key-vault/general/soft-delete-overview
"""

from __future__ import annotations

import sys
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, UpdateResult

from providers import arm, base
from providers.errors import ArmError, ProviderError

VAULT_API = "2024-11-01"


class SoftDeletedProvider(base.AzureProvider):
    """Purges on both ends; never what is alive."""

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        return base.diff(_olds, _news, identity=["workspace_id", "vault_id", "location"])

    def create(self, props: dict[str, Any]) -> CreateResult:
        _purge(props)
        return CreateResult(f"{props['workspace_id']}/soft-deleted", dict(props))

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        return UpdateResult(dict(_news))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        return ReadResult(id_, props)

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        try:
            _purge(_props)
        except ProviderError as problem:
            # What was to be deleted is; a name that stays blocked is no reason to keep it in the state.
            print(f"not purged: {problem}", file=sys.stderr)


class SoftDeleted(Resource, module="vllm-azureml", name="SoftDeleted"):
    """Ids are plain: of what will be made, or was. An empty `vault_id` leaves vaults alone."""

    def __init__(
        self,
        name: str,
        *,
        workspace_id: str,
        vault_id: str,
        location: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {"workspace_id": workspace_id, "vault_id": vault_id, "location": location}
        super().__init__(SoftDeletedProvider(), name, props, opts)


def _purge(props: dict[str, Any]) -> None:
    workspace, vault = props["workspace_id"], props["vault_id"]
    if not arm.request("GET", workspace, base.ML_API, missing_ok=True):
        arm.request("DELETE", f"{workspace}?forceToPurge=true", base.ML_API, missing_ok=True)
    if vault and not arm.request("GET", vault, VAULT_API, missing_ok=True):
        subscription, name = vault.split("/")[2], vault.rsplit("/", 1)[1]
        deleted = (
            f"/subscriptions/{subscription}/providers/Microsoft.KeyVault"
            f"/locations/{props['location']}/deletedVaults/{name}"
        )
        left = arm.request("GET", deleted, VAULT_API, missing_ok=True)
        if left:
            _purge_vault(
                deleted, name, left.get("properties", {}).get("scheduledPurgeDate", "its retention ends")
            )


def _purge_vault(deleted: str, name: str, until: str) -> None:
    try:
        arm.request("POST", f"{deleted}/purge", VAULT_API)
    except ArmError as problem:
        raise ProviderError(
            f"the vault {name} was deleted earlier and Azure keeps its name until {until}; purging it is "
            "refused "
            f"({problem.code}: {problem.reason}). Give workspace.key_vault.name another name, or recover "
            "the vault."
        ) from None
