"""Hashes of plain content: what makes one server different from another, before anything is built or copied.

Names of servers, environments and models are made of these, so they must be the same on every machine and
known when the program runs: never over an Output, a secret, a time or a path of this machine.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

LENGTH = 8  # hex digits: 4 billion, for a handful of servers a year


def short_hash(value: Any) -> str:
    """A short hash of plain data (mappings, lists, text, numbers), independent of the order of keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:LENGTH]


def context_hash(context: Path, dockerfile: str, args: Mapping[str, str], target: str | None) -> str:
    """A hash of everything a Docker build sees: the context but for .dockerignore, the Dockerfile, the
    arguments."""
    digest = hashlib.sha256()
    for path in [*sorted(context_files(context)), Path(dockerfile)]:
        file = context / path
        mode = "x" if file.stat().st_mode & 0o100 else "-"
        digest.update(f"{path.as_posix()}\0{mode}\0{file.stat().st_size}\0".encode())
        digest.update(file.read_bytes())
    digest.update(json.dumps([sorted(args.items()), target]).encode())
    return digest.hexdigest()[:LENGTH]


def context_files(context: Path) -> Iterator[Path]:
    """Files of a Docker context relative to it, without those that its .dockerignore leaves out."""
    ignore = context / ".dockerignore"
    rules = list(_rules(ignore.read_text())) if ignore.exists() else []
    for file in context.rglob("*"):
        path = file.relative_to(context)
        if file.is_file() and not _ignored(path.as_posix(), rules):
            yield path


def folder_hash(folder: Path) -> str:
    """A hash of a model folder (or of one file) by names, sizes and the ends of its files; gigabytes are not
    read for a preview."""
    digest = hashlib.sha256()
    alone = folder.is_file()
    for file in [folder] if alone else sorted(folder.rglob("*")):
        path = file.relative_to(folder.parent if alone else folder)
        if not file.is_file() or (not alone and any(part.startswith(".") for part in path.parts)):
            continue
        size = file.stat().st_size
        digest.update(f"{path.as_posix()}\0{size}\0".encode())
        with file.open("rb") as content:
            digest.update(content.read(1 << 20))
            content.seek(max(0, size - (1 << 20)))
            digest.update(content.read(1 << 20))
    return digest.hexdigest()[:LENGTH]


def _rules(text: str) -> Iterator[tuple[bool, re.Pattern[str]]]:
    """(keeps, pattern) for each line of a .dockerignore.

    https://docs.docker.com/build/concepts/context/#dockerignore-files: patterns are rooted, `**` crosses
    folders, a folder takes what is in it along, `!` brings back, and the last rule that matches decides.
    """
    for line in text.splitlines():
        rule = line.strip()
        if not rule or rule.startswith("#"):
            continue
        keeps, rule = rule.startswith("!"), rule.removeprefix("!").strip().strip("/")
        if rule in ("", "."):
            continue
        yield keeps, re.compile(_translate(rule) + r"(/.*)?\Z")


def _translate(rule: str) -> str:
    out, index = "", 0
    while index < len(rule):
        if rule.startswith("**/", index):
            out, index = out + "(.*/)?", index + 3
        elif rule.startswith("**", index):
            out, index = out + ".*", index + 2
        elif rule[index] == "*":
            out, index = out + "[^/]*", index + 1
        elif rule[index] == "?":
            out, index = out + "[^/]", index + 1
        else:
            out, index = out + re.escape(rule[index]), index + 1
    return out


def _ignored(path: str, rules: list[tuple[bool, re.Pattern[str]]]) -> bool:
    ignored = False
    for keeps, pattern in rules:
        if pattern.match(path):
            ignored = not keeps
    return ignored
