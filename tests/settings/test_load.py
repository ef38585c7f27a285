"""Loading: prefixes, Pulumi's configuration, local paths, and what importing costs."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import settings

BASE: dict[str, Any] = {"resource_group": {"name": "rg"}, "workspace": {"name": "mlw"}}


def said(error: pytest.ExceptionInfo[settings.SettingsError]) -> list[str]:
    return [str(problem) for problem in error.value.problems]


class TestKeys:
    def test_with_and_without_their_prefix(self) -> None:
        prefixed = {f"vllm-azureml:{key}": value for key, value in BASE.items()}
        assert settings.load(prefixed) == settings.load(BASE)

    def test_the_location_is_azure_natives(self) -> None:
        assert settings.load({**BASE, "azure-native:location": "westeurope"}).location == "westeurope"
        with pytest.raises(settings.SettingsError) as caught:
            settings.load({**BASE, "azure-native:location": 5})
        assert said(caught) == [
            'azure-native:location: 5 is not text. Put it in quotes, as "8000" or "true".'
        ]

    def test_settings_cannot_be_changed(self) -> None:
        with pytest.raises(Exception, match="frozen"):
            settings.load(BASE).lock = "other"

    def test_enumerations_in_every_casing_of_az_ml(self) -> None:
        for text in ("disabled", "Disabled", "DISABLED"):
            stack = settings.load({**BASE, "endpoints": {"chat": {"public_network_access": text}}})
            assert stack.endpoints["chat"].public_network_access == "Disabled"


class TestLocalPaths:
    CONFIG: dict[str, Any] = {
        **BASE,
        "images": {"vllm": {"build": {"context": "docker"}}, "other": {"build": {"context": "nowhere"}}},
        "models": {"m": {"path": "weights"}, "far": {"path": "azureml://datastores/d/paths/m"}},
        "environments": {"e": {"image": "acr.azurecr.io/x:1", "conda_file": "conda.yml"}},
    }

    def test_are_not_looked_at_without_a_folder(self) -> None:
        assert settings.load(self.CONFIG)

    def test_are_reported_by_key(self, tmp_path: Path) -> None:
        (tmp_path / "docker").mkdir()
        with pytest.raises(settings.SettingsError) as caught:
            settings.load(self.CONFIG, folder=tmp_path)
        assert said(caught) == [
            "vllm-azureml:images.vllm.build.dockerfile: there is no file Dockerfile in docker. "
            "Correct the path; it is relative to the context.",
            "vllm-azureml:images.other.build.context: there is no folder nowhere. "
            "Correct the path; it is relative to the project.",
            "vllm-azureml:models.m.path: there is no file or folder weights. "
            "Correct the path; it is relative to the project.",
            "vllm-azureml:environments.e.conda_file: there is no file conda.yml. Correct the path.",
        ]

    def test_of_deployments_are_looked_at_too(self, tmp_path: Path) -> None:
        """An inline environment or model, and a context that Azure ML builds."""
        blue = {
            "instance_type": "Standard_NC24ads_A100_v4",
            "environment": {"build": {"path": "ctx", "dockerfile_path": "Gpu.Dockerfile"}},
            "model": {"path": "weights", "type": "mlflow_model"},
        }
        (tmp_path / "ctx").mkdir()
        with pytest.raises(settings.SettingsError) as caught:
            settings.load({**BASE, "endpoints": {"chat": {"deployments": {"blue": blue}}}}, folder=tmp_path)
        at = "vllm-azureml:endpoints.chat.deployments.blue"
        assert said(caught) == [
            f"{at}.environment.build.dockerfile_path: there is no file Gpu.Dockerfile in ctx. "
            "Correct the path; it is relative to the context.",
            f"{at}.model.path: there is no file or folder weights. "
            "Correct the path; it is relative to the project.",
        ]


def from_pulumi(config: dict[str, str], secret: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """A process of its own: Pulumi's configuration is global."""
    program = (
        "import json, sys, pulumi, settings\n"
        "from pulumi.runtime import config, settings as runtime\n"
        "config.set_all_config(*json.loads(sys.argv[1]))\n"
        "runtime.configure(runtime.Settings(project='vllm-azureml', stack='dev'))\n"
        "print(settings.from_pulumi_config().model_dump_json())\n"
    )
    project = Path(__file__).parents[2]
    return subprocess.run(
        [sys.executable, "-c", program, json.dumps([config, secret])],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(project)},
        capture_output=True,
        text=True,
        check=False,
    )


class TestPulumiConfiguration:
    CONFIG = {
        "azure-native:location": "westeurope",
        "docker:host": "unix:///x",
        "vllm-azureml:resource_group": '{"name": "rg"}',
        "vllm-azureml:workspace": '{"name": "mlw"}',
        "vllm-azureml:lock": "models.lock.json",
        "vllm-azureml:models": '{"m": {"version": "1", "huggingface": "a/b"}}',
    }

    def test_objects_and_texts(self, tmp_path: Path) -> None:
        done = from_pulumi(self.CONFIG, [], tmp_path)
        stack = json.loads(done.stdout or "{}")
        assert (stack.get("location"), stack.get("lock")) == ("westeurope", "models.lock.json"), done.stderr
        assert stack["models"]["m"]["version"] == "1"

    def test_every_problem_names_the_stack_file(self, tmp_path: Path) -> None:
        config = {k: v for k, v in self.CONFIG.items() if not k.startswith("azure-native")}
        config["vllm-azureml:endpoint"] = "{}"
        config["vllm-azureml:lock"] = "hf_abcdefghijklmnopqrstuvwxyz"
        done = from_pulumi(config, ["vllm-azureml:lock"], tmp_path)
        assert done.returncode != 0
        assert "Pulumi.dev.yaml has 3 problems; nothing was created." in done.stderr
        assert "vllm-azureml:lock: holds an encrypted value, and no key here takes a secret." in done.stderr
        assert "azure-native:location: is missing: nothing says where to create things." in done.stderr
        assert "vllm-azureml:endpoint: is not a known key. Did you mean `endpoints`?" in done.stderr
        assert "hf_abc" not in done.stderr


class TestImporting:
    def test_brings_in_pydantic_and_nothing_heavy(self) -> None:
        """Every preview pays for this import. The modules are the cause, and do not depend on the machine."""
        program = "import settings, sys; print(*sys.modules)"
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
        )
        heavy = {"pulumi", "azure", "yaml", "rich", "httpx", "serving", "huggingface_hub", "asyncio"}
        assert heavy & set(done.stdout.split()) == set()
