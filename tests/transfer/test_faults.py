"""Every fault, on every block of a small model: the copy completes identical, or says why and leaves
nothing wrong.

The servers are those of servers.py, on loopback. What this does not prove: that Azure or the hub answer
with these very codes; Azurite is used in test_azurite.py.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from servers import FakeBlob, FakeHub, Handler, git_blob, pair

from transfer import Cancellation, Request, SasAccess, TokenAccess, copy_snapshot, plan, verify
from transfer.errors import (
    AccessDenied,
    Cancelled,
    DestinationFull,
    DigestMismatch,
    SourceChanged,
    TransferError,
)
from transfer.pipeline import Sizes
from transfer.retry import Policy

pytestmark = [pytest.mark.emulator, pytest.mark.usefixtures("no_leaked_threads")]

BLOCK = 64 * 1024
WEIGHTS = "model.safetensors"
BLOCKS = 5
CONTENT = {
    WEIGHTS: random.Random(1).randbytes(BLOCK * (BLOCKS - 1) + 17),
    "config.json": b'{"model_type": "test"}',
    "tokenizer.json": random.Random(2).randbytes(BLOCK + 1),  # two blocks, held against a git blob id
}
every_block = pytest.mark.parametrize("block", range(BLOCKS))


@pytest.fixture
def ends() -> Iterator[tuple[FakeHub, FakeBlob]]:
    with pair(CONTENT) as both:
        yield both


def request(hub: FakeHub, blob: FakeBlob, **options) -> Request:
    defaults = {
        "source": hub.repository,
        "container_url": blob.container,
        "access": SasAccess("sig=test"),
        "hub": hub.url,
        "sizes": Sizes(BLOCK, 4),
        "policy": Policy(attempts=4, first_wait=0.005, longest_wait=0.02),
    }
    return Request(**{**defaults, **options})


def arrived(hub: FakeHub, blob: FakeBlob, prefix: str) -> None:
    """Everything is there, identical."""
    assert {name: data for name, (data, _, _) in blob.committed.items() if "/.transfer/" not in name} == {
        prefix + path: data for path, data in hub.listed.items()
    }


class Times:
    """A fault: on the first `times` requests that `which` picks, `act`."""

    def __init__(
        self, which: Callable[[Handler], bool], act: Callable[[Handler], object], times: int = 1
    ) -> None:
        self.which, self.act, self.left, self.hits = which, act, times, 0
        self.lock = threading.Lock()

    def __call__(self, handler: Handler) -> bool:
        if not self.which(handler):
            return False
        with self.lock:
            if self.left <= 0:
                return False
            self.left -= 1
            self.hits += 1
        return self.act(handler) is not False


def reads(block: int) -> Callable[[Handler], bool]:
    """The request that reads block `block` of the weights from the signed address."""
    return lambda h: (
        h.command == "GET"
        and WEIGHTS in h.path
        and (h.headers.get("Range") or "").startswith(f"bytes={block * BLOCK}-")
    )


def writes(block: int) -> Callable[[Handler], bool]:
    """The request that stages block `block` of the weights."""
    import base64

    def which(h: Handler) -> bool:
        if h.command != "PUT" or WEIGHTS not in h.path or h.asked.get("comp") != ["block"]:
            return False
        return base64.b64decode(h.asked["blockid"][0]).decode().startswith(f"{block:05d}.")

    return which


def commits(h: Handler) -> bool:
    return h.command == "PUT" and WEIGHTS in h.path and h.asked.get("comp") == ["blocklist"]


def half_then(end: Callable[[Handler], None]) -> Callable[[Handler], None]:
    """Send the right header and half of the body, then `end`."""

    def act(h: Handler) -> None:
        span = (h.headers["Range"]).removeprefix("bytes=").split("-")
        start, stop = int(span[0]), int(span[1]) + 1
        data = CONTENT[WEIGHTS][start:stop]
        h.send_response(206)
        h.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(CONTENT[WEIGHTS])}")
        h.send_header("Content-Length", str(len(data)))
        h.end_headers()
        h.wfile.write(data[: len(data) // 2])
        end(h)

    return act


def hang_up(h: Handler) -> None:
    h.close_connection = True


def half_received_then_reset(h: Handler) -> None:
    h.rfile.read(int(h.headers["Content-Length"]) // 2)
    h.reset()


SOURCE_FAULTS = {
    "429": lambda h: h.say(429, Retry_After="0"),
    "500": lambda h: h.say(500),
    "502": lambda h: h.say(502),
    "503": lambda h: h.say(503),
    "reset before the answer": lambda h: h.reset(),
    "reset in the body": half_then(lambda h: h.reset()),
    "short read": half_then(hang_up),
    "expired address": lambda h: h.say(403, b"<Error><Code>ExpiredToken</Code></Error>"),
    "wrong range": lambda h: h.say(206, b"x", Content_Range=f"bytes 1-1/{len(CONTENT[WEIGHTS])}"),
}


@every_block
@pytest.mark.parametrize("fault", SOURCE_FAULTS)
def test_a_fault_of_the_source_passes(ends, block: int, fault: str) -> None:
    hub, blob = ends
    trouble = Times(reads(block), SOURCE_FAULTS[fault], times=2)
    hub.cdn.faults.append(trouble)
    copied = copy_snapshot(request(hub, blob))
    # After half a block the next request asks for the other half; a reset may take back what was sent.
    assert trouble.hits == (1 if fault == "short read" else 2) or fault == "reset in the body"
    assert copied.report.retries >= 1  # a kept connection that was closed is replaced without counting
    arrived(hub, blob, copied.prefix)


def test_half_a_block_is_not_read_twice(ends) -> None:
    hub, blob = ends
    hub.cdn.faults.append(Times(reads(1), half_then(hang_up)))
    copied = copy_snapshot(request(hub, blob))
    assert copied.report.bytes_read == sum(map(len, CONTENT.values()))


def lost_answer(blob: FakeBlob) -> Callable[[Handler], None]:
    """The service does what it is asked, but the answer does not arrive."""

    def act(h: Handler) -> None:
        h.say, keep = (lambda *_, **__: None), h.say
        blob.answer(h)
        h.say = keep
        h.reset()

    return act


DESTINATION_FAULTS = {
    "503 ServerBusy": lambda blob: lambda h: (h.body(), blob.refuse(h, 503, "ServerBusy")),
    "500": lambda blob: lambda h: (h.body(), blob.refuse(h, 500, "InternalError")),
    "429": lambda blob: lambda h: (h.body(), blob.refuse(h, 429, "TooManyRequests", Retry_After="0")),
    "refused before the body is read": lambda blob: lambda h: (blob.refuse(h, 503, "ServerBusy"), hang_up(h)),
    "reset in the body": lambda _: half_received_then_reset,
    "reset before the body": lambda _: lambda h: h.reset(),
    "lost answer": lost_answer,
}


@every_block
@pytest.mark.parametrize("fault", DESTINATION_FAULTS)
def test_a_fault_of_the_destination_passes(ends, block: int, fault: str) -> None:
    hub, blob = ends
    trouble = Times(writes(block), DESTINATION_FAULTS[fault](blob), times=2)
    blob.faults.append(trouble)
    copied = copy_snapshot(request(hub, blob))
    assert trouble.hits == 2
    assert copied.report.bytes_sent_again == 2 * len(CONTENT[WEIGHTS][block * BLOCK : (block + 1) * BLOCK])
    arrived(hub, blob, copied.prefix)


@pytest.mark.parametrize("fault", DESTINATION_FAULTS)
def test_a_fault_of_the_commit_passes(ends, fault: str) -> None:
    hub, blob = ends
    trouble = Times(commits, DESTINATION_FAULTS[fault](blob), times=1)
    blob.faults.append(trouble)
    copied = copy_snapshot(request(hub, blob))
    assert trouble.hits == 1
    arrived(hub, blob, copied.prefix)


def test_a_source_that_stays_broken_is_given_up_in_bounded_time(ends) -> None:
    hub, blob = ends
    hub.cdn.faults.append(Times(reads(2), SOURCE_FAULTS["503"], times=10**6))
    with pytest.raises(TransferError, match=r"given up after 4 attempts.*run the copy again"):
        copy_snapshot(request(hub, blob))
    assert not any(name.endswith(WEIGHTS) for name in blob.names())
    hub.cdn.faults.clear()
    copied = copy_snapshot(request(hub, blob))
    arrived(hub, blob, copied.prefix)


def test_a_wait_that_is_asked_for_is_kept(ends) -> None:
    hub, blob = ends
    hub.cdn.faults.append(Times(reads(0), lambda h: h.say(429, Retry_After="1")))
    started = time.monotonic()
    copy_snapshot(request(hub, blob))
    assert time.monotonic() - started >= 1


def test_a_wait_of_hours_is_refused_at_once(ends) -> None:
    hub, blob = ends
    hub.cdn.faults.append(Times(reads(0), lambda h: h.say(429, Retry_After="7200")))
    with pytest.raises(TransferError, match="asked to wait 7200 s"):
        copy_snapshot(request(hub, blob))


def test_addresses_that_expire_after_every_second_use_are_resolved_again(ends) -> None:
    hub, blob = ends
    hub.cdn.uses_allowed = 2
    copied = copy_snapshot(request(hub, blob))
    arrived(hub, blob, copied.prefix)
    assert len(hub.cdn.uses) >= BLOCKS // 2


def test_the_token_is_shown_to_the_hub_only(ends, monkeypatch) -> None:
    hub, blob = ends
    hub.token = "hf_secret"
    monkeypatch.setenv("MY_TOKEN", "hf_secret")
    copied = copy_snapshot(request(hub, blob, token="env:MY_TOKEN"))
    arrived(hub, blob, copied.prefix)
    assert hub.cdn.authorized == []


def test_a_gated_repository_says_what_to_do(ends, monkeypatch) -> None:
    hub, blob = ends
    hub.token = "hf_secret"
    monkeypatch.setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with pytest.raises(TransferError, match=r"gated.*HF_TOKEN"):
        copy_snapshot(request(hub, blob))
    assert blob.names() == set()


@every_block
def test_a_byte_that_differs_is_never_committed(ends, block: int) -> None:
    hub, blob = ends
    data = bytearray(CONTENT[WEIGHTS])
    data[min(block * BLOCK + 5, len(data) - 1)] ^= 1
    hub.files[WEIGHTS] = bytes(data)
    with pytest.raises(DigestMismatch) as caught:
        copy_snapshot(request(hub, blob))
    assert caught.value.path == WEIGHTS
    assert caught.value.expected in str(caught.value)
    assert caught.value.actual in str(caught.value)
    assert not any(name.endswith(WEIGHTS) for name in blob.names())
    hub.files[WEIGHTS] = CONTENT[
        WEIGHTS
    ]  # the source is right again: the wrong staged blocks are not believed
    copied = copy_snapshot(request(hub, blob))
    arrived(hub, blob, copied.prefix)


@pytest.mark.parametrize("path", ["config.json", "tokenizer.json"])
def test_a_small_file_is_held_against_its_git_blob_id(ends, path: str) -> None:
    hub, blob = ends
    hub.files[path] = CONTENT[path][:-1] + b"?"
    with pytest.raises(DigestMismatch) as caught:
        copy_snapshot(request(hub, blob))
    assert (caught.value.kind, caught.value.expected) == ("git blob id", git_blob(CONTENT[path]))
    assert not any(name.endswith(path) for name in blob.names())


@every_block
def test_a_source_that_changes_its_size_under_the_copy_is_noticed(ends, block: int) -> None:
    hub, blob = ends

    def change(h: Handler) -> bool:
        hub.files[WEIGHTS] = CONTENT[WEIGHTS] + b"more"
        return False

    hub.cdn.faults.append(Times(reads(block), change))
    with pytest.raises(SourceChanged, match=WEIGHTS):
        copy_snapshot(request(hub, blob))
    assert not any(name.endswith(WEIGHTS) for name in blob.names())


class Tokens:
    """A credential whose tokens the blob service takes until it is told otherwise."""

    def __init__(self, lives: float = 3600) -> None:
        self.given, self.lives = 0, lives

    def get_token(self, *_: str, **__: object):
        from azure.core.credentials import AccessToken

        self.given += 1
        return AccessToken(f"token-{self.given}", int(time.time() + self.lives))


@every_block
def test_an_expired_azure_token_is_renewed(ends, block: int) -> None:
    hub, blob = ends
    tokens = Tokens()
    expired = lambda h: h.headers.get("Authorization") == "Bearer token-1" and writes(block)(h)  # noqa: E731
    blob.faults.append(Times(expired, lambda h: (h.body(), blob.refuse(h, 401, "InvalidAuthenticationInfo"))))
    copied = copy_snapshot(request(hub, blob, access=HeaderOnly(tokens)))
    assert tokens.given >= 2
    arrived(hub, blob, copied.prefix)


class HeaderOnly(TokenAccess):
    """Tokens on the hot path; azure-storage-blob refuses to send tokens over plain http, so listings go
    without.
    """

    def sdk(self):
        return None


def test_a_token_about_to_end_is_renewed_before_it_does(ends) -> None:
    hub, blob = ends
    tokens = Tokens(lives=100)  # under the margin: each use asks again
    copied = copy_snapshot(request(hub, blob, access=HeaderOnly(tokens)))
    assert tokens.given > BLOCKS
    arrived(hub, blob, copied.prefix)


@every_block
@pytest.mark.parametrize("status", [409, 507])
def test_a_full_container_is_said_at_once_and_loses_nothing(ends, block: int, status: int) -> None:
    hub, blob = ends
    full = Times(
        writes(block), lambda h: (h.body(), blob.refuse(h, status, "ContainerQuotaExceeded")), times=10**6
    )
    blob.faults.append(full)
    with pytest.raises(DestinationFull, match="Make room"):
        copy_snapshot(request(hub, blob))
    assert full.hits == 1
    assert not any(name.endswith(WEIGHTS) for name in blob.names())
    blob.faults.clear()
    arrived(hub, blob, copy_snapshot(request(hub, blob)).prefix)


def test_a_missing_role_is_said_at_once(ends) -> None:
    hub, blob = ends
    denied = lambda h: (h.body(), blob.refuse(h, 403, "AuthorizationPermissionMismatch"))  # noqa: E731
    blob.faults.append(Times(lambda h: h.command == "PUT", denied, times=10**6))
    with pytest.raises(AccessDenied, match="Storage Blob Data Contributor"):
        copy_snapshot(request(hub, blob))


def test_throttling_lowers_concurrency_and_it_comes_back() -> None:
    content = {WEIGHTS: random.Random(3).randbytes(BLOCK * 40)}
    with pair(content) as (hub, blob):
        busy = Times(
            lambda h: h.asked.get("comp") == ["block"], DESTINATION_FAULTS["503 ServerBusy"](blob), times=3
        )
        blob.faults.append(busy)
        copied = copy_snapshot(request(hub, blob))
        assert busy.hits == 3
        assert copied.report.least_concurrency < 4
        arrived(hub, blob, copied.prefix)


@every_block
def test_a_cancelled_run_ends_soon_and_the_next_goes_on(ends, block: int) -> None:
    hub, blob = ends
    cancel = Cancellation()
    stuck = threading.Event()

    def hang(h: Handler) -> None:
        half_received = h.rfile.read(min(10, int(h.headers["Content-Length"])))
        assert half_received
        cancel.cancel()
        stuck.wait(10)  # the service never answers
        h.reset()

    blob.faults.append(Times(writes(block), hang))
    started = time.monotonic()
    with pytest.raises(Cancelled):
        copy_snapshot(request(hub, blob), cancel=cancel)
    assert time.monotonic() - started < 3
    stuck.set()
    assert not any(name.endswith(WEIGHTS) for name in blob.names())
    copied = copy_snapshot(request(hub, blob))
    in_flight = 4 * BLOCK
    assert blob.received <= sum(map(len, CONTENT.values())) + in_flight + 2000  # of block lists
    arrived(hub, blob, copied.prefix)


def test_cancelling_wakes_a_thread_that_waits_for_the_source(ends) -> None:
    hub, blob = ends
    cancel, stuck = Cancellation(), threading.Event()

    def hang(h: Handler) -> None:
        threading.Timer(0.1, cancel.cancel).start()
        stuck.wait(10)

    hub.cdn.faults.append(Times(reads(2), half_then(hang)))
    started = time.monotonic()
    with pytest.raises(Cancelled):
        copy_snapshot(request(hub, blob), cancel=cancel)
    assert time.monotonic() - started < 3
    stuck.set()


def test_a_second_run_moves_nothing(ends) -> None:
    hub, blob = ends
    first = copy_snapshot(request(hub, blob))
    before, asked = blob.received, len(blob.requests)
    second = copy_snapshot(request(hub, blob))
    assert (second.report.bytes_read, second.report.bytes_sent) == (0, 0)
    assert blob.received == before
    assert len(blob.requests) == asked + 1  # one listing
    assert second.files == first.files


def test_with_a_lock_no_hub_is_asked_what_to_copy(ends) -> None:
    hub, blob = ends
    lock = plan(request(hub, blob)).snapshot.as_lock()
    hub.requests.clear()
    copied = copy_snapshot(request(hub, blob, lock=lock))
    assert not any("/api/" in path for _, path in hub.requests)
    hub.requests.clear()
    copy_snapshot(request(hub, blob, lock=lock))
    assert hub.requests == []
    arrived(hub, blob, copied.prefix)


def test_a_lock_of_something_else_is_refused_before_bytes_move(ends) -> None:
    hub, blob = ends
    lock = plan(request(hub, blob)).snapshot.as_lock()
    lock["files"][WEIGHTS] = {"size": len(CONTENT[WEIGHTS]), "sha256": "0" * 64}
    with pytest.raises(DigestMismatch, match="0000"):
        copy_snapshot(request(hub, blob, lock=lock))


def test_verify_finds_bytes_that_changed_under_their_marker(ends) -> None:
    hub, blob = ends
    copied = copy_snapshot(request(hub, blob))
    verify(request(hub, blob))
    name = copied.prefix + WEIGHTS
    data, metadata, _ = blob.committed[name]
    blob.committed[name] = (data[:-1] + b"?", metadata, '"0xBAD"')
    with pytest.raises(TransferError, match=f"{WEIGHTS} .its bytes have another digest"):
        verify(request(hub, blob))
    # A plain copy trusts the marker; one that knows the ETag reads the blob back and copies it again.
    etags = {path: facts["etag"] for path, facts in copied.files.items()}
    copy_snapshot(request(hub, blob, known_etags=etags))
    arrived(hub, blob, copied.prefix)


def test_an_overwritten_blob_is_copied_again(ends) -> None:
    hub, blob = ends
    copied = copy_snapshot(request(hub, blob))
    blob.committed[copied.prefix + WEIGHTS] = (b"somebody's", {}, '"0xBAD"')
    again = copy_snapshot(request(hub, blob))
    assert again.report.bytes_sent == len(CONTENT[WEIGHTS])
    arrived(hub, blob, copied.prefix)


def test_the_listing_of_a_large_repository_is_paged(ends) -> None:
    hub, blob = ends
    hub.page = 1
    arrived(hub, blob, copy_snapshot(request(hub, blob)).prefix)
