"""Mistakes: each one clear error, no traceback, and nothing that the next `up` or `destroy` cannot handle."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import ROOT, Azure, Project, kill

pytestmark = pytest.mark.emulator


@pytest.fixture
def project(requests_only: Azure, tmp_path: Path) -> Project:
    project = Project.copy(tmp_path / "program", requests_only, "local")
    project.edit(
        lambda config: config.update({"vllm-azureml:resource_group": {"name": f"rg-{tmp_path.name}"}})
    )
    return project


def endpoint(config: dict[str, Any]) -> dict[str, Any]:
    return config["vllm-azureml:endpoints"]["vllm-local"]


def deployment(config: dict[str, Any]) -> dict[str, Any]:
    return endpoint(config)["deployments"]["current"]


def model(config: dict[str, Any]) -> dict[str, Any]:
    return config["vllm-azureml:models"]["SmolLM2-135M-Instruct"]


Change = Callable[[dict[str, Any]], Any]
IN_PREVIEW: dict[str, tuple[Change, list[str]]] = {
    "a misspelt key": (
        lambda c: deployment(c).update({"instance_typ": deployment(c).pop("instance_type")}),
        ["vllm-azureml:endpoints.vllm-local.deployments.current.instance_typ", "instance_type"],
    ),
    "a deployment that names no model": (
        lambda c: (
            deployment(c).pop("model"),
            deployment(c).pop("model_mount_path"),
            deployment(c)["environment_variables"].pop("MODEL"),
        ),
        ["vllm-azureml:endpoints.vllm-local.deployments.current", "model", "MODEL_NAME"],
    ),
    "a model that the stack does not have": (
        lambda c: c.pop("vllm-azureml:images"),
        ["environment.image", "images"],
    ),
    "two mistakes": (
        lambda c: (
            endpoint(c).update({"auth_mode": "password"}),
            deployment(c).update({"instance_count": 0}),
        ),
        ["auth_mode", "instance_count"],
    ),
}


@pytest.mark.parametrize("name", IN_PREVIEW)
def test_a_wrong_stack_file_fails_in_the_preview(project: Project, name: str) -> None:
    change, words = IN_PREVIEW[name]
    before = len(project.azure.journal())
    with project.edited(change):
        said = project.preview(check=False)
    assert said.code != 0
    assert "Traceback" not in said.text
    assert [word for word in words if word not in said.text] == [], said.text
    assert [row for row in project.azure.journal()[before:] if row["method"] == "PUT"] == []


IN_UP: dict[str, tuple[Change, list[str]]] = {
    "a model that is not on the hub": (
        lambda c: model(c).update({"huggingface": "nobody/has-this"}),
        ["nobody/has-this", "vllm-azureml:models"],
    ),
    "a gated model without a token": (
        lambda c: model(c).update({"huggingface": "embedded-azure/gated"}),
        ["embedded-azure/gated", "token"],
    ),
}


@pytest.mark.parametrize("name", IN_UP)
def test_what_only_up_can_know_fails_there_and_can_be_corrected(project: Project, name: str) -> None:
    change, words = IN_UP[name]
    try:
        with project.edited(change):
            said = project.up(check=False)
        assert said.code != 0
        assert "Traceback" not in said.text
        assert [word for word in words if word not in said.text] == [], said.text
        project.up()
    finally:
        project.destroy()


@pytest.mark.parametrize("moment", [6.0, 9.0, 12.0])
def test_a_killed_up_converges(project: Project, moment: float) -> None:
    """kill -9 of the engine and its plugins; recovery is what the CLI offers."""
    process = project.begin("up", "--yes", "--skip-preview")
    time.sleep(moment)
    kill(process)
    try:
        project.run("cancel", "--yes", "--stack", "local")  # a killed command cannot give its lock back
        project.run("refresh", "--yes", "--import-pending-creates", "--stack", "local")
        project.up()
        project.preview("--expect-no-changes")
    finally:
        project.destroy()


def test_an_interrupted_up_converges(project: Project) -> None:
    process = project.begin("up", "--yes", "--skip-preview")
    time.sleep(8)
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    try:
        project.up()
        project.preview("--expect-no-changes")
    finally:
        project.destroy()


def test_a_busy_port_is_named(tmp_path: Path) -> None:
    azure = Azure(tmp_path / "azure", 84)
    with socket.create_server(("127.84.0.1", 10443)):
        said = azure.command("start", "--nodes", "none", check=False)
    azure.command("reset")
    assert said.code == 1
    assert "127.84.0.1:10443" in said.text
    assert "EMULATOR_PORT" in said.text
    assert "Traceback" not in said.text


def test_a_missing_docker_is_named(tmp_path: Path) -> None:
    azure = Azure(tmp_path / "azure", 85)
    env = azure.own_environment() | {"DOCKER_HOST": "unix:///nowhere/docker.sock"}
    said = subprocess.run(
        [sys.executable, "-m", "emulator", "start", "--nodes", "docker"],
        cwd=ROOT, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    azure.command("reset")
    assert said.returncode == 1
    assert "DOCKER_HOST" in said.stderr
    assert "Traceback" not in said.stderr
