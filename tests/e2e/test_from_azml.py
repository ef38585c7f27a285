"""Folders of `az ml` YAML made into stacks by `settings.from_azml`, deployed, held against what az ml sends.

The expected bodies are made by the installed azure-ai-ml when the test runs. Differences are the documented
ones (`settings.azml.DIFFERENCES`) and no others.
"""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.harness import ROOT, Azure, Project

pytestmark = pytest.mark.emulator

SUBSCRIPTION = "/subscriptions/00000000-0000-4000-8000-000000000001"
PEOPLE = f"{SUBSCRIPTION}/resourceGroups/rg-people"
PERSON = f"{PEOPLE}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/serving"
GUIDES = ROOT / "tests/settings/data"
OWN = Path(__file__).parent / "data/azml"
FOLDERS = {
    "private-qwen3": GUIDES / "private-qwen3",
    "public-r1": GUIDES / "public-r1",
    "two-servers": OWN / "two-servers",
    "built-by-azure": OWN / "built-by-azure",
}
# Azure's own spelling is sent; az ml passes on what the file says.
IN_ANY_CASE = {
    "publicNetworkAccess",
    "egressPublicNetworkAccess",
    "dataCollectionMode",
    "rollingRate",
    "osType",
}
# Ids, names with a hash, places in a store.
PLACES = {"environmentId", "model", "contextUri", "dataId"}


