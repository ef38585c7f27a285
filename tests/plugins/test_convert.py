"""The SDK's shape and ARM's: flattening, renames, unions, sets."""

from __future__ import annotations

from emulator.plugins.azure_native import convert, shapes
from emulator.plugins.values import UNKNOWN


def _body(token: str, **inputs: object) -> dict:
    return convert.to_body(shapes.body(shapes.row(f"azure-native:{token}")), inputs) or {}


def _outputs(token: str, response: dict) -> dict:
    return convert.to_outputs(shapes.outputs(shapes.row(f"azure-native:{token}")), response) or {}


def test_storage_is_flattened_and_renamed() -> None:
    body = _body(
        "storage:StorageAccount",
        accountName="sa",
        resourceGroupName="rg",
        kind="StorageV2",
        sku={"name": "Standard_LRS"},
        enableHttpsTrafficOnly=True,
        networkRuleSet={"defaultAction": "Deny", "ipRules": [{"iPAddressOrRange": "10.0.0.0/8"}]},
    )
    assert body == {
        "kind": "StorageV2",
        "sku": {"name": "Standard_LRS"},
        "properties": {
            "supportsHttpsTrafficOnly": True,
            "networkAcls": {"defaultAction": "Deny", "ipRules": [{"value": "10.0.0.0/8"}]},
        },
    }


def test_nested_network_types_are_flattened_too() -> None:
    body = _body(
        "network:VirtualNetwork",
        addressSpace={"addressPrefixes": ["10.20.0.0/16"]},
        subnets=[{"name": "pe", "addressPrefix": "10.20.1.0/24"}],
    )
    assert body == {
        "properties": {
            "addressSpace": {"addressPrefixes": ["10.20.0.0/16"]},
            "subnets": [{"name": "pe", "properties": {"addressPrefix": "10.20.1.0/24"}}],
        }
    }


def test_machine_learning_keeps_its_properties_bag() -> None:
    properties = {
        "endpointComputeType": "Managed",
        "instanceType": "Standard_NC24ads_A100_v4",
        "livenessProbe": {"initialDelay": "PT10S", "failureThreshold": 30},
        "properties": {"a": "b"},
        "scaleSettings": {"scaleType": "Default"},
    }
    assert _body(
        "machinelearningservices:OnlineDeployment",
        properties=properties,
        sku={"name": "Default", "capacity": 1},
    ) == {
        "properties": properties,
        "sku": {"name": "Default", "capacity": 1},
    }


def test_sets_of_strings_are_the_keys_of_an_object() -> None:
    identity = {"type": "UserAssigned", "userAssignedIdentities": ["/a", "/b"]}
    body = _body("machinelearningservices:OnlineEndpoint", identity=identity)
    assert body["identity"]["userAssignedIdentities"] == {"/a": {}, "/b": {}}
    token = shapes.row("azure-native:machinelearningservices:OnlineEndpoint")
    answered = {
        "identity": {"type": "UserAssigned", "userAssignedIdentities": {"/a": {"principalId": "p"}, "/b": {}}}
    }
    outputs = convert.to_outputs(shapes.outputs(token), answered)
    assert outputs == answered
    assert convert.to_inputs(shapes.body(token), outputs) == {"identity": identity}


def test_application_insights_has_capitals_of_its_own() -> None:
    assert _body(
        "applicationinsights:Component", kind="web", applicationType="web", workspaceResourceId="/w"
    ) == {
        "kind": "web",
        "properties": {"Application_Type": "web", "WorkspaceResourceId": "/w"},
    }
    outputs = _outputs(
        "applicationinsights:Component", {"name": "x", "properties": {"AppId": "1", "Unknown": 2}}
    )
    assert outputs == {"name": "x", "appId": "1"}


def test_locks_and_diagnostic_settings_have_a_bag_that_no_model_tells() -> None:
    assert _body("authorization:ManagementLockByScope", level="CanNotDelete") == {
        "properties": {"level": "CanNotDelete"}
    }
    assert _body("monitor:DiagnosticSetting", workspaceId="/w") == {"properties": {"workspaceId": "/w"}}


def test_the_first_type_of_a_union_whose_constants_fit_is_taken() -> None:
    answered = {
        "properties": {
            "endpointComputeType": "Managed",
            "model": "m",
            "provisioningState": "Succeeded",
            "notKnown": 1,
        }
    }
    outputs = _outputs("machinelearningservices:OnlineDeployment", answered)["properties"]
    assert outputs == {"endpointComputeType": "Managed", "model": "m", "provisioningState": "Succeeded"}


def test_a_preview_knows_the_inputs_and_nothing_else() -> None:
    row = shapes.row("azure-native:machinelearningservices:OnlineEndpoint")
    seen = convert.preview(
        shapes.outputs(row),
        {"location": "westeurope", "properties": {"authMode": "Key"}, "tags": {"a": UNKNOWN}},
    )
    assert seen["location"] == "westeurope"
    assert seen["name"] == UNKNOWN
    assert seen["properties"]["authMode"] == "Key"
    assert seen["properties"]["scoringUri"] == UNKNOWN
    assert seen["tags"] == {"a": UNKNOWN}
    assert seen["identity"] == UNKNOWN
