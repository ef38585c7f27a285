"""Who needs a copied folder: one empty blob for each, beside the models, and a lease so that nobody counts
wrongly.

A folder is shared by everything that wants the same repository, commit and selection. It is removed with
its last reference, and of it only what a referencing copy wrote. The lease makes "count, then remove" and
"refer, then list" exclude each other between processes and machines.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Iterator

from transfer.cancel import Cancellation
from transfer.container import Blob, Container
from transfer.copying import OWNED_KEY
from transfer.errors import TransferError

LEASE_SECONDS = 60  # the longest that is not for ever; a killed process blocks others no longer than this
WAIT_SECONDS = 300.0


def refer(container: Container, root: str, prefix: str, reference: str, cancel: Cancellation) -> None:
    """Say that `reference` needs the folder, before it is listed or written. May be repeated."""
    with _exclusive(container, root, prefix, cancel):
        container.put(_place(root, prefix) + "ref-" + reference, b"", {"transfer_prefix": _ascii(prefix)}, {})


def release(container: Container, root: str, prefix: str, reference: str, cancel: Cancellation) -> list[str]:
    """Give the reference back; remove the folder's files if it was the last. Answers the names removed."""
    place = _place(root, prefix)
    with _exclusive(container, root, prefix, cancel) as lock:
        references = container.blobs(place + "ref-")
        mine = references.pop(place + "ref-" + reference, None)
        owner = reference.rpartition(".")[0]
        for name, blob in list(references.items()):
            # Same owner, older: left behind by a run that was killed before its state was saved. A newer
            # one is the replacement that this one makes way for.
            if mine and name.startswith(f"{place}ref-{owner}.") and blob.modified < mine.modified:
                container.delete(name)
                del references[name]
        removed = [] if references or mine is None else _remove_owned(container, prefix, lock)
        if not references:  # what a server-side copy that was killed had not verified yet
            for name in container.blobs(scratch(root, prefix)):
                container.delete(name)
        if mine:
            container.delete(mine.name)  # last: a crash before this repeats the release
        lock.last = not references
    return removed


def goes_with_references(blob: Blob) -> bool:
    """Whether a copy with a reference wrote the blob, so that it goes with the last one."""
    return blob.metadata.get(OWNED_KEY) == "reference"


def scratch(root: str, prefix: str) -> str:
    """A folder for blobs that are not verified yet; nothing serves from it."""
    return _place(root, prefix) + "unverified/"


def _remove_owned(container: Container, prefix: str, lock: _Lock) -> list[str]:
    removed = []
    for name, blob in container.blobs(prefix).items():
        if goes_with_references(blob):
            lock.renew()
            container.delete(name, blob.etag)
            removed.append(name)
    return removed


class _Lock:
    """A held lease; `last` says that nobody refers to the folder any more, so that the lock blob may go
    too.
    """

    def __init__(self, container: Container, blob, lease, what: str) -> None:
        self._container, self._blob, self._lease, self._what = container, blob, lease, what
        self._renewed, self.last = time.monotonic(), False

    def renew(self) -> None:
        """Keep it, if it is some time since."""
        if time.monotonic() - self._renewed > LEASE_SECONDS / 3:
            self._container.control(self._lease.renew, f"keep the lock of {self._what}")
            self._renewed = time.monotonic()

    def leave(self) -> None:
        """Let others in."""
        if self.last:
            self._container.control(lambda: self._blob.delete_blob(lease=self._lease), f"unlock {self._what}")
        else:
            self._container.control(self._lease.release, f"unlock {self._what}")


@contextlib.contextmanager
def _exclusive(container: Container, root: str, prefix: str, cancel: Cancellation) -> Iterator[_Lock]:
    """Hold the lease of the folder's lock blob."""
    from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

    blob = container.client.get_blob_client(_place(root, prefix) + "lock")
    deadline = time.monotonic() + WAIT_SECONDS

    def acquire():
        try:
            return blob.acquire_lease(LEASE_SECONDS)
        except ResourceNotFoundError as problem:
            if getattr(problem, "error_code", "") == "ContainerNotFound":
                raise
            with contextlib.suppress(ResourceExistsError):
                blob.upload_blob(b"", overwrite=False)
            return None
        except ResourceExistsError:  # 409 LeaseAlreadyPresent: another run holds it
            return None

    tries = 0
    while (lease := container.control(acquire, f"lock {prefix}")) is None:
        if time.monotonic() > deadline:
            raise TransferError(
                f"{prefix}: another run has held its lock for {WAIT_SECONDS:.0f} s. Try again."
            )
        tries += 1
        cancel.wait(0 if tries == 1 else 0.5)
    lock = _Lock(container, blob, lease, prefix)
    try:
        yield lock
    finally:
        with contextlib.suppress(TransferError):  # the lease ends by itself
            lock.leave()


def _place(root: str, prefix: str) -> str:
    key = hashlib.sha256(prefix.encode()).hexdigest()[:20]
    return f"{root.strip('/')}/.transfer/{key}/"


def _ascii(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode()
