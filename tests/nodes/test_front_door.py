"""The front door's own answers:

who may ask and which deployment is meant. In memory, with no containers behind it.
"""

import json
from dataclasses import replace

import httpx
import pytest

from emulator.azure.frontdoor.app import FrontDoor, create_app
from emulator.azure.frontdoor.view import AuthMode, DeploymentView, EndpointView, TokenVerdict
from emulator.nodes.interface import DeploymentSpec, NoNodes

HOST = "127.0.4.1:8443"
BLUE = DeploymentView("blue", "/blue", request_timeout=5, max_concurrent=4)
GREEN = DeploymentView("green", "/green", request_timeout=5, max_concurrent=4)
ENDPOINT = EndpointView(
    name="ep",
    host=HOST,
    resource_id="/ep",
    keys=("key-one", "key-two"),
    traffic={"blue": 100, "green": 0},
    deployments={"blue": BLUE, "green": GREEN},
)


class Views:
    """The control plane's side, reduced to one endpoint."""

    def __init__(self, view):
        self.view = view

    def by_host(self, host):
        return self.view if host == self.view.host else None

    def check_token(self, endpoint, token):
        return TokenVerdict(token)


async def nodes_of(*deployments):
    nodes = NoNodes()
    for deployment in deployments:
        spec = DeploymentSpec("ep", deployment.name, deployment.resource_id, "i", {"MODEL": "/models/m"})
        await nodes.deploy(spec, lambda stage, text: None)
    return nodes


async def ask(
    view=ENDPOINT, path="/v1/models", *, inside=False, method="GET", host=HOST, json=None, **headers
):
    app = create_app(Views(view), await nodes_of(BLUE, GREEN), inside=inside)
    headers = {"authorization": "Bearer key-one", "host": host} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
        return await client.request(method, path, headers=headers, json=json)


async def test_a_good_key_is_served_and_the_deployment_is_named():
    answer = await ask()
    assert answer.status_code == 200
    assert [row["id"] for row in answer.json()["data"]] == ["m", "/models/m"]
    assert answer.headers["azureml-model-deployment"] == "blue"
    assert answer.headers["x-ms-request-id"]


async def test_the_secondary_key_is_as_good():
    assert (await ask(authorization="Bearer key-two")).status_code == 200


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ("Bearer wrong", "key_auth_access_denied"),
        ("Bearer ", "key_auth_bad_header_forbidden"),
        ("key-one", "key_auth_bad_header_forbidden"),
        ("Basic key-one", "key_auth_bad_header_forbidden"),
    ],
)
async def test_a_wrong_key_is_401_in_azures_words(header, text):
    answer = await ask(authorization=header)
    assert (answer.status_code, answer.text) == (401, text)
    assert "azureml-model-deployment" not in answer.headers


@pytest.mark.parametrize(
    ("verdict", "status"), [("ok", 200), ("invalid", 401), ("expired", 401), ("forbidden", 403)]
)
@pytest.mark.parametrize("mode", [AuthMode.AML_TOKEN, AuthMode.AAD_TOKEN])
async def test_tokens_are_judged_by_the_control_plane(mode, verdict, status):
    answer = await ask(replace(ENDPOINT, auth_mode=mode), authorization=f"Bearer {verdict}")
    assert answer.status_code == status


async def test_a_key_is_no_token():
    class NeverAsked(Views):
        def check_token(self, endpoint, token):
            return TokenVerdict.INVALID

    view = replace(ENDPOINT, auth_mode=AuthMode.AAD_TOKEN)
    app = create_app(NeverAsked(view), await nodes_of(BLUE), inside=False)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
        headers = {"authorization": "Bearer key-one", "host": HOST}
        assert (await client.get("/v1/models", headers=headers)).status_code == 401


async def test_a_private_endpoint_answers_inside_and_refuses_outside():
    private = replace(ENDPOINT, public_access=False)
    outside = await ask(private)
    assert outside.status_code == 403
    assert "Public network access is disabled" in outside.text
    assert (await ask(private, inside=True)).status_code == 200


async def test_an_address_without_an_endpoint_is_404():
    assert (await ask(host="127.0.4.9:8443")).status_code == 404


@pytest.mark.parametrize("traffic", [{}, {"blue": 0, "green": 0}, {"gone": 100}])
async def test_no_deployment_with_positive_weight_is_404(traffic):
    answer = await ask(replace(ENDPOINT, traffic=traffic))
    assert answer.status_code == 404
    assert "positive weight" in answer.text


async def test_the_header_reaches_a_deployment_without_traffic():
    answer = await ask(azureml_model_deployment="green")
    assert answer.headers["azureml-model-deployment"] == "green"
    assert (await ask(azureml_model_deployment="red")).status_code == 404


@pytest.mark.parametrize(("dice", "name"), [(0.0, "blue"), (0.29, "blue"), (0.3, "green"), (0.999, "green")])
async def test_traffic_is_shared_by_weight(dice, name):
    view = replace(ENDPOINT, traffic={"blue": 30, "green": 70})
    door = FrontDoor(Views(view), await nodes_of(BLUE, GREEN), inside=False, dice=lambda: dice)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(door), base_url="http://x") as client:
        answer = await client.get("/health", headers={"authorization": "Bearer key-one", "host": HOST})
    assert answer.headers["azureml-model-deployment"] == name


async def test_with_another_scoring_route_only_that_path_is_served():
    score = replace(ENDPOINT, deployments={"blue": replace(BLUE, scoring_path="/v1/chat/completions")})
    body = {"messages": []}
    assert (await ask(score, "/v1/chat/completions", method="POST", json=body)).status_code == 200
    assert (await ask(score, "/v1/models")).status_code == 404


async def test_the_synthetic_answer_says_that_no_model_is_behind_it():
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    answer = await ask(path="/v1/chat/completions", method="POST", json=body)
    assert "No model is behind" in answer.json()["choices"][0]["message"]["content"]
    streamed = await ask(path="/v1/chat/completions", method="POST", json=body | {"stream": True})
    frames = [line.removeprefix("data: ") for line in streamed.text.splitlines() if line]
    assert frames[-1] == "[DONE]"
    text = "".join(json.loads(frame)["choices"][0]["delta"]["content"] for frame in frames[:-1])
    assert text == answer.json()["choices"][0]["message"]["content"]


async def test_an_unknown_model_is_424_with_the_containers_404():
    answer = await ask(path="/v1/chat/completions", method="POST", json={"model": "other", "messages": []})
    assert answer.status_code == 424
    assert answer.headers["ms-azureml-model-error-statuscode"] == "404"
