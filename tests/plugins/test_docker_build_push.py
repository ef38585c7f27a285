"""Images that are built and pushed for real, and the minimal ones of `--nodes none`."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from pathlib import Path

import pytest

from emulator.plugins.protocol import grpc, provider_pb2
from emulator.plugins.values import UNKNOWN
from tests.plugins.harness import Client, invoke

TOKEN = "docker-build:index:Image"
BOTH = [pytest.param("none", marks=pytest.mark.emulator), pytest.param("docker", marks=pytest.mark.e2e)]


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "image"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM scratch\nARG WHO=nobody\nLABEL who=$WHO\nCOPY hello.txt /\n")
    (folder / "hello.txt").write_text("hello")
    return folder


@pytest.fixture
def environment(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    (tmp_path / "config.json").write_text("{}")
    found = {"DOCKER_CONFIG": str(tmp_path)}
    if request.node.get_closest_marker("e2e"):
        found["DOCKER_HOST"] = request.getfixturevalue("docker_engine")
    return found


def _manifest(host: str, digest: str) -> dict:
    request = urllib.request.Request(
        f"http://{host}/v2/stand-in/manifests/{digest}",
        headers={
            "Accept": ",".join(
                (
                    "application/vnd.oci.image.manifest.v1+json",
                    "application/vnd.docker.distribution.manifest.v2+json",
                )
            )
        },
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


@pytest.mark.parametrize("nodes", BOTH)
def test_life_of_an_image(start_plugin, registry: str, context: Path, environment: dict, nodes: str) -> None:
    plugin = start_plugin("docker-build", {**environment, "EMULATOR_NODES": nodes})
    plugin.configure()
    image = Client(plugin, TOKEN)
    tag = f"{registry}/stand-in:{nodes}"
    news = {"context": {"location": str(context)}, "push": True, "tags": [tag], "buildOnPreview": False}
    inputs = image.checked("image", news)

    _, seen = image.create("image", inputs, preview=True)
    assert (seen["digest"], seen["ref"], seen["push"]) == (UNKNOWN, UNKNOWN, True)

    id_, state = image.create("image", inputs)
    assert id_ == state["digest"]
    assert state["ref"] == f"{tag}@{state['digest']}"
    assert _manifest(registry, state["digest"])["schemaVersion"] == 2
    assert image.diff("image", inputs, image.checked("image", news, inputs), state).changes == (
        provider_pb2.DiffResponse.DIFF_NONE
    )

    (context / "hello.txt").write_text("changed")
    found = image.diff("image", inputs, inputs, state)
    assert list(found.detailedDiff) == ["contextHash"]
    assert not found.replaces
    new_state = image.update("image", id_, inputs, inputs, state)
    assert new_state["digest"] != state["digest"]
    assert new_state["contextHash"] != state["contextHash"]

    assert image.read("image", id_, inputs, new_state) == (id_, inputs, new_state)
    image.delete("image", id_, inputs, new_state)
    assert image.read("image", id_, inputs, new_state)[0] == ""
    image.delete("image", id_, inputs, new_state)  # what is gone is fine


@pytest.mark.parametrize("nodes", BOTH)
def test_build_arguments_make_another_image(
    start_plugin, registry: str, context: Path, environment: dict, nodes: str
) -> None:
    plugin = start_plugin("docker-build", {**environment, "EMULATOR_NODES": nodes})
    image = Client(plugin, TOKEN)
    digests = set()
    for who in ("a", "b"):
        inputs = image.checked(
            "image",
            {
                "context": {"location": str(context)},
                "push": True,
                "tags": [f"{registry}/stand-in:arg"],
                "buildArgs": {"WHO": who},
                "platforms": ["linux/amd64"],
            },
        )
        digests.add(image.create("image", inputs)[1]["digest"])
    assert len(digests) == 2


@pytest.mark.e2e
def test_a_failed_build_says_why(start_plugin, context: Path, environment: dict) -> None:
    (context / "Dockerfile").write_text("FROM scratch\nCOPY missing.txt /\n")
    image = Client(start_plugin("docker-build", {**environment, "EMULATOR_NODES": "docker"}), TOKEN)
    inputs = image.checked("image", {"context": {"location": str(context)}})
    for preview in (True, False):
        with pytest.raises(grpc.RpcError) as error:
            image.create("image", inputs, preview=preview)
        assert "missing.txt" in error.value.details()


@pytest.mark.e2e
def test_a_failed_push_says_why(start_plugin, context: Path, environment: dict) -> None:
    image = Client(start_plugin("docker-build", {**environment, "EMULATOR_NODES": "docker"}), TOKEN)
    inputs = image.checked(
        "image", {"context": {"location": str(context)}, "push": True, "tags": ["localhost:1/stand-in:1"]}
    )
    with pytest.raises(grpc.RpcError, match="pushing localhost:1/stand-in:1 failed"):
        image.create("image", inputs)


@pytest.mark.e2e
def test_the_client_that_builds_is_found_though_another_comes_first(
    start_plugin, tmp_path: Path, context: Path, environment: dict
) -> None:
    """A newer client without buildx, as the first `docker` on PATH."""
    fake = tmp_path / "bin" / "docker"
    fake.parent.mkdir()
    fake.write_text(
        '#!/bin/sh\n[ "$1" = version ] && echo "28.0.0 20.10.0" && exit 0\necho "no buildx" >&2; exit 1\n'
    )
    fake.chmod(0o755)
    path = f"{fake.parent}:{os.environ['PATH']}"
    plugin = start_plugin("docker-build", {**environment, "EMULATOR_NODES": "docker", "PATH": path})
    image = Client(plugin, TOKEN)
    inputs = image.checked("image", {"context": {"location": str(context)}})
    image.create("image", inputs)
    named = start_plugin(
        "docker-build", {**environment, "EMULATOR_NODES": "docker", "EMULATOR_DOCKER": str(fake)}
    )
    with pytest.raises(grpc.RpcError, match="it has no buildx plugin"):
        Client(named, TOKEN).create("image", inputs)


@pytest.mark.emulator
def test_a_registry_that_is_not_local_is_refused(start_plugin, context: Path, environment: dict) -> None:
    image = Client(start_plugin("docker-build", {**environment, "EMULATOR_NODES": "none"}), TOKEN)
    inputs = image.checked(
        "image", {"context": {"location": str(context)}, "push": True, "tags": ["8.8.8.8:443/a:b"]}
    )
    with pytest.raises(grpc.RpcError, match="neither loopback nor a private address"):
        image.create("image", inputs)


@pytest.mark.emulator
def test_a_tag_resolves_to_its_digest(start_plugin, registry: str, context: Path, environment: dict) -> None:
    image = Client(start_plugin("docker-build", {**environment, "EMULATOR_NODES": "none"}), TOKEN)
    tag = f"{registry}/stand-in:resolve"
    inputs = image.checked("image", {"context": {"location": str(context)}, "push": True, "tags": [tag]})
    _, state = image.create("image", inputs)
    docker = start_plugin("docker", environment)
    token = "docker:index/getRegistryImage:getRegistryImage"
    assert invoke(docker, token, name=tag)["sha256Digest"] == state["digest"]
    with pytest.raises(grpc.RpcError, match="not found"):
        invoke(docker, token, name=f"{registry}/stand-in:missing")
    with pytest.raises(grpc.RpcError, match="only knows"):
        invoke(docker, "docker:index/getLogs:getLogs")
    with pytest.raises(grpc.RpcError, match="docker:index/container:Container"):
        Client(docker, "docker:index/container:Container").check("c", {})


@pytest.mark.e2e
def test_no_image_is_left_with_secrets_in_its_history(
    start_plugin, registry: str, context: Path, environment: dict
) -> None:
    """Secrets reach RUN only; the build fails here because scratch has no shell, and names none of them."""
    (context / "Dockerfile").write_text("FROM scratch\nRUN --mount=type=secret,id=hf cat /run/secrets/hf\n")
    image = Client(start_plugin("docker-build", {**environment, "EMULATOR_NODES": "docker"}), TOKEN)
    inputs = image.checked(
        "image", {"context": {"location": str(context)}, "secrets": {"hf": "hf_verysecret"}}
    )
    with pytest.raises(grpc.RpcError) as error:
        image.create("image", inputs)
    assert "hf_verysecret" not in error.value.details()
    seen = subprocess.run(["ps", "ax"], capture_output=True, text=True, check=True).stdout
    assert "hf_verysecret" not in seen
