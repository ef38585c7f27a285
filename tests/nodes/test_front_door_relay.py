"""Requests that go through:

limits, errors of the container, streaming. The stand-in server runs as a process.
"""

import asyncio
import os
import socket
import sys
import time
from dataclasses import replace

import httpx
import pytest
import uvicorn

from emulator.azure.frontdoor.app import close, create_app
from emulator.azure.frontdoor.view import DeploymentView, EndpointView
from emulator.nodes.containers import STANDIN

pytestmark = pytest.mark.emulator

CHAT = "/v1/chat/completions"
BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


class Fixed:
    """Nodes whose instances are given: the part of the protocol that a front door uses."""

    serves = True

    def __init__(self, **addresses):
        self.by_id = addresses

    def addresses(self, resource_id):
        return self.by_id.get(resource_id.strip("/"), [])


class Views:
    def __init__(self, view):
        self.view = view

    def by_host(self, host):
        return self.view


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def start_standin(tmp_path, **environment):
    (tmp_path / "config.json").write_text("{}")
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(tmp_path)),
        *("--served-model-name", "m", "--port", str(port), "--host", "127.0.0.1"),
        env={**os.environ, "PYTHONPATH": str(STANDIN), **environment},
        stdout=asyncio.subprocess.DEVNULL,
    )
    async with httpx.AsyncClient() as client:
        for _ in range(200):
            try:
                await client.get(f"http://127.0.0.1:{port}/health")
                return process, port
            except httpx.TransportError:
                await asyncio.sleep(0.05)
    raise AssertionError("the stand-in did not start")


@pytest.fixture
async def standin(tmp_path):
    process, port = await start_standin(tmp_path, STANDIN_TOKEN_DELAY="0.15")
    yield port
    process.kill()
    await process.wait()


def endpoint(**changes):
    blue = replace(DeploymentView("blue", "/blue", request_timeout=10, max_concurrent=8), **changes)
    return EndpointView(
        name="ep",
        host="h",
        resource_id="/ep",
        keys=("key",),
        traffic={"blue": 100},
        deployments={"blue": blue},
    )


class Door:
    """A front door on a real socket, and a client of it."""

    def __init__(self, view, nodes):
        self.nodes = nodes
        self.port = free_port()
        config = uvicorn.Config(
            create_app(Views(view), nodes, inside=False), port=self.port, log_level="critical", lifespan="off"
        )
        self.server = uvicorn.Server(config)
        self.client = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self.port}", headers={"authorization": "Bearer key"}, timeout=20
        )

    async def __aenter__(self):
        self.task = asyncio.create_task(self.server.serve())
        while not self.server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        return self.client

    async def __aexit__(self, *error):
        await self.client.aclose()
        self.server.should_exit = True
        await self.task
        await close(self.nodes)


async def seen(port):
    async with httpx.AsyncClient() as client:
        return (await client.get(f"http://127.0.0.1:{port}/standin")).json()


async def test_every_path_goes_through_when_the_scoring_route_is_the_root(standin):
    async with Door(endpoint(), Fixed(blue=[("127.0.0.1", standin)])) as client:
        answer = await client.post(f"{CHAT}?x=a%2Fb", json=BODY)
        assert answer.status_code == 200
        assert answer.json()["choices"][0]["message"]["content"] == "This is the stand-in server."
        assert answer.headers["azureml-model-deployment"] == "blue"
        assert int(answer.headers["ms-azureml-model-time"]) > 0
        assert (await client.get("/v1/models")).json()["data"][0]["id"] == "m"
        assert "vllm:num_requests_running" in (await client.get("/metrics")).text
    assert (await seen(standin))["last_path"] == f"{CHAT}?x=a%2Fb"


async def test_a_stream_comes_in_pieces_as_the_model_makes_them(standin):
    async with Door(endpoint(), Fixed(blue=[("127.0.0.1", standin)])) as client:
        times, began = [], time.monotonic()
        async with client.stream("POST", CHAT, json=BODY | {"stream": True}) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            async for line in answer.aiter_lines():
                times += [time.monotonic() - began] if line else []
    assert len(times) == 6
    # The words are 0.15 s apart: had anything buffered them, they would come together.
    assert times[0] < 0.4
    assert times[-1] - times[0] > 0.4


