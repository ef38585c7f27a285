"""What a reference means: this stack's asset or somebody else's, in each of az ml's forms."""

from typing import Any

import pytest

from settings import StackSettings, load
from settings.environment import Environment
from settings.models import Model
from settings.references import Registered, environment_of, image_of, is_bare, model_of, parse
from settings.vllm_arguments import line, variables, version

ARM = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
REGISTRY = "azureml://registries/azureml/models/Phi-4/versions/7"
ROUTES = {f"{name}_route": {"port": 1, "path": "/"} for name in ("liveness", "readiness", "scoring")}


def stack(server: dict[str, Any] | None = None, **more: Any) -> StackSettings:
    base: dict[str, Any] = {"resource_group": {"name": "rg"}, "workspace": {"name": "mlw"}}
    blue = {"instance_type": "Standard_NC24ads_A100_v4", "image": "acr.azurecr.io/vllm:1", **(server or {})}
    blue = {key: value for key, value in blue.items() if value is not None}
    return load({**base, "endpoints": {"chat": {"deployments": {"blue": blue}}}, **more})


def blue(found: StackSettings) -> Any:
    return found.endpoints["chat"].deployments["blue"]


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("azureml:m:1", Registered(name="m", version="1")),
        ("azureml:m@latest", Registered(name="m", label="latest")),
        (REGISTRY, Registered(asset_id=REGISTRY)),
        (f"azureml:{ARM}/models/m/versions/1", Registered(asset_id=f"{ARM}/models/m/versions/1")),
        (f"{ARM}/models/m/versions/1", Registered(asset_id=f"{ARM}/models/m/versions/1")),
        ("m", None),
        ("m:1", None),
        ("azureml:m", None),
        ("azureml:m:1:2", None),
        ("", None),
    ],
)
def test_the_forms_of_a_reference(text: str, meaning: Registered | None) -> None:
    assert parse(text) == meaning


class TestModel:
    MODELS = {"m": {"version": "1", "huggingface": "a/b"}, "free": {"huggingface": "a/c"}}

    @pytest.mark.parametrize(
        ("reference", "name"),
        [("azureml:m:1", "m"), ("azureml:m@latest", "m"), ("azureml:free@latest", "free")],
    )
    def test_of_this_stack(self, reference: str, name: str) -> None:
        found = stack({"model": reference}, models=self.MODELS)
        assert model_of(found, blue(found)) == (name, found.models[name])

    @pytest.mark.parametrize("reference", ["azureml:other:1", "azureml:other@latest", REGISTRY])
    def test_of_somebody_else(self, reference: str) -> None:
        found = stack({"model": reference}, models=self.MODELS)
        assert model_of(found, blue(found)) == parse(reference)

    def test_inline_and_none(self) -> None:
        inline = stack({"model": {"name": "x", "huggingface": "a/b"}})
        name, model = model_of(inline, blue(inline)) or ("", None)  # type: ignore[misc]
        assert (name, isinstance(model, Model)) == ("x", True)
        assert model_of(stack(), blue(stack())) is None


class TestEnvironment:
    def test_the_short_form_has_vllms_routes(self) -> None:
        _, environment = environment_of(stack(), blue(stack())) or ("", None)  # type: ignore[misc]
        assert isinstance(environment, Environment)
        assert environment.inference_config is not None
        assert environment.inference_config.scoring_route.path == "/"
        assert environment.inference_config.readiness_route.path == "/health"

    def test_of_this_stack_and_of_somebody_else(self) -> None:
        mine = {"e": {"version": 3, "image": "acr.azurecr.io/vllm:1", "inference_config": ROUTES}}
        found = stack({"image": None, "environment": "azureml:e:3"}, environments=mine)
        assert environment_of(found, blue(found)) == ("e", found.environments["e"])
        other = stack({"image": None, "environment": "azureml:f:3"}, environments=mine)
        assert environment_of(other, blue(other)) == Registered(name="f", version="3")


class TestImage:
    def test_a_bare_name_is_an_entry(self) -> None:
        found = stack(
            {"image": "vllm", "environment_variables": {"MODEL_NAME": "a/b"}}, images={"vllm": {"build": {}}}
        )
        assert image_of(found, "vllm") == "vllm"
        assert image_of(found, "acr.azurecr.io/vllm:1") is None

    @pytest.mark.parametrize(
        ("image", "bare"), [("vllm", True), ("a.b", True), ("a/b", False), ("a:1", False)]
    )
    def test_bare(self, image: str, bare: bool) -> None:
        assert is_bare(image) is bare


class TestVllmArguments:
    def test_come_from_the_deployment_then_from_the_stack(self) -> None:
        shared = {"args": "--max-num-seqs 8"}
        assert line(stack(vllm=shared), blue(stack(vllm=shared))) == "--max-num-seqs 8"
        own = stack({"vllm": {"args": ["--max-num-seqs", "16"]}}, vllm=shared)
        assert line(own, blue(own)) == "--max-num-seqs 16"

    def test_become_a_variable_that_a_shell_would_split_the_same(self) -> None:
        found = stack({"vllm": {"args": ["--chat-template", "a b"], "served_model_names": ["x", "y z"]}})
        text = "--chat-template 'a b' --served-model-name x 'y z'"
        assert variables(found, blue(found)) == {"VLLM_ARGS": text}

    def test_nothing_said_is_nothing_set(self) -> None:
        assert variables(stack(), blue(stack())) == {}

    @pytest.mark.parametrize(
        ("tag", "release"),
        [("v0.11.0", "0.11.0"), ("0.9.2", "0.9.2"), ("latest", None), ("nightly-abc", None)],
    )
    def test_the_release_is_that_of_the_base_image(self, tag: str, release: str | None) -> None:
        found = stack(
            {"image": "vllm", "environment_variables": {"MODEL_NAME": "a/b"}},
            images={"vllm": {"build": {"args": {"BASE_TAG": tag}}}},
        )
        assert version(found, blue(found)) == release

    def test_the_release_that_is_said_wins(self) -> None:
        images = {"vllm": {"build": {"args": {"BASE_TAG": "v0.11.0"}}}}
        found = stack(
            {"image": "vllm", "environment_variables": {"MODEL_NAME": "a/b"}},
            images=images,
            vllm={"version": "0.12.0"},
        )
        assert version(found, blue(found)) == "0.12.0"
