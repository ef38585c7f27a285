"""A team's running endpoint, made by azure-ai-ml, is taken over under its names; nothing changes."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.harness import ROOT, Azure, Project

pytestmark = [pytest.mark.emulator, pytest.mark.filterwarnings("ignore")]

FOLDER = Path(__file__).parent / "data/azml/running"
PLACE = ("--resource-group", "rg-running", "--workspace", "mlw-running")
WORKSPACE = """\
config:
  azure-native:location: westeurope
  vllm-azureml:resource_group: {name: rg-running}
  vllm-azureml:workspace: {name: mlw-running}
"""
MAKE = """
import os, sys
from azure.ai.ml import MLClient, load_environment, load_model, load_online_deployment, load_online_endpoint
from azure.identity import ManagedIdentityCredential
folder = sys.argv[1]
client = MLClient(ManagedIdentityCredential(), os.environ["ARM_SUBSCRIPTION_ID"], "rg-running", "mlw-running")
client.models.create_or_update(load_model(f"{folder}/model.yml"))
client.environments.create_or_update(load_environment(f"{folder}/environment.yml"))
endpoint = load_online_endpoint(f"{folder}/endpoint.yml")
split, endpoint.traffic = endpoint.traffic, {}
client.online_endpoints.begin_create_or_update(endpoint).result()
for name in ("blue", "green"):
    deployment = load_online_deployment(f"{folder}/{name}-deployment.yml")
    client.online_deployments.begin_create_or_update(deployment).result()
endpoint.traffic = split
client.online_endpoints.begin_create_or_update(endpoint).result()
"""


@pytest.fixture(scope="module")
def adopted(requests_only: Azure, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The stack that took over, after its first `up`; the workspace is another stack's."""
    owner = Project.empty(tmp_path_factory.mktemp("owner") / "program", requests_only, "owner")
    owner.settings_file.write_text(WORKSPACE)
    owner.run("stack", "select", "owner", "--create")
    owner.up()
    python(MAKE, str(FOLDER), env=owner.environment())
    project = Project.empty(tmp_path_factory.mktemp("adopted") / "program", requests_only, "adopted")
    shutil.copytree(FOLDER, project.folder / "azml")
    command = ["-m", "settings.from_azml", "azml", "--stack", "adopted", "--adopt", *PLACE]
    subprocess.run([sys.executable, *command], cwd=project.folder, check=True, capture_output=True)
    project.run("stack", "select", "adopted", "--create")
    yield project
    project.destroy()
    owner.destroy()


def python(script: str, *arguments: str, env: dict[str, str]) -> None:
    command = [sys.executable, "-W", "ignore", "-c", script, *arguments]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-3000:]


def live(project: Project) -> dict[str, Any]:
    """The endpoint and its deployments as Azure has them, without when they were written."""
    endpoint = project.azure.arm("GET", ENDPOINT, "2025-12-01")
    servers = project.azure.arm("GET", f"{ENDPOINT}/deployments", "2025-12-01")["value"]
    found = {item["name"]: item for item in [endpoint, *servers]}
    return {name: {key: item[key] for key in item if key != "systemData"} for name, item in found.items()}


ENDPOINT = (
    "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-running"
    "/providers/Microsoft.MachineLearningServices/workspaces/mlw-running/onlineEndpoints/running-chat"
)


def writes(project: Project, mark: int) -> list[tuple[str, str]]:
    """Changes of the endpoint, its deployments, models and environments after `mark` requests."""
    return [
        (row["method"], row["path"].split("/workspaces/mlw-running/")[1])
        for row in project.azure.journal()[mark:]
        if row["method"] in ("PUT", "PATCH", "DELETE") and "/workspaces/mlw-running/" in row["path"]
    ]


def test_taking_over_changes_nothing(adopted: Project) -> None:
    """Neither in Azure nor in the plan afterwards; new are the key in the vault and the smoke tests."""
    before, mark = live(adopted), len(adopted.azure.journal())
    assert [line for line in adopted.preview().text.splitlines() if line.startswith(" ~ ")] == []
    said = adopted.up().text
    assert "3 imported" in said
    assert writes(adopted, mark) == []
    assert live(adopted) == before
    assert adopted.outputs()["deployments"] == {"blue": "blue", "green": "green"}
    adopted.preview("--expect-no-changes")


def test_with_its_hash_the_next_change_is_rolled(adopted: Project) -> None:
    """The plan says the hash. The other server stays as it is, and the share of the traffic moves along."""
    hashes = dict(re.findall(r"deployments\.(\w+)\.import_: .*?`import_: \"(\w+)\"`", adopted.preview().text))
    assert set(hashes) == {"blue", "green"}

    def with_hashes(config: dict[str, Any]) -> None:
        for name, digest in hashes.items():
            config["vllm-azureml:endpoints"]["running-chat"]["deployments"][name]["import_"] = digest

    def other_flags(config: dict[str, Any]) -> None:
        server = config["vllm-azureml:endpoints"]["running-chat"]["deployments"]["green"]
        server["environment_variables"]["VLLM_ARGS"] = "--enforce-eager"

    adopted.edit(with_hashes)
    adopted.preview("--expect-no-changes")
    blue, mark = live(adopted)["blue"], len(adopted.azure.journal())
    adopted.edit(other_flags)
    adopted.up()
    green = adopted.outputs()["deployments"]["green"]
    assert re.fullmatch(r"green-[0-9a-f]{8}", green)
    changes = [(method, path.rsplit("/", 2)[-2:]) for method, path in writes(adopted, mark)]
    servers = [(method, path[1]) for method, path in changes if path[0] in ("deployments", "onlineEndpoints")]
    assert servers == [("PUT", green), ("PUT", "running-chat"), ("DELETE", "green")]
    now = live(adopted)
    assert now["blue"] == blue
    assert now["running-chat"]["properties"]["traffic"] == {"blue": 90, green: 10}


@pytest.mark.parametrize(
    ("part", "reference", "section"),
    [
        ("model", "azureml:weights:9", "models"),
        ("environment", "azureml:vllm-env:9", "environments"),
        ("model", "azureml:nothing@latest", "models"),
    ],
)
def test_what_nobody_registered_is_said_in_the_preview(
    adopted: Project, part: str, reference: str, section: str
) -> None:
    def wrong(config: dict[str, Any]) -> None:
        config["vllm-azureml:endpoints"]["running-chat"]["deployments"]["blue"][part] = reference

    with adopted.edited(wrong):
        refused = adopted.preview(check=False)
    assert refused.code != 0
    key = f"vllm-azureml:endpoints.running-chat.deployments.blue.{part}"
    said = f"{key}: {reference} is not registered in workspace mlw-running. Register it there first, write it"
    assert f"{said} under `vllm-azureml:{section}`" in refused.text
    assert "Traceback" not in refused.text


def test_the_stack_file_refers_to_what_is_registered(adopted: Project) -> None:
    config = yaml.safe_load(adopted.settings_file.read_text())["config"]
    assert not {"vllm-azureml:models", "vllm-azureml:environments"} & config.keys()
    server = config["vllm-azureml:endpoints"]["running-chat"]["deployments"]["blue"]
    assert (server["model"], server["environment"]) == ("azureml:weights:1", "azureml:vllm-env:4")
