"""A local folder as a source: hashed before the copy, held against that hash while it is copied.

The name of its state (its "commit") is a digest over paths, sizes and SHA-256 of the selected files, so an
unchanged folder goes where it went. Symbolic links to files are followed (the hub's cache is made of them),
links to folders are not.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from transfer.cancel import Cancellation
from transfer.errors import SourceChanged, SourceError
from transfer.model import FileEntry, Snapshot, content_id
from transfer.selection import Selection


class FolderSource:
    """The files under `root` that `selection` takes."""

    def __init__(self, root: str, selection: Selection, cancel: Cancellation) -> None:
        self._root, self._selection, self._cancel = Path(root), selection, cancel

    def snapshot(self) -> Snapshot:
        """Hash every selected file."""
        if not self._root.is_dir():
            raise SourceError(
                f"{self._root} is no folder. Give a folder, a hub id (owner/name) or an azureml:// path.",
                about="repository",
            )
        name = self._root.resolve().name
        files = tuple(self._hash(path) for path in self._selection.select(self._paths(), name))
        return Snapshot(name, content_id(files), files)

    def read(self, entry: FileEntry, offset: int, view: memoryview, moved: Callable[[int], None]) -> None:
        """Fill `view` from the file."""
        self._cancel.check()
        try:
            with (self._root / entry.path).open("rb", buffering=0) as file:
                if os.fstat(file.fileno()).st_size != entry.size:
                    raise SourceChanged(f"{entry.path}: the file changed its size while it was copied.")
                done = 0
                while done < len(view):
                    count = os.preadv(file.fileno(), [view[done:]], offset + done)
                    if count == 0:
                        raise SourceChanged(f"{entry.path}: the file became shorter while it was copied.")
                    done += count
                    moved(count)
        except OSError as problem:
            raise SourceError(f"{entry.path}: cannot be read: {problem.strerror or problem}") from None

    def url(self, entry: FileEntry) -> str:
        """No service can read a local file."""
        return ""

    def forget_url(self, entry: FileEntry) -> None:
        """There was none."""

    def _paths(self) -> Iterator[str]:
        for folder, _, names in os.walk(self._root):
            for name in names:
                path = Path(folder, name)
                if path.is_file():
                    yield path.relative_to(self._root).as_posix()

    def _hash(self, path: str) -> FileEntry:
        digest, size = hashlib.sha256(), 0
        try:
            with (self._root / path).open("rb", buffering=0) as file:
                buffer = memoryview(bytearray(1 << 20))
                while count := file.readinto(buffer):
                    self._cancel.check()
                    digest.update(buffer[:count])
                    size += count
        except OSError as problem:
            raise SourceError(f"{path}: cannot be read: {problem.strerror or problem}") from None
        return FileEntry(path, size, sha256=digest.hexdigest())
