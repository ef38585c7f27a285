"""The stack `local` with containers: what its users rely on between `up` and `destroy`."""

from __future__ import annotations

import subprocess
import threading
import time

import httpx
import pytest

from tests.e2e.harness import Client, Project, client_of

pytestmark = pytest.mark.e2e

MODEL = "SmolLM2-135M-Instruct"


@pytest.fixture(scope="module")
def client(local: Project) -> Client:
    return client_of(local)


def deployment(config: dict) -> dict:
    return config["vllm-azureml:endpoints"]["vllm-local"]["deployments"]["current"]


def test_it_answers_inside_the_network_and_refuses_outside(local: Project, client: Client) -> None:
    answer = client.chat("Hello?", MODEL)
    assert answer.status_code == 200
    assert answer.json()["choices"][0]["message"]["content"]
    assert answer.headers["azureml-model-deployment"] == local.outputs()["deployments"]["current"]
    outside = client_of(local, inside=False).chat("Hello?", MODEL)
    assert outside.status_code == 403, outside.text


def test_clients_may_send_the_short_name_and_the_path(client: Client) -> None:
    for name in (MODEL, f"/models/{MODEL}"):
        assert client.chat("Hello?", name).status_code == 200, name


@pytest.mark.parametrize("example", ["chat", "with_openai"])
def test_the_examples_ask_it(local: Project, example: str) -> None:
    answer = local.python("-m", f"examples.client.{example}", "How are you?")
    assert answer.text == "This is the stand-in server.\n"


def test_a_wrong_key_is_refused(client: Client) -> None:
    answer = client.request("GET", "/v1/models", headers={"Authorization": "Bearer wrong"})
    assert answer.status_code == 401


def test_a_second_up_changes_nothing(local: Project) -> None:
    assert local.preview("--expect-no-changes").code == 0
    before = len(local.azure.journal())
    said = local.up("--expect-no-changes").text
    assert "unchanged" in said
    writes = [row for row in local.azure.journal()[before:] if row["method"] in {"PUT", "PATCH", "DELETE"}]
    assert writes == []


def test_a_reader_can_preview_and_cannot_change(local: Project) -> None:
    assert local.preview("--expect-no-changes", principal="reader").code == 0
    refused = local.run(
        "up", "--yes", "--skip-preview", "--stack", "local", "-c", "vllm-azureml:tags={\"team\":\"x\"}",
        principal="reader", check=False,
    )  # fmt: skip
    local.run("config", "rm", "vllm-azureml:tags", "--stack", "local")
    assert refused.code != 0
    assert "AuthorizationFailed" in refused.text


def test_the_key_is_nowhere(local: Project, client: Client) -> None:
    home = local.azure.home
    places = {
        "state": local.state_text(),
        "outputs": str(local.outputs()),
        "journal": (home / "journal.jsonl").read_text(),
        **{path.name: path.read_text(errors="replace") for path in (home / "logs").glob("*")},
    }
    assert [name for name, text in places.items() if client.key in text] == []
    assert local.outputs()["key_secret_uri"].startswith("https://")


def test_a_change_of_flags_rolls_without_a_failed_request(local: Project, client: Client) -> None:
    old = local.outputs()["deployments"]["current"]
    failures: list[str] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            answer = client.chat("Hello?", MODEL)
            if answer.status_code != 200:
                failures.append(f"{answer.status_code} {answer.text}")
            time.sleep(0.1)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        variables = {"VLLM_ARGS": "--enforce-eager --max-model-len 1024 --max-num-seqs 8"}
        local.edit(lambda config: deployment(config)["environment_variables"].update(variables))
        local.up()
    finally:
        stop.set()
        asking.join()
    new = local.outputs()["deployments"]["current"]
    assert new != old
    assert failures == []
    assert client.chat("Hello?", MODEL).headers["azureml-model-deployment"] == new
    names = local.azure.arm("GET", f"{_endpoint(local)}/deployments", "2025-12-01")["value"]
    assert [item["name"] for item in names] == [new]


def test_a_server_that_cannot_start_leaves_the_old_one_answering(local: Project, client: Client) -> None:
    old = local.outputs()["deployments"]["current"]

    def break_it(config: dict) -> None:
        deployment(config)["environment_variables"]["STANDIN_EXIT"] = "3"
        deployment(config)["liveness_probe"] = {"initial_delay": 1, "period": 1, "failure_threshold": 3}

    with local.edited(break_it):
        failed = local.up(check=False)
    assert failed.code != 0
    assert "UserContainerStart" in failed.text
    assert "Traceback" not in failed.text
    answer = client.chat("Hello?", MODEL)
    assert (answer.status_code, answer.headers["azureml-model-deployment"]) == (200, old)
    local.up()
    assert local.outputs()["deployments"]["current"] == old
    local.preview("--expect-no-changes")


def test_traffic_moved_by_hand_comes_back(local: Project, client: Client) -> None:
    live = local.azure.arm("GET", _endpoint(local), "2025-12-01")
    body = {key: live[key] for key in ("location", "kind", "identity", "tags") if key in live}
    body["identity"] = {"type": "SystemAssigned"}
    body["properties"] = {"authMode": "Key", "publicNetworkAccess": "Disabled", "traffic": {}}
    local.azure.arm("PUT", _endpoint(local), "2025-12-01", body)
    _until(lambda: client.chat("Hello?", MODEL).status_code == 404)
    local.up()
    assert client.chat("Hello?", MODEL).status_code == 200


def test_state_and_servers_survive_a_restart(local: Project, client: Client) -> None:
    local.azure.command("stop")
    local.azure.command("start")
    _until(lambda: client.chat("Hello?", MODEL).status_code == 200, 60)
    local.preview("--expect-no-changes")


def test_destroy_leaves_nothing(local: Project) -> None:
    local.destroy()
    try:
        listed = local.azure.arm("GET", f"/subscriptions/{_subscription(local)}/resourceGroups", "2024-03-01")
        assert listed["value"] == []
        label = f"label=embedded-azure.home={local.azure.home}"
        left = subprocess.run(
            ["docker", "ps", "-aq", "--filter", label],
            env=local.azure.environment(),
            capture_output=True,
            text=True,
            check=True,
        )
        assert left.stdout == ""
        assert list((local.azure.home / "models").glob("*")) == []
    finally:
        local.up()


def _endpoint(project: Project) -> str:
    outputs = project.outputs()
    return f"{outputs['workspace_id']}/onlineEndpoints/{outputs['endpoint_name']}"


def _subscription(project: Project) -> str:
    return project.environment()["ARM_SUBSCRIPTION_ID"]


def _until(true, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if true():
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise AssertionError(f"not within {seconds} s")
