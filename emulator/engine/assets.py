"""Hashes of files and folders that a program passes to resources, computed as Pulumi does.

An asset's hash is the SHA-256 of its bytes. An archive that is a file hashes as that file; a folder or a map
of assets hashes as the tar stream that Pulumi would make of it. Remote assets (`uri`) are refused: nothing
here fetches from the network.
"""

from __future__ import annotations

import hashlib
import posixpath
from pathlib import Path

from .archives import Members, is_archive_file, members_of, tar_hash
from .errors import EngineError, Unsupported
from .values import Archive, Asset


def with_hash(value: Asset | Archive, root: str) -> Asset | Archive:
    if value.hash or value.empty:
        return value
    digest = _asset(value, root) if isinstance(value, Asset) else _archive(value, root)
    return type(value)({**value.fields, "hash": digest})


def _asset(asset: Asset, root: str) -> str:
    return hashlib.sha256(_bytes(asset, root)).hexdigest()


def _bytes(asset: Asset, root: str) -> bytes:
    if asset.fields.get("uri"):
        raise Unsupported(f"The remote asset {asset.fields['uri']}")
    if asset.fields.get("path"):
        return _read(Path(root, asset.fields["path"]))
    return str(asset.fields.get("text", "")).encode()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise EngineError(
            f"The asset {path} cannot be read ({error.strerror}); check the path in the program."
        ) from error


def _archive(archive: Archive, root: str) -> str:
    path = archive.fields.get("path")
    if path and is_archive_file(Path(root, path)):
        return hashlib.sha256(_read(Path(root, path))).hexdigest()
    return tar_hash(_members(archive, root))


def _members(archive: Archive, root: str) -> Members:
    if archive.fields.get("uri"):
        raise Unsupported(f"The remote archive {archive.fields['uri']}")
    if archive.fields.get("path"):
        yield from members_of(Path(root, archive.fields["path"]))
        return
    assets = archive.fields.get("assets") or {}
    for name in sorted(assets, key=str.encode):
        value = assets[name]
        if isinstance(value, Asset):
            yield name, _bytes(value, root)
        else:
            for inner, content in _members(value, root):
                yield posixpath.normpath(f"{name}/{inner}"), content
