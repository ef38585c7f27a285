"""Whatever a stack file holds, `load` gives settings or SettingsError; and what it takes can be rendered."""

import contextlib
import io
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import settings
from settings import defaults, from_azml, warnings
from settings.azml import deployment_body, endpoint_body, environment_body, model_body
from settings.base import Section
from settings.deployment import Deployment
from settings.endpoint import Endpoint
from settings.environment import Environment, InferenceConfig
from settings.models import Model
from settings.references import environment_of, model_of
from settings.stack import StackSettings
from settings.tree import items, literals, sections

LIGHT = hypothesis_settings(
    max_examples=100, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)

TEXTS = [
    *("a", "blue", "chat", "vllm", "key", "disabled", "20:00", "1", "-1", "true", "file:x", "/models"),
    *(
        "10.20.0.0/16",
        "Qwen/Qwen3-8B",
        "azureml:",
        "azureml:m:1",
        "azureml:m@latest",
        "acr.azurecr.io/vllm:1",
    ),
    *("Standard_NC24ads_A100_v4", "${{keyvault:https://v/secrets/n}}", "", "\x00", "ä" * 300),
    *("--max-num-seqs 16 '", "--max-num-seqs 16"),
]
WORDS = st.sampled_from(TEXTS)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | WORDS
KEYS = st.text(max_size=5) | st.integers() | st.booleans() | st.none() | WORDS
JUNK = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=2),
    max_leaves=4,
)


def of_type(annotation: Any, depth: int) -> st.SearchStrategy[Any]:
    """Mostly values that fit a type, so that the deep checks are reached; sometimes anything."""
    found: list[st.SearchStrategy[Any]] = [WORDS, st.integers(-1, 60), st.booleans()]
    if values := literals(annotation):
        found = [st.sampled_from(values)]
    if depth > 0:
        found = [of_section(section, depth - 1) for section in sections(annotation)] or found
        if (inner := items(annotation)) is not None:
            value = of_type(inner, depth - 1)
            found = [st.dictionaries(WORDS, value, max_size=3), st.lists(value, max_size=2)]
    return st.one_of(*found, *found, *found, JUNK)


def of_section(section: type[Section], depth: int) -> st.SearchStrategy[Any]:
    """Some of a section's keys over its example, and now and then one that it does not know."""
    fields = {name: of_type(field.annotation, depth) for name, field in section.model_fields.items()}
    known = st.fixed_dictionaries({}, optional=fields)
    nothing: dict[Any, Any] = {}
    extra = st.just(nothing) | st.dictionaries(KEYS, JUNK, max_size=1)
    return st.builds(lambda a, b: {**section.example, **a, **b}, known, extra)


STACK = st.builds(
    lambda found: {"resource_group": {"name": "rg"}, "workspace": {"name": "mlw"}, **found},
    st.fixed_dictionaries(
        {},
        optional={name: of_type(field.annotation, 5) for name, field in StackSettings.model_fields.items()},
    ),
)


def attempt(raw: Any) -> StackSettings | None:
    try:
        return settings.load(raw)
    except settings.SettingsError as error:
        refused = error
    assert str(refused)
    assert refused.problems
    assert all(problem.reason and problem.fix for problem in refused.problems)
    return None


@LIGHT
@given(st.dictionaries(KEYS, JUNK, max_size=4))
def test_any_mapping(raw: Any) -> None:
    attempt(raw)


@LIGHT
@given(STACK)
def test_something_like_a_stack(raw: Any) -> None:
    stack = attempt(raw)
    if stack is not None:
        render(stack)


@LIGHT
@given(st.data())
def test_one_wrong_value_in_a_good_stack(data: st.DataObject) -> None:
    """Replace any one value of a whole stack by anything."""
    raw: Any = whole()
    place: Any = raw
    while isinstance(place, dict) and place:
        key = data.draw(st.sampled_from(list(place)))
        if not isinstance(place[key], dict) or data.draw(st.booleans()):
            place[key] = data.draw(JUNK)
            break
        place = place[key]
    stack = attempt(raw)
    if stack is not None:
        render(stack)


