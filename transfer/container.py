"""A blob container as the copy needs it: listing and other control calls by azure-storage-blob, blocks by
`Wire`.

A blob that is whole carries metadata, written in the same request that commits it: the digest it was verified
against. A commit is atomic, an overwrite drops metadata, so one listing tells what is whole. What is left
out: what the blobs mean (`engine`, `references`). REST:
https://learn.microsoft.com/rest/api/storageservices/put-block and put-block-list, put-blob
"""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit, urlunsplit

from transfer.access import Access
from transfer.errors import DestinationError, Retryable
from transfer.model import FileEntry
from transfer.refusals import refusal
from transfer.retry import BUSY, PASSING, Policy, retry_after, retrying
from transfer.throttle import Throttle
from transfer.wire import Answer, Body, Wire

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

# Known by Azurite 3.35 and by Azure; blocks up to 4000 MiB, metadata in listings.
API_VERSION = "2023-11-03"
SHA256_KEY, GIT_KEY, CHECK_KEY = "transfer_sha256", "transfer_git_blob", "transfer_check"


@dataclass(frozen=True)
class Blob:
    """One listed blob. `uncommitted`: staged blocks only, or an empty blob of somebody else."""

    name: str
    size: int
    etag: str
    metadata: Mapping[str, str]
    uncommitted: bool = False
    modified: float = 0.0

    def holds(self, entry: FileEntry) -> bool:
        """Whether this is `entry`, whole and verified."""
        recorded = self.metadata.get(SHA256_KEY if entry.sha256 else GIT_KEY, "")
        return not self.uncommitted and self.size == entry.size and recorded == entry.digest


