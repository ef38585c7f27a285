"""Requests to a container and its answers, unbuffered. Knows HTTP, and nothing of endpoints."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

# Headers of one connection, not of the message (RFC 9110, 7.6.1), and those that this side sets itself.
HOP_BY_HOP = {
    *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te"),
    *("trailer", "transfer-encoding", "upgrade", "content-length", "host", "date", "server"),
}


class UpstreamError(Exception):
    """The container did not answer, or broke off."""


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: str
    headers: list[tuple[str, str]]
    body: bytes

    @classmethod
    async def read(cls, scope: MutableMapping[str, Any], receive: Callable[[], Awaitable[Any]]) -> Request:
        """The whole request: prompts are small, and a mirrored request needs its body twice."""
        parts = []
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                break
            parts.append(message.get("body", b""))
            if not message.get("more_body"):
                break
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        raw = scope.get("raw_path") or scope["path"].encode()
        path, query = raw.split(b"?")[0].decode("latin-1"), scope["query_string"].decode("latin-1")
        return cls(scope["method"], path, query, headers, b"".join(parts))

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name), None)


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def with_headers(self, more: Mapping[str, str]) -> Reply:
        return Reply(self.status, {**self.headers, **more}, self.body)

    async def send_head(self, send: Callable[[MutableMapping[str, Any]], Awaitable[None]]) -> None:
        pairs = [(name.lower().encode(), value.encode("latin-1")) for name, value in self.headers.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": pairs})

    async def send(self, send: Callable[[MutableMapping[str, Any]], Awaitable[None]]) -> None:
        await self.with_headers({"content-length": str(len(self.body))}).send_head(send)
        await send({"type": "http.response.body", "body": self.body})


class Upstream:
    """An answer that has begun."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers = {n: v for n, v in response.headers.items() if n.lower() not in HOP_BY_HOP}
        if "Content-Length" in response.headers:
            self.headers["Content-Length"] = response.headers["Content-Length"]

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes; nothing waits for more."""
        try:
            async for chunk in self._response.content.iter_any():
                yield chunk
        except aiohttp.ClientError as error:
            raise UpstreamError(f"the container broke off its answer: {error}") from error


class Relay:
    """One connection a request:

    a container may be restarted between two, and loopback connections cost little.
    """

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    @contextlib.asynccontextmanager
    async def open(self, address: tuple[str, int], request: Request) -> AsyncIterator[Upstream]:
        host, port = address
        url = f"http://{host}:{port}{request.path}" + (f"?{request.query}" if request.query else "")
        headers = [(n, v) for n, v in request.headers if n.lower() not in HOP_BY_HOP]
        try:
            response = await self._client().request(
                request.method,
                # As it came: percent-escapes are the container's affair.
                _url(url),
                headers=headers,
                data=request.body or None,
                allow_redirects=False,
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            )
        except (aiohttp.ClientError, OSError) as error:
            raise UpstreamError(f"the container did not answer: {error}") from error
        # Leaving before the end (a client that hung up) closes the connection, which tells vLLM to stop.
        async with response:
            yield Upstream(response)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, force_close=True),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=5),
                auto_decompress=False,
                trust_env=False,
            )
        return self._session


def _url(text: str) -> Any:
    from yarl import URL

    return URL(text, encoded=True)
