"""The sink of a copy: blocks are staged unless an earlier run staged them, and a file is committed once it
is right.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from transfer.container import CHECK_KEY, GIT_KEY, SHA256_KEY, Blob, Container
from transfer.errors import DestinationError, DigestMismatch
from transfer.model import FileEntry, Report
from transfer.pipeline import FileWork

OWNED_KEY = "transfer_owned"  # "reference": goes with its last reference; "hand": stays
_EXISTS = frozenset({409, 412})


class CopySink:
    """Writes files under `prefix` of a container. `there` is what the listing found, by blob name."""

    def __init__(
        self,
        container: Container,
        prefix: str,
        there: Mapping[str, Blob],
        owned: str,
        report: Report,
        done: Callable[[FileEntry], None],
    ) -> None:
        self._container, self._prefix, self._there, self._owned = container, prefix, there, owned
        self._report, self._done = report, done
        self.etags: dict[str, str] = {}
        self._lock = threading.Lock()
        self._staged: dict[str, Mapping[str, int]] = {}
        self._asking: dict[str, threading.Lock] = {}

    def block(self, work: FileWork, index: int, block_id: str, view: memoryview) -> None:
        """Stage the block, unless it is."""
        path = work.entry.path
        if self._staged_of(path).get(block_id) == len(view):
            with self._lock:
                self._report.bytes_reread += len(view)
            return
        self._container.stage(self._prefix + path, block_id, view)
        with self._lock:
            self._report.bytes_sent += len(view)

    def whole(self, work: FileWork, view: memoryview) -> None:
        """Commit the file together with the digest it was held against."""
        entry, name = work.entry, self._prefix + work.entry.path
        existing = self._there.get(name)
        try:
            etag = self._commit(work, view, _condition(existing))
        except DestinationError as problem:
            if problem.status not in _EXISTS and "BlockList" not in problem.code:
                raise
            etag = self._settle(work, view, existing, problem)
        with self._lock:
            if work.count == 1:
                self._report.bytes_sent += len(view)
        self.committed(entry, etag)

    def committed(self, entry: FileEntry, etag: str) -> None:
        """The file is at its place, in the version `etag`."""
        with self._lock:
            self.etags[entry.path] = etag
        self._done(entry)

    def drop_wrong(self, mismatch: DigestMismatch) -> None:
        """Leave nothing committed under the name of a file that did not arrive right."""
        name = self._prefix + mismatch.path
        existing = self._there.get(name)
        if existing is not None and not existing.uncommitted:
            self._container.delete(name, existing.etag)

    def metadata(self, entry: FileEntry, check: str) -> dict[str, str]:
        """What marks a blob as whole. `check` says how it was verified."""
        key = SHA256_KEY if entry.sha256 else GIT_KEY
        return {key: entry.digest, CHECK_KEY: check, OWNED_KEY: self._owned}

    def _settle(
        self, work: FileWork, view: memoryview, existing: Blob | None, problem: DestinationError
    ) -> str:
        """The name holds something the listing did not show; answer the ETag if that is right, or make it so.

        The first of two equal requests may have worked with its answer lost, or another run was faster.
        """
        now = self._container.get(self._prefix + work.entry.path)
        if now is not None and now.holds(work.entry):
            return now.etag
        empty = now is not None and existing is not None and existing.uncommitted and not now.size
        if now is None or not empty:  # somebody writes other content under our name at this moment
            raise problem
        return self._commit(work, view, {"If-Match": f'"{now.etag}"'})

    def _commit(self, work: FileWork, view: memoryview, condition: dict[str, str]) -> str:
        name, metadata = self._prefix + work.entry.path, self.metadata(work.entry, "stream")
        if work.count == 1:
            return self._container.put(name, view, metadata, condition)
        return self._container.commit(name, work.ids, metadata, condition)

    def _staged_of(self, path: str) -> Mapping[str, int]:
        """What earlier runs staged of this file; asked for once, and only if the listing knows the name."""
        name = self._prefix + path
        if name not in self._there:
            return {}
        with self._lock:
            asking = self._asking.setdefault(path, threading.Lock())
        with asking:
            if path not in self._staged:
                self._staged[path] = self._container.staged(name)
            return self._staged[path]


def _condition(existing: Blob | None) -> dict[str, str]:
    """Write only over what the listing saw, so that two runs cannot undo each other."""
    if existing is None or existing.uncommitted:
        return {"If-None-Match": "*"}
    return {"If-Match": f'"{existing.etag}"'}
