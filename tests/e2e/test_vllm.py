"""The real vLLM behind the endpoint of the stack `local`, as `make demo` brings it up."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from serving.kv_cache import kv_bytes_per_token
from serving.model_config import facts
from tests.e2e.harness import Azure, Client, Project, client_of

pytestmark = pytest.mark.vllm

MODEL = "SmolLM2-135M-Instruct"
CACHE_GIB = 1  # VLLM_CPU_KVCACHE_SPACE in Pulumi.local.yaml


@pytest.fixture(scope="module")
def served(docker_engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    azure = Azure.free(tmp_path_factory.mktemp("vllm") / "azure", 83, {"DOCKER_HOST": docker_engine})
    azure.command("start", "--nodes", "docker", "--server", "vllm")
    project = Project.copy(tmp_path_factory.mktemp("vllm") / "program", azure, "local")
    project.up()
    yield project
    project.destroy()
    azure.command("reset")


@pytest.fixture(scope="module")
def client(served: Project) -> Client:
    return client_of(served)


def log_of(project: Project) -> str:
    outputs = project.outputs()
    name = outputs["deployments"]["current"]
    path = f"{outputs['workspace_id']}/onlineEndpoints/{outputs['endpoint_name']}/deployments/{name}/getLogs"
    asked = {"containerType": "InferenceServer", "tail": 2000}
    return project.azure.arm("POST", path, "2025-12-01", asked)["content"]


def test_it_is_vllm_and_it_answers_sensibly(client: Client) -> None:
    version = client.request("GET", "/version").json()["version"]
    assert re.match(r"0\.32\.", version)
    answer = client.chat("What is the capital of France?", MODEL, max_tokens=24, temperature=0)
    assert "Paris" in answer.json()["choices"][0]["message"]["content"]


def test_an_answer_is_streamed_as_it_is_made(client: Client) -> None:
    answer = client.chat("Count from one to ten.", MODEL, max_tokens=32, temperature=0, stream=True)
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: ")]
    assert events[-1] == "[DONE]"
    words = [json.loads(event)["choices"][0]["delta"].get("content") for event in events[:-1]]
    assert len([word for word in words if word]) > 5


def test_metrics_are_reached_through_the_endpoint(client: Client) -> None:
    assert "vllm:num_requests_running" in client.request("GET", "/metrics").text


def test_the_cache_is_as_large_as_the_estimate_says(served: Project) -> None:
    """vLLM prints how many tokens its cache holds; a token's bytes decide that."""
    found = re.search(r"KV cache size: ([\d,]+) tokens", log_of(served))
    assert found, "vLLM's log does not name the size of its KV cache"
    tokens = int(found[1].replace(",", ""))
    (folder,) = {path.parent for path in (served.azure.home / "models").rglob("config.json")}
    config = json.loads((folder / "config.json").read_text())
    # vLLM hands the cache out in blocks, of 128 tokens on a CPU; what is left of a block is not used.
    block = 128 * kv_bytes_per_token(facts(config))
    assert tokens == CACHE_GIB * 2**30 // block * 128
