"""Passes a request on to a raw part and its answer back, streaming both ways; layers and models are large."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, MutableMapping
from typing import Any

import aiohttp
from starlette.types import Message, Receive, Scope, Send
from yarl import URL

_CHUNK = 1 << 18
_HOP = {
    b"connection",
    b"expect",
    b"keep-alive",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"te",
    b"trailers",
    b"transfer-encoding",
    b"upgrade",
    b"host",
}


def headers_of(scope: Scope) -> dict[str, str]:
    """Return the request's headers by lower-case name; of repeated ones the last."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


async def forward(
    session: aiohttp.ClientSession,
    scope: Scope,
    receive: Receive,
    send: Send,
    url: str,
    *,
    replace: dict[str, str] | None = None,
    drop: Iterable[str] = (),
    rewrite: Any = None,
) -> None:
    """Send the request to `url` (percent-encoding kept) and stream the answer.

    `replace` sets request headers, `drop` leaves some out, `rewrite(headers)` may change the answer's
    headers.
    """
    dropped = _HOP | {name.encode() for name in drop}
    headers = [
        (k.decode("latin-1"), v.decode("latin-1")) for k, v in scope["headers"] if k.lower() not in dropped
    ]
    given = {name.lower() for name in replace or {}}
    headers = [(name, value) for name, value in headers if name.lower() not in given]
    headers += list((replace or {}).items())
    names = {name.lower() for name, _ in headers}
    has_body = scope["method"] in {"PUT", "POST", "PATCH"} and _has_body(scope, names)
    data = _body(receive) if has_body else None
    skip = {"User-Agent", "Accept", "Accept-Encoding", "Content-Type"}
    async with session.request(
        scope["method"],
        URL(url, encoded=True),
        headers=headers,
        data=data,
        allow_redirects=False,
        skip_auto_headers=skip,
    ) as response:
        await _answer(response, send, rewrite)


def _has_body(scope: Scope, names: set[str]) -> bool:
    headers = headers_of(scope)
    return headers.get("content-length", "0") != "0" or headers.get("transfer-encoding") == "chunked"


async def _body(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        message: Message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionResetError("the client went away")
        if message.get("body"):
            yield message["body"]
        if not message.get("more_body"):
            return


async def _answer(response: aiohttp.ClientResponse, send: Send, rewrite: Any) -> None:
    headers: MutableMapping[str, str] = response.headers.copy()
    if rewrite:
        rewrite(headers)
    raw = [
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in headers.items()
        if name.lower().encode() not in _HOP
    ]
    await send({"type": "http.response.start", "status": response.status, "headers": raw})
    async for chunk in response.content.iter_chunked(_CHUNK):
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def raw_path(scope: Scope) -> str:
    """Return the path as it came, percent-encoding and all."""
    raw = scope.get("raw_path") or scope["path"].encode()
    return raw.split(b"?")[0].decode("latin-1")


def with_query(path: str, scope: Scope) -> str:
    query = scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else path
