"""Both sides fail at random: the copy still ends, identical, without a thread left behind."""

from __future__ import annotations

import contextlib
import random
import threading

import pytest
from servers import FakeBlob, Handler, pair

from transfer import Cancellation, Request, SasAccess, copy_snapshot
from transfer.errors import Cancelled
from transfer.pipeline import Sizes
from transfer.retry import Policy

pytestmark = [pytest.mark.emulator, pytest.mark.usefixtures("no_leaked_threads"), pytest.mark.timeout(60)]

BLOCK = 16 * 1024


def content(seed: int) -> dict[str, bytes]:
    rng = random.Random(seed)
    sizes = [0, 1, BLOCK, BLOCK + 1, rng.randrange(20 * BLOCK), rng.randrange(3 * BLOCK)]
    names = ["a.json", "b.json", "c.safetensors", "d/e.json", "model.safetensors", "f.safetensors"]
    return {name: rng.randbytes(size) for name, size in zip(names, sizes, strict=True)}


class Chaos:
    """Fails a share of the requests of one server, each in its own way."""

    def __init__(self, seed: int, share: float, blob: FakeBlob | None = None) -> None:
        self.rng, self.share, self.blob, self.lock = random.Random(seed), share, blob, threading.Lock()

    def __call__(self, h: Handler) -> bool:
        with self.lock:
            if self.rng.random() > self.share or h.asked.get("comp") == ["list"]:
                return False
            kind = self.rng.randrange(5)
        if kind == 0:
            h.reset()
        elif kind == 1:
            h.body()
            h.say(503, Retry_After="0")
        elif kind == 2:
            h.say(500)
            h.close_connection = True
        elif kind == 3 and self.blob is not None:  # it does what it is asked, and the answer is lost
            h.say, keep = (lambda *_, **__: None), h.say
            self.blob.answer(h)
            h.say = keep
            h.reset()
        else:
            h.rfile.read(min(100, int(h.headers.get("Content-Length") or 0)))
            h.close_connection = True
        return True


@pytest.mark.parametrize("seed", range(12))
def test_everything_fails_now_and_then(seed: int) -> None:
    files = content(seed)
    with pair(files) as (hub, blob):
        asked = request(hub, blob)
        hub.faults.append(Chaos(seed, 0.2))
        hub.cdn.faults.append(Chaos(seed + 1, 0.2))
        blob.faults.append(Chaos(seed + 2, 0.2, blob))
        copied = copy_snapshot(asked)
        assert {n.removeprefix(copied.prefix): d for n, (d, _, _) in blob.committed.items()} == files


@pytest.mark.parametrize("seed", range(12))
def test_cancelled_at_any_moment_and_run_again(seed: int) -> None:
    files, rng = content(seed), random.Random(seed)
    with pair(files) as (hub, blob):
        asked = request(hub, blob)
        for _ in range(3):
            cancel = Cancellation()
            timer = threading.Timer(rng.random() / 20, cancel.cancel)
            timer.start()
            with contextlib.suppress(Cancelled):
                copy_snapshot(asked, cancel=cancel)
            timer.cancel()
            assert all(files[n.split("c" * 40 + "/")[1]] == d for n, (d, _, _) in blob.committed.items())
        copied = copy_snapshot(asked)
        assert {n.removeprefix(copied.prefix): d for n, (d, _, _) in blob.committed.items()} == files


def request(hub, blob) -> Request:
    return Request(
        source=hub.repository,
        container_url=blob.container,
        access=SasAccess("sig=test"),
        hub=hub.url,
        sizes=Sizes(BLOCK, 4),
        policy=Policy(attempts=15, first_wait=0.002, longest_wait=0.01),
    )
