"""A repository of the Hugging Face hub as a source: its REST API, spoken directly.

Directly, because huggingface_hub's download writes to disk and checks sizes only, and importing its API
client costs more memory than the whole budget leaves. The endpoints are those that huggingface_hub 2.4
uses: `/api/models/ID/revision/REV`, `/api/models/ID/tree/COMMIT?recursive=true` (paged by `Link:
rel="next"`) and `/ID/resolve/COMMIT/PATH`, which answers the bytes or redirects to a signed address that
expires.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from http.client import HTTPMessage
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from transfer.errors import Retryable, SourceChanged, SourceError
from transfer.model import FileEntry, Snapshot
from transfer.retry import BUSY, PASSING, Policy, retry_after, retrying
from transfer.wire import Answer, Wire

Token = Callable[[], str]
_HEX = re.compile(r"^[0-9a-f]{40,64}$")
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_UNREACHABLE = "Check that the hub can be reached from here: HF_ENDPOINT, the network, HTTPS_PROXY."


class HubSource:
    """Files of `repository` at `revision`. `token` is asked for each time it is used, and never kept."""

    def __init__(
        self,
        repository: str,
        revision: str,
        wire: Wire,
        *,
        endpoint: str,
        token: Token,
        pinned: Snapshot | None = None,
        policy: Policy | None = None,
        retried: Callable[[Retryable], None] | None = None,
    ) -> None:
        self.repository, self.revision, self._endpoint = repository, revision, endpoint.rstrip("/")
        self._wire, self._token, self._policy, self._retried = wire, token, policy or Policy(), retried
        self._pinned = pinned
        self._signed: dict[str, str] = {}  # path -> address, until it is refused
        self._asking: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def snapshot(self) -> Snapshot:
        """The pinned snapshot, or what the hub says the revision is now."""
        if self._pinned is None:
            commit = self._json(f"/api/models/{self.repository}/revision/{quote(self.revision, safe='')}")[0][
                "sha"
            ]
            files = tuple(_entry(item) for item in self._tree(commit) if item.get("type") == "file")
            self._pinned = Snapshot(self.repository, commit, files)
        return self._pinned

    def read(self, entry: FileEntry, offset: int, view: memoryview, moved: Callable[[int], None]) -> None:
        """Fill `view`; resets and short reads go on from the byte they reached."""
        done = 0

        def more() -> None:
            nonlocal done
            for count in self._stream(entry, offset + done, view[done:]):
                done += count
                moved(count)
            if done < len(view):
                raise Retryable(f"{entry.path}: the source ended at byte {offset + done} of {entry.size}")

        retrying(more, self._policy, self._wire.cancel, noticed=self._retried, progress=lambda: done)

    def url(self, entry: FileEntry) -> str:
        """The signed address behind the resolve address, "" when the hub serves the bytes itself."""
        address = retrying(
            lambda: self._resolve(entry), self._policy, self._wire.cancel, noticed=self._retried
        )
        return address if urlsplit(address).netloc != urlsplit(self._endpoint).netloc else ""

    def forget_url(self, entry: FileEntry) -> None:
        """The address was refused: the next use asks the hub for another."""
        self._signed.pop(entry.path, None)

    def _stream(self, entry: FileEntry, offset: int, view: memoryview) -> Iterator[int]:
        address = self._resolve(entry)
        headers = {"Range": f"bytes={offset}-{offset + len(view) - 1}"}
        if self._ours(address):
            headers |= self._authorization()
        with self._wire.request("GET", address, headers) as answer:
            if answer.status in (401, 403) and not self._ours(address):
                answer.text()
                if self._signed.get(entry.path) == address:  # nobody has asked for a new one meanwhile
                    self.forget_url(entry)
                raise Retryable(f"{entry.path}: the signed address has expired ({answer.status})", after=0)
            self._refuse(answer, entry.path)
            _check_range(answer, entry, offset, len(view))
            done = 0
            while done < len(view):
                count = answer.read_into(view[done:])
                if count == 0:
                    return
                done += count
                yield count

    def _resolve(self, entry: FileEntry) -> str:
        """The address to read the file from; asked for once, by whoever needs it first."""
        with self._lock:
            asking = self._asking.setdefault(entry.path, threading.Lock())
        with asking:
            if entry.path not in self._signed:
                self._signed[entry.path] = self._ask(entry)
            return self._signed[entry.path]

    def _ask(self, entry: FileEntry) -> str:
        """Follow the hub's redirects to where the bytes are. Only the hub itself is ever shown the token."""
        assert self._pinned is not None
        address = f"{self._endpoint}/{self.repository}/resolve/{self._pinned.commit}/{quote(entry.path)}"
        for _ in range(5):
            with self._wire.request("HEAD", address, self._authorization()) as answer:
                answer.text()
                self._check_pin(answer, entry)
                if answer.status not in _REDIRECTS:
                    self._refuse(answer, entry.path)
                    break
                address = urljoin(address, answer.headers.get("Location", ""))
            if not self._ours(address):  # a renamed repository redirects on the hub; go on to the bytes
                break
        return address

    def _check_pin(self, answer: Answer, entry: FileEntry) -> None:
        assert self._pinned is not None
        commit = answer.headers.get("X-Repo-Commit")
        if commit and commit != self._pinned.commit:
            raise SourceChanged(
                f"{entry.path}: the hub answers with commit {commit}, not {self._pinned.commit}."
            )
        tag = (answer.headers.get("X-Linked-Etag") or "").removeprefix("W/").strip('"')
        if _HEX.match(tag) and len(tag) == len(entry.digest) and tag != entry.digest:
            raise SourceChanged(
                f"{entry.path}: the hub now lists {tag}, but {entry.digest} was pinned. Pin the model "
                "again (make lock)."
            )

    def _tree(self, commit: str) -> Iterator[dict[str, Any]]:
        page: str | None = f"/api/models/{self.repository}/tree/{commit}?recursive=true&expand=false"
        while page:
            items, following = self._json(page)
            yield from items
            page = following

    def _json(self, path: str) -> tuple[Any, str | None]:
        """One API answer and the address of its next page."""
        url = urljoin(self._endpoint + "/", path) if "://" not in path else path

        def ask() -> tuple[Any, str | None]:
            with self._wire.request("GET", url, self._authorization()) as answer:
                self._refuse(answer, "")
                found = re.search(r'<([^>]+)>;\s*rel="next"', answer.headers.get("Link") or "")
                following = urljoin(url, found[1]) if found else None
                if following and not self._ours(following):
                    raise SourceError(
                        f"{self.repository}: the hub's next page is at another host: {following}"
                    )
                text = answer.text()
            try:
                return json.loads(text), following
            except ValueError:
                raise Retryable(f"{url.split('?')[0]}: the answer is not whole JSON") from None

        return retrying(ask, self._policy, self._wire.cancel, noticed=self._retried, advice=_UNREACHABLE)

    def _authorization(self) -> dict[str, str]:
        token = self._token()
        return {"Authorization": f"Bearer {token}"} if token else {}

    def _ours(self, address: str) -> bool:
        there, hub = urlsplit(address), urlsplit(self._endpoint)
        return (there.scheme, there.netloc) == (hub.scheme, hub.netloc)

    def _refuse(self, answer: Answer, path: str) -> None:
        """Raise for an answer that is no success: what passes as `Retryable`, the rest with what to do
        about it.
        """
        status = answer.status
        if status < 300:
            return
        answer.text()
        what = f"{self.repository}@{self.revision}" + (f": {path}" if path else "")
        if status in PASSING:
            after = retry_after(answer.headers.get("Retry-After"))
            raise Retryable(f"{what}: the hub answers {status}", after=after, busy=status in BUSY)
        if status == 416:
            raise SourceChanged(
                f"{what}: the file is shorter than listed; the source changed under the copy."
            )
        raise _refusal(what, status, answer.headers, bool(self._token()))


