"""The hash of a build context, as pulumi-docker-build makes it.

SHA-256 over the Dockerfile's text, then, in the order of a walk, each file's content, relative name and
mode (as Go writes modes); files that .dockerignore leaves out do not count. Source: hashBuildContext in
provider/internal/context.go.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from emulator.plugins.docker_build.ignore import Rule, is_ignored, read_rules


def context_hash(context: Path, dockerfile: Path | None) -> str:
    """Return the hash; `dockerfile` is None for an inline one."""
    digest = hashlib.sha256()
    if dockerfile is not None and dockerfile.is_file():
        digest.update(dockerfile.read_bytes())
    if context.is_dir():
        for path, name in files(context, read_rules(context, dockerfile)):
            _hash_file(digest, path, name)
    return digest.hexdigest()


def files(context: Path, rules: list[Rule]) -> Iterator[tuple[Path, str]]:
    """Walk a context in Go's order (names of a folder sorted, folders entered where they come)."""
    yield from _walk(context, "", rules)


def _walk(folder: Path, base: str, rules: list[Rule]) -> Iterator[tuple[Path, str]]:
    for entry in sorted(os.scandir(folder), key=lambda item: item.name):
        name = base + entry.name
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path), name + "/", rules)
        elif not is_ignored(name, rules):
            yield Path(entry.path), name


def _hash_file(digest: Any, path: Path, name: str) -> None:
    mode = path.lstat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISLNK(mode):
        return
    if path.is_dir():  # a link to a folder
        return
    with path.open("rb") as content:
        while chunk := content.read(1 << 20):
            digest.update(chunk)
    digest.update(name.encode())
    digest.update(_go_mode(mode).encode())


def _go_mode(mode: int) -> str:
    """Write a mode as Go's FileMode.String does: `-rw-r--r--`, `Lrwxrwxrwx`."""
    marks = ("L" if stat.S_ISLNK(mode) else "") + ("u" if mode & stat.S_ISUID else "")
    marks += ("g" if mode & stat.S_ISGID else "") + ("t" if mode & stat.S_ISVTX else "")
    bits = "".join(letter if mode >> (8 - i) & 1 else "-" for i, letter in enumerate("rwxrwxrwx"))
    return (marks or "-") + bits
