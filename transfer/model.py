"""What is copied: files with digests, a snapshot of them, and what a run did. Plain values, no input or
output.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from transfer.errors import TransferError


@dataclass(frozen=True)
class FileEntry:
    """One file of a snapshot. `size` in bytes; one of the digests is what the copy is held against."""

    path: str
    size: int
    sha256: str = ""
    git_blob: str = ""

    def __post_init__(self) -> None:
        _check_name(self.path)
        if not (self.sha256 or self.git_blob):
            raise TransferError(
                f"{self.path}: neither a SHA-256 nor a git blob id is known, so nothing could tell a whole "
                "copy from a damaged one. Write the lock again (make lock)."
            )

    @property
    def kind(self) -> str:
        """The name of the digest that counts."""
        return "SHA-256" if self.sha256 else "git blob id"

    @property
    def digest(self) -> str:
        """The digest that counts, in hex."""
        return self.sha256 or self.git_blob

    def as_dict(self) -> dict[str, Any]:
        """The entry as the lock file has it."""
        return {"size": self.size} | ({"sha256": self.sha256} if self.sha256 else {"git_blob": self.git_blob})


def _check_name(path: str) -> None:
    """Refuse what the blob service would store under another name, or not at all.

    https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata
    """
    segments = path.split("/")
    if any(segment in ("", ".", "..") for segment in segments):
        raise TransferError(f"{path!r} is not a relative path of a file; the blob service would change it.")
    if "\\" in path or any(
        ord(char) < 32 or char in "\x7f\ufffe\uffff" or "\ud800" <= char <= "\udfff" for char in path
    ):
        raise TransferError(
            f"{path!r}: the blob service stores no backslash (it becomes a slash) and no control character "
            "in a name. Rename the file at the source, or leave it out with ignore_patterns."
        )
    if len(path) > 900 or len(segments) > 240:  # of 1024 and 254; the folder of the copy comes before it
        raise TransferError(
            f"{path[:80]!r}...: too long for a blob's name. Leave it out with ignore_patterns."
        )


@dataclass(frozen=True)
class Snapshot:
    """The files of one repository at one commit."""

    repository: str
    commit: str
    files: tuple[FileEntry, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(entry.size for entry in self.files)

    def as_lock(self) -> dict[str, Any]:
        """What the lock file keeps of it."""
        return {"commit": self.commit, "files": {entry.path: entry.as_dict() for entry in self.files}}


def snapshot_of_lock(repository: str, lock: Mapping[str, Any]) -> Snapshot:
    """The snapshot that a lock entry pins. Numbers may come as floats (Pulumi's state has no integers)."""
    try:
        files = tuple(
            FileEntry(path, int(facts["size"]), facts.get("sha256") or "", facts.get("git_blob") or "")
            for path, facts in sorted(lock["files"].items())
        )
        return Snapshot(repository, str(lock["commit"]), files)
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise TransferError(
            f"the lock entry of {repository} is not readable ({type(problem).__name__}: {problem}). It needs "
            "`commit` and `files: {path: {size, sha256 or git_blob}}`. Write it again (make lock)."
        ) from None


@dataclass
class Report:
    """What a run did. All in bytes, seconds or counts."""

    files: int = 0
    size: int = 0
    files_present: int = 0
    bytes_present: int = 0
    bytes_read: int = 0
    bytes_reread: int = 0  # read again only to hash blocks that an interrupted run had staged
    bytes_sent: int = 0
    bytes_sent_again: int = 0  # sent more than once within this run, because a request failed
    bytes_copied_by_service: int = 0
    retries: int = 0
    least_concurrency: int = 0
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)


def content_id(files: tuple[FileEntry, ...]) -> str:
    """A name for a set of files that have no commit: a digest over their paths, sizes and digests."""
    lines = sorted(f"{entry.path}\0{entry.size}\0{entry.digest}\n" for entry in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:40]
