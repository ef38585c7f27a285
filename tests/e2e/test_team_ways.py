"""A stack in operation, without containers: an image of a team's CI, autoscale, startup probes, choices."""

from __future__ import annotations

import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import yaml

from tests.azure.test_registry import exchange, push
from tests.e2e.harness import ROOT, Azure, Project

pytestmark = pytest.mark.emulator

SUBSCRIPTION = "/subscriptions/00000000-0000-4000-8000-000000000001"
GROUP = f"{SUBSCRIPTION}/resourceGroups/rg-ways"
WORKSPACE = f"{GROUP}/providers/Microsoft.MachineLearningServices/workspaces/mlw-ways"
ENDPOINT = f"{WORKSPACE}/onlineEndpoints/ways-chat"
NOON = 1_900_000_000.0 - 1_900_000_000.0 % 86_400 + 12 * 3600
STACK = """
azure-native:location: westeurope
vllm-azureml:resource_group: {name: rg-ways}
vllm-azureml:workspace: {name: mlw-ways}
"""
SERVER = """
endpoint_name: ways-chat
environment:
  image: ci
  inference_config:
    liveness_route: {port: 8000, path: /health}
    readiness_route: {port: 8000, path: /health}
    scoring_route: {port: 8000, path: /}
    startup_route: {port: 8000, path: /ping}
startup_probe: {period: 20, failure_threshold: 60}
environment_variables: {MODEL_NAME: org/model, VLLM_ARGS: --max-num-seqs 24}
instance_type: Standard_NC24ads_A100_v4
autoscale:
  minimum: 1
  maximum: 3
  gpu_utilization: {up: {threshold: 70}, down: {threshold: 25}}
  quiet_hours: {start: "20:00", end: "06:00"}
"""


@dataclass(frozen=True)
class Ci:
    """A pipeline that pushes to the workspace's registry as the deployer."""

    azure: Azure
    server: str

    @property
    def http(self) -> httpx.Client:
        return httpx.Client(
            verify=ssl.create_default_context(cafile=self.azure.environment()["SSL_CERT_FILE"])
        )

    def token(self, who: str = "deployer") -> str:
        env = self.azure.environment(who)
        asked = {"api-version": "2019-08-01", "resource": "https://management.azure.com"}
        header = {"X-IDENTITY-HEADER": env["IDENTITY_HEADER"]}
        return httpx.get(env["IDENTITY_ENDPOINT"], params=asked, headers=header).json()["access_token"]

    def push(self, content: bytes) -> str:
        as_azure: Any = self
        return push(as_azure, self.server, "team/vllm", "stable", content, exchange(as_azure, self.server))


