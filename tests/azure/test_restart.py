"""State survives: a killed server says after its restart what it said before, and ends what it had begun."""

from __future__ import annotations

import json
import os
import signal
import time

import httpx
import pytest

from tests.azure.harness import LOCATION, Azure, attach, command, endpoint_body, make_platform, start

pytestmark = pytest.mark.emulator


@pytest.fixture
def own(tmp_path):
    running = start(tmp_path / "home", "127.92", EMULATOR_DELAY_ENDPOINT="1.5")
    yield running
    command(running.env, "stop")


def kill_server(azure: Azure) -> None:
    pid = json.loads((azure.settings.pids / "azure.json").read_text())["pid"]
    os.kill(pid, signal.SIGKILL)
    while _answers(azure):
        time.sleep(0.02)


def _answers(azure: Azure) -> bool:
    try:
        azure.http.get(azure.settings.arm_url + "/metadata/endpoints?api-version=2022-09-01")
    except httpx.TransportError:
        return False
    return True


def test_a_killed_server_comes_back_as_it_was(own: Azure):
    platform = make_platform(own, "kept1")
    endpoint = f"{platform.workspace}/onlineEndpoints/kept"
    own.do("PUT", endpoint, endpoint_body())
    environment = platform.environment("env")
    platform.deployment(endpoint, "current", environment)
    before = own.do("GET", endpoint)
    keys = own.do("POST", f"{endpoint}/listKeys")
    begun = own.request("PUT", f"{platform.workspace}/onlineEndpoints/begun", endpoint_body())
    assert begun.status_code == 201
    kill_server(own)
    assert command(own.env, "start", "--nodes", "none").returncode == 0
    again = attach(own.env)
    assert again.do("GET", endpoint) == before
    assert again.do("POST", f"{endpoint}/listKeys") == keys
    assert (
        again.do("GET", f"{endpoint}/deployments/current")["properties"]["provisioningState"] == "Succeeded"
    )
    # The token of before still counts, the address too, and the operation that was under way ends.
    assert own.request("GET", f"{own.group('rg-kept1')}", version="2024-03-01").json()["location"] == LOCATION
    assert again.wait(begun)["status"] == "Succeeded"
    uri = before["properties"]["scoringUri"]
    answer = again.http.get(uri + "v1/models", headers={"Authorization": f"Bearer {keys['primaryKey']}"})
    assert answer.status_code in {200, 404}  # 404: no traffic is set
