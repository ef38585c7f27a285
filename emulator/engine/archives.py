"""The members of an archive that a program passes to a resource, and the hash of the tar stream Pulumi would
make of them.

The bytes of that stream are those of Go's archive/tar, which pads less than Python's tarfile and fills in the
device fields, so that the headers are written here. Members of more than 8 GiB are refused.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from .errors import EngineError, Unsupported

Members = Iterator[tuple[str, bytes]]

_BLOCK = 512
_NAME, _PREFIX = 100, 155  # bytes that a tar header has for a name
_LARGEST = 8 << 30
_TARS = {".tar": "r:", ".tgz": "r:gz", ".tar.gz": "r:gz"}
_ZIPS = (".zip", ".jar")


def is_archive_file(path: Path) -> bool:
    """By its name alone, as Pulumi decides."""
    return path.name.endswith((*_TARS, *_ZIPS))


def members_of(path: Path) -> Members:
    """What is in a folder or in an archive file."""
    if is_archive_file(path):
        return _from_zip(path) if path.name.endswith(_ZIPS) else _from_tar(path)
    if not path.is_dir():
        what = (
            "is neither a folder nor a .tar, .tgz, .tar.gz, .zip or .jar"
            if path.exists()
            else "does not exist"
        )
        raise EngineError(f"The archive {path} {what}; check the path in the program.")
    return ((file.relative_to(path).as_posix(), file.read_bytes()) for file in _walk(path))


def _walk(folder: Path) -> Iterator[Path]:
    """Files below a folder in order of names; links to files are files, links to folders are left out."""
    for name in sorted(os.listdir(folder), key=os.fsencode):
        path = folder / name
        if name == ".pulumi" or (path.is_symlink() and path.is_dir()):
            continue
        if path.is_dir():
            yield from _walk(path)
        else:
            yield path


def _from_tar(path: Path) -> Members:
    mode = next(mode for ending, mode in _TARS.items() if path.name.endswith(ending))
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for member in tar:
            content = tar.extractfile(member) if member.isreg() else None
            if content is not None:
                yield posixpath.normpath(member.name), content.read()
            elif not member.isdir():
                raise Unsupported(
                    f"{member.name!r} in the archive {path}, which is neither a file nor a folder,"
                )


def _from_zip(path: Path) -> Members:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if not member.is_dir():
                yield posixpath.normpath(member.filename), archive.read(member)


def tar_hash(members: Iterable[tuple[str, bytes]]) -> str:
    """SHA-256 of the tar stream of these members; of two with one name the first counts."""
    digest = hashlib.sha256()
    seen: set[str] = set()
    for name, content in members:
        if name in seen:
            continue
        seen.add(name)
        digest.update(_headers(name, len(content)))
        digest.update(_padded(content))
    digest.update(bytes(2 * _BLOCK))
    return digest.hexdigest()


def _headers(name: str, size: int) -> bytes:
    if size >= _LARGEST:
        raise Unsupported(f"The archive member {name!r} of {size} bytes", "members of up to 8 GiB are")
    raw = name.encode()
    if raw.isascii() and len(raw) <= _NAME:
        return _header(raw, size)
    prefix, _, rest = _split(raw)
    if prefix:
        return _header(rest, size, prefix=prefix)
    record = _pax_record(raw)
    folder, _, base = name.rpartition("/")
    extra = _ascii(posixpath.normpath(posixpath.join(folder, "PaxHeaders.0", base)))[:_NAME].rstrip(b"/")
    first = _header(extra, len(record), mode=0, kind=b"x", device=b"")
    return first + _padded(record) + _header(_ascii(name)[:_NAME], size)


def _split(raw: bytes) -> tuple[bytes, bytes, bytes]:
    """Where a long name can be cut in two that fit, as Go does it."""
    if not raw.isascii():
        return b"", b"", raw
    prefix, slash, _ = raw[: _PREFIX + 1].rpartition(b"/")
    rest = raw[len(prefix) + 1 :]
    if not prefix or not rest or len(rest) > _NAME:
        return b"", b"", raw
    return prefix, slash, rest


def _header(
    name: bytes,
    size: int,
    *,
    prefix: bytes = b"",
    mode: int = 0o600,
    kind: bytes = b"0",
    device: bytes = b"0000000\0",
) -> bytes:
    def number(value: int, width: int) -> bytes:
        return b"%0*o\0" % (width - 1, value)

    owner = number(0, 8)
    start = name.ljust(_NAME, b"\0") + number(mode, 8) + owner + owner + number(size, 12) + number(0, 12)
    end = (
        kind
        + bytes(100)
        + b"ustar\x0000"
        + bytes(64)
        + device.ljust(8, b"\0") * 2
        + prefix.ljust(_PREFIX, b"\0")
    )
    block = (start + b" " * 8 + end).ljust(_BLOCK, b"\0")
    return start + b"%06o\0 " % sum(block) + block[len(start) + 8 :]


def _pax_record(name: bytes) -> bytes:
    body = b" path=" + name + b"\n"
    length = len(body)
    while length != len(body) + len(str(length)):
        length = len(body) + len(str(length))
    return str(length).encode() + body


def _ascii(name: str) -> bytes:
    return bytes(code for code in name.encode() if 0 < code < 0x80)


def _padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % _BLOCK)
