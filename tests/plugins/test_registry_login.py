"""Pushing to the embedded Azure's container registry as the docker login says, and not without it."""

from __future__ import annotations

import base64
import json
import ssl
import time
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from emulator.plugins.protocol import grpc
from tests.plugins.examples import DEPLOYER
from tests.plugins.harness import Client, PluginProcess, invoke

BOTH = [pytest.param("none", marks=pytest.mark.emulator), pytest.param("docker", marks=pytest.mark.e2e)]
ACR_USER = "00000000-0000-0000-0000-000000000000"  # what `az acr login` uses with a refresh token
ACR_PUSH = "8311e382-0749-4cb8-b61a-304f252e45ec"


@pytest.fixture
def login_server(azure_native: PluginProcess):
    """A registry to which the deployer may push."""
    group = Client(azure_native, "azure-native:resources:ResourceGroup")
    inputs = group.checked("rg", {"resourceGroupName": "rg-acr"})
    id_, state = group.create("rg", inputs)
    registry = Client(azure_native, "azure-native:containerregistry:Registry")
    made = registry.checked(
        "acr", {"resourceGroupName": "rg-acr", "registryName": "acrlogin", "sku": {"name": "Basic"}}
    )
    registry_id, outputs = registry.create("acr", made)
    role = Client(azure_native, "azure-native:authorization:RoleAssignment")
    granted = role.checked(
        "push",
        {
            "scope": registry_id,
            "principalId": DEPLOYER,
            "principalType": "ServicePrincipal",
            "roleDefinitionId": "/subscriptions/x/providers/Microsoft.Authorization/roleDefinitions/"
            + ACR_PUSH,
        },
    )
    role_id, role_state = role.create("push", granted)
    yield outputs["loginServer"]
    role.delete("push", role_id, granted, role_state)
    registry.delete("acr", registry_id, made, outputs)
    group.delete("rg", id_, inputs, state)


def _refresh_token(plugin: PluginProcess, azure: dict[str, str], server: str) -> str:
    token = invoke(plugin, "azure-native:authorization:getClientToken")["token"]
    form = {"grant_type": "access_token", "service": server, "access_token": token}
    request = urllib.request.Request(
        f"https://{server}/oauth2/exchange", data=urllib.parse.urlencode(form).encode()
    )
    context = ssl.create_default_context(cafile=azure["SSL_CERT_FILE"])
    with urllib.request.urlopen(request, context=context) as answer:
        return json.load(answer)["refresh_token"]


@pytest.mark.parametrize("nodes", BOTH)
def test_a_push_needs_the_login(
    request, start_plugin, azure: dict, azure_native, login_server: str, tmp_path: Path, nodes: str
) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    tag = f"{login_server}/vllm:1"
    docker_config = tmp_path / "docker"
    docker_config.mkdir()
    environment = {**azure, "DOCKER_CONFIG": str(docker_config), "EMULATOR_NODES": nodes}
    if nodes == "docker":
        environment["DOCKER_HOST"] = request.getfixturevalue("docker_engine")
    image = Client(start_plugin("docker-build", environment), "docker-build:index:Image")
    inputs = image.checked("image", {"context": {"location": str(tmp_path)}, "push": True, "tags": [tag]})
    if nodes == "none":  # the docker engine tries again for 50 s before it says so
        with pytest.raises(grpc.RpcError, match=r"Is the docker login of .* current"):
            image.create("image", inputs)

    token = _refresh_token(azure_native, azure, login_server)
    login = {"auths": {login_server: {"auth": base64.b64encode(f"{ACR_USER}:{token}".encode()).decode()}}}
    (docker_config / "config.json").write_text(json.dumps(login))
    _, state = _until(lambda: image.create("image", inputs))
    assert state["ref"].startswith(f"{tag}@sha256:")
    assert image.read("image", state["digest"], inputs, state)[0] == state["digest"]

    (docker_config / "config.json").write_text('{"auths": {}}')
    kept = image.read("image", state["digest"], inputs, state)
    assert kept == (state["digest"], inputs, state), "without a login nobody knows, so nothing is forgotten"

    given = {**inputs, "registries": [{"address": login_server, "username": ACR_USER, "password": token}]}
    assert image.read("image", state["digest"], given, {**state, **given})[0] == state["digest"]
    image.delete("image", state["digest"], given, {**state, **given})
    assert image.read("image", state["digest"], given, {**state, **given})[0] == ""


def _until(attempt):
    """Roles take effect late."""
    for _ in range(50):
        try:
            return attempt()
        except grpc.RpcError as error:
            last = error
            time.sleep(0.1)
    raise last
