"""Server-side copy: the blob service fetches the blocks from the hub's signed address itself (Put Block
From URL).

Tried with one block first, because whether an account (behind a private endpoint, say) may fetch from
outside is not documented; whatever cannot be copied so is left to the stream. The service cannot check a
SHA-256, so a file goes to a name outside the model's folder, is read back and hashed there, and is then
copied within the account, marker and all. With `trust` it is committed in place, marked as unchecked. Put
Block From URL takes no source address above 2 KiB and follows no redirect:
https://learn.microsoft.com/rest/api/storageservices/put-block-from-url. Not run against Azure; Azurite 3.35
does not know the operation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait

from transfer.cancel import Cancellation
from transfer.container import Container
from transfer.copying import CopySink
from transfer.errors import AccessDenied, Cancelled, DestinationFull, DigestMismatch, TransferError
from transfer.model import FileEntry, Report
from transfer.pipeline import MIB
from transfer.source import Source

BLOCK = (
    64 * MIB
)  # up to 4000 MiB are allowed; smaller ones go in parallel and fit the time limit of a request
LEAST = 16 * MIB  # a smaller file is through the stream before the service has answered
LONGEST_SOURCE = 2048

ReadBack = Callable[[FileEntry, str], None]


class ServiceCopy:
    """Copies files by the service. `read_back(entry, name)` hashes a blob and raises `DigestMismatch`."""

    def __init__(
        self,
        container: Container,
        source: Source,
        sink: CopySink,
        *,
        mode: str,
        scratch: str,
        in_flight: int,
        read_back: ReadBack,
        report: Report,
        note: Callable[[str], None],
        cancel: Cancellation,
        least: int = LEAST,
        block: int = BLOCK,
    ) -> None:
        """`scratch` is a folder for what is not verified yet."""
        self._container, self._source, self._sink, self._mode = container, source, sink, mode
        self._scratch, self._in_flight, self._read_back = scratch, in_flight, read_back
        self._report, self._note, self._cancel, self._least, self._block = report, note, cancel, least, block

    def run(self, files: Sequence[FileEntry], prefix: str) -> list[FileEntry]:
        """Copy what the service can; answers the files that are left."""
        large = [entry for entry in files if entry.size >= self._least]
        if self._mode == "never" or not large or not self._probe(large[0]):
            return list(files)
        left = [entry for entry in files if entry.size < self._least]
        for entry in large:
            try:
                self._file(entry, prefix)
            except (Cancelled, DestinationFull, AccessDenied):
                raise
            except TransferError as problem:
                self._note(f"{entry.path}: not copied by the service, streaming it instead: {problem}")
                left.append(entry)
        return left

    def _address(self, entry: FileEntry) -> str:
        """An address that the service may fetch from, or ""."""
        address = self._source.url(entry)
        return address if len(address.encode()) <= LONGEST_SOURCE else ""

    def _probe(self, entry: FileEntry) -> bool:
        """Whether the service fetches one block from that address."""
        try:
            address = self._address(entry)
            if not address:
                return False
            self._container.stage_from(self._scratch + "probe", "probe", address, 0, 1, once=True)
        except (Cancelled, DestinationFull):
            raise
        except TransferError as problem:
            self._note(f"the service does not fetch from the source ({problem}); streaming")
            return False
        return True

    def _file(self, entry: FileEntry, prefix: str) -> None:
        if not self._address(entry):
            raise TransferError("the source has no address for it that the service takes")
        final = prefix + entry.path
        trusted = self._mode == "trust"
        name = final if trusted else self._scratch + hashlib.sha256(final.encode()).hexdigest()
        ids = self._stage(entry, name)
        if trusted:
            self._sink.committed(
                entry, self._container.commit(name, ids, self._sink.metadata(entry, "service"), {})
            )
        else:
            self._container.commit(name, ids, {}, {})
            try:
                self._read_back(entry, name)
                metadata = self._sink.metadata(entry, "readback")
                self._sink.committed(entry, self._container.copy_within(name, final, metadata))
            except DigestMismatch as mismatch:
                raise TransferError(f"what the service fetched has the digest {mismatch.actual}") from None
            finally:
                self._container.delete(name)
        self._report.bytes_copied_by_service += entry.size

    def _stage(self, entry: FileEntry, name: str) -> list[str]:
        ids = [f"{index:05d}" for index in range(-(-entry.size // self._block))]
        with ThreadPoolExecutor(self._in_flight, thread_name_prefix="transfer-service") as pool:
            try:
                futures = [pool.submit(self._one, entry, name, n, block_id) for n, block_id in enumerate(ids)]
                wait(futures, return_when="FIRST_EXCEPTION")
            except BaseException:  # Ctrl-C arrives here, in the main thread
                self._cancel.cancel()
                raise
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
        for future in futures:
            if not future.cancelled():
                future.result()
        return ids

    def _one(self, entry: FileEntry, name: str, index: int, block_id: str) -> None:
        self._cancel.check()
        offset = index * self._block
        size = min(self._block, entry.size - offset)
        try:
            self._container.stage_from(name, block_id, self._address(entry), offset, size)
        except (Cancelled, DestinationFull):
            raise
        except TransferError:
            # The signed address may have expired: a new one, once.
            self._source.forget_url(entry)
            self._container.stage_from(name, block_id, self._address(entry), offset, size)
