"""The program against the embedded Azure without containers: what mocks cannot show, because it is order
and diffs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import Azure, Project
from tests.stack.mocks import deployment

pytestmark = pytest.mark.emulator


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory):
    azure = Azure.free(tmp_path_factory.mktemp("stack") / "azure", 84)
    azure.command("start", "--nodes", "none")
    yield azure
    azure.command("reset")


@pytest.fixture(scope="module")
def project(azure: Azure, tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project.copy(tmp_path_factory.mktemp("program") / "program", azure, "local")
    project.up()
    return project


def since(azure: Azure, mark: int) -> list[tuple[str, str, Any]]:
    """(method, last part of the path, body) of every change after `mark` requests."""
    return [
        (row["method"], Path(row["path"]).name, row.get("body"))
        for row in azure.journal()[mark:]
        if row["method"] in ("PUT", "PATCH", "DELETE")
    ]


def deployments(changes: list[tuple[str, str, Any]]) -> list[tuple[str, str]]:
    """Changes of deployments and of the endpoint's traffic, in their order."""
    found = []
    for method, name, body in changes:
        if name.startswith("current"):
            found.append((method, "deployment"))
        elif name == "vllm-local" and method == "PUT":
            found.append((method, "traffic" if body["properties"].get("traffic") else "no traffic"))
    return found


def test_a_failed_gate_moves_nothing_and_is_undone_by_going_back(project: Project, azure: Azure) -> None:
    def worse(config: dict[str, Any]) -> None:
        deployment(config)["environment_variables"]["NEW"] = "1"
        deployment(config)["smoke_test"] = {"expect": "what nobody says"}

    mark = len(azure.journal())
    with project.edited(worse):
        failed = project.up(check=False)
    assert failed.code != 0
    assert "smoke test failed at 'chat'" in failed.text
    assert "Traceback" not in failed.text
    assert deployments(since(azure, mark)) == [("PUT", "deployment")]
    mark = len(azure.journal())
    project.up()
    assert deployments(since(azure, mark)) == [("DELETE", "deployment")]


def test_recreate_takes_the_traffic_away_before_the_server(project: Project, azure: Azure) -> None:
    def fixed(config: dict[str, Any]) -> None:
        deployment(config)["rollout"] = "recreate"

    def changed(config: dict[str, Any]) -> None:
        fixed(config)
        deployment(config)["environment_variables"]["NEW"] = "1"

    with project.edited(fixed):
        project.up()
    mark = len(azure.journal())
    with project.edited(changed):
        project.up()
    assert deployments(since(azure, mark)) == [
        ("PUT", "no traffic"),
        ("DELETE", "deployment"),
        ("PUT", "deployment"),
        ("PUT", "traffic"),
    ]
    project.up()


def test_a_change_of_the_endpoint_keeps_the_traffic(project: Project, azure: Azure) -> None:
    def described(config: dict[str, Any]) -> None:
        config["vllm-azureml:endpoints"]["vllm-local"]["description"] = "another"

    mark = len(azure.journal())
    with project.edited(described):
        project.up()
    assert deployments(since(azure, mark)) == [("PUT", "traffic")]
    project.up()


def test_what_is_destroyed_can_be_made_again(project: Project) -> None:
    project.run("destroy", "--yes", "--stack", "local")
    project.up()
    project.run("destroy", "--yes", "--stack", "local")
