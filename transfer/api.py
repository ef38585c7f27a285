"""The library's surface: plan, copy, verify and remove one snapshot in one container.

The destination is named by what it holds: `ROOT/REPOSITORY/COMMIT` (and the selection, when it is not the
default). What is left out: which container (a datastore's is found by `datastore`), and the registration of
a model.
"""

from __future__ import annotations

from transfer.cancel import Cancellation
from transfer.model import Report, Snapshot
from transfer.references import release
from transfer.request import Copied, Plan, Request, Silent, Watcher
from transfer.run import Run


def plan(request: Request, *, watcher: Watcher | None = None, cancel: Cancellation | None = None) -> Plan:
    """Say what a copy would move; moves nothing."""
    with Run(request, watcher or Silent(), cancel) as run:
        return run.plan()


def copy_snapshot(
    request: Request, *, watcher: Watcher | None = None, cancel: Cancellation | None = None
) -> Copied:
    """Copy what is missing and verify what is copied. Raises `TransferError`; then nothing partial looks
    whole.
    """
    with Run(request, watcher or Silent(), cancel) as run:
        return run.copy()


def verify(request: Request, *, watcher: Watcher | None = None, cancel: Cancellation | None = None) -> Report:
    """Read every blob back and hold it against the source's digests. Raises `NotWhole`."""
    with Run(request, watcher or Silent(), cancel) as run:
        return run.verify()


def state(
    request: Request, snapshot: Snapshot, path: str, *, cancel: Cancellation | None = None
) -> dict[str, str]:
    """Path -> ETag of the files of `snapshot` that one listing of the folder `path` shows to be whole.

    Raises `ContainerGone` when there is no such container.
    """
    with Run(request, Silent(), cancel) as run:
        listed = run.container.blobs(path.strip("/") + "/")
        found = ((entry, listed.get(f"{path.strip('/')}/{entry.path}")) for entry in snapshot.files)
        return {entry.path: blob.etag for entry, blob in found if blob is not None and blob.holds(entry)}


def remove(request: Request, path: str, *, reference: str, cancel: Cancellation | None = None) -> list[str]:
    """Give `reference` back; removes the files that copies with references wrote, if it was the last one."""
    with Run(request, Silent(), cancel) as run:
        return release(run.container, request.root, path.strip("/") + "/", reference, run.cancel)
