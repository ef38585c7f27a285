"""Folders of `az ml` YAML made into stacks by `settings.from_azml`, deployed, held against what az ml sends.

The expected bodies are made by the installed azure-ai-ml when the test runs. What may differ is what
`settings.azml.DIFFERENCES` documents, and nothing else.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.azml_oracle import APPLIED, DIFFERENCES, Body, Folder, Sent, expected
from tests.e2e.harness import ROOT, Azure, Project

pytestmark = [pytest.mark.emulator, pytest.mark.filterwarnings("ignore")]

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
    "strangers": OWN / "strangers",
}


@dataclass(frozen=True)
class Deployed:
    """A folder's stack; `puts` is what Azure received for it, and `wanted` what az ml would have sent."""

    project: Project
    puts: list[tuple[str, Body]]
    wanted: Folder

    def received(self, sent: Sent) -> Body | None:
        """The first PUT of it, which created it."""
        return next((body for path, body in self.puts if path == sent.path), None)


@pytest.fixture(scope="module", params=sorted(FOLDERS))
def deployed(
    request: pytest.FixtureRequest, requests_only: Azure, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployed]:
    _somebody(requests_only)
    folder = tmp_path_factory.mktemp(request.param)
    shutil.copytree(FOLDERS[request.param], folder / "azml")
    if request.param == "strangers":  # one of them works on Windows
        for path in (folder / "azml").glob("*.y*ml"):
            path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    project = Project.empty(folder / "program", requests_only, request.param)
    _convert(project, folder / "azml")
    project.run("stack", "select", project.stack, "--create")
    before = len(requests_only.journal())
    project.up()
    rows = requests_only.journal()[before:]
    puts = [(row["path"], row["body"]) for row in rows if row["method"] == "PUT" and row["status"] < 400]
    yield Deployed(project, puts, expected(folder / "azml", "westeurope"))
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


def test_azure_receives_what_az_ml_sends(deployed: Deployed) -> None:
    for sent in deployed.wanted.sent:
        assert deployed.received(sent) == sent.body, sent.path


def test_azure_receives_nothing_that_az_ml_does_not_send(deployed: Deployed) -> None:
    """No model, environment, endpoint or deployment more; containers and the second PUT of an endpoint, with
    the split, are not in az ml's files."""
    kinds = ("models", "environments", "onlineEndpoints", "deployments")
    named = {
        path
        for path, _ in deployed.puts
        if path.split("/")[-2] in kinds[2:] or (path.split("/")[-4] in kinds[:2] and "/versions/" in path)
    }
    unknown = [path for path in named if not any(sent.path == path for sent in deployed.wanted.sent)]
    missing = {f"onlineEndpoints/{endpoint}" for endpoint, _ in deployed.wanted.deployments}
    assert [path for path in unknown if "/".join(path.split("/")[-2:]) not in missing] == []


def test_the_split_is_the_files(deployed: Deployed) -> None:
    """All of it to the only deployment where the file says nothing."""
    endpoints = deployed.project.outputs()["endpoints"]
    for name, split in deployed.wanted.traffic.items():
        live = deployed.project.azure.arm("GET", endpoint_id(deployed.project, name), "2025-12-01")
        servers = endpoints[name]["deployments"]
        wanted = split["traffic"] or dict.fromkeys(servers, 100)
        for arm, shares in (("traffic", wanted), ("mirrorTraffic", split["mirrorTraffic"])):
            nonzero = {
                server: share for server, share in (live["properties"].get(arm) or {}).items() if share
            }
            assert nonzero == {servers[key.lower()]: share for key, share in shares.items() if share}, arm


def endpoint_id(project: Project, name: str) -> str:
    return f"{project.outputs()['workspace_id']}/onlineEndpoints/{name}"


def test_what_is_uploaded(deployed: Deployed) -> None:
    """A model's files in any form but hidden ones; a Docker context without what .dockerignore leaves out."""
    resources = json.loads(deployed.project.state_text())["checkpoint"]["latest"]["resources"]
    files = {
        kind: {
            path for one in resources if one["type"].endswith(f":{kind}") for path in one["outputs"]["files"]
        }
        for kind in ("ModelCopy", "BuildContext")
    }
    wanted = {
        "strangers": {
            "ModelCopy": {"config.json", "pytorch_model.bin", "tokenizer/words.txt", "one.gguf"},
            "BuildContext": {"Dockerfile.cpu", "serve", ".dockerignore"},
        },
        "built-by-azure": {"ModelCopy": set(), "BuildContext": {"Dockerfile", "server.py", ".dockerignore"}},
    }
    assert files == wanted.get(deployed.project.stack, {"ModelCopy": set(), "BuildContext": set()})


def test_a_second_preview_has_nothing_to_do(deployed: Deployed) -> None:
    deployed.project.preview("--expect-no-changes")


def test_azure_ai_ml_reads_everything_back(deployed: Deployed) -> None:
    """As its own entities, with its own client."""
    project = deployed.project
    workspace = project.outputs()["workspace_id"].rsplit("/", 1)[1]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", READ_BACK, f"rg-{project.stack}", workspace],
        env=project.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    seen: dict[str, Any] = json.loads(done.stdout)
    servers = {
        f"/{name}/deployments/{server}"
        for name, endpoint in project.outputs()["endpoints"].items()
        for server in endpoint["deployments"].values()
    }
    assert {f"/{endpoint}/deployments/{name}" for endpoint, name in seen["deployments"]} == servers
    assert set(seen["endpoints"]) >= deployed.wanted.endpoints
    for kind in ("models", "environments"):
        sent = [one.path for one in deployed.wanted.sent if f"/{kind}/" in one.path.pattern]
        assert all(any(path == found for found in seen[kind]) for path in sent), kind
    assert all("Instance status" in text for text in seen["logs"])


def test_every_documented_difference_is_applied_and_no_other() -> None:
    assert set(APPLIED) == {difference.where for difference in DIFFERENCES}


READ_BACK = """
import json, os, sys
from azure.ai.ml import MLClient
from azure.ai.ml.entities import Environment, ManagedOnlineDeployment, ManagedOnlineEndpoint, Model
from azure.identity import ManagedIdentityCredential
client = MLClient(ManagedIdentityCredential(), os.environ["ARM_SUBSCRIPTION_ID"], sys.argv[1], sys.argv[2])
endpoints, deployments, logs, assets = [], [], [], {"environments": [], "models": []}
for endpoint in client.online_endpoints.list():
    endpoint = client.online_endpoints.get(endpoint.name)
    assert isinstance(endpoint, ManagedOnlineEndpoint)
    endpoints.append(endpoint.name)
    for found in client.online_deployments.list(endpoint.name):
        one = client.online_deployments.get(found.name, endpoint.name)
        assert isinstance(one, ManagedOnlineDeployment) and one.environment
        deployments.append([endpoint.name, one.name])
        logs.append(client.online_deployments.get_logs(one.name, endpoint.name, 10))
for kind, entity in (("environments", Environment), ("models", Model)):
    operations = getattr(client, kind)
    for container in operations.list():
        for listed in operations.list(container.name):
            # The client makes up name and version of what is anonymous; the id says which one it is.
            one = operations.get(container.name, listed.id.rsplit("/", 1)[1])
            assert isinstance(one, entity) and one.id == listed.id
            assert one.path if kind == "models" else one.image or one.build
            assets[kind].append(one.id)
print(json.dumps(dict(endpoints=endpoints, deployments=deployments, logs=logs, **assets)))
"""
