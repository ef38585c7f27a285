"""What the arguments of the command line mean: the parser, and the `Request` they make.

What is left out: running it (`__main__`).
"""

from __future__ import annotations

import argparse
import json
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit, urlunsplit

from transfer.access import Access, KeyAccess, SasAccess, TokenAccess
from transfer.errors import TransferError
from transfer.pipeline import MIB, Sizes
from transfer.request import BlobFolder, Request
from transfer.selection import Selection

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

_ABOUT = """\
SOURCE is a repository of the Hugging Face hub (owner/name or owner/name@revision), a folder
(./x, /x, ~/x), a folder in Blob storage (https://ACCOUNT.blob.../CONTAINER/PATH), or
azureml://subscriptions/.../datastores/D/paths/P.

CONTAINER may carry a SAS. Without one, the account key in AZURE_STORAGE_KEY is used if there is
one, else azure-identity's default credential: az login, a managed identity, AZURE_* variables.
docs/transfer.md has the rest.
"""
_COMMANDS = (
    ("plan", "say what a copy would move"),
    ("copy", "copy what is missing, verify what is copied"),
    ("verify", "read every blob back and compare digests"),
)


def parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    made = argparse.ArgumentParser(
        prog="python -m transfer",
        description="A model from the Hugging Face hub to Blob storage, in one stream, verified.",
        epilog=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = made.add_subparsers(dest="command", required=True)
    for name, what in _COMMANDS:
        command = commands.add_parser(
            name, help=what, epilog=_ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        command.add_argument("source", metavar="SOURCE", help="what is copied: see below")
        command.add_argument("container", metavar="CONTAINER", help="https://ACCOUNT.blob.../CONTAINER")
        command.add_argument("--root", default="models", help="folder of the container (%(default)s)")
        command.add_argument("--lock", help="lock file with an entry for SOURCE: then no hub is asked")
        command.add_argument("--allow", action="append", help="pattern of files to take (may be repeated)")
        command.add_argument(
            "--ignore", action="append", help="pattern of files to leave out (may be repeated)"
        )
        command.add_argument("--include-pickle", action="store_true", help="take pickle weights too")
        command.add_argument(
            "--token", default="", help="of the hub: env:NAME, or a Key Vault secret's URI (HF_TOKEN)"
        )
        command.add_argument("--plain", action="store_true", help="plain lines even on a terminal")
        _tuning(command, copying=name == "copy")
    return made


def _tuning(command: argparse.ArgumentParser, *, copying: bool) -> None:
    default = Sizes()
    command.add_argument(
        "--block-mib", type=int, default=default.block // MIB, help="MiB of a block (%(default)s)"
    )
    command.add_argument(
        "--in-flight", type=int, default=default.in_flight, help="blocks under way at a time (%(default)s)"
    )
    command.set_defaults(server_side_copy="auto", report="")
    if copying:
        command.add_argument(
            "--server-side-copy",
            choices=("auto", "trust", "never"),
            help="let the service fetch large files where it can, and read them back (auto), not read them "
            "back (trust), or stream everything (never)",
        )
        command.add_argument("--report", help="write the figures to this file, as JSON")


def request(options: argparse.Namespace) -> Request:
    """What is asked for. Raises `TransferError` for what makes no sense."""
    access, url = _access(options.container)
    source, revision = _source(options.source, (access, url))
    return Request(
        source=source,
        container_url=url,
        access=access,
        revision=revision,
        lock=_lock(options.lock, options.source) if options.lock else None,
        selection=Selection.of(options.allow, options.ignore, options.include_pickle),
        root=options.root,
        token=options.token,
        credential=_credential() if "/secrets/" in options.token else None,
        server_side_copy=options.server_side_copy,
        sizes=Sizes(options.block_mib * MIB, options.in_flight),
    )


def _access(container: str) -> tuple[Access, str]:
    """The access to a container and its URL without a query."""
    parts = urlsplit(container)
    path = [part for part in parts.path.split("/") if part]
    # Two parts are account and container, of a service (Azurite) whose host does not name the account.
    if parts.scheme not in ("http", "https") or len(path) not in (
        (1,) if ".blob." in parts.netloc else (1, 2)
    ):
        raise TransferError(
            f"{container.split('?')[0]!r} is no container: write https://ACCOUNT.blob.../CONTAINER; a "
            "folder in it is given by --root."
        )
    url = urlunsplit((parts.scheme, parts.netloc, "/" + "/".join(path), "", ""))
    if parts.query:
        return SasAccess(parts.query), url
    key = os.environ.get("AZURE_STORAGE_KEY")
    if key:
        account = path[0] if len(path) > 1 else (parts.hostname or "").split(".")[0]
        return KeyAccess(url, os.environ.get("AZURE_STORAGE_ACCOUNT", account), key), url
    return TokenAccess(_credential()), url


@cache
def _credential() -> TokenCredential:
    from azure.identity import DefaultAzureCredential

    return DefaultAzureCredential()


def _source(text: str, destination: tuple[Access, str]) -> tuple[str | BlobFolder, str]:
    """The source, and the revision of a hub repository."""
    if text.startswith("azureml://"):
        return _datastore_source(text), ""
    if text.startswith(("http://", "https://")):
        return _blob_source(text, destination), ""
    if text.startswith((".", "/", "~")):
        return text, ""
    repository, at, revision = text.partition("@")
    if at and not revision:
        raise TransferError(
            f"{text!r}: no revision behind the @; give a branch, a tag or a commit, or leave it out."
        )
    return repository, revision or "main"


def _blob_source(text: str, destination: tuple[Access, str]) -> BlobFolder:
    """A SAS in the source's own URL counts there, else that of the destination, else what needs none."""
    access, url = destination
    parts, there = urlsplit(text), urlsplit(url)
    # As many parts name the container as in the destination, if it is of the same service.
    count = there.path.count("/") if parts.netloc == there.netloc else 1
    path = unquote(parts.path).strip("/").split("/")
    container = urlunsplit((parts.scheme, parts.netloc, "/" + "/".join(path[:count]), parts.query, ""))
    if parts.query or not isinstance(access, SasAccess):
        access, container = _access(container)  # an account key signs for one container
    return BlobFolder(container_url=container, prefix="/".join(path[count:]), access=access)


def _datastore_source(uri: str) -> BlobFolder:
    from transfer.datastore import lookup, parse
    from transfer.management import arm

    which, path = parse(uri)
    credential = _credential()
    there = lookup(which, arm(credential))
    return BlobFolder(container_url=there.container_url, prefix=path, access=TokenAccess(credential))


def _lock(path: str, source: str) -> dict[str, Any]:
    """The entry of a lock file (`make lock` writes it)."""
    repository, _, revision = source.partition("@")
    try:
        entry = json.loads(Path(path).read_text())["models"].get(f"{repository}@{revision or 'main'}")
    except OSError as problem:
        raise TransferError(f"--lock {path}: cannot be read: {problem.strerror}.") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise TransferError(f"--lock {path}: is no lock file. Write it with make lock.") from None
    if not entry:
        raise TransferError(f"--lock {path}: no entry for {source}. Write it with make lock.")
    return entry
