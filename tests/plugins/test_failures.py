"""Operations that fail, are cancelled or take too long: what the engine gets to know."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from emulator.plugins.protocol import empty_pb2, grpc
from emulator.plugins.values import decode
from tests.plugins.examples import EXAMPLES, WORKSPACE_ID, example, merged
from tests.plugins.harness import Client, PluginProcess, invoke, partial_failure

pytestmark = pytest.mark.emulator
NEEDED = (
    "resources:ResourceGroup",
    "storage:StorageAccount",
    "keyvault:Vault",
    "operationalinsights:Workspace",
    "applicationinsights:Component",
    "containerregistry:Registry",
    "machinelearningservices:Workspace",
    "machinelearningservices:Datastore",
    "machinelearningservices:ModelContainer",
    "machinelearningservices:ModelVersion",
    "machinelearningservices:EnvironmentContainer",
    "machinelearningservices:EnvironmentVersion",
    "machinelearningservices:OnlineEndpoint",
)
DEPLOYMENT = "machinelearningservices:OnlineDeployment"
ENDPOINT = "machinelearningservices:OnlineEndpoint"


@pytest.fixture(scope="module")
def endpoint(azure: dict[str, str]) -> Iterator[PluginProcess]:
    """An endpoint without deployments; the model it could serve has no artifacts, so deploying it fails."""
    plugin = PluginProcess("azure-native", azure)
    plugin.configure(location="westeurope")
    made = []
    for item in EXAMPLES:
        if item.token in NEEDED:
            inputs = item.inputs
            if item.token == "keyvault:Vault":  # the other test's vault of that name is soft-deleted
                inputs = {**inputs, "vaultName": "kv-failures"}
            if item.token == "machinelearningservices:Workspace":
                inputs = {**inputs, "keyVault": inputs["keyVault"].replace("kv-plugins", "kv-failures")}
                inputs |= {"workspaceName": "mlw-failures", "managedNetwork": {"isolationMode": "Disabled"}}
                inputs.pop("provisionNetworkNow")
            inputs = _moved(inputs)
            client = Client(plugin, f"azure-native:{item.token}")
            checked = client.checked("x", inputs)
            made.append((client, checked, *client.create("x", checked)))
    yield plugin
    for client, inputs, id_, state in reversed(made):
        client.delete("x", id_, inputs, state)
    plugin.close()


def _moved(value):
    """Put an example into this module's workspace."""
    if isinstance(value, dict):
        return {key: _moved(item) for key, item in value.items()}
    return value.replace("mlw-plugins", "mlw-failures") if isinstance(value, str) else value


def _deployment(plugin: PluginProcess, name: str, **properties: object) -> tuple[Client, dict]:
    base = _moved(example(DEPLOYMENT).inputs)
    client = Client(plugin, f"azure-native:{DEPLOYMENT}")
    inputs = merged({**base, "deploymentName": name}, {"properties": properties})
    return client, client.checked(name, inputs)


def test_a_deployment_that_fails_is_recorded_and_updated(endpoint: PluginProcess) -> None:
    model = _moved(WORKSPACE_ID) + "/models/tiny/versions/1"
    client, inputs = _deployment(endpoint, "fails", model=model)
    with pytest.raises(grpc.RpcError) as error:
        client.create("fails", inputs)
    failure = partial_failure(error.value)
    state = decode(failure.properties)
    assert failure.id.endswith("/deployments/fails")
    assert "StorageManifestError" in failure.reasons[0]
    assert "ModelDownload: Failed" in error.value.details(), "the stages of Azure's text are passed on"
    assert state["properties"]["provisioningState"] == "Failed"
    assert decode(failure.inputs) == inputs

    news = client.checked("fails", {**inputs, "properties": {**inputs["properties"]}}, inputs)
    del news["properties"]["model"]
    new_state = client.update("fails", failure.id, inputs, news, state)
    assert new_state["properties"]["provisioningState"] == "Succeeded"
    client.delete("fails", failure.id, news, new_state)


def test_an_update_that_fails_is_recorded(endpoint: PluginProcess) -> None:
    client, inputs = _deployment(endpoint, "good")
    id_, state = client.create("good", inputs)
    news = merged(inputs, {"properties": {"model": _moved(WORKSPACE_ID) + "/models/tiny/versions/1"}})
    with pytest.raises(grpc.RpcError) as error:
        client.update("good", id_, inputs, news, state)
    assert partial_failure(error.value).id == id_
    client.delete("good", id_, inputs, state)


