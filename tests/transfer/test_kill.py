"""`kill -9` at a hundred points: the next run completes, everything is verified, little is sent twice.

The destination is Azurite behind a proxy that counts bytes and kills the copying process in the middle of
them.
"""

from __future__ import annotations

import multiprocessing
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from azurite import ACCOUNT, KEY, running
from killing import KillingProxy, Where, copy_in_child
from servers import FakeHub

from transfer import KeyAccess, Request, verify

pytestmark = pytest.mark.emulator

POINTS = 100
BLOCK = 128 * 1024
IN_FLIGHT = 4
CONTENT = {
    "model-1.safetensors": random.Random(7).randbytes(BLOCK * 9 + 1),
    "model-2.safetensors": random.Random(8).randbytes(BLOCK * 4),
    "config.json": b"{}",
    "tokenizer.json": random.Random(9).randbytes(BLOCK // 2),
}
SIZE = sum(map(len, CONTENT.values()))


class Bench:
    """The parts of one kill: hub, Azurite, proxy, and processes that copy."""

    def __init__(self, url: str, proxy: KillingProxy, hub: FakeHub) -> None:
        self.direct, self.proxy, self.hub = url, proxy, hub
        host = url.split("/")[2]
        self.url = url.replace(host, f"127.0.0.1:{proxy.port}")
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["transfer", "transfer.api", "azure.storage.blob"])

    def run(self, root: str, **kill) -> int:
        """Copy in a process of its own, killed as `kill` says; answers its exit code."""
        go = self.context.Event()
        arguments = (self.url, ACCOUNT, KEY, self.hub.url, self.hub.repository, root, BLOCK, IN_FLIGHT, go)
        child = self.context.Process(target=copy_in_child, args=arguments)
        child.start()
        self.proxy.arm(child.pid if kill else 0, **kill)
        go.set()
        child.join(60)
        assert child.exitcode is not None, "the copy hangs"
        return child.exitcode

    def client(self):
        from azure.storage.blob import ContainerClient

        return ContainerClient.from_container_url(
            self.direct, credential={"account_name": ACCOUNT, "account_key": KEY}, api_version="2023-11-03"
        )

    def whole(self, root: str) -> set[str]:
        """Paths committed under `root`; each must be identical, marker or not."""
        prefix = f"{root}/{self.hub.repository}/{self.hub.commit}/"
        client = self.client()
        paths = {blob.name.removeprefix(prefix) for blob in client.list_blobs(name_starts_with=prefix)}
        for path in paths:
            assert client.download_blob(prefix + path).readall() == CONTENT[path]
        return paths

    def verify(self, root: str) -> None:
        access = KeyAccess(self.direct, ACCOUNT, KEY)
        verify(
            Request(
                source=self.hub.repository,
                container_url=self.direct,
                access=access,
                hub=self.hub.url,
                root=root,
            )
        )


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder: Path = tmp_path_factory.mktemp("kill")
    with running(folder, tls=False) as azurite:
        url = azurite.container("kill")
        host, port = url.split("/")[2].split(":")
        proxy, hub = KillingProxy((host, int(port))), FakeHub(CONTENT)
        yield Bench(url, proxy, hub)
        proxy.close()
        hub.close()


def test_killed_anywhere_the_next_run_completes_and_sends_little_twice(bench: Bench, capsys) -> None:
    deaths: list[Where] = []
    worst = 0
    for number in range(POINTS):
        root, point = f"p{number}", int((number + 0.5) * SIZE / POINTS)
        assert bench.run(root, at=point) == -9
        assert bench.proxy.died is not None
        deaths.append(bench.proxy.died)
        first = bench.proxy.sent
        assert first == point
        bench.whole(root)  # whatever is committed by now is identical
        assert bench.run(root) == 0
        worst = max(worst, first + bench.proxy.sent - SIZE)
        assert first + bench.proxy.sent - SIZE <= IN_FLIGHT * BLOCK
        assert bench.whole(root) == set(CONTENT)
        bench.verify(root)
    inside = sum(death.inside for death in deaths)
    with capsys.disabled():
        print(histogram(deaths, worst))
    assert inside > POINTS * 0.8


@pytest.mark.parametrize("moment", ["comp=blocklist", "config.json"])
def test_killed_with_a_commit_on_its_way_the_next_run_completes(bench: Bench, moment: str) -> None:
    root = "commit" + moment[:4]
    assert bench.run(root, on_request=moment) == -9
    bench.whole(root)
    assert bench.run(root) == 0
    assert bench.whole(root) == set(CONTENT)
    bench.verify(root)


def histogram(deaths: list[Where], worst: int) -> str:
    """Where in a block's body the process died, in tenths."""
    tenths = Counter(min(9, death.sent * 10 // death.length) for death in deaths if death.inside)
    lines = [f"\nkill -9 at {len(deaths)} points uniform in bytes sent, by place in the request body:"]
    lines += [f"  {10 * n:3}-{10 * n + 10:3} %  {'#' * tenths[n]} {tenths[n]}" for n in range(10)]
    lines.append(f"  not inside a body: {sum(not death.inside for death in deaths)}")
    lines.append(f"  most bytes sent again: {worst} ({worst / BLOCK:.1f} blocks; {IN_FLIGHT} in flight)")
    return "\n".join(lines)
