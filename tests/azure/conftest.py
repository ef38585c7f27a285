"""One embedded Azure a session, and one workspace in it; tests that need another state make their own."""

from __future__ import annotations

import pytest

from tests.azure.harness import Azure, Platform, command, make_platform, start


@pytest.fixture(scope="session")
def azure(tmp_path_factory: pytest.TempPathFactory):
    running = start(tmp_path_factory.mktemp("azure") / "home", "127.91")
    yield running
    command(running.env, "stop")


@pytest.fixture(scope="session")
def platform(azure: Azure) -> Platform:
    return make_platform(azure, "main1")


@pytest.fixture(scope="session")
def environment(platform: Platform) -> str:
    """An environment of an image outside the emulated registries: nothing is pulled without containers."""
    return platform.environment("plain")