def test_a_refused_create_is_not_recorded(endpoint: PluginProcess) -> None:
    client, inputs = _deployment(endpoint, "refused", instanceType="Standard_Nonsense")
    with pytest.raises(grpc.RpcError) as error:
        client.create("refused", inputs)
    assert "grpc-status-details-bin" not in dict(error.value.trailing_metadata())
    assert client.read("refused", _id("refused"), inputs, {})[0] == ""


def _id(name: str) -> str:
    return f"{_moved(WORKSPACE_ID)}/onlineEndpoints/ep-plugins/deployments/{name}"


def test_a_custom_timeout_ends_the_wait_and_records_the_resource(endpoint: PluginProcess) -> None:
    client, inputs = _deployment(endpoint, "slow")
    with pytest.raises(grpc.RpcError) as error:
        client.create("slow", inputs, timeout=0.2)
    assert "operation timed out" in error.value.details()
    assert partial_failure(error.value).id == _id("slow")
    time.sleep(1)
    client.delete("slow", _id("slow"), inputs, {})


def test_cancel_ends_the_wait_and_records_the_resource(start_plugin, azure: dict, endpoint) -> None:
    plugin = start_plugin("azure-native", azure)
    plugin.configure(location="westeurope")
    client, inputs = _deployment(plugin, "cancelled")
    threading.Timer(0.2, lambda: plugin.stub.Cancel(empty_pb2.Empty())).start()
    with pytest.raises(grpc.RpcError) as error:
        client.create("cancelled", inputs)
    assert "cancelled" in error.value.details()
    assert partial_failure(error.value).id == _id("cancelled")
    other, _ = _deployment(endpoint, "cancelled")
    time.sleep(1)
    other.delete("cancelled", _id("cancelled"), inputs, {})


def test_an_update_of_the_endpoint_puts_its_inputs(endpoint: PluginProcess) -> None:
    """Without `traffic` the split is lost; after a refresh it is an input and stays."""
    deployment, inputs = _deployment(endpoint, "split")
    id_, state = deployment.create("split", inputs)
    client = Client(endpoint, f"azure-native:{ENDPOINT}")
    plain = client.checked("ep", _moved(example(ENDPOINT).inputs))
    endpoint_id = f"{_moved(WORKSPACE_ID)}/onlineEndpoints/ep-plugins"
    _, _, seen = client.read("ep", endpoint_id)
    split = merged(plain, {"properties": {"traffic": {"split": 100}}})
    with_split = client.update("ep", endpoint_id, plain, split, seen)
    assert with_split["properties"]["traffic"] == {"split": 100}

    _, refreshed, outputs = client.read("ep", endpoint_id, plain, seen)
    assert refreshed["properties"]["traffic"] == {"split": 100}
    kept = client.update("ep", endpoint_id, refreshed, refreshed, outputs)
    assert kept["properties"]["traffic"] == {"split": 100}
    lost = client.update("ep", endpoint_id, refreshed, plain, kept)
    assert lost["properties"]["traffic"] == {}
    deployment.delete("split", id_, inputs, state)


def test_functions_of_an_endpoint(endpoint: PluginProcess) -> None:
    where = {"resourceGroupName": "rg-plugins", "workspaceName": "mlw-failures"}
    module = "azure-native:machinelearningservices:"
    deployment, inputs = _deployment(endpoint, "logs")
    id_, state = deployment.create("logs", inputs)
    found = invoke(endpoint, module + "getOnlineEndpoint", endpointName="ep-plugins", **where)
    assert found["properties"]["scoringUri"].startswith("https://")
    keys = invoke(endpoint, module + "listOnlineEndpointKeys", endpointName="ep-plugins", **where)
    assert set(keys) == {"primaryKey", "secondaryKey"}
    logs = invoke(
        endpoint,
        module + "getOnlineDeploymentLogs",
        endpointName="ep-plugins",
        deploymentName="logs",
        tail=5,
        **where,
    )
    assert "content" in logs
    version = invoke(endpoint, module + "getModelVersion", name="tiny", version="1", **where)
    assert version["properties"]["modelType"] == "custom_model"
    deployment.delete("logs", id_, inputs, state)
