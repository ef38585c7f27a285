"""Plugin processes and what they talk to."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.plugins.harness import PluginProcess

ROOT = Path(__file__).resolve().parents[2]
StartPlugin = Callable[..., PluginProcess]


@pytest.fixture
def start_plugin(tmp_path: Path) -> Iterator[StartPlugin]:
    """Start plugins by name; they are gone after the test."""
    running: list[PluginProcess] = []

    def start(name: str, environment: dict[str, str] | None = None, **more: Any) -> PluginProcess:
        plugin = PluginProcess(name, environment or {}, **{"cwd": tmp_path, **more})
        running.append(plugin)
        return plugin

    yield start
    for plugin in running:
        plugin.close()


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return HOST:PORT of an empty OCI registry (Debian's docker-registry) that asks for no login."""
    folder = tmp_path_factory.mktemp("registry")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = folder / "config.yml"
    config.write_text(
        f"version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem: {{rootdirectory: {folder}}}\n"
        f"  delete: {{enabled: true}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n"
    )
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            ["docker-registry", "serve", str(config)],
            stdout=log,
            stderr=log,
            env={**os.environ, "OTEL_TRACES_EXPORTER": "none"},
        )
    try:
        _wait(port)
        yield f"localhost:{port}"
    finally:
        process.terminate()
        process.wait()


def _wait(port: int) -> None:
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(f"nothing listens on port {port}")


@pytest.fixture(scope="session")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Return the environment of an embedded Azure of our own, without containers and without waiting."""
    settings = {
        "EMULATOR_HOME": str(tmp_path_factory.mktemp("emulator")),
        "EMULATOR_NETWORK": "127.72",
        "EMULATOR_CONTENT": "required",
        "EMULATOR_DELAY_RETRY_AFTER": "0",
        "EMULATOR_DELAY_NAME_RELEASE": "0",
        "EMULATOR_DELAY_ROLE_PROPAGATION": "0",
    }
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "EMULATOR_CACHE") if name in os.environ}
    environment = {**kept, **settings}

    def emulator(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "emulator", *arguments],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    emulator("start", "--nodes", "none")
    try:
        lines = [line.removeprefix("export ") for line in emulator("env").splitlines()]
        exports = dict(shlex.split(line)[0].split("=", 1) for line in lines)
        yield {**environment, **exports, "EMULATOR_PLUGIN_POLL_SECONDS": "0.05"}
    finally:
        emulator("stop")


@pytest.fixture
def azure_native(start_plugin: StartPlugin, azure: dict[str, str]) -> PluginProcess:
    """Return a configured azure-native stand-in."""
    plugin = start_plugin("azure-native", azure)
    plugin.configure(location="westeurope")
    return plugin