def _refusal(what: str, status: int, headers: HTTPMessage, with_token: bool) -> SourceError:
    """The error for an answer that trying again does not change, by the hub's error headers
    (huggingface_hub 2.4, utils/_http.py).
    """
    code, said = headers.get("X-Error-Code") or "", headers.get("X-Error-Message") or ""
    if code == "GatedRepo":
        return SourceError(
            f"{what}: the repository is gated ({status}). Accept its terms on the hub with the account "
            "whose token is used, and give that token: HF_TOKEN, or a reference to it (env:NAME, a Key "
            "Vault secret) as `token`.",
            about="token",
        )
    if code in ("RevisionNotFound", "EntryNotFound"):
        return SourceError(
            f"{what}: not found on the hub ({code}). Check the revision; a commit may have been removed.",
            about="revision",
        )
    if status == 401 and with_token and said == "Invalid credentials in Authorization header":
        return SourceError(
            f"{what}: the hub does not know the token given (401): it was revoked, or is not one of this "
            "hub. Make another, or give none for a public repository (HF_TOKEN, `token`).",
            about="token",
        )
    if status in (401, 403, 404):
        with_it = (
            "the token given may not read it" if with_token else "no token was given (HF_TOKEN, `token`)"
        )
        return SourceError(
            f"{what}: the hub answers {status}: no such repository or file, or it is private and "
            f"{with_it}. Check the name.",
            about="repository",
        )
    return SourceError(
        f"{what}: the hub answers {status} {code}".rstrip() + "; this does not pass by trying again."
    )


def _entry(item: dict[str, Any]) -> FileEntry:
    lfs = item.get("lfs") or {}
    if lfs:
        return FileEntry(
            item["path"], int(lfs.get("size", item["size"])), sha256=lfs.get("oid") or lfs.get("sha256", "")
        )
    return FileEntry(item["path"], int(item["size"]), git_blob=item["oid"])


def _check_range(answer: Answer, entry: FileEntry, offset: int, wanted: int) -> None:
    """The answer must be the bytes asked for, of a file of the listed size."""
    if answer.status == 206:
        found = re.match(r"bytes (\d+)-(\d+)/(\d+|\*)", answer.headers.get("Content-Range") or "")
        if not found or int(found[1]) != offset:
            raise Retryable(
                f"{entry.path}: asked for bytes from {offset}, got {answer.headers.get('Content-Range')}"
            )
        if found[3] != "*" and int(found[3]) != entry.size:
            raise SourceChanged(
                f"{entry.path}: the source has {found[3]} bytes now, {entry.size} were listed."
            )
        return
    length = answer.headers.get("Content-Length")
    if length is not None and int(length) != entry.size:
        raise SourceChanged(f"{entry.path}: the source has {length} bytes now, {entry.size} were listed.")
    if offset != 0:
        raise SourceError(f"{entry.path}: the source ignores Range requests; a copy in blocks needs them.")
