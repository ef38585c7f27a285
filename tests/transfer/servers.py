"""Small servers for the tests: a hub and a blob service whose every request can be made to go wrong.

Each is a plain threaded HTTP server on loopback. `faults` is a list of functions asked, in order, before a
request is answered; one that returns True has dealt with the request itself. Nothing here is a model of
Azure: Azurite is used for that; this is for what Azurite never does.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

Fault = Callable[["Handler"], bool]


class Handler(BaseHTTPRequestHandler):
    """One request; `self.server.owner` answers it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle_any(self) -> None:
        self.parts = urlsplit(self.path)
        self.asked = parse_qs(self.parts.query, keep_blank_values=True)
        owner = self.server.owner
        with owner.lock:
            owner.requests.append((self.command, self.path))
        try:
            if not any(fault(self) for fault in list(owner.faults)):
                owner.answer(self)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = do_CONNECT = handle_any

    def log_message(self, *_: object) -> None: ...

    def body(self) -> bytes:
        length = int(self.headers.get("Content-Length") or 0)
        data = self.rfile.read(length)
        if len(data) < length:  # no service takes a body that is cut off for a whole one
            raise ConnectionResetError
        return data

    def say(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name if name.startswith("x-ms-meta-") else name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def reset(self) -> None:
        """Close so that the other side gets a reset, not an end."""
        self.wfile.flush()
        sock = self.connection
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        sock.close()


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None: ...


class Loopback:
    """A server on a free port; `answer` is the subclass's."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.lock = threading.RLock()
        self.requests: list[tuple[str, str]] = []
        self.faults: list[Fault] = []
        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.owner = self
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request: Handler) -> None:
        raise NotImplementedError


class FakeHub(Loopback):
    """One repository: `files` path -> content. Files in `lfs` redirect to a signed address on the second
    server.
    """

    def __init__(
        self, files: dict[str, bytes], repository: str = "org/model", commit: str = "c" * 40
    ) -> None:
        self.files, self.repository, self.commit = dict(files), repository, commit
        self.lfs = {path for path in files if path.endswith((".safetensors", ".bin"))}
        self.token, self.listed = "", dict(files)
        self.page = 1000
        super().__init__()
        self.cdn = FakeCdn(self)

    def close(self) -> None:
        super().close()
        self.cdn.close()

    def answer(self, request: Handler) -> None:
        path = unquote(request.parts.path)
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            request.say(401, b"{}", X_Error_Code="GatedRepo")
        elif path == f"/api/models/{self.repository}/revision/nope":
            request.say(404, b"{}", X_Error_Code="RevisionNotFound")
        elif path.startswith(f"/api/models/{self.repository}/revision/"):
            request.say(200, json.dumps({"id": self.repository, "sha": self.commit}).encode())
        elif path == f"/api/models/{self.repository}/tree/{self.commit}":
            self._tree(request)
        elif path.startswith(f"/{self.repository}/resolve/{self.commit}/"):
            self._resolve(request, path.split(f"/resolve/{self.commit}/")[1])
        else:
            request.say(404, b"{}", X_Error_Code="RepoNotFound")

    def _tree(self, request: Handler) -> None:
        start = int(request.asked.get("cursor", ["0"])[0])
        items = [self._item(path) for path in sorted(self.listed)][start : start + self.page]
        headers = {}
        if start + self.page < len(self.listed):
            headers["Link"] = (
                f'<{self.url}{request.parts.path}?recursive=true&cursor={start + self.page}>; rel="next"'
            )
        request.say(200, json.dumps(items).encode(), **headers)

    def _item(self, path: str) -> dict:
        data = self.listed[path]
        item = {"type": "file", "path": path, "size": len(data), "oid": git_blob(data)}
        if path in self.lfs:
            item["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
        return item

    def _resolve(self, request: Handler, path: str) -> None:
        if path not in self.files:
            request.say(404, b"", X_Error_Code="EntryNotFound")
        elif path in self.lfs:
            location = f"{self.cdn.url}/{quote(path)}?signature={self.cdn.sign()}"
            request.say(302, b"", Location=location, X_Repo_Commit=self.commit)
        else:
            serve(request, self.files[path], X_Repo_Commit=self.commit)


class FakeCdn(Loopback):
    """Where signed addresses lead; a signature may be taken back (`expire`)."""

    def __init__(self, hub: FakeHub) -> None:
        self.hub, self._valid, self.uses, self.uses_allowed = hub, set(), {}, 10**9
        self.authorized: list[str] = []
        super().__init__()

    def sign(self) -> str:
        with self.lock:
            signature = f"s{len(self._valid)}-{time.monotonic_ns()}"
            self._valid.add(signature)
            return signature

    def answer(self, request: Handler) -> None:
        if request.headers.get("Authorization"):
            self.authorized.append(request.headers["Authorization"])
        signature = request.asked.get("signature", [""])[0]
        with self.lock:
            self.uses[signature] = self.uses.get(signature, 0) + 1
            expired = signature not in self._valid or self.uses[signature] > self.uses_allowed
        if expired:
            request.say(403, b"<Error><Code>ExpiredToken</Code></Error>")
            return
        serve(request, self.hub.files[unquote(request.parts.path).lstrip("/")])


def serve(request: Handler, data: bytes, **headers: str) -> None:
    """The bytes, or the range asked for."""
    found = re.match(r"bytes=(\d+)-(\d+)", request.headers.get("Range") or "")
    if not found:
        request.say(200, data, **headers)
        return
    start, end = int(found[1]), min(int(found[2]), len(data) - 1)
    if start >= len(data):
        request.say(416)
        return
    request.say(206, data[start : end + 1], Content_Range=f"bytes {start}-{end}/{len(data)}", **headers)


class FakeBlob(Loopback):
    """Containers are not modelled: the first path segment is one. Conditions, staged blocks, metadata,
    leases are.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.committed: dict[str, tuple[bytes, dict[str, str], str]] = {}
        self.staged: dict[str, dict[str, bytes]] = {}
        self.received = self.fetched = 0
        self.from_url = False
        self._version = 0
        super().__init__(tls)

    @property
    def container(self) -> str:
        return f"{self.url}/box"

    def names(self) -> set[str]:
        return {name for name in self.committed if "/.transfer/" not in name}

    def answer(self, request: Handler) -> None:
        name = unquote(request.parts.path).lstrip("/").partition("/")[2]
        comp = request.asked.get("comp", [""])[0]
        body = request.body()
        with self.lock:
            self.received += len(body)
            handler = {
                ("PUT", "block"): self._block,
                ("PUT", "blocklist"): self._commit,
                ("GET", "blocklist"): self._list_blocks,
                ("GET", "list"): self._list,
                ("PUT", "lease"): self._lease,
                ("PUT", ""): self._put,
                ("GET", ""): self._get,
                ("HEAD", ""): self._get,
                ("DELETE", ""): self._delete,
            }[request.command, comp]
            handler(request, name, body)

    def _block(self, request: Handler, name: str, body: bytes) -> None:
        source = request.headers.get("x-ms-copy-source")
        if source and not self.from_url:
            self.refuse(request, 400, "CannotVerifyCopySource")
            return
        if source:
            status, body = fetch(source, request.headers["x-ms-source-range"])
            if status >= 300:
                self.refuse(request, 403, "CannotVerifyCopySource")
                return
            self.fetched += len(body)
        block = base64.b64decode(request.asked["blockid"][0]).decode()
        self.staged.setdefault(name, {})[block] = body
        request.say(201)

    def _commit(self, request: Handler, name: str, body: bytes) -> None:
        ids = [base64.b64decode(one).decode() for one in re.findall(r"<Latest>(.*?)</Latest>", body.decode())]
        staged = self.staged.get(name, {})
        if any(one not in staged for one in ids):
            self.refuse(request, 400, "InvalidBlockList")
        elif self._allowed(request, name):
            self._write(request, name, b"".join(staged[one] for one in ids))

    def _put(self, request: Handler, name: str, body: bytes) -> None:
        source = request.headers.get("x-ms-copy-source")
        if source:
            body = self.committed[unquote(urlsplit(source).path).lstrip("/").partition("/")[2]][0]
        if self._allowed(request, name):
            self._write(request, name, body)

    def _write(self, request: Handler, name: str, data: bytes) -> None:
        self._version += 1
        etag = f'"0x{self._version:X}"'
        prefix = "x-ms-meta-"
        metadata = {
            k.lower()[len(prefix) :]: v for k, v in request.headers.items() if k.lower().startswith(prefix)
        }
        self.committed[name] = (data, metadata, etag)
        self.staged.pop(name, None)
        request.say(201, ETag=etag)

    def _allowed(self, request: Handler, name: str) -> bool:
        if request.headers.get("If-None-Match") == "*" and name in self.committed:
            self.refuse(request, 409, "BlobAlreadyExists")
            return False
        wanted = request.headers.get("If-Match")
        if wanted and (name not in self.committed or self.committed[name][2] != wanted):
            self.refuse(request, 412, "ConditionNotMet")
            return False
        return True

    def _get(self, request: Handler, name: str, _: bytes) -> None:
        if name not in self.committed:
            self.refuse(request, 404, "BlobNotFound")
            return
        data, metadata, etag = self.committed[name]
        wanted = request.headers.get("If-Match")
        if wanted and wanted != etag:
            self.refuse(request, 412, "ConditionNotMet")
            return
        if request.headers.get("x-ms-range"):
            request.headers["Range"] = request.headers["x-ms-range"]
        headers = {f"x-ms-meta-{key}": value for key, value in metadata.items()}
        serve(request, data, ETag=etag, x_ms_blob_type="BlockBlob", **headers)

    def _delete(self, request: Handler, name: str, _: bytes) -> None:
        if name not in self.committed:
            self.refuse(request, 404, "BlobNotFound")
        elif self._allowed(request, name):
            del self.committed[name]
            request.say(202)

    def _lease(self, request: Handler, name: str, _: bytes) -> None:
        if name not in self.committed:
            self.refuse(request, 404, "BlobNotFound")
        else:
            request.say(201, x_ms_lease_id="1b", ETag=self.committed[name][2])

    def _list_blocks(self, request: Handler, name: str, _: bytes) -> None:
        staged = self.staged.get(name)
        if not staged and name not in self.committed:
            self.refuse(request, 404, "BlobNotFound")
            return
        blocks = "".join(
            f"<Block><Name>{base64.b64encode(one.encode()).decode()}</Name><Size>{len(data)}</Size></Block>"
            for one, data in (staged or {}).items()
        )
        xml = f"<BlockList><UncommittedBlocks>{blocks}</UncommittedBlocks></BlockList>"
        request.say(200, xml.encode(), Content_Type="application/xml")

    def _list(self, request: Handler, name: str, _: bytes) -> None:
        prefix = request.asked.get("prefix", [""])[0]
        items = [
            f"<Blob><Name>{escape(one)}</Name><Properties><Etag>{escape(etag)}</Etag><Content-Length>{len(data)}"
            "</Content-Length><BlobType>BlockBlob</BlobType></Properties><Metadata>"
            + "".join(f"<{key}>{escape(value)}</{key}>" for key, value in metadata.items())
            + "</Metadata></Blob>"
            for one, (data, metadata, etag) in sorted(self.committed.items())
            if one.startswith(prefix)
        ]
        items += [
            f"<Blob><Name>{escape(one)}</Name><Properties><Content-Length>0</Content-Length>"
            "<BlobType>BlockBlob</BlobType></Properties></Blob>"
            for one in sorted(self.staged)
            if one.startswith(prefix) and one not in self.committed
        ]
        xml = f"<EnumerationResults><Blobs>{''.join(items)}</Blobs><NextMarker/></EnumerationResults>"
        request.say(200, xml.encode(), Content_Type="application/xml")

    def refuse(self, request: Handler, status: int, code: str, **headers: str) -> None:
        xml = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code} it is</Message></Error>"
        request.say(status, xml.encode(), x_ms_error_code=code, Content_Type="application/xml", **headers)


def fetch(url: str, span: str) -> tuple[int, bytes]:
    """What Put Block From URL does: follows no redirect."""
    import http.client

    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    connection.request("GET", f"{parts.path}?{parts.query}", headers={"Range": span})
    with contextlib.closing(connection):
        answer = connection.getresponse()
        return answer.status, answer.read()


def git_blob(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@contextlib.contextmanager
def pair(files: dict[str, bytes]) -> Iterator[tuple[FakeHub, FakeBlob]]:
    """A hub with `files` and an empty blob service."""
    hub, blob = FakeHub(files), FakeBlob()
    try:
        yield hub, blob
    finally:
        hub.close()
        blob.close()
