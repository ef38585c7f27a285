"""Functions (data sources and actions) of azure-native that the stand-in knows. One row a function.

`get*` of a resource type is a GET of that row of the table, in the SDK's shape. Actions are POSTs whose
answers have the same names in ARM and in the SDK. None is a secret: azure-native marks none, the program
has to. Source of the paths: the Azure REST specification of the api-version.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from emulator.plugins.azure_native import convert, ids, shapes
from emulator.plugins.azure_native.arm import Arm, Deadline, error_of
from emulator.plugins.azure_native.table import ACCOUNT, GROUP, ROWS, WORKSPACE
from emulator.plugins.errors import PluginError
from emulator.plugins.values import Properties

ENDPOINT = WORKSPACE + "/onlineEndpoints/{endpointName}"


@dataclass(frozen=True)
class Action:
    """A POST (or a GET of something that is no resource of the table)."""

    path: str
    api: str
    method: str = "POST"
    body: tuple[str, ...] = ()
    query: tuple[str, ...] = ()
    flatten: bool = False  # the SDK has the contents of `properties` on top


ACTIONS: dict[str, Action] = {
    "machinelearningservices:listOnlineEndpointKeys": Action(ENDPOINT + "/listKeys", "2025-12-01"),
    "machinelearningservices:getOnlineEndpointToken": Action(ENDPOINT + "/token", "2025-12-01"),
    "machinelearningservices:getOnlineDeploymentLogs": Action(
        ENDPOINT + "/deployments/{deploymentName}/getLogs", "2025-12-01", body=("containerType", "tail")
    ),
    "machinelearningservices:listWorkspaceKeys": Action(WORKSPACE + "/listKeys", "2025-12-01"),
    "machinelearningservices:listDatastoreSecrets": Action(
        WORKSPACE + "/datastores/{name}/listSecrets",
        "2025-12-01",
        body=("expirableSecret", "expireAfterHours"),
    ),
    "storage:listStorageAccountKeys": Action(ACCOUNT + "/listKeys", "2024-01-01", query=("expand",)),
    "containerregistry:listRegistryCredentials": Action(
        GROUP + "/providers/Microsoft.ContainerRegistry/registries/{registryName}/listCredentials",
        "2023-01-01-preview",
    ),
    "authorization:getRoleDefinition": Action(
        "/{scope}/providers/Microsoft.Authorization/roleDefinitions/{roleDefinitionId}",
        "2022-05-01-preview",
        method="GET",
        flatten=True,
    ),
}


def call(token: str, arguments: Properties, arm: Arm, subscription: str, deadline: Deadline) -> Properties:
    """Run one function; a token that is not known is refused by name."""
    name = token.removeprefix("azure-native:")
    action = ACTIONS.get(name)
    if action:
        return _act(action, arguments, arm, subscription, deadline)
    module, _, function = name.partition(":")
    row = ROWS.get(f"azure-native:{module}:{function.removeprefix('get')}")
    if row is None or not function.startswith("get"):
        raise PluginError(
            f"{token} is not among the functions of the azure-native stand-in: it knows get* of the types in "
            f"emulator/plugins/azure_native/table.py, {', '.join(sorted(ACTIONS))}, "
            "authorization:getClientConfig and authorization:getClientToken"
        )
    found = arm.get(ids.make(row.path, arguments, subscription), row.api, deadline)
    outputs = convert.to_outputs(shapes.outputs(row), found) or {}
    return {**outputs, "id": found.get("id"), "azureApiVersion": row.api}


def _act(
    action: Action, arguments: Properties, arm: Arm, subscription: str, deadline: Deadline
) -> Properties:
    id_ = ids.make(action.path, arguments, subscription)
    body = {name: arguments[name] for name in action.body if name in arguments}
    query = {name: str(arguments[name]) for name in action.query if name in arguments}
    response = arm.call(
        action.method, id_, action.api, deadline, body if action.method == "POST" else None, query
    )
    if response.status not in (200, 201):
        raise error_of(response)
    found: Any = response.json()
    if not isinstance(found, dict):
        return {"value": found}
    if action.flatten:
        return {**{k: v for k, v in found.items() if k != "properties"}, **found.get("properties", {})}
    return found
