"""Update or replace, property by property, by azure-native's rules."""

from __future__ import annotations

import copy

import pytest

from emulator.plugins.azure_native import diff, shapes
from emulator.plugins.azure_native.naming import CREATE_FIRST
from emulator.plugins.protocol import provider_pb2

DEPLOYMENT = {
    "resourceGroupName": "rg",
    "workspaceName": "ws",
    "endpointName": "ep",
    "deploymentName": "blue",
    "location": "westeurope",
    "properties": {
        "endpointComputeType": "Managed",
        "instanceType": "Standard_NC24ads_A100_v4",
        "model": "m:1",
        "modelMountPath": "/models",
        "environmentVariables": {"A": "1"},
        "egressPublicNetworkAccess": "Disabled",
        "livenessProbe": {"initialDelay": "PT10S"},
    },
    "sku": {"name": "Default", "capacity": 1},
    "azureApiVersion": "2025-12-01",
}


def _diff(token: str, olds: dict, path: str, value: object, state: dict | None = None):
    news = copy.deepcopy(olds)
    *parents, last = path.split(".")
    holder = news
    for part in parents:
        holder = holder.setdefault(part, {})
    if value is None:
        del holder[last]
    else:
        holder[last] = value
    return diff.respond(shapes.row(f"azure-native:{token}"), olds, state or {}, news)


@pytest.mark.parametrize(
    ("path", "value", "replaces"),
    [
        ("properties.instanceType", "Standard_NC48ads_A100_v4", True),
        ("deploymentName", "green", True),
        ("endpointName", "other", True),
        ("properties.model", "m:2", False),
        ("properties.modelMountPath", "/other", False),
        ("properties.environmentVariables.A", "2", False),
        ("properties.egressPublicNetworkAccess", "Enabled", False),
        ("properties.livenessProbe.initialDelay", "PT600S", False),
        ("properties.livenessProbe", None, False),
        ("sku.capacity", 2, False),
        ("tags", {"a": "b"}, False),
        ("location", "northeurope", True),
    ],
)
def test_deployments(path: str, value: object, replaces: bool) -> None:
    response = _diff("machinelearningservices:OnlineDeployment", DEPLOYMENT, path, value)
    assert response.changes == provider_pb2.DiffResponse.DIFF_SOME
    assert list(response.replaces) == ([path] if replaces else [])
    assert response.deleteBeforeReplace is replaces
    assert list(response.diffs) == [path.split(".")[0]]
    assert path in response.detailedDiff


def test_nothing_changed() -> None:
    response = diff.respond(
        shapes.row("azure-native:machinelearningservices:OnlineDeployment"),
        DEPLOYMENT,
        {},
        copy.deepcopy(DEPLOYMENT),
    )
    assert response.changes == provider_pb2.DiffResponse.DIFF_NONE


def test_locations_and_groups_compare_without_case() -> None:
    for path, value in (("location", "West Europe"), ("resourceGroupName", "RG")):
        response = _diff("machinelearningservices:OnlineDeployment", DEPLOYMENT, path, value)
        assert response.changes == provider_pb2.DiffResponse.DIFF_NONE


def test_a_random_name_is_replaced_by_creating_first() -> None:
    olds = {"resourceGroupName": "rg1a2b", "location": "westeurope", CREATE_FIRST: True}
    response = _diff("resources:ResourceGroup", olds, "location", "northeurope")
    assert list(response.replaces) == ["location"]
    assert not response.deleteBeforeReplace


def test_what_azure_had_chosen_may_be_said_later() -> None:
    olds = {
        "resourceGroupName": "rg",
        "accountName": "sa",
        "kind": "StorageV2",
        "sku": {"name": "Standard_LRS"},
    }
    state = {"isHnsEnabled": True}
    assert not _diff("storage:StorageAccount", olds, "isHnsEnabled", True, state).replaces
    assert list(_diff("storage:StorageAccount", olds, "isHnsEnabled", True).replaces) == ["isHnsEnabled"]


def test_an_environment_version_is_replaced_by_what_it_is_made_of() -> None:
    olds = {
        "name": "e",
        "version": "1",
        "properties": {"image": "a", "inferenceConfig": {"livenessRoute": {"port": 1}}},
    }
    token = "machinelearningservices:EnvironmentVersion"
    assert list(_diff(token, olds, "properties.image", "b").replaces) == ["properties.image"]
    nested = _diff(token, olds, "properties.inferenceConfig.livenessRoute.port", 2)
    assert list(nested.replaces) == ["properties.inferenceConfig.livenessRoute.port"]
    assert not _diff(token, olds, "properties.description", "text").replaces


def test_an_import_without_the_api_version_shows_no_change() -> None:
    news = {**DEPLOYMENT}
    olds = {key: value for key, value in DEPLOYMENT.items() if key != "azureApiVersion"}
    row = shapes.row("azure-native:machinelearningservices:OnlineDeployment")
    response = diff.respond(row, olds, {"azureApiVersion": "2025-12-01"}, news)
    assert response.changes == provider_pb2.DiffResponse.DIFF_NONE


def test_arrays_compare_by_position() -> None:
    olds = {"virtualNetworkName": "v", "subnets": [{"name": "a"}, {"name": "b"}]}
    response = _diff("network:VirtualNetwork", olds, "subnets", [{"name": "a"}, {"name": "c"}, {"name": "d"}])
    assert set(response.detailedDiff) == {"subnets[1].name", "subnets[2]"}
    assert list(response.diffs) == ["subnets"]


def test_a_private_endpoint_is_replaced_with_its_subnet() -> None:
    olds = {"privateEndpointName": "pe", "subnet": {"id": "/a"}}
    assert list(_diff("network:PrivateEndpoint", olds, "subnet.id", "/b").replaces) == ["subnet.id"]