@pytest.fixture(scope="module", params=sorted(FOLDERS))
def deployed(
    request: pytest.FixtureRequest, requests_only: Azure, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    _somebody(requests_only)
    folder = tmp_path_factory.mktemp(request.param)
    shutil.copytree(FOLDERS[request.param], folder / "azml")
    project = Project.empty(folder / "program", requests_only, request.param)
    _convert(project, folder / "azml")
    project.run("stack", "select", project.stack, "--create")
    project.up()
    yield project
    project.destroy()


def _somebody(azure: Azure) -> None:
    """The identity that a folder's endpoint runs as."""
    azure.arm("PUT", PEOPLE, "2024-03-01", {"location": "westeurope"})
    azure.arm("PUT", PERSON, "2023-01-31", {"location": "westeurope"})


def _convert(project: Project, folder: Path) -> None:
    command = [sys.executable, "-m", "settings.from_azml", str(folder), "--stack", project.stack]
    done = subprocess.run(
        [*command, "--project", str(project.folder), "--force"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def received(project: Project, kind: str, name: str) -> dict[str, Any]:
    """The body of the first PUT of one resource in this stack's resource group; `name` may carry a hash."""
    for row in project.azure.journal():
        parts = row["path"].split("/")
        if row["method"] != "PUT" or f"rg-{project.stack}" not in parts or row["status"] >= 400:
            continue
        here = parts[-1] if kind in {"onlineEndpoints", "deployments"} else parts[-3]
        there = parts[-2] if kind in {"onlineEndpoints", "deployments"} else parts[-4]
        if there == kind and (here == name or here.startswith(f"{name}-")):
            return row["body"]
    raise AssertionError(f"no {kind} {name} was PUT for {project.stack}")


def files(project: Project, kind: str) -> dict[str, Path]:
    """The folder's files of one kind by the name in them."""
    folder = project.folder.parent / "azml"
    found = [path for path in sorted(folder.glob("*.yml")) if kind in path.stem]
    return {str(yaml.safe_load(path.read_text()).get("name")): path for path in found}


@pytest.fixture(scope="module")
def azml() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        import azure.ai.ml
    logging.disable(logging.NOTSET)
    return azure.ai.ml


def plain(rest: Any) -> dict[str, Any]:
    return rest.serialize() if hasattr(rest, "serialize") else rest.as_dict()


def comparable(body: Any, under: str = "") -> Any:
    """A body without places, in one spelling, and without what says nothing."""
    if isinstance(body, list):
        return [comparable(item) for item in body]
    if not isinstance(body, dict):
        return str(body) if under in {"tags", "environmentVariables"} else body
    out: dict[str, Any] = {}
    for key, value in body.items():
        if key in PLACES:
            out[key] = "<place>"
        elif key in IN_ANY_CASE:
            out[key] = str(value).lower()
        elif key == "userAssignedIdentities":
            out[key] = sorted(value)
        elif key not in {"traffic", "mirrorTraffic"} and value not in (None, {}, []):
            out[key] = comparable(value, key)
    return {key: str(value) for key, value in out.items()} if under == "tags" else out


@pytest.mark.filterwarnings("ignore")
def test_azure_receives_what_az_ml_sends(deployed: Project, azml: Any) -> None:
    region = "westeurope"
    for name, path in files(deployed, "endpoint").items():
        expected = plain(azml.load_online_endpoint(path)._to_rest_online_endpoint(region))
        assert comparable(received(deployed, "onlineEndpoints", name)) == comparable(expected)
    for name, path in files(deployed, "model").items():
        expected = plain(azml.load_model(path)._to_rest_object())
        assert comparable(received(deployed, "models", name)) == comparable(expected)
    for name, path in files(deployed, "environment").items():
        expected = plain(azml.load_environment(path)._to_rest_object())
        assert comparable(received(deployed, "environments", name)) == comparable(expected)
    for name, path in files(deployed, "deployment").items():
        entity = azml.load_online_deployment(path)
        if not isinstance(entity.environment, str):
            made = received(deployed, "environments", f"{entity.endpoint_name}-{name}")
            assert comparable(made) == comparable(plain(entity.environment._to_rest_object())) | {
                "properties": comparable(plain(entity.environment._to_rest_object()))["properties"]
                | {"isAnonymous": comparable(made)["properties"]["isAnonymous"]}
            }
        entity.environment, entity.model = "<place>", "<place>" if entity.model else None
        for collection in entity.data_collector.collections.values() if entity.data_collector else ():
            collection.data = "<place>"
        expected = plain(entity._to_rest_object(location=region))
        assert comparable(received(deployed, "deployments", name)) == comparable(expected)


def test_a_second_preview_has_nothing_to_do(deployed: Project) -> None:
    deployed.preview("--expect-no-changes")


@pytest.mark.filterwarnings("ignore")
def test_azure_ai_ml_reads_everything_back(deployed: Project) -> None:
    """As its own entities, with its own client."""
    env = deployed.environment()
    group = f"rg-{deployed.stack}"
    workspace = deployed.outputs()["workspace_id"].rsplit("/", 1)[1]
    script = READ_BACK.format(group=group, workspace=workspace)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    seen = yaml.safe_load(done.stdout)
    wanted = {str(name) for name in files(deployed, "deployment")}
    assert {name.rsplit("-", 1)[0] for name in seen["deployments"]} == wanted
    assert set(seen["endpoints"]) == set(files(deployed, "endpoint"))
    assert set(files(deployed, "model")) <= set(seen["models"])
    assert set(files(deployed, "environment")) <= set(seen["environments"])
    assert all("Instance status" in text for text in seen["logs"])


READ_BACK = """
import os, json
from azure.ai.ml import MLClient
from azure.identity import DefaultAzureCredential, ManagedIdentityCredential
client = MLClient(ManagedIdentityCredential(), os.environ["ARM_SUBSCRIPTION_ID"], "{group}", "{workspace}")
endpoints = list(client.online_endpoints.list())
deployments, logs, environments, models = [], [], set(), set()
for endpoint in endpoints:
    for found in client.online_deployments.list(endpoint.name):
        one = client.online_deployments.get(found.name, endpoint.name)
        deployments.append(one.name)
        logs.append(client.online_deployments.get_logs(one.name, endpoint.name, 10))
for found in client.environments.list():
    for one in client.environments.list(found.name):
        assert client.environments.get(found.name, one.version).inference_config is not None or one.build
        environments.add(found.name)
for found in client.models.list():
    for one in client.models.list(found.name):
        assert client.models.get(found.name, one.version).path
        models.add(found.name)
print(json.dumps(dict(endpoints=[e.name for e in endpoints], deployments=deployments, logs=logs,
                      environments=sorted(environments), models=sorted(models))))
"""
