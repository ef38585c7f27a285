"""The pipeline without sockets: order, ids, digests, memory, failure."""

from __future__ import annotations

import hashlib
import random
import threading
import time

import pytest

from transfer.cancel import Cancellation
from transfer.errors import Cancelled, DigestMismatch, TransferError
from transfer.model import FileEntry
from transfer.pipeline import MIB, MOST_BLOCKS, FileWork, Pipeline, Sizes

pytestmark = pytest.mark.usefixtures("no_leaked_threads")


def entry(path: str, data: bytes) -> FileEntry:
    return FileEntry(path, len(data), sha256=hashlib.sha256(data).hexdigest())


class Collect:
    """A sink that puts files together again."""

    def __init__(self) -> None:
        self.blocks: dict[str, dict[int, bytes]] = {}
        self.files: dict[str, bytes] = {}
        self.ids: dict[str, list[str]] = {}

    def block(self, work, index, block_id, view) -> None:
        self.blocks.setdefault(work.entry.path, {})[index] = bytes(view)

    def whole(self, work, view) -> None:
        path = work.entry.path
        parts = self.blocks.get(path, {0: bytes(view)})
        self.files[path] = b"".join(parts[index] for index in range(work.count))
        self.ids[path] = work.ids


def run(data: dict[str, bytes], sizes: Sizes, read=None, cancel=None) -> Collect:
    sink = Collect()

    def late(asked: FileEntry, offset: int, view: memoryview, moved) -> None:
        time.sleep(random.random() / 500)
        view[:] = data[asked.path][offset : offset + len(view)]
        moved(len(view))

    pipeline = Pipeline(read or late, sink, sizes, cancel or Cancellation(), lambda *_: None, "was read")
    pipeline.run([entry(path, content) for path, content in data.items()])
    return sink


def test_blocks_that_come_late_are_hashed_in_order() -> None:
    data = {f"f{n}": random.Random(n).randbytes(1000 * n + n) for n in range(8)}
    assert run(data, Sizes(512, 4)).files == data


def test_a_block_id_vouches_for_everything_before_it() -> None:
    first = run({"f": b"a" * 10 + b"b" * 10 + b"c"}, Sizes(10, 2)).ids["f"]
    other = run({"f": b"A" + b"a" * 9 + b"b" * 10 + b"c"}, Sizes(10, 2)).ids["f"]
    assert len({len(one) for one in first}) == 1  # the service wants ids of one length
    assert [one.split(".")[0] for one in first] == ["00000", "00001", "00002"]
    assert all(one != another for one, another in zip(first, other, strict=True))
    assert run({"f": b"a" * 10 + b"b" * 10 + b"d"}, Sizes(10, 2)).ids["f"][:2] == first[:2]


def test_the_last_id_is_the_digest_of_the_file() -> None:
    import base64

    data = random.Random(1).randbytes(99)
    last = run({"f": data}, Sizes(10, 3)).ids["f"][-1].split(".")[1]
    assert base64.urlsafe_b64decode(last + "=") == hashlib.sha256(data).digest()


def test_a_git_blob_id_is_over_size_and_content() -> None:
    # `printf 'hello\n' | git hash-object --stdin`
    known = FileEntry("f", 6, git_blob="ce013625030ba8dba906f756967f9e9ca394464a")
    work = FileWork(known, 4, Cancellation(), "was read")
    work.hash(0, memoryview(b"hell"))
    work.hash(1, memoryview(b"o\n"))


def test_a_wrong_byte_fails_before_the_last_block_reaches_the_sink() -> None:
    data = b"x" * 95
    taken: list[int] = []

    class Sink(Collect):
        def block(self, work, index, block_id, view) -> None:
            taken.append(index)

    def read(_: FileEntry, offset: int, view: memoryview, moved) -> None:
        view[:] = b"y" * len(view)

    with pytest.raises(DigestMismatch) as caught:
        Pipeline(read, Sink(), Sizes(10, 4), Cancellation(), lambda *_: None, "was read").run(
            [entry("f", data)]
        )
    assert 9 not in taken
    assert caught.value.expected == hashlib.sha256(data).hexdigest()
    assert caught.value.actual == hashlib.sha256(b"y" * 95).hexdigest()


def test_one_block_that_fails_for_good_releases_all_who_wait_for_it() -> None:
    def read(_: FileEntry, offset: int, view: memoryview, moved) -> None:
        if offset == 0:
            time.sleep(0.05)
            raise RuntimeError("no such block")

    started = time.monotonic()
    with pytest.raises(RuntimeError, match="no such block"):
        run({"f": b"x" * 100}, Sizes(10, 8), read)
    assert time.monotonic() - started < 2


def test_ctrl_c_between_the_starts_of_two_threads_ends_those_that_run(monkeypatch) -> None:
    cancel, started = Cancellation(), []
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        if len(started) == 2:
            raise KeyboardInterrupt
        started.append(thread)
        start(thread)

    def read(*_) -> None:
        cancel.wait(20)  # the source does not answer

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run({"f": b"x" * 100}, Sizes(10, 4), read, cancel)
    assert [thread.is_alive() for thread in started] == [False, False]


@pytest.mark.parametrize("sizes", [(0, 1), (1, 0), (-1, 8), (4001 * MIB, 1)])
def test_sizes_that_cannot_work_are_refused_before_anything_hangs(sizes: tuple[int, int]) -> None:
    with pytest.raises(TransferError, match="at least one"):
        Sizes(*sizes)


def test_a_failure_from_within_leaves_the_run_usable_a_cancellation_from_outside_does_not() -> None:
    outside = Cancellation()
    inside = Cancellation(outside)

    def fails(*_) -> None:
        raise RuntimeError("once")

    with pytest.raises(RuntimeError):
        run({"f": b"x"}, Sizes(10, 1), fails, inside)
    inside.check()
    outside.cancel()
    with pytest.raises(Cancelled):
        run({"f": b"x"}, Sizes(10, 1), None, inside)
    with pytest.raises(Cancelled):
        inside.check()


def test_no_more_buffers_than_the_budget_even_for_huge_blocks() -> None:
    seen: set[int] = set()
    most = 0

    def read(_: FileEntry, offset: int, view: memoryview, moved) -> None:
        nonlocal most
        seen.add(threading.get_ident())
        most = max(most, len(view))
        view[:] = b"\0" * len(view)

    size = 40 * 100
    run({"f": b"\0" * size}, Sizes(100, 4), read)
    assert (most, len(seen) <= 4) == (100, True)


def test_files_that_would_need_too_many_blocks_get_larger_ones() -> None:
    sizes = Sizes(6 * MIB, 8)
    assert sizes.block_of(FileEntry("f", 10 * MIB, sha256="0" * 64)) == 6 * MIB
    huge = FileEntry("f", 500 * 1024 * MIB, sha256="0" * 64)
    assert huge.size / sizes.block_of(huge) <= MOST_BLOCKS
    assert sizes.block_of(huge) % MIB == 0


def test_nothing_to_do_starts_no_thread() -> None:
    before = threading.active_count()
    assert run({}, Sizes()).files == {}
    assert threading.active_count() == before
