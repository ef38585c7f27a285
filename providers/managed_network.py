"""Provisioning of a workspace's managed network, before the first deployment.

Without it the first deployment fails with WorkspaceManagedNetworkNotReady. azure-native has no such action
(pulumi-azure-native#3212) and its `provision_network_now` works on create only. Provisioning takes about
half an hour on Azure, ten minutes more with the first FQDN rule. Rules themselves are azure-native resources.
https://learn.microsoft.com/azure/machine-learning/how-to-managed-network
"""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, UpdateResult

from providers import arm, base


class ManagedNetworkProvider(base.AzureProvider):
    """Provisions once a workspace; again when the isolation mode or the rules have changed."""

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        result = base.diff(
            _olds,
            _news,
            identity=["workspace_id"],
            generation=["workspace_generation"],
            settings=["isolation_mode", "rules"],
        )
        result.changes = result.changes or _olds.get("status") != "Active"
        return result

    def create(self, props: dict[str, Any]) -> CreateResult:
        return CreateResult(f"{props['workspace_id']}/managedNetwork", _provision(props))

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        return UpdateResult(_provision(_news))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        live = base.read_live(id_, props, props["workspace_id"], base.ML_API)
        return live if isinstance(live, ReadResult) else ReadResult(id_, {**props, "status": _status(live)})

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Nothing: a managed network goes with its workspace and cannot be taken back."""


class ManagedNetwork(Resource, module="vllm-azureml", name="ManagedNetwork"):
    """`status` is `Active` once deployments may be made. `rules` are ids, so that a new rule provisions
    again."""

    status: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        workspace_id: pulumi.Input[str],
        workspace_generation: pulumi.Input[str],
        isolation_mode: pulumi.Input[str],
        rules: list[pulumi.Output[str]] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {
            "workspace_id": workspace_id,
            "workspace_generation": workspace_generation,
            "isolation_mode": isolation_mode,
            "rules": rules or [],
            "status": None,
        }
        super().__init__(ManagedNetworkProvider(), name, props, opts)


def _provision(props: dict[str, Any]) -> dict[str, Any]:
    arm.request(
        "POST", f"{props['workspace_id']}/provisionManagedNetwork", base.ML_API, {"includeSpark": False}
    )
    return {**props, "status": _status(arm.request("GET", props["workspace_id"], base.ML_API))}


def _status(workspace: dict[str, Any]) -> str:
    network = workspace.get("properties", {}).get("managedNetwork") or {}
    return (network.get("status") or {}).get("status", "Inactive")
