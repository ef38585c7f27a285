"""One call of the library: its source, its container, its pipelines, and what it did.

What is left out: the order of blocks (`pipeline`), how they are written (`copying`, `container`), what the
source is (`hub`, `folder`, `blobs`).
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Mapping

from transfer.access import Access
from transfer.blobs import BlobSource
from transfer.cancel import Cancellation
from transfer.container import Blob, Container
from transfer.copying import CopySink
from transfer.errors import DigestMismatch, NotWhole, Retryable, SourceError
from transfer.folder import FolderSource
from transfer.hub import HubSource
from transfer.model import FileEntry, Report, Snapshot, snapshot_of_lock
from transfer.pipeline import FileWork, Pipeline
from transfer.references import goes_with_references, refer, scratch
from transfer.request import BlobFolder, Copied, Plan, Request, Silent, Watcher
from transfer.service_copy import ServiceCopy
from transfer.source import Source
from transfer.throttle import Throttle
from transfer.tokens import hub_token
from transfer.wire import Wire

HUB = "https://huggingface.co"
_REPOSITORY = re.compile(r"^[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?$")


class Run:
    """Connections, cancellation and report of one call."""

    def __init__(self, request: Request, watcher: Watcher, cancel: Cancellation | None) -> None:
        self.request, self.watcher = request, watcher
        self.cancel, self.report = Cancellation(cancel), Report()
        self.wire = Wire(self.cancel)
        self.wire.resent = self._resent
        self._lock = threading.Lock()
        self.throttle = Throttle(request.sizes.in_flight)
        self.container = self._container(request.container_url, request.access)
        self._started = time.monotonic()

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        self.wire.close()
        self.cancel.close()

    def plan(self) -> Plan:
        snapshot = self._snapshot(self._source())
        return self._compare(snapshot, self.container.blobs(self.prefix(snapshot)))

    def copy(self) -> Copied:
        source, request = self._source(), self.request
        snapshot = self._snapshot(source)
        prefix = self.prefix(snapshot)
        if request.reference:
            refer(self.container, request.root, prefix, request.reference, self.cancel)
        there = self.container.blobs(prefix)
        if not request.reference and any(goes_with_references(blob) for blob in there.values()):
            # Who copies by hand counts on the files; a stack that goes away must not take them along.
            refer(self.container, request.root, prefix, "by-hand", self.cancel)
            there = self.container.blobs(prefix)
        planned = self._compare(snapshot, there)
        missing = list(planned.missing) + self._altered(planned, there)
        etags = {entry.path: there[prefix + entry.path].etag for entry in planned.present}
        self.watcher.begin("copy", missing, snapshot.size - sum(entry.size for entry in missing))
        owned = "reference" if request.reference else "hand"
        sink = CopySink(self.container, prefix, there, owned, self.report, self.watcher.done)
        try:
            left = self._by_service(source, sink, prefix).run(missing, prefix)
            self._pipeline(source.read, sink, "was read from the source").run(left)
        except DigestMismatch as mismatch:
            sink.drop_wrong(mismatch)
            raise
        self._finish(snapshot, planned)
        files = {
            entry.path: entry.as_dict() | {"etag": (etags | sink.etags)[entry.path]}
            for entry in snapshot.files
        }
        return Copied(snapshot, prefix, files, self.report)

    def _by_service(self, source: Source, sink: CopySink, prefix: str) -> ServiceCopy:
        def read_back(entry: FileEntry, name: str) -> None:
            def read(_: FileEntry, offset: int, view: memoryview, moved) -> None:
                self.container.read(name, offset, view, moved)

            self._pipeline(read, _Discard(Silent()), "the service fetched").run([entry])

        return ServiceCopy(
            self.container,
            source,
            sink,
            mode=self.request.server_side_copy,
            scratch=scratch(self.request.root, prefix),
            in_flight=self.request.sizes.in_flight,
            read_back=read_back,
            report=self.report,
            note=self.watcher.note,
            cancel=self.cancel,
            least=self.request.service_copy_least,
        )

    def verify(self) -> Report:
        snapshot = self._snapshot(self._source())
        prefix = self.prefix(snapshot)
        there = self.container.blobs(prefix)
        planned = self._compare(snapshot, there)
        self.watcher.begin("verify", list(planned.present), 0)
        wrong = [f"{entry.path} (missing, or not marked as verified)" for entry in planned.missing]
        wrong += [
            f"{entry.path} (its bytes have another digest)"
            for entry in self._read_back(planned.present, there, prefix)
        ]
        self._finish(snapshot, planned)
        if wrong:
            raise NotWhole(
                f"{self.request.container_url}/{prefix}: {len(wrong)} of {len(snapshot.files)} files are "
                f"not what {snapshot.repository}@{snapshot.commit} has: {', '.join(wrong[:10])}. Run the "
                "copy again."
            )
        return self.report

    def prefix(self, snapshot: Snapshot) -> str:
        """The folder of the copy, with a trailing slash."""
        name = f"{snapshot.commit}-{self.request.selection.name}".rstrip("-")
        return (
            "/".join(part for part in (self.request.root.strip("/"), snapshot.repository, name, "") if part)
            + "/"
        )

    def _source(self) -> Source:
        source = self.request.source
        if isinstance(source, BlobFolder):
            container = self._container(source.container_url, source.access)
            return BlobSource(container, source.prefix, self.request.selection)
        if source.startswith((".", "/", "~")):
            return FolderSource(os.path.expanduser(source), self.request.selection, self.cancel)
        if not _REPOSITORY.match(source):
            raise SourceError(
                f"{source!r} is no source: give owner/name, a folder (./x) or an azureml:// path.",
                about="repository",
            )
        return self._hub(source)

    def _hub(self, repository: str) -> HubSource:
        request = self.request
        return HubSource(
            repository,
            request.revision,
            self.wire,
            endpoint=request.hub or os.environ.get("HF_ENDPOINT") or HUB,
            token=hub_token(request.token, self.wire, request.credential, request.vault_audience),
            pinned=snapshot_of_lock(repository, request.lock) if request.lock else None,
            policy=request.policy,
            retried=self._retried,
        )

    def _snapshot(self, source: Source) -> Snapshot:
        listed = source.snapshot()
        files = self.request.selection.apply(listed.files, listed.repository)
        return Snapshot(listed.repository, listed.commit, files)

    def _compare(self, snapshot: Snapshot, there: Mapping[str, Blob]) -> Plan:
        prefix = self.prefix(snapshot)
        found = {entry.path: there.get(prefix + entry.path) for entry in snapshot.files}
        present = tuple(e for e in snapshot.files if (blob := found[e.path]) is not None and blob.holds(e))
        missing = tuple(e for e in snapshot.files if e not in set(present))
        resumable = tuple(path for path, blob in found.items() if blob is not None and blob.uncommitted)
        return Plan(snapshot, prefix, present, missing, resumable)

    def _altered(self, planned: Plan, there: Mapping[str, Blob]) -> list[FileEntry]:
        """Files whose blob was written by somebody else since, and does not hold what it says."""
        known = self.request.known_etags
        doubtful = [
            e for e in planned.present if known.get(e.path) not in (None, there[planned.prefix + e.path].etag)
        ]
        if doubtful:
            self.watcher.begin("check", doubtful, 0)
        return self._read_back(doubtful, there, planned.prefix)

    def _read_back(self, files, there: Mapping[str, Blob], prefix: str) -> list[FileEntry]:
        """Files whose bytes in the container have another digest."""

        def read(entry: FileEntry, offset: int, view: memoryview, moved) -> None:
            name = prefix + entry.path
            self.container.read(name, offset, view, moved, there[name].etag)

        wrong = []
        for entry in files:
            try:
                self._pipeline(read, _Discard(self.watcher), "is in the container").run([entry])
            except DigestMismatch:
                wrong.append(entry)
        return wrong

    def _pipeline(self, read, sink, where: str) -> Pipeline:
        return Pipeline(read, sink, self.request.sizes, self.cancel, self._moved, where)

    def _container(self, url: str, access: Access) -> Container:
        return Container(
            url,
            access,
            self.wire,
            policy=self.request.policy,
            throttle=self.throttle,
            control_retries=self.request.control_retries,
            retried=self._retried,
        )

    def _moved(self, path: str, count: int) -> None:
        with self._lock:
            self.report.bytes_read += count
        self.watcher.moved(path, count)

    def _resent(self, count: int) -> None:
        with self._lock:
            self.report.bytes_sent_again += count

    def _retried(self, problem: Retryable) -> None:
        with self._lock:
            self.report.retries += 1
        self.watcher.note(f"trying again: {problem}")

    def _finish(self, snapshot: Snapshot, planned: Plan) -> None:
        report = self.report
        report.files, report.size = len(snapshot.files), snapshot.size
        report.files_present = len(planned.present)
        report.bytes_present = sum(entry.size for entry in planned.present)
        report.least_concurrency = int(self.throttle.lowest)
        report.seconds = time.monotonic() - self._started


class _Discard:
    """A sink for bytes that are only hashed."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher

    def block(self, work: FileWork, index: int, block_id: str, view: memoryview) -> None: ...

    def whole(self, work: FileWork, view: memoryview) -> None:
        self._watcher.done(work.entry)
