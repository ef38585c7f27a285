"""An embedded Azure of the tests' own:

other folder, network and subnets than anybody's, stand-in server, no vLLM.
"""

from __future__ import annotations

import asyncio
import io
import os
from pathlib import Path

import pytest

from emulator.host import control, engine
from emulator.host.started import Started
from emulator.settings import Settings

NETWORK = "127.77"
DOCKERFILE = """
FROM {base}
ENTRYPOINT ["python3", "-m", "vllm.entrypoints.openai.api_server"]
CMD ["--model", "/models/m", "--served-model-name", "m"]
"""


def settings_for(home: Path, nodes: str = "docker") -> Settings:
    cache = os.environ.get("EMULATOR_CACHE")
    return Settings(
        home=home,
        cache=Path(cache).resolve() if cache else Path(__file__).resolve().parents[2] / ".cache",
        network=NETWORK,
        port=9443,
        vnet_subnet="172.29.77.0/24",
        nodes_subnet="172.29.78.0/24",
        egress_subnet="172.29.79.0/24",
        nodes=nodes,
    )


@pytest.fixture(scope="session")
def embedded(tmp_path_factory):
    """Blob service, registry, hub and engine, running: `start --server standin` without the Azure server."""
    settings = settings_for(tmp_path_factory.mktemp("embedded"))
    said: list[str] = []
    control.start(settings, "docker", "standin", said.append, parts_only=True)
    yield settings
    control.reset(settings, said.append)


@pytest.fixture(scope="session")
def image(embedded):
    """An image whose entry point starts vLLM's module, pushed to the raw registry."""
    client = engine.client(Started.load(embedded).engine)
    name = f"{embedded.registry_host}:{embedded.port}/test/vllm:1.0"
    build_and_push(client, name, DOCKERFILE.format(base=embedded.node_image))
    yield name
    client.images.remove(name, force=True)


def build_and_push(client, name, dockerfile):
    client.images.build(fileobj=io.BytesIO(dockerfile.encode()), tag=name, rm=True)
    for line in client.images.push(name, auth_config={}, stream=True, decode=True):
        assert "error" not in line, line


@pytest.fixture(scope="session")
def model(embedded):
    """A folder with a config.json in the raw blob service: (account, container, prefix)."""
    from azure.storage.blob import ContainerClient

    from emulator.nodes.models import _Token

    client = ContainerClient(
        f"{embedded.azurite_url}/slot001",
        "test-models",
        credential=_Token(embedded),
        connection_verify=str(embedded.ca_file),
    )
    with client:
        client.create_container()
        client.upload_blob("deep/m/config.json", b"{}")
        client.upload_blob("deep/m/inner/weights.bin", b"x" * 100_000)
        client.upload_blob("deep/mother/config.json", b"not part of it")
    return ("slot001", "test-models", "deep/m")


@pytest.fixture
async def nodes(embedded):
    from emulator.nodes.docker import DockerNodes
    from emulator.nodes.instance import Patience

    under_test = DockerNodes(embedded, patience=Patience(restarts=1, backoff=0.1))
    await under_test.start()
    yield under_test
    await under_test.stop()
    await asyncio.sleep(0)
