"""A folder of a blob container as a source: a model that is already in a datastore (an `azureml://` path).

Digests come from the metadata of an earlier copy where there is one; other blobs are read once to be
hashed. Every read names the ETag of the listing, so a blob that changes under the copy is noticed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from transfer.container import GIT_KEY, SHA256_KEY, Blob, Container
from transfer.errors import DestinationError, SourceChanged, SourceError
from transfer.model import FileEntry, Snapshot, content_id
from transfer.pipeline import MIB
from transfer.selection import Selection


class BlobSource:
    """The committed blobs under `prefix` that `selection` takes."""

    def __init__(self, container: Container, prefix: str, selection: Selection) -> None:
        self._container, self._selection = container, selection
        self._prefix = prefix.strip("/") + "/" if prefix.strip("/") else ""
        self._etags: dict[str, str] = {}

    def snapshot(self) -> Snapshot:
        """List the folder, and hash what carries no digest."""
        there = {
            name[len(self._prefix) :]: blob
            for name, blob in self._container.blobs(self._prefix).items()
            if not (
                blob.uncommitted or blob.metadata.get("hdi_isfolder")
            )  # folders, with a hierarchical namespace
        }
        if not there:
            raise SourceError(f"{self._container.url}/{self._prefix}: nothing is there.", about="repository")
        where = self._prefix.rstrip("/").rpartition("/")[2] or self._container.url.rpartition("/")[2]
        files = []
        for path in self._selection.select(there, where):
            self._etags[path] = there[path].etag
            files.append(self._entry(path, there[path]))
        return Snapshot(where, content_id(tuple(files)), tuple(files))

    def read(self, entry: FileEntry, offset: int, view: memoryview, moved: Callable[[int], None]) -> None:
        """Fill `view` from the blob, if it is still the one that was listed."""
        try:
            self._container.read(self._prefix + entry.path, offset, view, moved, self._etags[entry.path])
        except DestinationError as problem:
            if problem.status in (404, 412, 416):
                raise SourceChanged(f"{entry.path}: the blob changed while it was copied.") from None
            raise SourceError(str(problem)) from None

    def url(self, entry: FileEntry) -> str:
        """Left out: it would need a signature of the source's account."""
        return ""

    def forget_url(self, entry: FileEntry) -> None:
        """There was none."""

    def _entry(self, path: str, blob: Blob) -> FileEntry:
        known = blob.metadata.get(SHA256_KEY, ""), blob.metadata.get(GIT_KEY, "")
        if any(known):
            return FileEntry(path, blob.size, *known)
        digest, buffer = hashlib.sha256(), memoryview(bytearray(min(blob.size, 4 * MIB)))
        for offset in range(0, blob.size, 4 * MIB):
            view = buffer[: min(4 * MIB, blob.size - offset)]
            self._container.read(blob.name, offset, view, lambda _: None, blob.etag)
            digest.update(view)
        return FileEntry(path, blob.size, sha256=digest.hexdigest())