class Container:
    """One container at `url` (without a query)."""

    def __init__(
        self,
        url: str,
        access: Access,
        wire: Wire,
        *,
        policy: Policy | None = None,
        throttle: Throttle | None = None,
        control_retries: int = 3,
        retried: Callable[[Retryable], None] | None = None,
    ) -> None:
        self.url, self._access, self._wire = url.rstrip("/"), access, wire
        self._policy, self._retried = policy or Policy(), retried
        self.throttle, self._control_retries = throttle or Throttle(8), control_retries
        self._lock = threading.Lock()
        self._client: ContainerClient | None = None

    def blobs(self, prefix: str) -> dict[str, Blob]:
        """Every blob under `prefix` by name, staged ones too."""
        from azure.storage.blob import BlobProperties

        found: dict[str, Blob] = {}

        def fetch() -> None:
            found.clear()
            pages = self.client.list_blobs(name_starts_with=prefix, include=["metadata", "uncommittedblobs"])
            for item in pages:
                self._wire.cancel.check()
                assert isinstance(item, BlobProperties)
                modified = item.last_modified.timestamp() if item.last_modified else 0.0
                metadata = item.metadata or {}
                # Staged blocks without a commit are listed as an empty blob. Whether it has an ETag differs
                # between services; that it has none of our marks does not.
                waiting = not item.size and SHA256_KEY not in metadata and GIT_KEY not in metadata
                found[item.name] = Blob(
                    item.name, item.size or 0, bare(item.etag), metadata, waiting, modified
                )

        self.control(fetch, f"list {prefix}")
        return found

    def get(self, name: str) -> Blob | None:
        """The committed blob, or None."""
        from azure.core.exceptions import ResourceNotFoundError

        def fetch() -> Blob | None:
            try:
                facts = self.client.get_blob_client(name).get_blob_properties()
            except ResourceNotFoundError:
                return None
            return Blob(name, facts.size, bare(facts.etag), facts.metadata or {})

        return self.control(fetch, f"look at {name}")

    def staged(self, name: str) -> dict[str, int]:
        """Block id -> size in bytes, of blocks that wait for a commit."""
        from azure.core.exceptions import ResourceNotFoundError

        def fetch() -> dict[str, int]:
            try:
                _, waiting = self.client.get_blob_client(name).get_block_list("uncommitted")
            except ResourceNotFoundError:
                return {}
            return {block.id: block.size for block in waiting}

        return self.control(fetch, f"list the blocks of {name}")

    def stage(self, name: str, block_id: str, body: memoryview) -> None:
        """Put one block; the id is raw text of one length for all blocks of a blob."""
        encoded = quote(base64.b64encode(block_id.encode()).decode(), safe="")
        self._put(name, f"comp=block&blockid={encoded}", {}, body)

    def stage_from(
        self, name: str, block_id: str, source: str, offset: int, size: int, *, once: bool = False
    ) -> None:
        """Have the service fetch one block from `source` itself (Put Block From URL); `once`: do not try
        again.
        """
        encoded = quote(base64.b64encode(block_id.encode()).decode(), safe="")
        headers = {"x-ms-copy-source": source, "x-ms-source-range": f"bytes={offset}-{offset + size - 1}"}
        policy = Policy(attempts=1) if once else self._policy
        self._put(name, f"comp=block&blockid={encoded}", headers, None, policy)

    def copy_within(self, name: str, target: str, metadata: Mapping[str, str]) -> str:
        """Copy a blob to another name of this container, with metadata of its own. Answers the ETag.

        Within an account the caller's authorization covers the source (Copy Blob); a SAS has to be repeated.
        https://learn.microsoft.com/rest/api/storageservices/copy-blob
        """
        source = f"{self.url}/{quote(name)}" + (f"?{self._access.query()}" if self._access.query() else "")
        etag = self._put(target, "", _metadata(metadata) | {"x-ms-copy-source": source}, None)
        for _ in range(600):  # usually done at once within an account
            state = self.control(
                lambda: self.client.get_blob_client(target).get_blob_properties().copy.status,
                f"look at {target}",
            )
            if state in (None, "success"):
                return etag
            if state != "pending":
                break
            self._wire.cancel.wait(1)
        raise DestinationError(f"copy of {name} to {target}: {state}.")

    def commit(
        self, name: str, block_ids: list[str], metadata: Mapping[str, str], condition: dict[str, str]
    ) -> str:
        """Make the staged blocks the blob, with its metadata, in one step. Answers the ETag."""
        items = "".join(f"<Latest>{base64.b64encode(one.encode()).decode()}</Latest>" for one in block_ids)
        body = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{items}</BlockList>'.encode()
        headers = _metadata(metadata) | condition | {"x-ms-blob-content-type": "application/octet-stream"}
        return self._put(name, "comp=blocklist", headers, body)

    def put(self, name: str, body: Body, metadata: Mapping[str, str], condition: dict[str, str]) -> str:
        """Write a small blob in one request. Answers the ETag."""
        headers = _metadata(metadata) | condition | {"x-ms-blob-type": "BlockBlob"}
        return self._put(name, "", headers | {"Content-Type": "application/octet-stream"}, body or b"")

    def read(
        self, name: str, offset: int, view: memoryview, moved: Callable[[int], None], etag: str = ""
    ) -> None:
        """Fill `view` with the committed bytes from `offset`; only of the version `etag`, if given."""
        done = 0
        condition = {"If-Match": f'"{etag}"'} if etag else {}

        def more() -> None:
            nonlocal done
            headers = {"x-ms-range": f"bytes={offset + done}-{offset + len(view) - 1}"}
            with self._request("GET", name, "", headers | condition, None) as answer:
                self._check(answer, f"read {name}")
                while count := answer.read_into(view[done:]) if done < len(view) else 0:
                    done += count
                    moved(count)
            if done < len(view):
                raise Retryable(f"{name}: the blob ended at byte {offset + done}")

        retrying(more, self._policy, self._wire.cancel, noticed=self._retried, progress=lambda: done)

    def delete(self, name: str, etag: str = "") -> None:
        """Delete a blob if it is there (and still the version `etag`)."""
        from azure.core import MatchConditions
        from azure.core.exceptions import ResourceModifiedError, ResourceNotFoundError

        options: dict[str, Any] = (
            {"etag": f'"{etag}"', "match_condition": MatchConditions.IfNotModified} if etag else {}
        )

        def remove() -> None:
            try:
                self.client.get_blob_client(name).delete_blob(delete_snapshots="include", **options)
            except (ResourceNotFoundError, ResourceModifiedError):
                return

        self.control(remove, f"delete {name}")

    @property
    def client(self) -> ContainerClient:
        """azure-storage-blob's client, made when first needed: its import takes half a second."""
        with self._lock:
            if self._client is None:
                from azure.storage.blob import ContainerClient

                self._client = ContainerClient.from_container_url(
                    self.url,
                    credential=self._access.sdk(),
                    api_version=API_VERSION,
                    connection_timeout=15,
                    read_timeout=60,
                    retry_total=self._control_retries,
                    initial_backoff=0.5,  # of 15 s by default, which a cancelled run would sit out
                    increment_base=2,
                    random_jitter_range=0.2,
                )
            return self._client

    def control(self, call: Callable[[], Any], what: str) -> Any:
        """Run a control call; azure-core retries it, this turns its refusals into ours."""
        from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

        try:
            return call()
        except Retryable as problem:  # of our own credential, below azure-core's retries
            raise DestinationError(f"{what} in {self.url}: {problem}.") from None
        except HttpResponseError as problem:
            code = getattr(problem, "error_code", "") or ""
            code = str(getattr(code, "value", code))  # known codes are members of an enumeration
            message = (problem.message or str(problem)).splitlines()[0]
            status = problem.status_code or (401 if isinstance(problem, ClientAuthenticationError) else 0)
            raise refusal(f"{what} in {self.url}", status, code, message) from None
        except AzureError as problem:
            first = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
            raise DestinationError(
                f"{what} in {self.url}: {first}. The blob service cannot be reached from here; check the "
                "address, the private endpoint's DNS, HTTPS_PROXY and SSL_CERT_FILE."
            ) from None

    def _put(
        self, name: str, query: str, headers: dict[str, str], body: Body, policy: Policy | None = None
    ) -> str:
        """One hot request: throttled, retried, renewed. Answers the ETag."""
        what = f"write {name}"

        def send() -> str:
            with (
                self.throttle.slot(self._wire.cancel),
                self._request("PUT", name, query, headers, body) as answer,
            ):
                self._check(answer, what)
                answer.text()
                tag = bare(answer.headers.get("ETag"))
            self.throttle.went_well()
            return tag

        def noticed(problem: Retryable) -> None:
            if problem.busy:
                self.throttle.busy()
            self._wire.resent(len(body or b""))
            if self._retried:
                self._retried(problem)

        return retrying(send, policy or self._policy, self._wire.cancel, noticed=noticed)

    def _request(self, method: str, name: str, query: str, headers: dict[str, str], body: Body):
        parts = urlsplit(self.url)
        path = f"{parts.path}/{quote(name)}"
        queries = "&".join(part for part in (query, self._access.query()) if part)
        url = urlunsplit((parts.scheme, parts.netloc, path, queries, ""))
        fixed = {"x-ms-version": API_VERSION, "x-ms-date": formatdate(usegmt=True)} | self._access.headers()
        return self._wire.request(method, url, fixed | headers, body)

    def _check(self, answer: Answer, what: str) -> None:
        if answer.status < 300:
            return
        text = answer.text(1 << 16)
        code = answer.headers.get("x-ms-error-code") or _tag(text, "Code")
        message = _tag(text, "Message").splitlines()[0] if _tag(text, "Message") else ""
        if answer.status == 401 and self._access.renew():
            raise Retryable(f"{what}: the token was refused (401 {code}); renewed")
        if answer.status in PASSING:
            after = retry_after(answer.headers.get("Retry-After"))
            raise Retryable(
                f"{what}: the blob service answers {answer.status} {code}",
                after=after,
                busy=answer.status in BUSY,
            )
        raise refusal(what, answer.status, code, message)


def bare(etag: str | None) -> str:
    """An ETag without quotes: headers have them, listings of Azure do not."""
    return (etag or "").strip('"')


def _metadata(values: Mapping[str, str]) -> dict[str, str]:
    return {f"x-ms-meta-{key}": value for key, value in values.items()}


def _tag(text: bytes, name: str) -> str:
    found = re.search(f"<{name}>(.*?)</{name}>".encode(), text, re.DOTALL)
    return found[1].decode(errors="replace") if found else ""
