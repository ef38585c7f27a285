"""`python -m transfer plan|copy|verify SOURCE[@REVISION] CONTAINER_URL`: the library on a command line.

SOURCE is a hub id, a folder (`./x`), the URL of a blob folder or an `azureml://` path. CONTAINER_URL may
carry a SAS; without one, azure-identity's default credential is used, or the account key in
AZURE_STORAGE_KEY.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from transfer import api
from transfer.access import Access, KeyAccess, SasAccess, TokenAccess
from transfer.cancel import Cancellation
from transfer.errors import Cancelled, TransferError
from transfer.pipeline import MIB, Sizes
from transfer.progress import BarWatcher, LogWatcher, size, summary
from transfer.selection import Selection


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it went well, 1 with one line of explanation, 130 when it was interrupted."""
    options = _parser().parse_args(argv)
    cancel = Cancellation()
    before = signal.signal(signal.SIGTERM, lambda *_: cancel.cancel())
    try:
        return _COMMANDS[options.command](options, cancel)
    except (KeyboardInterrupt, Cancelled):
        print("stopped; what is staged stays: the same command goes on from there", file=sys.stderr)
        return 130
    except TransferError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    finally:
        signal.signal(signal.SIGTERM, before)


def _plan(options: argparse.Namespace, cancel: Cancellation) -> int:
    found = api.plan(_request(options), cancel=cancel)
    for entry in found.snapshot.files:
        state = "present" if entry in found.present else "resume" if entry.path in found.resumable else "copy"
        print(f"{state:8} {size(entry.size):>10}  {entry.path}")
    missing = sum(entry.size for entry in found.missing)
    print(f"{found.snapshot.repository}@{found.snapshot.commit} -> {found.prefix}")
    print(f"{len(found.missing)} of {len(found.snapshot.files)} files to copy, {size(missing)}")
    return 0


def _copy(options: argparse.Namespace, cancel: Cancellation) -> int:
    with _watcher(options) as watcher:
        copied = api.copy_snapshot(_request(options), watcher=watcher, cancel=cancel)
    print(summary(copied.report))
    print(f"{copied.snapshot.repository}@{copied.snapshot.commit} is at {copied.prefix}")
    if options.report:
        Path(options.report).write_text(json.dumps(vars(copied.report)))
    return 0


def _verify(options: argparse.Namespace, cancel: Cancellation) -> int:
    with _watcher(options) as watcher:
        report = api.verify(_request(options), watcher=watcher, cancel=cancel)
    print(
        f"all {report.files} files are whole: {size(report.bytes_read)} read back in {report.seconds:.1f} s"
    )
    return 0


_COMMANDS = {"plan": _plan, "copy": _copy, "verify": _verify}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m transfer", description="Hugging Face to Blob storage, verified."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what in (
        ("plan", "say what a copy would move"),
        ("copy", "copy what is missing, verify what is copied"),
        ("verify", "read every blob back and compare digests"),
    ):
        command = commands.add_parser(name, help=what)
        command.add_argument("source", help="owner/name[@revision], ./folder, https:// or azureml:// path")
        command.add_argument("container", help="https://ACCOUNT.blob.../CONTAINER, with or without a SAS")
        command.add_argument("--root", default="models", help="folder of the container (default: models)")
        command.add_argument("--lock", help="JSON lock file with an entry for the source: no hub is asked")
        command.add_argument("--allow", action="append", help="pattern of files to take (may be repeated)")
        command.add_argument(
            "--ignore", action="append", help="pattern of files to leave out (may be repeated)"
        )
        command.add_argument("--include-pickle", action="store_true", help="take pickle weights too")
        command.add_argument(
            "--token", default="", help="env:NAME or a Key Vault secret's URI (default: HF_TOKEN)"
        )
        command.add_argument("--server-side-copy", choices=("auto", "trust", "never"), default="auto")
        command.add_argument("--block-mib", type=int, default=Sizes.block // MIB)
        command.add_argument("--in-flight", type=int, default=Sizes.in_flight)
        command.add_argument("--report", help="write the figures of a copy to this file, as JSON")
        command.add_argument("--plain", action="store_true", help="plain lines even on a terminal")
    return parser


def _request(options: argparse.Namespace) -> api.Request:
    access, url = _access(options.container)
    source, revision = _source(options.source, access)
    return api.Request(
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
    if parts.scheme not in ("http", "https") or not parts.path.strip("/"):
        raise TransferError(
            f"{container.split('?')[0]!r} is no container: https://ACCOUNT.blob.../CONTAINER."
        )
    url = urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))
    if parts.query:
        return SasAccess(parts.query), url
    key = os.environ.get("AZURE_STORAGE_KEY")
    if key:
        path = parts.path.strip("/").split("/")
        account = path[0] if len(path) > 1 else (parts.hostname or "").split(".")[0]
        return KeyAccess(url, os.environ.get("AZURE_STORAGE_ACCOUNT", account), key), url
    return TokenAccess(_credential()), url


def _credential():
    from azure.identity import DefaultAzureCredential

    return DefaultAzureCredential()


def _source(text: str, access: Access) -> tuple[str | api.BlobFolder, str]:
    """The source and the revision of a hub repository."""
    if text.startswith("azureml://"):
        return _datastore_source(text), ""
    if text.startswith(("http://", "https://")):
        base, _, path = text.split("?")[0].partition("//")[2].partition("/")
        scheme = text.partition(":")[0]
        container, _, prefix = path.partition("/")
        own = _access(text)[0] if "?" in text else access
        return api.BlobFolder(container_url=f"{scheme}://{base}/{container}", prefix=prefix, access=own), ""
    if text.startswith((".", "/", "~")):
        return text, ""
    repository, _, revision = text.partition("@")
    return repository, revision or "main"


def _datastore_source(uri: str) -> api.BlobFolder:
    from transfer.datastore import lookup, parse
    from transfer.management import arm

    which, path = parse(uri)
    credential = _credential()
    there = lookup(which, arm(credential))
    return api.BlobFolder(container_url=there.container_url, prefix=path, access=TokenAccess(credential))


def _lock(path: str, source: str) -> dict:
    try:
        document = json.loads(Path(path).read_text())
    except (OSError, ValueError) as problem:
        raise TransferError(f"--lock {path}: not readable: {problem}") from None
    repository, _, revision = source.partition("@")
    entries = document.get("models") or {}
    entry = entries.get(f"{repository}@{revision or 'main'}")
    if not entry:
        raise TransferError(f"--lock {path}: no entry for {source}. Write it with make lock.")
    return entry


def _watcher(options: argparse.Namespace):
    if sys.stderr.isatty() and not options.plain:
        return BarWatcher()
    return LogWatcher(options.source, lambda line: print(line, file=sys.stderr, flush=True))


if __name__ == "__main__":
    sys.exit(main())
