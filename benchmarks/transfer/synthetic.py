"""The two ends of the benchmark: a hub of synthetic safetensors without a disk, and a blob service that
drops bytes.

Both run in a process of their own and are as cheap as Python allows, so that the clients are what is
measured. `python synthetic.py hub|sink --port N [--tls CERT KEY] ...`; prints "ready" when it listens.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import random
import re
import socket
import ssl
import struct
import sys
import threading
import time
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

MIB = 1 << 20
PATTERN = 64 * MIB
COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPOSITORY = "bench/synthetic"


class Synthetic:
    """A safetensors file of `size` bytes: a true header, then a seeded pattern."""

    def __init__(self, pattern: memoryview, size: int, seed: int) -> None:
        head = b'{"w":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]}}'
        length = next(n for n in range(40, 200) if len(head % ((size - 8 - n,) * 2)) <= n)
        text = (head % ((size - 8 - length,) * 2)).ljust(length)
        self.head = struct.pack("<Q", length) + text
        self.size, self._pattern, self._shift = size, pattern, (seed * 7_919_191) % PATTERN

    def parts(self, start: int, end: int):
        """Views of the bytes from `start` to before `end`."""
        if start < len(self.head):
            yield memoryview(self.head)[start : min(end, len(self.head))]
            start = len(self.head)
        while start < end:
            at = (start + self._shift) % PATTERN
            count = min(end - start, PATTERN - at)
            yield self._pattern[at : at + count]
            start += count

    def sha256(self) -> str:
        digest = hashlib.sha256()
        for part in self.parts(0, self.size):
            digest.update(part)
        return digest.hexdigest()


class Small:
    """A small file outside LFS."""

    def __init__(self, data: bytes) -> None:
        self.data, self.size = data, len(data)

    def parts(self, start: int, end: int):
        yield memoryview(self.data)[start:end]


class Server:
    """Threads that read requests off sockets; a subclass answers them."""

    def __init__(self, port: int, tls: list[str] | None) -> None:
        self.tls = None
        if tls:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(*tls)
        self.listener = socket.create_server(("127.0.0.1", port), backlog=128)

    def run(self) -> None:
        print("ready", flush=True)
        while True:
            connection, _ = self.listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
            scratch = memoryview(bytearray(MIB))
            waiting = b""
            while True:
                while b"\r\n\r\n" not in waiting:
                    more = connection.recv(65536)
                    if not more:
                        return
                    waiting += more
                head, _, waiting = waiting.partition(b"\r\n\r\n")
                first, *lines = head.decode("latin-1").split("\r\n")
                method, target, _ = first.split(" ")
                headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
                waiting = self.answer(connection, method, target, headers, waiting, scratch)
        except (OSError, ValueError):
            return
        finally:
            connection.close()

    def answer(self, connection, method, target, headers, waiting, scratch) -> bytes:
        raise NotImplementedError

    def say(
        self, connection, status: str, headers: dict[str, str], body: bytes = b"", head: bool = False
    ) -> None:
        headers = {"Content-Length": str(len(body)), **headers}
        text = f"HTTP/1.1 {status}\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items()) + "\r\n"
        connection.sendall(text.encode() + (b"" if head else body))


class Hub(Server):
    """REPOSITORY at COMMIT, for huggingface_hub and for the engine: model info, tree, resolve with ranges."""

    def __init__(self, port: int, tls: list[str] | None, files: int, size: int) -> None:
        super().__init__(port, tls)
        pattern = memoryview(random.Random(20).randbytes(PATTERN))
        self.files: dict[str, Synthetic | Small] = {}
        for number in range(files):
            name = f"model-{number + 1:05d}-of-{files:05d}.safetensors"
            self.files[name] = Synthetic(pattern, size // files, number + 1)
        for number in range(10):
            self.files[f"config-{number}.json"] = Small(json.dumps({"n": number, "pad": "x" * 700}).encode())
        self.digests = {n: self._digest(f) for n, f in self.files.items()}
        self.sent = 0

    @staticmethod
    def _digest(file: Synthetic | Small) -> str:
        if isinstance(file, Small):
            return hashlib.sha1(b"blob %d\0" % file.size + file.data, usedforsecurity=False).hexdigest()
        return file.sha256()

    def answer(self, connection, method, target, headers, waiting, scratch) -> bytes:
        path = unquote(urlsplit(target).path)
        if path.startswith(f"/api/models/{REPOSITORY}/tree/"):
            self.say(connection, "200 OK", {}, json.dumps([self._item(name) for name in self.files]).encode())
        elif path.startswith(f"/api/models/{REPOSITORY}"):
            siblings = [{"rfilename": name} for name in self.files]
            info = {
                "id": REPOSITORY,
                "modelId": REPOSITORY,
                "sha": COMMIT,
                "siblings": siblings,
                "private": False,
            }
            self.say(connection, "200 OK", {}, json.dumps(info).encode())
        elif "/resolve/" in path and path.split("/resolve/")[1].partition("/")[2] in self.files:
            self._file(connection, method, path.split("/resolve/")[1].partition("/")[2], headers)
        else:
            self.say(connection, "404 Not Found", {"X-Error-Code": "EntryNotFound"})
        return waiting

    def _item(self, name: str) -> dict:
        file, digest = self.files[name], self.digests[name]
        item = {"type": "file", "path": name, "size": file.size, "oid": digest[:40]}
        if isinstance(file, Synthetic):
            item["lfs"] = {"oid": digest, "size": file.size, "pointerSize": 134}
        return item

    def _file(self, connection, method: str, name: str, headers: dict[str, str]) -> None:
        file = self.files[name]
        start, end, status, extra = 0, file.size, "200 OK", {}
        found = re.match(r"bytes=(\d+)-(\d*)", headers.get("range", ""))
        if found:
            start, end = int(found[1]), min(int(found[2] or file.size) + 1, file.size)
            status, extra = "206 Partial Content", {"Content-Range": f"bytes {start}-{end - 1}/{file.size}"}
        extra |= {"ETag": f'"{self.digests[name]}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        if isinstance(file, Synthetic):
            extra |= {"X-Linked-Etag": f'"{self.digests[name]}"', "X-Linked-Size": str(file.size)}
        self.say(connection, status, {"Content-Length": str(end - start)} | extra, head=method == "HEAD")
        if method == "GET":
            for part in file.parts(start, end):
                connection.sendall(part)


class Sink(Server):
    """A blob service that keeps names, sizes and metadata and drops the bytes. `/_received` tells how many
    came.
    """

    def __init__(self, port: int, tls: list[str] | None) -> None:
        super().__init__(port, tls)
        self.blobs: dict[str, tuple[int, dict[str, str]]] = {}
        self.staged: dict[str, dict[str, int]] = {}
        self.received, self.lock = 0, threading.Lock()

    def answer(self, connection, method, target, headers, waiting, scratch) -> bytes:
        parts = urlsplit(target)
        query = parse_qs(parts.query)
        name = unquote(parts.path).lstrip("/").partition("/")[2].partition("/")[2]  # account, container, name
        comp = query.get("comp", [""])[0]
        if "100-continue" in headers.get("expect", ""):
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        length = int(headers.get("content-length", 0))
        body, waiting = self._take(connection, length, waiting, scratch, keep=comp == "blocklist")
        if method == "PUT":
            self._put(connection, name, comp, query, headers, body, length)
        elif comp == "list":
            self._list(connection, query.get("prefix", [""])[0])
        elif comp == "blocklist":
            self._blocks(connection, name)
        elif parts.path == "/_received":
            self.say(connection, "200 OK", {}, str(self.received).encode())
        elif method == "DELETE":
            self.blobs.pop(name, None)
            self.say(connection, "202 Accepted", {})
        elif name in self.blobs or not name:
            size, metadata = self.blobs.get(name, (0, {}))
            extra = {f"x-ms-meta-{k}": v for k, v in metadata.items()} | {
                "x-ms-blob-type": "BlockBlob",
                "ETag": '"1"',
            }
            self.say(connection, "200 OK", {"Content-Length": str(size)} | extra, head=True)
        else:
            self.say(connection, "404 Not Found", {"x-ms-error-code": "BlobNotFound"})
        return waiting

    def _take(
        self, connection, length: int, waiting: bytes, scratch: memoryview, keep: bool
    ) -> tuple[bytes, bytes]:
        got = min(length, len(waiting))
        with self.lock:
            self.received += got
        kept = [waiting[:got]] if keep else []
        while got < length:
            count = connection.recv_into(scratch, min(len(scratch), length - got))
            if not count:
                raise OSError("cut off")
            if keep:
                kept.append(bytes(scratch[:count]))
            got += count
            with self.lock:
                self.received += count
        return b"".join(kept), waiting[min(length, len(waiting)) :]

    def _put(self, connection, name, comp, query, headers, body, length) -> None:
        with self.lock:
            if comp == "block":
                self.staged.setdefault(name, {})[query["blockid"][0]] = length
            elif comp == "blocklist":
                ids = re.findall(r"<(?:Latest|Uncommitted)>(.*?)</", body.decode())
                staged = self.staged.pop(name, {})
                self.blobs[name] = (sum(staged.get(one, 0) for one in ids), _metadata(headers))
            elif comp == "metadata":
                self.blobs[name] = (self.blobs.get(name, (0, {}))[0], _metadata(headers))
            else:
                self.blobs[name] = (length, _metadata(headers))
        tags = {"ETag": '"1"', "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT", "x-ms-version": "2023-11-03"}
        self.say(connection, "200 OK" if comp == "metadata" else "201 Created", tags)

    def _list(self, connection, prefix: str) -> None:
        items = "".join(
            f"<Blob><Name>{escape(name)}</Name><Properties><Etag>1</Etag><Content-Length>{size}</Content-Length>"
            "<BlobType>BlockBlob</BlobType></Properties><Metadata>"
            + "".join(f"<{k}>{escape(v)}</{k}>" for k, v in metadata.items())
            + "</Metadata></Blob>"
            for name, (size, metadata) in self.blobs.items()
            if name.startswith(prefix)
        )
        items += "".join(
            f"<Blob><Name>{escape(name)}</Name><Properties><Content-Length>0</Content-Length>"
            "<BlobType>BlockBlob</BlobType></Properties></Blob>"
            for name in self.staged
            if name.startswith(prefix)
        )
        xml = f"<EnumerationResults><Blobs>{items}</Blobs><NextMarker/></EnumerationResults>"
        self.say(connection, "200 OK", {"Content-Type": "application/xml"}, xml.encode())

    def _blocks(self, connection, name: str) -> None:
        blocks = "".join(
            f"<Block><Name>{block}</Name><Size>{size}</Size></Block>"
            for block, size in self.staged.get(name, {}).items()
        )
        xml = f"<BlockList><UncommittedBlocks>{blocks}</UncommittedBlocks></BlockList>"
        self.say(connection, "200 OK", {"Content-Type": "application/xml"}, xml.encode())


class Tokens(Server):
    """A managed identity endpoint: any well-formed token, which is all that Azurite and the sink ask for."""

    def answer(self, connection, method, target, headers, waiting, scratch) -> bytes:
        now = int(time.time())
        claims = {"iss": "https://sts.windows.net/t/", "aud": "https://storage.azure.com", "nbf": now - 60}
        claims |= {"iat": now - 60, "exp": now + 3600}
        parts = [{"alg": "HS256", "typ": "JWT"}, claims, "unsigned"]
        token = ".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts)
        answer = {"access_token": token, "expires_on": str(now + 3600), "token_type": "Bearer"}
        answer["resource"] = "https://storage.azure.com"
        self.say(connection, "200 OK", {"Content-Type": "application/json"}, json.dumps(answer).encode())
        return waiting


def _metadata(headers: dict[str, str]) -> dict[str, str]:
    return {key[10:]: value for key, value in headers.items() if key.startswith("x-ms-meta-")}


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("hub", "sink", "tokens"))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--tls", nargs=2)
    parser.add_argument("--files", type=int, default=4)
    parser.add_argument("--size", type=int, default=256 * MIB, help="bytes of all large files together")
    options = parser.parse_args()
    sys.setswitchinterval(0.05)
    server = (
        Hub(options.port, options.tls, options.files, options.size)
        if options.what == "hub"
        else {"sink": Sink, "tokens": Tokens}[options.what](options.port, options.tls)
    )
    server.run()


if __name__ == "__main__":
    main()
