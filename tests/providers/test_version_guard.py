"""A version is not deleted while a deployment names it, whoever made the deployment."""

import httpx
import pytest

from providers.errors import ProviderError
from providers.version_guard import VersionGuardProvider

WORKSPACE = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/mlw"
VERSION = f"{WORKSPACE}/models/Qwen3-8B/versions/1"
ENDPOINT = f"{WORKSPACE}/onlineEndpoints/chat"


@pytest.fixture
def named(azure):
    """Asks to delete the version's guard while one deployment names this."""

    def delete(**properties):
        endpoint, deployment = {"id": ENDPOINT, "name": "chat"}, {"name": "blue", "properties": properties}
        azure.on("GET", f"{WORKSPACE}/onlineEndpoints", httpx.Response(200, json={"value": [endpoint]}))
        azure.on("GET", f"{ENDPOINT}/deployments", httpx.Response(200, json={"value": [deployment]}))
        VersionGuardProvider().delete("", {"version_id": VERSION})

    return delete


@pytest.mark.parametrize(
    "model",
    [
        VERSION,
        VERSION.replace("/resourceGroups/", "/resourcegroups/").replace("/models/Qwen3", "/models/qwen3"),
        "azureml://locations/westeurope/workspaces/0-0/models/Qwen3-8B/versions/1",
    ],
)
def test_a_version_that_a_deployment_names_stays(named, model):
    with pytest.raises(ProviderError) as refused:
        named(model=model, environmentId="azureml://registries/r/environments/e/versions/1")
    assert "model Qwen3-8B:1 is named by deployment blue of endpoint chat" in str(refused.value)
    assert "vllm-azureml:models.Qwen3-8B" in str(refused.value)


@pytest.mark.parametrize(
    "model",
    [
        VERSION + "0",
        VERSION.replace("/versions/1", "/versions/2"),
        "azureml://registries/azureml/models/Qwen3-8B/versions/1",
        None,
    ],
)
def test_another_one_goes(named, model):
    named(model=model)


def test_where_the_workspace_is_gone_nothing_names_it(azure):
    gone = httpx.Response(404, json={"error": {"code": "ResourceNotFound", "message": "no"}})
    azure.on("GET", f"{WORKSPACE}/onlineEndpoints", gone)
    VersionGuardProvider().delete("", {"version_id": VERSION})


def test_whoever_may_not_look_is_told_that_nobody_did(azure, capsys):
    denied = httpx.Response(403, json={"error": {"code": "AuthorizationFailed", "message": "no"}})
    azure.on("GET", f"{WORKSPACE}/onlineEndpoints", denied)
    VersionGuardProvider().delete("", {"version_id": VERSION})
    assert "not checked who uses Qwen3-8B" in capsys.readouterr().err
