"""What the user gets to see while plugins work: warnings and statuses reach the engine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import pytest

from emulator.plugins.protocol import empty_pb2, engine_pb2, engine_pb2_grpc, grpc
from emulator.plugins.values import UNKNOWN
from tests.plugins.harness import Client

TOKEN = "docker-build:index:Image"


class Engine(engine_pb2_grpc.EngineServicer):
    """Keeps what is logged."""

    def __init__(self) -> None:
        self.lines: list[Any] = []

    def Log(self, request: Any, context: Any) -> Any:
        self.lines.append(request)
        return empty_pb2.Empty()

    def wait_for(self, text: str) -> Any:
        for _ in range(100):
            for line in list(self.lines):
                if text in line.message:
                    return line
            time.sleep(0.05)
        raise AssertionError(f"nobody said {text!r}, but {[line.message for line in self.lines]}")


@pytest.fixture
def engine() -> Iterator[tuple[Engine, str]]:
    servicer = Engine()
    server = grpc.server(futures.ThreadPoolExecutor(4))
    engine_pb2_grpc.add_EngineServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield servicer, f"127.0.0.1:{port}"
    server.stop(0)


@pytest.mark.engine
def test_a_warning_says_that_a_registry_was_not_asked(start_plugin, engine, tmp_path: Path) -> None:
    servicer, address = engine
    environment = {"EMULATOR_NODES": "none", "DOCKER_CONFIG": str(tmp_path)}
    image = Client(start_plugin("docker-build", environment, engine=address), TOKEN)
    inputs = {"context": {"location": "."}, "push": True, "tags": ["localhost:1/a:b"]}
    state = {**inputs, "digest": "sha256:" + "0" * 64, "contextHash": "", "ref": ""}
    assert image.read("image", "x", inputs, state) == ("x", inputs, state)
    line = servicer.wait_for("unable to verify image tags, leaving state unchanged")
    assert (line.severity, line.urn, line.ephemeral) == (engine_pb2.WARNING, image.urn("image"), False)


@pytest.mark.e2e
def test_a_build_shows_what_it_does(start_plugin, engine, docker_engine: str, tmp_path: Path) -> None:
    servicer, address = engine
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    environment = {"EMULATOR_NODES": "docker", "DOCKER_HOST": docker_engine, "DOCKER_CONFIG": str(tmp_path)}
    image = Client(start_plugin("docker-build", environment, engine=address), TOKEN)
    inputs = image.checked("image", {"context": {"location": str(tmp_path)}})
    image.create("image", inputs)
    assert servicer.wait_for("COPY Dockerfile").ephemeral
    servicer.wait_for("No exports were specified")
    image.create("image", {**inputs, "buildArgs": {"A": UNKNOWN}}, preview=True)
    servicer.wait_for("Skipping preview build")