@pytest.fixture(scope="module")
def project(requests_only: Azure, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The platform first, as a team has it; `up` of the server is the tests'."""
    project = Project.empty(tmp_path_factory.mktemp("ways") / "program", requests_only, "ways")
    project.settings_file.write_text(yaml.safe_dump({"config": yaml.safe_load(STACK)}))
    project.run("stack", "select", "ways", "--create")
    project.up()
    yield project
    project.destroy()


@pytest.fixture(scope="module")
def ci(project: Project) -> Ci:
    ci = Ci(project.azure, project.outputs()["container_registry_login_server"])
    ci.push(b"the first")
    login = [sys.executable, "-m", "providers.login", ci.server]
    subprocess.run(login, cwd=ROOT, env=project.environment(), check=True, capture_output=True)
    image = {"registry_image": f"{ci.server}/team/vllm:stable"}

    def serve(config: dict[str, Any]) -> None:
        config["vllm-azureml:images"] = {"ci": image}
        config["vllm-azureml:endpoints"] = {"ways-chat": {"deployments": {"blue": yaml.safe_load(SERVER)}}}

    project.edit(serve)
    project.up()
    return ci


def server(config: dict[str, Any]) -> dict[str, Any]:
    return config["vllm-azureml:endpoints"]["ways-chat"]["deployments"]["blue"]


def put(project: Project, part: str) -> dict[str, Any]:
    """The last body that was PUT to a path with this part."""
    return [row["body"] for row in project.azure.journal() if row["method"] == "PUT" and part in row["path"]][
        -1
    ]


def feed(project: Project, deployment: str, value: float, at: float) -> list[dict[str, Any]]:
    env = project.environment()
    point = {"resource": deployment, "metric": "GpuUtilizationPercentage", "value": value}
    ci = Ci(project.azure, "")
    answer = ci.http.post(
        f"https://{env['ARM_METADATA_HOSTNAME']}/_emulator/metrics",
        json={"points": [point], "at": at},
        headers={"Authorization": f"Bearer {ci.token()}"},
    )
    return answer.raise_for_status().json()["scaled"]


def live(project: Project) -> tuple[str, int]:
    """The id of the server and its instances."""
    name = project.outputs()["deployments"]["blue"]
    found = project.azure.arm("GET", f"{ENDPOINT}/deployments/{name}", "2025-12-01")
    return found["id"], found["sku"]["capacity"]


def test_an_image_of_the_teams_ci_is_named_by_the_digest_its_tag_has(project: Project, ci: Ci) -> None:
    """A tag that moves is another server; one that does not is none."""
    (first,) = project.outputs()["image_refs"].values()
    assert first.startswith(f"{ci.server}/team/vllm@sha256:")
    project.preview("--expect-no-changes")
    before, digest = project.outputs()["deployments"]["blue"], ci.push(b"the second")
    project.up()
    (second,) = project.outputs()["image_refs"].values()
    assert second == f"{ci.server}/team/vllm@{digest}" != first
    assert project.outputs()["deployments"]["blue"] != before
    assert put(project, "/environments/ci/versions/")["properties"]["image"] == second


def test_the_startup_probe_and_its_route_reach_azure(project: Project, ci: Ci) -> None:
    routes = put(project, "/environments/ci/versions/")["properties"]["inferenceConfig"]
    assert routes["startupRoute"] == {"port": 8000, "path": "/ping"}
    probe = put(project, "/onlineEndpoints/ways-chat/deployments/")["properties"]["startupProbe"]
    assert probe == {"period": "PT20S", "failureThreshold": 60}


def test_autoscale_goes_both_ways_and_survives_a_roll(project: Project, ci: Ci) -> None:
    """What autoscale decided is no change in the plan, and stays when something else changes in place."""
    old, count = live(project)
    assert count == 1
    assert [row["to"] for row in feed(project, old, 90, NOON)] == [2]
    project.preview("--expect-no-changes")
    project.edit(lambda config: server(config).update(tags={"team": "llm"}))
    project.up()
    assert live(project) == (old, 2)

    project.edit(lambda config: server(config)["environment_variables"].update(NEW="1"))
    project.up()
    new, _ = live(project)
    assert new != old
    settings = project.azure.arm(
        "GET",
        f"{GROUP}/providers/Microsoft.Insights/autoscaleSettings",
        "2022-10-01",
    )["value"]
    assert [item["properties"]["targetResourceUri"] for item in settings] == [new]
    assert [row["to"] for row in feed(project, new, 90, NOON + 3600)] == [live(project)[1]]
    high = live(project)[1]
    feed(project, new, 10, NOON + 7200)
    assert live(project)[1] == high - 1
    feed(project, new, 50, NOON + 10 * 3600)  # in the quiet hours
    assert live(project)[1] == 1


def test_a_version_that_anothers_deployment_names_stays(project: Project, ci: Ci) -> None:
    """The stack rolls to another image, and says who still runs with the environment it had."""
    server_id, _ = live(project)
    environment = project.azure.arm("GET", server_id, "2025-12-01")["properties"]["environmentId"]
    theirs = f"{ENDPOINT}/deployments/theirs"
    properties = {"endpointComputeType": "Managed", "environmentId": environment}
    body = {"location": "westeurope", "properties": {**properties, "instanceType": "Standard_DS3_v2"}}
    project.azure.arm("PUT", theirs, "2025-12-01", body)
    ci.push(b"the third")
    refused = project.up(check=False)
    assert refused.code != 0
    name = "/".join(environment.split("/")[-3::2]).replace("/", ":")
    assert f"environment {name} is named by deployment theirs of endpoint ways-chat" in refused.text
    assert "Traceback" not in refused.text
    assert live(project)[0] != server_id
    assert project.azure.arm("GET", environment, "2025-12-01")
    project.azure.arm("DELETE", theirs, "2025-12-01")
    project.up()
    with pytest.raises(httpx.HTTPStatusError, match="404"):
        project.azure.arm("GET", environment, "2025-12-01")


def test_what_is_chosen_is_explained_and_can_be_turned_off(project: Project, ci: Ci) -> None:
    chosen = [line for line in project.preview().text.splitlines() if "chosen: " in line]
    assert any("max_concurrent_requests_per_instance: 24 (--max-num-seqs is 24" in line for line in chosen)
    assert any("request_timeout_ms: 180000 (Azure's own default is 5000 ms" in line for line in chosen)
    body = put(project, "/onlineEndpoints/ways-chat/deployments/")["properties"]
    assert body["requestSettings"] == {"maxConcurrentRequestsPerInstance": 24, "requestTimeout": "PT3M"}
    project.edit(lambda config: config.update({"vllm-azureml:defaults": "azml"}))
    text = project.preview().text
    assert "chosen: " not in text
    assert "requestSettings" in text  # the plan takes them away
    project.edit(lambda config: config.update({"vllm-azureml:defaults": "fitted"}))
