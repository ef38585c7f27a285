"""What a caller asks for and gets: requests, plans, results, and who watches. Plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from transfer.access import Access
from transfer.model import FileEntry, Report, Snapshot
from transfer.pipeline import Sizes
from transfer.retry import Policy
from transfer.selection import Selection
from transfer.service_copy import LEAST

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential


class Watcher(Protocol):
    """Who wants to know how a run goes. Called from several threads."""

    def begin(self, doing: str, files: list[FileEntry], present: int) -> None:
        """What will be moved; `present` bytes need not be."""

    def moved(self, path: str, count: int) -> None:
        """`count` more bytes of `path` were read."""

    def done(self, entry: FileEntry) -> None:
        """The file is at its place."""

    def note(self, text: str) -> None:
        """Something worth a line."""


class Silent:
    """A watcher that looks away."""

    def begin(self, doing: str, files: list[FileEntry], present: int) -> None: ...
    def moved(self, path: str, count: int) -> None: ...
    def done(self, entry: FileEntry) -> None: ...
    def note(self, text: str) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Request:
    """One snapshot and where it goes.

    `source`: a hub id, a local folder (`./x`, `/x`, `~/x`), or a `BlobFolder` for what is in a container
    already. `lock`: what pins it, so that no hub is asked. `token`: a reference, see `tokens`. `reference`:
    who needs the copy; the files go with the last one. Without it they are somebody's by hand and stay.
    `known_etags`: path -> ETag of an earlier copy; a blob with another one is read back before it is
    trusted.
    """

    source: str | BlobFolder
    container_url: str
    access: Access
    revision: str = "main"
    lock: Mapping[str, Any] | None = None
    selection: Selection = field(default_factory=Selection)
    root: str = "models"
    token: str = ""
    credential: TokenCredential | None = None
    vault_audience: str = "https://vault.azure.net"
    reference: str = ""
    server_side_copy: str = "auto"
    known_etags: Mapping[str, str] = field(default_factory=dict)
    service_copy_least: int = LEAST
    hub: str = ""
    control_retries: int = 3  # of listings and the like; waits of 2, 4, 8 s between them
    sizes: Sizes = field(default_factory=Sizes)
    policy: Policy = field(default_factory=Policy)


@dataclass(frozen=True, kw_only=True)
class BlobFolder:
    """A folder of a container, as a source."""

    container_url: str
    prefix: str
    access: Access


@dataclass(frozen=True)
class Plan:
    """What a copy would do."""

    snapshot: Snapshot
    prefix: str
    present: tuple[FileEntry, ...]
    missing: tuple[FileEntry, ...]
    resumable: tuple[str, ...]  # paths with staged blocks of an earlier run


@dataclass(frozen=True)
class Copied:
    """What is there after a copy. `files`: path -> size, digest and ETag."""

    snapshot: Snapshot
    prefix: str
    files: Mapping[str, Mapping[str, Any]]
    report: Report
