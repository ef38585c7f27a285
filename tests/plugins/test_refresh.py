"""Read projects what changed in Azure onto the inputs, and nothing else."""

from __future__ import annotations

import pytest

from emulator.plugins.azure_native import ids, refresh, shapes
from emulator.plugins.errors import PluginError

ENDPOINT = shapes.row("azure-native:machinelearningservices:OnlineEndpoint")
INPUTS = {
    "resourceGroupName": "rg",
    "workspaceName": "ws",
    "endpointName": "ep",
    "location": "westeurope",
    "properties": {"authMode": "Key"},
}
OUTPUTS = {
    "name": "ep",
    "location": "westeurope",
    "properties": {
        "authMode": "Key",
        "traffic": {},
        "provisioningState": "Succeeded",
        "publicNetworkAccess": "Enabled",
    },
}


def _live(**properties: object) -> dict:
    return {**OUTPUTS, "properties": {**OUTPUTS["properties"], **properties}}  # type: ignore[dict-item]


def test_defaults_of_azure_do_not_become_inputs() -> None:
    assert refresh.project(ENDPOINT, INPUTS, OUTPUTS, OUTPUTS) == INPUTS


def test_a_live_split_becomes_an_input() -> None:
    after = refresh.project(ENDPOINT, INPUTS, OUTPUTS, _live(traffic={"blue": 100}))
    assert after["properties"] == {"authMode": "Key", "traffic": {"blue": 100}}


def test_read_only_properties_never_become_inputs() -> None:
    after = refresh.project(
        ENDPOINT, INPUTS, OUTPUTS, _live(provisioningState="Failed", scoringUri="https://x")
    )
    assert after == INPUTS


def test_what_is_gone_in_azure_goes_from_the_inputs() -> None:
    before = {**OUTPUTS, "tags": {"a": "1", "b": "2"}}
    after = refresh.project(
        ENDPOINT, {**INPUTS, "tags": {"a": "1", "b": "2"}}, before, {**OUTPUTS, "tags": {"a": "1"}}
    )
    assert after["tags"] == {"a": "1"}


def test_subnets_that_are_resources_of_their_own_stay_out_of_their_network() -> None:
    row = shapes.row("azure-native:network:VirtualNetwork")
    inputs = {"virtualNetworkName": "v", "addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}}
    before = {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}, "subnets": []}
    after = {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}, "subnets": [{"name": "pe"}]}
    assert refresh.project(row, inputs, before, after) == inputs


def test_an_import_makes_inputs_of_the_answer() -> None:
    id_ = (
        "/subscriptions/s/resourceGroups/rg/providers/Microsoft.MachineLearningServices"
        "/workspaces/ws/onlineEndpoints/ep"
    )
    response = {
        "id": id_,
        "name": "ep",
        "location": "westeurope",
        "identity": {"type": "UserAssigned", "userAssignedIdentities": {"/u": {"clientId": "c"}}},
        "properties": {"authMode": "Key", "traffic": {}, "scoringUri": "https://x", "mirrorTraffic": {}},
    }
    assert refresh.imported(ENDPOINT, id_, response) == {
        "resourceGroupName": "rg",
        "workspaceName": "ws",
        "endpointName": "ep",
        "location": "westeurope",
        "identity": {"type": "UserAssigned", "userAssignedIdentities": ["/u"]},
        "properties": {"authMode": "Key"},
    }


def test_ids_of_scopes() -> None:
    row = shapes.row("azure-native:authorization:RoleAssignment")
    scope = "/subscriptions/s/resourceGroups/rg"
    id_ = ids.make(row.path, {"scope": scope, "roleAssignmentName": "n"}, "s")
    assert id_ == scope + "/providers/Microsoft.Authorization/roleAssignments/n"
    assert ids.parse(row, id_) == {"scope": scope, "roleAssignmentName": "n"}


def test_an_id_of_another_type_is_refused() -> None:
    with pytest.raises(
        PluginError, match="is not an id of azure-native:machinelearningservices:OnlineEndpoint"
    ):
        ids.parse(ENDPOINT, "/subscriptions/s/resourceGroups/rg")


def test_a_missing_path_parameter_is_named() -> None:
    with pytest.raises(PluginError, match="'workspaceName'"):
        ids.make(ENDPOINT.path, {"resourceGroupName": "rg"}, "s")
