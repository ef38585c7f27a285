"""What a source of files is to the engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from transfer.model import FileEntry, Snapshot


class Source(Protocol):
    """A place that files come from: a hub repository, a folder, or a blob container."""

    def snapshot(self) -> Snapshot:
        """The files with their digests, pinned."""

    def read(self, entry: FileEntry, offset: int, view: memoryview, moved: Callable[[int], None]) -> None:
        """Fill `view` with the bytes from `offset` on, or raise. `moved` is told of bytes as they arrive."""

    def url(self, entry: FileEntry) -> str:
        """An address from which another service can read the file without our credentials, or ""."""

    def forget_url(self, entry: FileEntry) -> None:
        """That address does not work any more; `url` is to find another."""
