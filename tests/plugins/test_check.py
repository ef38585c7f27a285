"""What Check refuses, in words."""

from __future__ import annotations

import pytest

from emulator.plugins.azure_native import check, shapes
from emulator.plugins.errors import PluginError
from emulator.plugins.values import UNKNOWN

DEPLOYMENT = {
    "resourceGroupName": "rg",
    "workspaceName": "ws",
    "endpointName": "ep",
    "deploymentName": "blue",
    "location": "westeurope",
    "properties": {"endpointComputeType": "Managed", "instanceType": "x"},
}


def _failures(token: str, **inputs: object) -> list[str]:
    return check.failures(shapes.row(f"azure-native:{token}"), inputs)


def _deployment(**properties: object) -> list[str]:
    inputs = {**DEPLOYMENT, "properties": {**DEPLOYMENT["properties"], **properties}}  # type: ignore[dict-item]
    return _failures("machinelearningservices:OnlineDeployment", **inputs)


def test_a_good_deployment_passes() -> None:
    assert _failures("machinelearningservices:OnlineDeployment", **DEPLOYMENT) == []


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        (
            {"livenessProbe": {"period": 10}},
            "'properties.livenessProbe.period' should be of type 'string' but got a number",
        ),
        (
            {"livenessProbe": {"failureThreshold": "3"}},
            "'properties.livenessProbe.failureThreshold' should be of type 'integer'",
        ),
        (
            {"livenessProbe": {"failureThreshold": 1.5}},
            "'properties.livenessProbe.failureThreshold' must be an integer",
        ),
        (
            {"environmentVariables": {"A": 1}},
            "'properties.environmentVariables.A' should be of type 'string'",
        ),
        ({"instance_type": "x"}, "'properties.instance_type' is not a property azure-native 3.29 knows here"),
        (
            {"endpointComputeType": "Serverless"},
            "'properties' is none of the types azure-native knows here (Kubernetes, Managed)",
        ),
    ],
)
def test_wrong_properties(properties: dict, expected: str) -> None:
    found = _deployment(**properties)
    assert len(found) == 1
    assert found[0].startswith(expected)


def test_missing_properties_are_named_all_at_once() -> None:
    assert _failures("storage:StorageAccount", location="westeurope", accountName="sa") == [
        "missing required property 'kind'",
        "missing required property 'resourceGroupName'",
        "missing required property 'sku'",
    ]


def test_a_missing_location_says_how_to_set_it() -> None:
    (found,) = _failures("resources:ResourceGroup", resourceGroupName="rg")
    assert "pulumi config set azure-native:location" in found


def test_unknown_values_pass() -> None:
    assert _deployment(instanceType=UNKNOWN, livenessProbe=UNKNOWN, environmentVariables={"A": UNKNOWN}) == []


def test_a_token_that_is_not_in_the_table_is_refused_by_name() -> None:
    with pytest.raises(
        PluginError, match="azure-native:compute:VirtualMachine is not among the resource types"
    ):
        shapes.row("azure-native:compute:VirtualMachine")
