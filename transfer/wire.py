"""HTTP as the hot path needs it: threads, http.client, bytes read into buffers that exist, memoryviews sent
as they are.

requests, httpx and aiohttp copy each byte several times; measured, they need two to four times the CPU.
What is left out: redirects, retries and meaning, which the source and the destination know. Proxies come
from the environment (HTTPS_PROXY, HTTP_PROXY, NO_PROXY), certificates from SSL_CERT_FILE or
REQUESTS_CA_BUNDLE.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from transfer.cancel import Cancellation
from transfer.errors import Retryable, TransferError

AGENT = "vllm-azureml-transfer"
Body = bytes | memoryview | None


@dataclass
class Answer:
    """An answer whose body has not been read yet."""

    status: int
    headers: http.client.HTTPMessage
    _raw: http.client.HTTPResponse
    where: str

    def read_into(self, view: memoryview) -> int:
        """Read up to `len(view)` bytes of the body; 0 at its end, early or not. Network trouble is
        `Retryable`.
        """
        with _trouble(self.where):
            return self._raw.readinto(view)

    def text(self, limit: int = 1 << 25) -> bytes:
        """The body, or its first `limit` bytes. A body shorter than it said is `Retryable`."""
        with _trouble(self.where):
            return self._raw.read(limit)


class Wire:
    """Connections kept for reuse by any number of threads. Closing it, or cancelling, ends what is under
    way.
    """

    def __init__(self, cancel: Cancellation, *, timeout: float = 60.0, connect_timeout: float = 15.0) -> None:
        """`timeout` (seconds) bounds each wait for bytes, not a whole request."""
        self.cancel, self._timeout, self._connect_timeout = cancel, timeout, connect_timeout
        self._idle: dict[tuple[str, str], list[http.client.HTTPConnection]] = {}
        self._lock = threading.Lock()
        self._proxies = getproxies()
        self._tls: ssl.SSLContext | None = None
        self.resent: Callable[[int], None] = lambda _: None  # told of bytes of bodies that go out once more

    @contextlib.contextmanager
    def request(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, body: Body = None
    ) -> Iterator[Answer]:
        """Send one request; the answer is to be read within the block. Network trouble is `Retryable`."""
        self.cancel.check()
        parts = urlsplit(url)
        origin = (parts.scheme, parts.netloc)
        connection, reused = self._take(origin)
        key = object()
        keep = False
        try:
            self.cancel.add(key, lambda: _shut(connection))
            try:
                answer = self._send(connection, method, url, headers or {}, body)
            except Retryable:
                if not reused or self.cancel.cancelled:
                    raise
                # The other side closed it while it was idle. All requests of a copy may be repeated.
                connection.close()
                connection = self._fresh(origin)
                self.cancel.check()  # it may have been asked for while this one was no connection yet
                self.resent(len(body or b""))
                answer = self._send(connection, method, url, headers or {}, body)
            yield answer
            keep = answer._raw.isclosed() and not answer._raw.will_close
        except Retryable:
            self.cancel.check()  # the trouble is ours: the socket was shut to wake this thread
            raise
        finally:
            self.cancel.drop(key)
            if keep and not self.cancel.cancelled:
                with self._lock:
                    self._idle.setdefault(origin, []).append(connection)
            else:
                connection.close()

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            idle = [connection for kept in self._idle.values() for connection in kept]
            self._idle.clear()
        for connection in idle:
            connection.close()

    def _take(self, origin: tuple[str, str]) -> tuple[http.client.HTTPConnection, bool]:
        with self._lock:
            kept = self._idle.get(origin)
            if kept:
                return kept.pop(), True
        return self._fresh(origin), False

    def _fresh(self, origin: tuple[str, str]) -> http.client.HTTPConnection:
        with _trouble(f"{origin[0]}://{origin[1]}"):
            return self._connect(*origin)

    def _connect(self, scheme: str, netloc: str) -> http.client.HTTPConnection:
        parts = urlsplit(f"{scheme}://{netloc}")
        host, port = parts.hostname or "", parts.port or (443 if scheme == "https" else 80)
        proxy = self._proxy(scheme, host, port)
        at = (proxy.hostname or "", proxy.port or 80) if proxy else (host, port)
        connection: http.client.HTTPConnection
        if scheme == "https":
            connection = http.client.HTTPSConnection(
                *at, timeout=self._connect_timeout, context=self._context()
            )
            if proxy:
                connection.set_tunnel(host, port, headers=_proxy_authorization(proxy))
        else:
            connection = http.client.HTTPConnection(*at, timeout=self._connect_timeout)
        connection.connect()
        connection.sock.settimeout(self._timeout)
        return connection

    def _send(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: Body,
    ) -> Answer:
        where = url.split("?")[0]  # a query may hold a signature
        with _trouble(where):
            parts = urlsplit(url)
            proxy = self._proxy(parts.scheme, parts.hostname or "", parts.port or 80)
            plain_proxy = proxy if parts.scheme == "http" else None
            target = parts.path + (f"?{parts.query}" if parts.query else "") or "/"
            connection.putrequest(method, url if plain_proxy else target, skip_host=True)
            connection.putheader("Host", parts.netloc.rpartition("@")[2])
            connection.putheader("User-Agent", AGENT)
            for name, value in {**(_proxy_authorization(proxy) if plain_proxy else {}), **headers}.items():
                connection.putheader(name, value)
            if body is not None or method in ("PUT", "POST"):
                connection.putheader("Content-Length", str(len(body or b"")))
            connection.endheaders()
            if body:
                # A service that refuses may answer and close before it has read all: then the answer counts.
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    connection.sock.sendall(body)
            raw = connection.getresponse()
            return Answer(raw.status, raw.headers, raw, where)

    def _proxy(self, scheme: str, host: str, port: int):
        address = self._proxies.get(scheme)
        if not address or proxy_bypass(f"{host}:{port}"):
            return None
        proxy = urlsplit(address if "://" in address else f"http://{address}")
        if proxy.scheme != "http":
            raise TransferError(
                f"{scheme.upper()}_PROXY has the scheme {proxy.scheme!r}; only http:// proxies are "
                "supported (they carry https through a tunnel). Set an http:// address, or NO_PROXY."
            )
        return proxy

    def _context(self) -> ssl.SSLContext:
        with self._lock:
            if self._tls is None:
                bundle = os.environ.get("SSL_CERT_FILE") or os.environ.get("REQUESTS_CA_BUNDLE")
                self._tls = ssl.create_default_context(cafile=bundle or None)
            return self._tls


@contextlib.contextmanager
def _trouble(where: str) -> Iterator[None]:
    """Turn what may pass into `Retryable`; a certificate that is not trusted does not pass."""
    try:
        yield
    except ssl.SSLCertVerificationError as problem:
        raise TransferError(
            f"{where}: the certificate is not trusted ({problem.verify_message}). Name the bundle of the "
            "authority that issued it in SSL_CERT_FILE."
        ) from None
    except (OSError, http.client.HTTPException) as problem:
        if "Tunnel connection failed: 40" in str(problem):  # http.client's words for what the proxy answers
            raise TransferError(
                f"{where}: the proxy of HTTPS_PROXY lets nobody through to it ({problem}). Give the user "
                "and password it asks for in the proxy's address, or name the host in NO_PROXY."
            ) from None
        raise Retryable(f"{where}: {type(problem).__name__}: {problem or 'connection lost'}") from problem


def _shut(connection: http.client.HTTPConnection) -> None:
    """Wake the thread that is blocked in this connection."""
    sock = connection.sock
    if sock is not None:
        # Not SSLSocket.shutdown: that takes the TLS state away from under the thread that reads.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _proxy_authorization(proxy) -> dict[str, str]:
    if proxy is None or not proxy.username:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
