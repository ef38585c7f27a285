"""`az acr login`, and the wait until a push is allowed."""

import base64
import json
import os
import stat

import httpx
import pytest

from providers import login, registry
from providers.errors import ProviderError
from providers.registry_login import RegistryLoginProvider

SERVER = "acr.test"
PROPS = {
    "login_server": SERVER,
    "repository": "vllm",
    "contents": "abc",
    "role_assignment_id": "/r",
    "timeout_seconds": 60.0,
}


@pytest.fixture
def docker_config(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return tmp_path / "config.json"


@pytest.fixture
def acr(azure):
    azure.on("POST", "/oauth2/exchange", httpx.Response(200, json={"refresh_token": "refresh"}))
    azure.on("POST", "/oauth2/token", httpx.Response(200, json={"access_token": "access"}))
    azure.on("DELETE", "/v2/vllm/blobs/uploads/1", httpx.Response(204))
    return azure


UPLOAD = httpx.Response(202, headers={"Location": "/v2/vllm/blobs/uploads/1"})


def test_the_exchange_is_the_documented_one(acr, docker_config):
    registry.login(SERVER)
    form = dict(pair.split("=") for pair in acr.requests[0].content.decode().split("&"))
    assert form["grant_type"] == "access_token"
    assert form["service"] == SERVER
    assert form["tenant"] == "tenant"
    assert form["access_token"].startswith("token+for+https")


def test_docker_finds_the_login_and_keeps_its_others(acr, docker_config):
    docker_config.write_text(json.dumps({"auths": {"other": {"auth": "x"}}, "proxies": {}}))
    registry.login(SERVER)
    stored = json.loads(docker_config.read_text())
    assert base64.b64decode(stored["auths"][SERVER]["auth"]).decode() == f"{registry.USERNAME}:refresh"
    assert stored["auths"]["other"] == {"auth": "x"}
    assert "proxies" in stored
    assert stat.S_IMODE(docker_config.stat().st_mode) == 0o600


def test_a_credential_helper_is_used_where_there_is_one(acr, docker_config, tmp_path, monkeypatch):
    helper = tmp_path / "docker-credential-test"
    helper.write_text(f"#!/bin/sh\ncat > {tmp_path}/stored\n")
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    docker_config.write_text(json.dumps({"credsStore": "test"}))
    registry.login(SERVER)
    assert json.loads((tmp_path / "stored").read_text())["Secret"] == "refresh"
    assert "refresh" not in docker_config.read_text()


def test_a_refused_token_names_the_role(azure):
    azure.on("POST", "/oauth2/exchange", httpx.Response(401))
    with pytest.raises(ProviderError, match="AcrPush"):
        registry.refresh_token(SERVER)


def test_an_unreachable_registry_says_from_where_it_is_reached(azure):
    def refused(_request):
        raise httpx.ConnectError("connection refused")

    azure.on("POST", "/oauth2/exchange", refused)
    with pytest.raises(ProviderError, match="inside its network only"):
        registry.refresh_token(SERVER)


class TestRegistryLogin:
    def test_it_waits_until_pushing_is_allowed_and_leaves_no_upload(self, acr, docker_config):
        acr.on("POST", "/v2/vllm/blobs/uploads/", httpx.Response(403), httpx.Response(403), UPLOAD)
        made = RegistryLoginProvider().create(dict(PROPS))
        assert acr.waited == [1.0, 1.5]
        assert acr.sent("DELETE", "/v2/vllm/blobs/uploads/1") == [None]
        assert made.outs == PROPS

    def test_nothing_of_the_login_is_an_output(self, acr, docker_config, capsys):
        acr.on("POST", "/v2/vllm/blobs/uploads/", UPLOAD)
        made = RegistryLoginProvider().create(dict(PROPS))
        assert "refresh" not in json.dumps(made.outs) + "".join(capsys.readouterr())

    def test_waiting_has_an_end(self, acr, docker_config):
        acr.on("POST", "/v2/vllm/blobs/uploads/", httpx.Response(403))
        with pytest.raises(ProviderError, match=r"no push to acr\.test/vllm after 0 s.*AcrPush"):
            RegistryLoginProvider().create({**PROPS, "timeout_seconds": 0.0})

    def test_a_new_image_logs_in_again(self):
        result = RegistryLoginProvider().diff("id", PROPS, {**PROPS, "contents": "def"})
        assert (result.changes, result.replaces) == (True, [])


class TestMakeLogin:
    def test_it_logs_in_to_what_is_named(self, acr, docker_config, capsys):
        assert login.main([SERVER]) == 0
        assert capsys.readouterr().out == "logged in to acr.test\n"

    def test_it_asks_for_a_stack(self, monkeypatch, capsys):
        monkeypatch.delenv("PULUMI_STACK", raising=False)
        monkeypatch.delenv("STACK", raising=False)
        assert login.main([]) == 1
        assert capsys.readouterr().err.startswith("error: name a registry")