@pytest.mark.parametrize("raw", [[], None, "text", 1])
def test_no_mapping_at_all(raw: Any) -> None:
    assert attempt(raw) is None


def render(stack: StackSettings) -> None:
    """Everything that is computed from settings without Azure."""
    warnings.collect(stack)
    for endpoint in stack.endpoints.values():
        endpoint_body(endpoint, location="westeurope")
    for model in stack.models.values():
        model_body(model)
    for where, name, deployment in stack.deployments():
        deployment_body(deployment, location="westeurope", environment_id="e", model_id="m")
        defaults.fitted(stack, where, name, weights_bytes=16_000_000_000)
        found = (model_of(stack, deployment), environment_of(stack, deployment))
        for asset in found:
            if isinstance(asset, tuple) and isinstance(asset[1], Model):
                model_body(asset[1])
            if isinstance(asset, tuple) and isinstance(asset[1], Environment) and not asset[1].conda_file:
                environment_body(asset[1])


def whole() -> dict[str, Any]:
    """A stack that uses most of what there is."""
    return {
        "location": "westeurope",
        "resource_group": {"name": "rg", "tags": {"a": "b"}},
        "workspace": {
            "name": "mlw",
            "public_network_access": "Disabled",
            "managed_network": {"isolation_mode": "Disabled"},
            "storage_account": {"name": "stvllm"},
            "container_registry": {"name": "acrvllm", "sku": "Premium"},
            "private_endpoints": {"blob": {"subnet": "private_endpoints"}, "file": False},
        },
        "network": {
            "name": "vnet",
            "address_space": ["10.20.0.0/16"],
            "subnets": {"private_endpoints": "10.20.1.0/24"},
        },
        "models": {"m": {"version": "1", "huggingface": "a/b", "allow_patterns": ["*"]}},
        "images": {"vllm": {"build": {"context": "docker", "args": {"A": "b"}}, "tag": "1.0"}},
        "environments": {"e": {"version": 1, "build": {"path": "docker"}}},
        "endpoints": {
            "chat": {
                "auth_mode": "key",
                "identity": {"type": "system_assigned"},
                "traffic": {"blue": 100},
                "mirror_traffic": {"green": 10},
                "deployments": {
                    "blue": {
                        "model": "azureml:m:1",
                        "model_mount_path": "/models",
                        "environment": {"image": "vllm", "inference_config": InferenceConfig.example},
                        "environment_variables": {"VLLM_ARGS": "--max-num-seqs 16"},
                        "instance_type": "Standard_NC24ads_A100_v4",
                        "instance_count": 1,
                        "request_settings": {"request_timeout_ms": 60000},
                        "liveness_probe": {"period": 10},
                        "autoscale": {
                            "maximum": 2,
                            "gpu_utilization": {"up": {"threshold": 70}, "down": {"threshold": 20}},
                            "quiet_hours": {"start": "20:00", "end": "06:00", "days": ["Friday"]},
                        },
                        "smoke_test": {"prompt": "hi"},
                    },
                    "green": {
                        "image": "vllm",
                        "model": "azureml:m:1",
                        "instance_type": "Standard_NC24ads_A100_v4",
                    },
                },
            }
        },
        "runner": {"private_address": "10.20.1.5:443"},
    }


def test_the_whole_stack_is_a_good_one() -> None:
    assert attempt(whole()) is not None


FILES = st.dictionaries(
    st.sampled_from(["endpoint.yml", "deployment.yml", "environment.yml", "model.yml", "other.yaml"]),
    st.one_of(
        JUNK,
        *(of_section(section, 4) for section in (Endpoint, Deployment, Environment, Model)),
    ),
    max_size=3,
)


@LIGHT
@given(FILES)
def test_any_folder_of_az_ml_files(files: dict[str, Any]) -> None:
    """The command answers with an exit code and sentences."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        for name, body in files.items():
            (Path(folder) / name).write_text(yaml.safe_dump(body), errors="surrogatepass")
        with contextlib.redirect_stderr(io.StringIO()):
            assert from_azml.main([folder, "--stack", "dev", "--project", folder]) in (0, 1, 2)
