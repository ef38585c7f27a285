"""Server-side copy against the small blob service: probe, read back, fall back, trust.

What this does not prove: that Azure takes the hub's signed addresses, or that an account behind a private
endpoint may fetch from outside.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from servers import FakeBlob, FakeHub, pair

from transfer import Request, SasAccess, copy_snapshot, remove, verify
from transfer.pipeline import Sizes
from transfer.retry import Policy
from transfer.service_copy import ServiceCopy

pytestmark = [pytest.mark.emulator, pytest.mark.usefixtures("no_leaked_threads")]

WEIGHTS = "model.safetensors"
CONTENT = {WEIGHTS: random.Random(1).randbytes(300_000), "config.json": b"{}"}


@pytest.fixture
def ends() -> Iterator[tuple[FakeHub, FakeBlob]]:
    with pair(CONTENT) as both:
        both[1].from_url = True
        yield both


def request(hub: FakeHub, blob: FakeBlob, mode: str) -> Request:
    return Request(
        source=hub.repository,
        container_url=blob.container,
        access=SasAccess("sig=test"),
        hub=hub.url,
        sizes=Sizes(65536, 3),
        policy=Policy(attempts=3, first_wait=0.005),
        server_side_copy=mode,
        service_copy_least=1000,
    )


def arrived(blob: FakeBlob, prefix: str) -> None:
    assert {name: data for name, (data, _, _) in blob.committed.items()} == {
        prefix + path: data for path, data in CONTENT.items()
    }


def test_the_weights_do_not_go_through_this_machine_twice(ends) -> None:
    hub, blob = ends
    copied = copy_snapshot(request(hub, blob, "auto"))
    assert copied.report.bytes_copied_by_service == len(CONTENT[WEIGHTS])
    assert copied.report.bytes_sent == len(CONTENT["config.json"])
    assert blob.committed[copied.prefix + WEIGHTS][1]["transfer_check"] == "readback"
    arrived(blob, copied.prefix)
    verify(request(hub, blob, "auto"))
    assert copy_snapshot(request(hub, blob, "auto")).report.bytes_read == 0


def test_trust_reads_nothing_back_and_says_so_in_the_marker(ends) -> None:
    hub, blob = ends
    copied = copy_snapshot(request(hub, blob, "trust"))
    assert copied.report.bytes_read == len(CONTENT["config.json"])
    assert blob.committed[copied.prefix + WEIGHTS][1]["transfer_check"] == "service"
    arrived(blob, copied.prefix)


def test_an_account_that_does_not_fetch_is_streamed_to(ends) -> None:
    hub, blob = ends
    blob.from_url = False
    copied = copy_snapshot(request(hub, blob, "auto"))
    assert copied.report.bytes_copied_by_service == 0
    arrived(blob, copied.prefix)


def test_never_does_not_even_probe(ends) -> None:
    hub, blob = ends
    copy_snapshot(request(hub, blob, "never"))
    assert blob.fetched == 0
    assert not any("unverified" in path for _, path in blob.requests)


def test_ctrl_c_does_not_wait_for_the_blocks_that_are_queued(ends, monkeypatch) -> None:
    hub, blob = ends
    stuck, asked = threading.Event(), []
    # A hundred blocks, three at a time.
    monkeypatch.setitem(ServiceCopy.__init__.__kwdefaults__, "block", 3000)

    def hang(handler) -> bool:
        if "x-ms-copy-source" in handler.headers and "probe" not in handler.path:
            asked.append(handler.path)
            if len(asked) == 10:
                os.kill(os.getpid(), signal.SIGINT)
            stuck.wait(0.05 if len(asked) < 10 else 20)
        return False

    blob.faults.append(hang)
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        copy_snapshot(request(hub, blob, "auto"))
    assert time.monotonic() - started < 10  # not even the requests under way are waited for
    stuck.set()


def test_what_a_killed_run_had_not_verified_goes_with_the_last_reference(ends) -> None:
    hub, blob = ends
    asked = replace(request(hub, blob, "never"), reference="owner.1")
    copied = copy_snapshot(asked)
    place = next(name for name in blob.committed if "/ref-" in name).rpartition("/")[0]
    blob.committed[f"{place}/unverified/abc"] = (b"x" * 1000, {}, '"0xAB"')
    remove(asked, copied.prefix, reference="owner.1")
    assert blob.committed == {}


def test_what_the_service_fetched_wrongly_is_never_seen_under_its_name(ends) -> None:
    hub, blob = ends
    seen: list[set[str]] = []
    right = hub.files[WEIGHTS]
    hub.files[WEIGHTS] = right[:-1] + b"?"  # the service is shown something else than the stream will be

    def heal(handler) -> bool:
        if handler.command == "DELETE" and "unverified" in handler.path:
            seen.append(blob.names())
            hub.files[WEIGHTS] = right
        return False

    blob.faults.append(heal)
    copied = copy_snapshot(request(hub, blob, "auto"))
    assert seen == [set()]
    assert copied.report.bytes_copied_by_service == 0
    arrived(blob, copied.prefix)


def test_an_address_that_expires_meanwhile_is_replaced(ends) -> None:
    hub, blob = ends
    hub.cdn.uses_allowed = 1  # the probe uses it up
    copied = copy_snapshot(request(hub, blob, "auto"))
    assert copied.report.bytes_copied_by_service == len(CONTENT[WEIGHTS])
    arrived(blob, copied.prefix)
