"""Hashes of files and folders that a program passes to resources, computed as Pulumi does.

An asset's hash is the SHA-256 of its bytes. An archive that is a file hashes as that file; a folder or a map
of assets hashes as the tar stream that Pulumi would make of it. Remote assets (`uri`) are refused: nothing
here fetches from the network.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

from .errors import EngineError, Unsupported
from .values import Archive, Asset

_CHUNK = 1 << 20


def with_hash(value: Asset | Archive, root: str) -> Asset | Archive:
    if value.hash or value.empty:
        return value
    digest = _asset(value, root) if isinstance(value, Asset) else _archive(value, root)
    return type(value)({**value.fields, "hash": digest})


def _asset(asset: Asset, root: str) -> str:
    return hashlib.sha256(_bytes(asset, root)).hexdigest()


def _bytes(asset: Asset, root: str) -> bytes:
    if asset.fields.get("text"):
        return str(asset.fields["text"]).encode()
    if asset.fields.get("uri"):
        raise Unsupported(f"The remote asset {asset.fields['uri']}")
    return _read(Path(root, asset.fields["path"]))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise EngineError(
            f"The asset {path} cannot be read ({error.strerror}); check the path in the program."
        ) from error


def _archive(archive: Archive, root: str) -> str:
    if archive.fields.get("uri"):
        raise Unsupported(f"The remote archive {archive.fields['uri']}")
    path = archive.fields.get("path")
    if path and Path(root, path).is_file():
        return hashlib.sha256(_read(Path(root, path))).hexdigest()
    return _tar_hash(_members(archive, root))


def _members(archive: Archive, root: str, prefix: str = "") -> dict[str, bytes]:
    out: dict[str, bytes] = {}
    if archive.fields.get("path"):
        folder = Path(root, archive.fields["path"])
        if not folder.is_dir():
            raise EngineError(f"The archive {folder} does not exist; check the path in the program.")
        for file in sorted(folder.rglob("*")):
            if file.is_file() and not file.is_symlink():
                out[prefix + file.relative_to(folder).as_posix()] = _read(file)
        return out
    for name, value in (archive.fields.get("assets") or {}).items():
        if isinstance(value, Asset):
            out[prefix + name] = _bytes(value, root)
        else:
            out.update(_members(value, root, f"{prefix}{name}/"))
    return out


class _Hash(io.RawIOBase):
    """A file that only remembers the hash of what was written to it."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:
        self.digest.update(data)
        return len(data)


def _tar_hash(members: dict[str, bytes]) -> str:
    sink = _Hash()
    with tarfile.open(fileobj=sink, mode="w|", format=tarfile.USTAR_FORMAT, bufsize=_CHUNK) as tar:
        for name in sorted(members):
            header = tarfile.TarInfo(name)
            header.size, header.mode, header.mtime = len(members[name]), 0o600, 0
            tar.addfile(header, io.BytesIO(members[name]))
    return sink.digest.hexdigest()
