"""The exports: complete, loopback only, and different for a reader."""

import re

import pytest

from emulator.host.base_image import base_names
from emulator.host.environment import exports
from emulator.host.started import Started, gateway, instance_id
from emulator.settings import Settings


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path, cache=tmp_path)


def test_every_address_is_of_this_machine(settings):
    values = exports(settings, Started(nodes="none"))
    addresses = re.findall(r"\d+\.\d+\.\d+\.\d+", " ".join(v for n, v in values.items() if n != "PATH"))
    assert addresses
    assert all(address.startswith("127.") for address in addresses)


def test_the_private_address_is_the_networks_bridge_with_containers(settings):
    assert exports(settings, Started(nodes="none"))["VLLM_AZUREML_PRIVATE_ADDRESS"] == "127.66.0.4:8443"
    with_containers = exports(settings, Started(nodes="docker", engine="unix:///var/run/docker.sock"))
    assert with_containers["VLLM_AZUREML_PRIVATE_ADDRESS"] == "172.29.66.1:8443"


def test_a_reader_is_somebody_else(settings):
    deployer, reader = (exports(settings, Started("none"), who) for who in ("deployer", "reader"))
    assert {n for n in deployer if deployer[n] != reader[n]} == {"IDENTITY_HEADER"}


def test_docker_host_is_only_told_when_the_engine_is_ours(settings):
    assert "DOCKER_HOST" not in exports(settings, Started("docker", engine="unix:///a"))
    ours = exports(settings, Started("docker", engine="unix:///a", engine_is_ours=True))
    assert ours["DOCKER_HOST"] == "unix:///a"


def test_the_plugins_come_first_on_path_and_once(settings, monkeypatch):
    once = exports(settings, Started("none"))["PATH"]
    monkeypatch.setenv("PATH", once)
    assert exports(settings, Started("none"))["PATH"] == once
    assert once.split(":")[0].endswith("emulator/plugins/bin")


def test_what_start_was_asked_for_is_remembered(settings):
    assert Started.load(settings) is None
    started = Started("docker", "standin", "unix:///a", engine_is_ours=True)
    started.save(settings)
    assert Started.load(settings) == started
    (settings.home / "started.json").write_text("{")
    assert Started.load(settings) is None


def test_two_homes_are_two_instances(tmp_path):
    one, two = (Settings(home=tmp_path / name, cache=tmp_path) for name in "ab")
    assert instance_id(one) != instance_id(two)
    assert gateway("172.29.66.0/24") == "172.29.66.1"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("ARG T=v1\nFROM vllm/vllm-openai:${T}\n", ["vllm/vllm-openai:v1"]),
        ("ARG T=v1\nARG D=\nFROM a/b:${T}${D:+@${D}}\n", ["a/b:v1"]),
        ("ARG T=v1\nARG D=sha256:x\nFROM a/b:${T}${D:+@${D}}\n", ["a/b:v1@sha256:x"]),
        ("FROM --platform=linux/amd64 a:${X:-2} AS build\nFROM scratch\nFROM build\n", ["a:2"]),
    ],
)
def test_the_base_image_is_read_from_the_dockerfile(tmp_path, text, names):
    (tmp_path / "Dockerfile").write_text(text)
    assert base_names(tmp_path / "Dockerfile") == names
