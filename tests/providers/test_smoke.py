"""The smoke test plays sequences of answers: what passes, what may pass later, what fails at once and
where."""

import json
import time

import httpx
import pytest
from pulumi.output import Unknown

from providers import data_plane, smoke
from providers.errors import SmokeTestError
from providers.smoke_test import SmokeTestProvider

HEALTH, MODELS, CHAT = "/health", "/v1/models", "/v1/chat/completions"
SERVED = httpx.Response(200, json={"data": [{"id": "Qwen3-8B"}, {"id": "/models/Qwen3-8B"}]})
ANSWER = httpx.Response(200, json={"choices": [{"message": {"content": "Hello there."}}]})
OK = httpx.Response(200)


def events(*chunks, done=True):
    lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks] + (["data: [DONE]\n\n"] if done else [])
    return httpx.Response(200, content="".join(lines), headers={"content-type": "text/event-stream"})


STREAM = events({"choices": [{"delta": {"content": "Hel"}}]}, {"choices": [{"delta": {"content": "lo"}}]})


def container_error(status):
    return httpx.Response(424, headers={"ms-azureml-model-error-statuscode": str(status)}, text="sorry")


@pytest.fixture
def clock(monkeypatch, azure):
    """Time passes when something sleeps."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: now.__setitem__(0, now[0] + max(seconds, 0.01)))
    return now


@pytest.fixture
def serving(azure, clock):
    """A deployment that works; a test puts something else in front."""

    def use(**first):
        for path, good in ((HEALTH, OK), (MODELS, SERVED)):
            azure.on("GET", path, *first.pop(path.rsplit("/", 1)[1], []), good)
        azure.on("POST", CHAT, *first.pop("chat", [ANSWER]), *first.pop("stream", [STREAM]))
        assert not first
        return azure

    return use


def run(question=None, seconds=60.0):
    endpoint = data_plane.Endpoint("https://e.test/score", "secret-token", "current-1")
    return smoke.run(endpoint, question or smoke.Question("Say hello."), time.monotonic() + seconds)


class TestWhatPasses:
    def test_every_stage_is_asked_of_the_deployment_itself(self, serving):
        azure = serving()
        assert run() == ["Qwen3-8B", "/models/Qwen3-8B"]
        assert [request.url.path for request in azure.requests] == [HEALTH, MODELS, CHAT, CHAT]
        assert {request.headers["azureml-model-deployment"] for request in azure.requests} == {"current-1"}
        assert {request.headers["authorization"] for request in azure.requests} == {"Bearer secret-token"}
        first, second = azure.sent("POST", CHAT)
        assert (first["model"], "stream" in first, second["stream"]) == ("Qwen3-8B", False, True)

    def test_a_container_that_comes_late_is_waited_for(self, serving, clock):
        serving(health=[httpx.Response(503), container_error(502), httpx.Response(404)])
        assert run()
        assert clock[0] > 1000

    def test_streaming_can_be_left_out(self, serving):
        azure = serving()
        run(smoke.Question("Say hello.", stream=False))
        assert len(azure.sent("POST", CHAT)) == 1

    def test_another_path_is_asked_instead(self, azure, clock):
        azure.on("POST", "/invocations", httpx.Response(200, text="fine"))
        assert run(smoke.Question("Say hello.", path="/invocations", expect="fine")) == []


class TestWhatFails:
    @pytest.mark.parametrize(
        ("first", "stage", "says"),
        [
            ({"health": [httpx.Response(401)]}, "ready", "does not know this key"),
            ({"health": [httpx.Response(403)]}, "ready", "VLLM_AZUREML_PRIVATE_ADDRESS"),
            ({"models": [container_error(401)]}, "models", "the container answered 401"),
            ({"models": [httpx.Response(200, json={"data": []})]}, "models", "lists no model"),
            ({"chat": [container_error(400)]}, "chat", "the container answered 400"),
            ({"chat": [httpx.Response(200, json={"nothing": 1})]}, "chat", "no chat completion"),
            ({"stream": [httpx.Response(500)]}, "stream", "500"),
            ({"stream": [events(done=False)]}, "stream", "0 chunks and no end mark"),
            ({"stream": [events({"choices": [1]}, done=False)]}, "stream", "1 chunks and no end mark"),
            ({"stream": [httpx.Response(200, text="data: {nonsense\n\n")]}, "stream", "not JSON"),
        ],
    )
    def test_what_will_not_pass_fails_at_once_and_names_its_stage(self, serving, clock, first, stage, says):
        serving(**first)
        with pytest.raises(SmokeTestError, match=f"at '{stage}'") as caught:
            run()
        assert says in str(caught.value)
        assert clock[0] == 1000, "nothing was waited for"

    def test_waiting_has_an_end_and_tells_the_last_answer(self, azure, clock):
        azure.on("GET", HEALTH, container_error(503))
        with pytest.raises(SmokeTestError, match=r"at 'ready'.*in time.*the container answered 503"):
            run(seconds=60)
        assert 1060 <= clock[0] < 1061

    def test_an_unreachable_endpoint_is_explained(self, azure, clock):
        def refused(_request):
            raise httpx.ConnectError("connection refused")

        azure.on("GET", HEALTH, refused)
        with pytest.raises(SmokeTestError, match="reached from inside its network only"):
            run()

    def test_a_model_that_is_not_served_is_named_with_those_that_are(self, serving):
        serving()
        with pytest.raises(
            SmokeTestError, match=r"'gpt' is not served; the deployment serves Qwen3-8B, /models"
        ):
            run(smoke.Question("Say hello.", model="gpt"))

    def test_an_answer_without_the_expected_text_fails(self, serving):
        serving()
        with pytest.raises(SmokeTestError, match="Goodbye"):
            run(smoke.Question("Say hello.", expect="Goodbye"))


class TestTheWayIn:
    def test_a_private_address_changes_where_and_not_who(self, azure):
        azure.on("GET", HEALTH, OK)
        endpoint = data_plane.Endpoint("https://e.test:8443/score", "t", "d", "10.0.0.4:9000")
        endpoint.request("GET", HEALTH)
        request = azure.requests[0]
        assert (request.url.host, request.url.port) == ("10.0.0.4", 9000)
        assert request.headers["host"] == "e.test:8443"
        assert request.extensions["sni_hostname"] == "e.test"

    @pytest.mark.parametrize(("private", "address"), [(True, "from-environment:1"), (False, "")])
    def test_it_is_for_private_endpoints_only_and_the_environment_wins(
        self, azure, monkeypatch, private, address
    ):
        monkeypatch.setenv("VLLM_AZUREML_PRIVATE_ADDRESS", "from-environment:1")
        azure.on("POST", "/e/listKeys", httpx.Response(200, json={"primaryKey": "primary-key"}))
        made = data_plane.connect(
            "/e", "https://e.test/", auth_mode="key", private=private, address="from-settings:2"
        )
        assert made.address == address

    @pytest.mark.parametrize(
        ("mode", "token"),
        [
            ("key", "primary-key"),
            ("aml_token", "aml-token"),
            ("aad_token", "token for https://ml.azure.com/.default"),
        ],
    )
    def test_every_mode_has_its_token(self, azure, mode, token):
        azure.on("POST", "/e/listKeys", httpx.Response(200, json={"primaryKey": "primary-key"}))
        azure.on("POST", "/e/token", httpx.Response(200, json={"accessToken": "aml-token"}))
        made = data_plane.connect("/e", "https://e.test/", auth_mode=mode, private=False)
        assert made.token == token
        assert token not in repr(made)


PROPS = {
    "endpoint_id": "/e",
    "endpoint_generation": "monday",
    "deployment_id": "/e/d",
    "deployment_generation": "monday",
    "subject": "abc",
    "stream": True,
}


@pytest.mark.parametrize(
    ("news", "changes", "replaces"),
    [
        ({}, False, []),
        ({"subject": "def"}, True, []),
        ({"deployment_id": Unknown()}, True, ["deployment_id"]),
        ({"deployment_generation": "tuesday"}, True, ["deployment_generation"]),
        ({"deployment_generation": Unknown()}, False, []),
        ({"scoring_uri": Unknown()}, False, []),
        ({"private_address": "elsewhere"}, False, []),
    ],
)
def test_it_runs_again_when_the_deployment_or_the_test_changes(news, changes, replaces):
    result = SmokeTestProvider().diff("id", PROPS, {**PROPS, **news})
    assert (bool(result.changes), result.replaces) == (changes, replaces)
