"""What a container is given, and when two deployments are the same server."""

from dataclasses import replace

import pytest

from emulator.nodes.containers import environment, runtime_key, split_reference
from emulator.nodes.interface import DeploymentSpec, ModelMount, Probe, served_names
from emulator.nodes.models import Placed, mount_path
from emulator.settings import Settings

SPEC = DeploymentSpec(
    "e",
    "blue",
    "/id",
    "r/vllm@sha256:1",
    environment={"MODEL": "/models/m"},
    readiness=Probe(8000, "/health"),
)
MODEL = ModelMount("slot001", "blobs", "a/Qwen3-8B", "Qwen3-8B", "1")


@pytest.mark.parametrize(
    ("reference", "parts"),
    [
        ("127.0.3.1:8443/vllm:1.0", ("127.0.3.1:8443/vllm", "1.0")),
        ("127.0.3.1:8443/a/vllm@sha256:ab", ("127.0.3.1:8443/a/vllm", "sha256:ab")),
        ("127.0.3.1:8443/vllm:1.0@sha256:ab", ("127.0.3.1:8443/vllm", "sha256:ab")),
        ("127.0.3.1:8443/vllm", ("127.0.3.1:8443/vllm", "latest")),
        ("ubuntu", ("ubuntu", "latest")),
    ],
)
def test_a_registrys_port_is_not_a_tag(reference, parts):
    assert split_reference(reference) == parts


@pytest.mark.parametrize(
    "change",
    [
        {"environment": {"MODEL": "/models/other"}},
        {"readiness": Probe(8000, "/ready")},
        {"egress": False},
        {"model": MODEL},
    ],
)
def test_a_different_server_has_a_different_key(change):
    assert runtime_key(replace(SPEC, **change), "i") != runtime_key(SPEC, "i")


def test_another_image_behind_the_same_tag_is_a_different_server():
    assert runtime_key(SPEC, "a") != runtime_key(SPEC, "b")


@pytest.mark.parametrize(
    "change",
    [{"instances": 3}, {"request_timeout": 90.0}, {"max_concurrent": 16}, {"registry_password": "new"}],
)
def test_counts_limits_and_credentials_do_not_restart_a_server(change):
    assert runtime_key(replace(SPEC, **change), "i") == runtime_key(SPEC, "i")


@pytest.mark.parametrize(
    ("wanted", "layout", "path"),
    [
        (None, "folder", "/var/azureml-app/azureml-models/Qwen3-8B/1"),
        ("/models", "folder", "/models"),
        ("/models/", "documented", "/models/blue/1"),
        (None, "documented", "/var/azureml-app/azureml-models/Qwen3-8B/1"),
    ],
)
def test_where_a_model_is_mounted(wanted, layout, path):
    assert mount_path(SPEC, replace(MODEL, mount_path=wanted), layout) == path


def test_only_a_deployment_with_egress_is_told_of_the_hub(tmp_path):
    settings = Settings(home=tmp_path, cache=tmp_path, egress_subnet="10.9.8.0/24", port=9000)
    placed = Placed(tmp_path, "/models")
    assert environment(settings, SPEC, placed)["HF_ENDPOINT"] == "http://10.9.8.1:9002"
    inside = environment(settings, replace(SPEC, egress=False), placed)
    assert inside == {"AZUREML_MODEL_DIR": "/models", "MODEL": "/models/m"}


def test_the_deployments_own_variables_win(tmp_path):
    settings = Settings(home=tmp_path, cache=tmp_path)
    spec = replace(SPEC, environment={"HF_ENDPOINT": "http://mirror", "AZUREML_MODEL_DIR": "/mine"})
    assert environment(settings, spec, Placed(tmp_path, "/models")) == dict(spec.environment)


@pytest.mark.parametrize(
    ("variables", "names"),
    [
        ({"MODEL": "/models/Qwen3-8B"}, ["Qwen3-8B", "/models/Qwen3-8B"]),
        ({"MODEL": "/models/x", "VLLM_ARGS": "--served-model-name a 'b c' --seed 1"}, ["a", "b c"]),
        ({"MODEL_NAME": "org/m", "VLLM_ARGS": "--served-model-name=z"}, ["z"]),
        ({}, ["model"]),
    ],
)
def test_names_that_a_server_would_serve(variables, names):
    assert served_names(variables) == names
