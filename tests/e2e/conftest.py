"""Embedded Azures that are shared by the tests that drive whole stacks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.harness import Azure, Project


@pytest.fixture(scope="session")
def requests_only(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azure]:
    """An embedded Azure without containers."""
    azure = Azure.free(tmp_path_factory.mktemp("requests-only") / "azure", 81)
    azure.command("start", "--nodes", "none")
    yield azure
    azure.command("reset")


@pytest.fixture(scope="session")
def containers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azure]:
    """An embedded Azure with containers, in which `vllm` is a small OpenAI-compatible server."""
    azure = Azure.free(tmp_path_factory.mktemp("containers") / "azure", 82)
    azure.command("start", "--nodes", "docker", "--server", "standin")
    yield azure
    azure.command("reset")


@pytest.fixture(scope="module")
def local(containers: Azure, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The stack `local`, deployed once for a module's tests, which leave it as they found it."""
    project = Project.copy(tmp_path_factory.mktemp("local") / "program", containers, "local")
    project.up()
    yield project
    project.destroy()
