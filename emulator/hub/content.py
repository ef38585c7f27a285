"""A snapshot of a repository's files, with the identities that git and the hub give them.

Ids follow git: a file's blob id, the tree's and the commit's are hashes of their content, so the same files
have the same commit on every machine. Large files are Git LFS: their blob is the pointer text, their
identity the SHA-256.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

# What the hub's default .gitattributes sends to LFS, and its limit for files that stay outside (10 MB).
LFS_SUFFIXES = (".safetensors", ".bin", ".gguf", ".onnx", ".pt", ".pth", ".pickle", ".ckpt", ".h5")
LFS_SIZE = 10 * 1000 * 1000
# All commits have one date: a date of their own would make ids differ between machines.
DATE = "2025-01-01T00:00:00.000Z"
SECONDS = 1735689600


@dataclass(frozen=True)
class Entry:
    """One file. `blob` is git's id, of the LFS pointer where `sha256` is set."""

    path: str
    source: Path
    size: int
    blob: str
    sha256: str | None = None

    @property
    def etag(self) -> str:
        return self.sha256 or self.blob

    @property
    def pointer_size(self) -> int:
        return len(pointer(self.sha256 or "", self.size))


@dataclass(frozen=True)
class Snapshot:
    """All files of one commit."""

    entries: Mapping[str, Entry]

    @cached_property
    def tree(self) -> str:
        return tree_ids({path: entry.blob for path, entry in self.entries.items()})[""]

    @cached_property
    def folders(self) -> dict[str, str]:
        """Tree ids of the folders, by path."""
        ids = tree_ids({path: entry.blob for path, entry in self.entries.items()})
        return {path: id_ for path, id_ in ids.items() if path}

    @cached_property
    def commit(self) -> str:
        who = f"embedded-azure <embedded-azure@localhost> {SECONDS} +0000"
        text = f"tree {self.tree}\nauthor {who}\ncommitter {who}\n\nsnapshot\n"
        return git_id("commit", text.encode())


def read_folder(folder: Path, remembered: Path | None = None) -> Snapshot:
    """The files of a folder. Hashes of large files are remembered by size and time in a JSON file."""
    known = _load(remembered)
    entries = {}
    for source in sorted(p for p in folder.rglob("*") if p.is_file()):
        path = source.relative_to(folder).as_posix()
        size = source.stat().st_size
        if path.endswith(LFS_SUFFIXES) or size > LFS_SIZE:
            key = f"{source} {size} {source.stat().st_mtime_ns}"
            digest = known.setdefault(key, "") or _sha256(source)
            known[key] = digest
            entries[path] = Entry(path, source, size, git_id("blob", pointer(digest, size)), digest)
        else:
            entries[path] = Entry(path, source, size, git_id("blob", source.read_bytes()))
    if remembered is not None:
        remembered.parent.mkdir(parents=True, exist_ok=True)
        beside = remembered.with_suffix(f".{os.getpid()}")
        beside.write_text(json.dumps(known))
        beside.replace(remembered)
    return Snapshot(entries)


def pointer(sha256: str, size: int) -> bytes:
    """The Git LFS pointer file (git-lfs, docs/spec.md)."""
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()


def git_id(kind: str, content: bytes) -> str:
    """git's object id. SHA-1 is what git and the hub use; nothing here relies on it for security."""
    return hashlib.sha1(f"{kind} {len(content)}\0".encode() + content, usedforsecurity=False).hexdigest()


def tree_ids(blobs: Mapping[str, str]) -> dict[str, str]:
    """git's tree ids of the root ("") and of every folder, given blob ids by path."""
    ids: dict[str, str] = {}

    def visit(folder: str) -> str:
        prefix = f"{folder}/" if folder else ""
        names = {path[len(prefix) :].split("/")[0] for path in blobs if path.startswith(prefix)}
        rows = []
        for name in names:
            path = prefix + name
            if path in blobs:
                rows.append((name, b"100644 " + name.encode() + b"\0" + bytes.fromhex(blobs[path])))
            else:
                # git sorts a folder as if its name ended in a slash.
                rows.append((name + "/", b"40000 " + name.encode() + b"\0" + bytes.fromhex(visit(path))))
        ids[folder] = git_id("tree", b"".join(row for _, row in sorted(rows)))
        return ids[folder]

    visit("")
    return ids


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _load(path: Path | None) -> dict[str, str]:
    try:
        return json.loads(path.read_text()) if path else {}
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
