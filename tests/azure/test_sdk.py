"""With the exports of `python -m emulator env` and nothing else, Azure's own SDKs work against the
emulated Azure.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.azure.harness import Azure, Platform, endpoint_body

pytestmark = pytest.mark.emulator


@pytest.fixture(scope="module")
def read(azure: Azure, platform: Platform) -> dict:
    """What azure-ai-ml reads of an endpoint whose scoring route is /v1/chat/completions."""
    model = f"{platform.workspace}/models/small/versions/1"
    uri = "azureml://datastores/workspaceblobstore/paths/models/small"
    azure.do("PUT", model, {"properties": {"modelUri": uri, "modelType": "custom_model"}})
    environment = platform.environment("for-sdk", path="/v1/chat/completions")
    endpoint = platform.endpoint("for-sdk")
    settings = {"requestSettings": {"requestTimeout": "PT1M30S"}, "environmentVariables": {"MODEL": "small"}}
    size = "Standard_DS3_v2"
    platform.deployment(endpoint, "current", environment, instanceType=size, **settings)
    azure.do("PUT", endpoint, endpoint_body(traffic={"current": 100}))
    return run(azure, platform, "sdk_reader.py")


def run(azure: Azure, platform: Platform, script: str) -> dict:
    """Run a script of this folder with the exports and nothing else; returns what it prints."""
    env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | azure.exports
    path = Path(__file__).with_name(script)
    arguments = [sys.executable, str(path), "rg-main1", platform.workspace.rsplit("/", 1)[1]]
    done = subprocess.run(arguments, env=env, text=True, capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_azure_identity_gets_tokens(read: dict):
    assert read["token"] == 2


def test_the_workspace(read: dict):
    assert "mlw-main1" in read["workspaces"]
    assert read["workspace"] == "westeurope"
    assert read["datastore"] == "workspaceblobstore"


def test_the_endpoint_and_its_keys(read: dict):
    assert "for-sdk" in read["endpoints"]
    assert read["endpoint"] == ["key", {"current": 100}, "Succeeded", "system_assigned"]
    assert read["keys"] == [True, True]


def test_the_deployment(read: dict):
    assert read["deployments"] == ["current"]
    size, count, environment, timeout, delay, variables = read["deployment"]
    assert (size, count, timeout, delay, variables) == ("Standard_DS3_v2", 1, 90000, 10, {"MODEL": "small"})
    assert environment.endswith("/environments/for-sdk/versions/1")


def test_the_logs(read: dict):
    assert read["logs"].startswith("Instance status:")


def test_models_and_environments(read: dict):
    assert "small" in read["models"]
    assert read["model"] == ["custom_model", "azureml://datastores/workspaceblobstore/paths/models/small"]
    assert "for-sdk" in read["environments"]
    assert read["environment"] == ["docker.io/library/none:1", 8000]


def test_invoke_posts_to_the_scoring_uri(read: dict):
    assert "choices" in json.loads(read["invoked"])


def test_azure_ai_ml_creates_changes_and_deletes(azure: Azure, platform: Platform):
    seen = run(azure, platform, "sdk_writer.py")
    assert seen == {"model": "1", "made": "Succeeded", "split": {"blue": 100}, "scaled": 2, "left": []}
