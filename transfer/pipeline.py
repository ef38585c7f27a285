"""Files in blocks, read by several threads, hashed in order, given to a sink: the shape of every copy and
check.

Memory is bounded by one buffer a thread, whatever the sizes of files. Threads take blocks in order, so the
lowest block under way never waits for another and the others wait for it at most; a failure cancels all of
them.
"""

from __future__ import annotations

import base64
import hashlib
import mmap
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from transfer.cancel import Cancellation
from transfer.errors import Cancelled, DigestMismatch, TransferError
from transfer.model import FileEntry

MIB = 1 << 20
# Above 4 MiB Azure writes blocks at full speed; 8 of 6 MiB keep the whole process under its memory goal.
# https://learn.microsoft.com/azure/storage/blobs/scalability-targets
BLOCK_SIZE = 6 * MIB
IN_FLIGHT = 8
# https://learn.microsoft.com/rest/api/storageservices/put-block-list and put-block
MOST_BLOCKS = 50_000
LARGEST_BLOCK = 4000 * MIB

Moved = Callable[[int], None]
Read = Callable[[FileEntry, int, memoryview, Moved], None]


class Sink(Protocol):
    """Where hashed blocks go."""

    def block(self, work: FileWork, index: int, block_id: str, view: memoryview) -> None:
        """Take one block. Blocks of one file come from several threads and in any order."""

    def whole(self, work: FileWork, view: memoryview) -> None:
        """All blocks are taken and the digest is right. `view` is the content of a file of one block."""


@dataclass(frozen=True)
class Sizes:
    """Bytes of a block, and how many may be under way."""

    block: int = BLOCK_SIZE
    in_flight: int = IN_FLIGHT

    def __post_init__(self) -> None:
        if not (0 < self.block <= LARGEST_BLOCK and self.in_flight > 0):
            raise TransferError(
                f"{self.in_flight} blocks of {self.block} bytes in flight is no way to copy: give at least "
                f"one, of 1 byte to {LARGEST_BLOCK // MIB} MiB."
            )

    def block_of(self, entry: FileEntry) -> int:
        """The block size for this file: larger only where 50 000 blocks would not do (above 286 GiB)."""
        least = -(-entry.size // MOST_BLOCKS)
        return max(self.block, -(-least // MIB) * MIB if least > self.block else 0)


class FileWork:
    """One file under way: where its blocks are, and its digest so far."""

    def __init__(self, entry: FileEntry, block_size: int, cancel: Cancellation, where: str) -> None:
        """`where` says in an error whose bytes were hashed."""
        self.entry, self.block_size = entry, block_size
        self.count = max(1, -(-entry.size // block_size))
        self.ids: list[str] = [""] * self.count
        self._cancel, self._where = cancel, where
        self._turn, self._next, self._left = threading.Condition(), 0, self.count
        self._chain = hashlib.sha256()
        # Git hashes the size first: https://git-scm.com/book/en/v2/Git-Internals-Git-Objects
        self._git = None if entry.sha256 else hashlib.sha1(b"blob %d\0" % entry.size, usedforsecurity=False)

    def span(self, index: int) -> tuple[int, int]:
        """Offset and size of block `index`."""
        offset = index * self.block_size
        return offset, min(self.block_size, self.entry.size - offset)

    def hash(self, index: int, view: memoryview) -> str:
        """Wait until the blocks before are hashed, hash this one, answer its id. Raises `DigestMismatch` at
        the end.

        The id is the index and the SHA-256 of the file up to the end of this block. So one pass over the
        bytes gives both the digest of the file and ids that say what is staged, and an id that matches
        vouches for all bytes before it as well.
        """
        with self._turn:
            while self._next != index and not self._cancel.cancelled:
                self._turn.wait()
        self._cancel.check()
        self._chain.update(view)
        if self._git:
            self._git.update(view)
        block_id = f"{index:05d}.{base64.urlsafe_b64encode(self._chain.digest()).decode().rstrip('=')}"
        self.ids[index] = block_id
        if index == self.count - 1:
            self._compare()
        with self._turn:
            self._next = index + 1
            self._turn.notify_all()
        return block_id

    def took(self) -> bool:
        """One more block is where it belongs; True when it was the last one."""
        with self._turn:
            self._left -= 1
            return self._left == 0

    def wake(self) -> None:
        """Wake those who wait for their turn, after a cancellation."""
        with self._turn:
            self._turn.notify_all()

    def _compare(self) -> None:
        actual = (self._git or self._chain).hexdigest()
        if actual != self.entry.digest:
            raise DigestMismatch(self.entry.path, self.entry.kind, self.entry.digest, actual, self._where)


class Pipeline:
    """Runs files through `read`, hash and `sink`; `run` returns when all is done and every thread has
    ended.
    """

    def __init__(
        self,
        read: Read,
        sink: Sink,
        sizes: Sizes,
        cancel: Cancellation,
        moved: Callable[[str, int], None],
        where: str,
    ) -> None:
        self._read, self._sink, self._sizes, self._moved, self._where = read, sink, sizes, moved, where
        self._cancel = cancel
        self._lock = threading.Lock()
        self._failure: BaseException | None = None

    def run(self, files: Sequence[FileEntry]) -> None:
        """Run `files`, the largest first so that the small ones fill the end. Raises the first failure."""
        ordered = sorted(files, key=lambda entry: -entry.size)
        works = [FileWork(entry, self._sizes.block_of(entry), self._cancel, self._where) for entry in ordered]
        blocks = sum(work.count for work in works)
        largest = max((min(work.block_size, work.entry.size) for work in works), default=0)
        budget = self._sizes.block * self._sizes.in_flight
        threads = max(1, min(self._sizes.in_flight, blocks, budget // max(1, largest)))
        jobs = _jobs(works)
        workers = [
            threading.Thread(target=self._work, args=(jobs, largest), name=f"transfer-{number}")
            for number in range(threads if works else 0)
        ]
        with self._cancel.calling(lambda: _wake(works)):
            try:
                for worker in workers:
                    worker.start()
                for worker in workers:
                    worker.join()
            except BaseException:  # Ctrl-C arrives here, in the main thread, also between two starts
                self._cancel.cancel()
                for worker in workers:
                    if worker.ident is not None:
                        worker.join()
                raise
        if self._failure is not None:
            if not isinstance(self._failure, Cancelled):
                self._cancel.rearm()
            raise self._failure

    def _work(self, jobs: Iterator[tuple[FileWork, int]], largest: int) -> None:
        try:
            with memoryview(mmap.mmap(-1, max(1, largest))) as buffer:  # given back to the system at the end
                while True:
                    with self._lock:
                        job = next(jobs, None)
                    if job is None:
                        return
                    self._cancel.check()
                    self._one(*job, buffer)
        except BaseException as problem:  # noqa: BLE001 - raised again by `run`
            with self._lock:
                if self._failure is None or isinstance(self._failure, Cancelled):
                    self._failure = problem
            self._cancel.cancel()

    def _one(self, work: FileWork, index: int, buffer: memoryview) -> None:
        offset, size = work.span(index)
        with buffer[:size] as view:
            if size:
                self._read(work.entry, offset, view, lambda count: self._moved(work.entry.path, count))
            block_id = work.hash(index, view)
            if work.count > 1:
                self._sink.block(work, index, block_id, view)
            if work.took():
                self._sink.whole(work, view)


def _wake(works: Iterable[FileWork]) -> None:
    for work in works:
        work.wake()


def _jobs(works: Iterable[FileWork]) -> Iterator[tuple[FileWork, int]]:
    for work in works:
        for index in range(work.count):
            yield work, index
