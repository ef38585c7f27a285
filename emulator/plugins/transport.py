"""HTTP for plugins: light (http.client), one connection per thread and host, and only to hosts near by."""

from __future__ import annotations

import http.client
import ipaddress
import json
import socket
import ssl
import threading
import urllib.parse
from dataclasses import dataclass
from typing import Any

from emulator.plugins.errors import PluginError

SET_UP = (
    "Start the embedded Azure (`python -m emulator start`) and take its settings: "
    'eval "$(python -m emulator env)"'
)


def require_private(url: str, what: str) -> None:
    """Refuse hosts that are neither loopback nor in a private network."""
    host = urllib.parse.urlsplit(url if "://" in url else f"https://{url}").hostname or ""
    addresses = _addresses(host, what)
    if not addresses or not all(item.is_loopback or item.is_private for item in addresses):
        raise PluginError(
            f"{what} is {host}, which is neither loopback nor a private address: the stand-in plugins talk "
            f"to the embedded Azure only. For a real Azure take emulator/plugins/bin off PATH. {SET_UP}"
        )


def _addresses(host: str, what: str) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    try:
        return [ipaddress.ip_address(host)]
    except ValueError:
        pass
    try:
        found = {str(item[4][0]) for item in socket.getaddrinfo(host, None)}
    except OSError as error:
        raise PluginError(
            f"{what} names a host that cannot be resolved ({host}): {error}. {SET_UP}"
        ) from error
    return [ipaddress.ip_address(item.split("%")[0]) for item in found]


@dataclass(frozen=True)
class Response:
    """An HTTP answer; headers have lower-case names."""

    status: int
    headers: dict[str, str]
    content: bytes

    def json(self) -> Any:
        """Return the body; None when it is empty or is not JSON."""
        try:
            return json.loads(self.content) if self.content else None
        except ValueError:
            return None


class Transport:
    """Keeps one connection per thread and host; follows nothing, retries nothing but a stale connection."""

    def __init__(self) -> None:
        self._local = threading.local()
        self._tls: ssl.SSLContext | None = None

    def request(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None, timeout: float
    ) -> Response:
        """Send one request. Connection failures are OSError or http.client.HTTPException."""
        parts = urllib.parse.urlsplit(url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        for fresh in (False, True):
            connection, is_new = self._connection(parts.scheme, parts.netloc, timeout, fresh=fresh)
            connection.timeout = timeout
            if connection.sock is not None:
                connection.sock.settimeout(timeout)
            try:
                connection.request(method, target or "/", body=body, headers=headers)
                answer = connection.getresponse()
                found = {name.lower(): value for name, value in answer.getheaders()}
                return Response(answer.status, found, answer.read())
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                connection.close()
                if is_new:
                    raise
        raise AssertionError("a new connection either answers or raises")

    def _connection(self, scheme: str, host: str, timeout: float, *, fresh: bool) -> tuple[Any, bool]:
        pool: dict[tuple[str, str], Any] = self._local.__dict__.setdefault("pool", {})
        key = (scheme, host)
        is_new = fresh or key not in pool or pool[key].sock is None
        if is_new:
            pool[key] = self._open(scheme, host, timeout)
        return pool[key], is_new

    def _open(self, scheme: str, host: str, timeout: float) -> Any:
        if scheme == "http":
            return http.client.HTTPConnection(host, timeout=timeout)
        if self._tls is None:
            self._tls = ssl.create_default_context()  # honours SSL_CERT_FILE
        return http.client.HTTPSConnection(host, timeout=timeout, context=self._tls)
