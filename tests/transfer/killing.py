"""A proxy that counts the bytes of block bodies on their way to the blob service and kills the sender at
one of them.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import threading
from dataclasses import dataclass, field

PIECE = 4096


@dataclass
class Where:
    """Where the sender died: the request and how many of its body's bytes had gone out."""

    request: str
    sent: int
    length: int

    @property
    def inside(self) -> bool:
        return 0 < self.sent < self.length


@dataclass
class KillingProxy:
    """Forwards to `upstream` (host, port). `arm` sets the victim and the byte; `sent` counts."""

    upstream: tuple[str, int]
    sent: int = 0
    at: int | None = None
    on_request: str = ""  # kill when a request whose line contains this is complete
    pid: int = 0
    died: Where | None = None
    life: int = 0  # connections of a sender that was killed forward nothing any more
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.listener.close()

    def arm(self, pid: int, at: int | None = None, on_request: str = "") -> None:
        with self.lock:
            self.pid, self.at, self.on_request, self.died, self.sent = pid, at, on_request, None, 0
            self.life = abs(self.life) + 1

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection(self.upstream)
                threading.Thread(target=self._back, args=(client, server), daemon=True).start()
                threading.Thread(target=self._forth, args=(client, server, self.life), daemon=True).start()

    def _back(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                client.sendall(data)
        _close(client, server)

    def _forth(self, client: socket.socket, server: socket.socket, life: int) -> None:
        with contextlib.suppress(OSError):
            waiting = b""
            while True:
                while b"\r\n\r\n" not in waiting:
                    more = client.recv(65536)
                    if not more:
                        break
                    waiting += more
                else:
                    head, _, waiting = waiting.partition(b"\r\n\r\n")
                    waiting = self._request(client, server, head, waiting, life)
                    continue
                break
        _close(client, server)

    def _request(
        self, client: socket.socket, server: socket.socket, head: bytes, waiting: bytes, life: int
    ) -> bytes:
        line = head.split(b"\r\n")[0].decode("latin-1")
        found = re.search(rb"(?im)^content-length: *(\d+)", head)
        length = int(found[1]) if found else 0
        content = line.startswith("PUT") and ("comp=block&" in line or "comp=" not in line)
        server.sendall(head + b"\r\n\r\n")
        done = 0
        while done < length:
            piece = waiting[:PIECE] if waiting else client.recv(min(PIECE, length - done))
            piece = piece[: length - done]
            if not piece:
                raise OSError("the sender is gone")
            waiting = waiting[len(piece) :]
            if content:
                piece = self._count(piece, Where(line, done, length), life)
            server.sendall(piece)
            done += len(piece)
        if self.on_request and self.on_request in line:
            self._kill(Where(line, done, length))
        return waiting

    def _count(self, piece: bytes, where: Where, life: int) -> bytes:
        """Count the bytes; at the armed one kill the sender and forward no more than up to it."""
        with self.lock:
            if life != self.life or life < 0:
                raise OSError("the sender was killed")
            if self.at is None or self.sent + len(piece) < self.at:
                self.sent += len(piece)
                return piece
            rest = max(0, self.at - self.sent)
            self.sent += rest
            self.at = None
            self.life = -self.life - 1  # until the next `arm`, new connections are the dead sender's too
        self._kill(Where(where.request, where.sent + rest, where.length))
        return piece[:rest]

    def _kill(self, where: Where) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            self.died, self.pid, self.on_request = where, 0, ""
        raise OSError("the sender was killed")


def _close(*sockets: socket.socket) -> None:
    for one in sockets:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()


def copy_in_child(
    container_url: str,
    account: str,
    key: str,
    hub: str,
    repository: str,
    root: str,
    block: int,
    in_flight: int,
    go,
) -> None:
    """What the killed process runs; waits for `go` so that the proxy knows its pid first."""
    from transfer import KeyAccess, Request, copy_snapshot
    from transfer.pipeline import Sizes

    go.wait()
    copy_snapshot(
        Request(
            source=repository,
            container_url=container_url,
            access=KeyAccess(container_url, account, key),
            hub=hub,
            root=root,
            sizes=Sizes(block, in_flight),
        )
    )