@pytest.mark.parametrize("status", [201, 400, 404, 500, 503])
async def test_every_status_but_200_is_424_with_the_containers_own_in_a_header(standin, status):
    async with Door(endpoint(), Fixed(blue=[("127.0.0.1", standin)])) as client:
        answer = await client.post(CHAT, json=BODY, headers={"x-standin-status": str(status)})
    assert answer.status_code == 424
    assert answer.headers["ms-azureml-model-error-statuscode"] == str(status)
    assert answer.headers["ms-azureml-model-error-reason"] == "model_error"
    assert answer.json()["error"]["code"] == status


async def test_a_model_slower_than_the_request_timeout_is_408_and_told_to_stop(standin):
    async with Door(endpoint(request_timeout=0.5), Fixed(blue=[("127.0.0.1", standin)])) as client:
        answer = await client.post(CHAT, json=BODY, headers={"x-standin-delay": "5"})
    assert answer.status_code == 408
    assert "request_timeout_ms" in answer.text
    await until_aborted(standin)


async def test_a_stream_longer_than_the_request_timeout_is_cut(standin):
    async with Door(endpoint(request_timeout=0.4), Fixed(blue=[("127.0.0.1", standin)])) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.post(CHAT, json=BODY | {"stream": True})


async def test_more_than_twice_the_concurrency_is_429(standin):
    view = endpoint(max_concurrent=2)
    async with Door(view, Fixed(blue=[("127.0.0.1", standin)])) as client:
        slow = {"x-standin-delay": "1"}
        answers = await asyncio.gather(*(client.post(CHAT, json=BODY, headers=slow) for _ in range(6)))
    assert sorted(a.status_code for a in answers) == [200, 200, 200, 200, 429, 429]
    refused = next(a for a in answers if a.status_code == 429)
    assert refused.headers["ms-azureml-model-error-reason"] == "too_many_pending_request"
    # What is admitted beyond the instance's limit waits at the door, not in the container.
    assert (await seen(standin))["most"] == 2


async def test_the_limit_counts_instances_and_spreads_over_them(standin, tmp_path_factory):
    process, second = await start_standin(tmp_path_factory.mktemp("second"))
    nodes = Fixed(blue=[("127.0.0.1", standin), ("127.0.0.1", second)])
    try:
        async with Door(endpoint(max_concurrent=1, instances=2), nodes) as client:
            slow = {"x-standin-delay": "0.5"}
            answers = await asyncio.gather(*(client.post(CHAT, json=BODY, headers=slow) for _ in range(5)))
        assert sorted(a.status_code for a in answers) == [200, 200, 200, 200, 429]
        served = [(await seen(port))["completions"] for port in (standin, second)]
        assert sum(served) == 4
        assert min(served) > 0
    finally:
        process.kill()
        await process.wait()


async def test_no_ready_instance_is_424_and_says_so():
    async with Door(endpoint(), Fixed(blue=[])) as client:
        answer = await client.post(CHAT, json=BODY)
    assert (answer.status_code, answer.headers["ms-azureml-model-error-reason"]) == (424, "model_not_ready")


async def test_a_container_that_is_gone_is_424():
    async with Door(endpoint(), Fixed(blue=[("127.0.0.1", free_port())])) as client:
        answer = await client.post(CHAT, json=BODY)
    assert answer.status_code == 424
    assert "did not answer" in answer.text


async def test_a_client_that_hangs_up_cancels_its_request_at_the_container(standin):
    async with Door(endpoint(), Fixed(blue=[("127.0.0.1", standin)])) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.post(CHAT, json=BODY, headers={"x-standin-delay": "20"}, timeout=0.3)
        await until_aborted(standin)


async def test_a_share_of_the_requests_is_mirrored_and_its_answers_are_dropped(standin, tmp_path_factory):
    process, second = await start_standin(tmp_path_factory.mktemp("mirror"))
    view = endpoint()
    green = replace(view.deployments["blue"], name="green", resource_id="/green")
    view = replace(view, mirror_traffic={"green": 100}, deployments={**view.deployments, "green": green})
    nodes = Fixed(blue=[("127.0.0.1", standin)], green=[("127.0.0.1", second)])
    try:
        async with Door(view, nodes) as client:
            answer = await client.post(CHAT, json=BODY)
            assert answer.headers["azureml-model-deployment"] == "blue"
            named = await client.post(CHAT, json=BODY, headers={"azureml-model-deployment": "blue"})
            assert named.status_code == 200
            await asyncio.sleep(0.3)
        assert (await seen(standin))["completions"] == 2
        assert (await seen(second))["completions"] == 1
    finally:
        process.kill()
        await process.wait()


async def until_aborted(port):
    for _ in range(60):
        if (await seen(port))["aborted"]:
            return
        await asyncio.sleep(0.05)
    pytest.fail("the container was not told that nobody waits any more")
