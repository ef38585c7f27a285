"""The hub's HTTP surface, as huggingface_hub 2.4 uses it: model info, tree, paths, refs, resolve and the
file store.

Read from huggingface_hub (hf_api.py, file_download.py, utils/_http.py): paths, header names and error
codes. Uploads, datasets, spaces, search and Xet are left out. A large file is a redirect to a signed URL
that expires, as on the real hub, so that a client which keeps such a URL too long is found out.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from aiohttp import web

from emulator.hub.catalogue import Repository
from emulator.hub.content import DATE, Entry, Snapshot


@dataclass(frozen=True)
class Tokens:
    """`granted` may read gated repositories, `plain` is a user who may not; any other token is refused."""

    granted: str = "embedded-azure-granted"
    plain: str = "embedded-azure-plain"


@dataclass(frozen=True)
class Hub:
    """`url_seconds` is how long a signed URL lives; `page` how many entries one answer of the tree holds.

    `egress` is the subnet of containers with egress: beside it only this machine is served.
    """

    repositories: Mapping[str, Repository]
    tokens: Tokens = field(default_factory=Tokens)
    url_seconds: float = 3600
    page: int = 1000
    egress: str = ""
    signing_key: bytes = field(default_factory=lambda: secrets.token_bytes(16), repr=False)


class RefusalError(Exception):
    """An error answer: the hub's error code header decides which exception huggingface_hub raises."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.code = status, message, code

    def response(self) -> web.Response:
        headers = {"X-Error-Message": self.message}
        if self.code:
            headers["X-Error-Code"] = self.code
        return web.json_response({"error": self.message}, status=self.status, headers=headers)


ETAG: web.RequestKey[str] = web.RequestKey("etag", str)
HUB: web.AppKey[Hub] = web.AppKey("hub", Hub)


def create_app(hub: Hub) -> web.Application:
    app = web.Application(middlewares=[_neighbours, _errors])
    app[HUB] = hub
    app.on_response_prepare.append(_own_etag)
    # Repository names have one slash; `{rest}` may hold more.
    repository = "{owner:[^/]+}/{name:[^/]+}"
    app.router.add_get("/healthz", _health)
    app.router.add_get("/api/whoami-v2", _whoami)
    app.router.add_get(f"/api/models/{repository}", _model_info)
    app.router.add_get(f"/api/models/{repository}/revision/{{revision}}", _model_info)
    app.router.add_get(f"/api/models/{repository}/tree/{{revision}}", _tree)
    app.router.add_get(f"/api/models/{repository}/tree/{{revision}}/{{path:.+}}", _tree)
    app.router.add_post(f"/api/models/{repository}/paths-info/{{revision}}", _paths_info)
    app.router.add_get(f"/api/models/{repository}/refs", _refs)
    app.router.add_get(f"/api/models/{repository}/auth-check", _auth_check)
    app.router.add_get(f"/{repository}/resolve/{{revision}}/{{path:.+}}", _resolve)
    app.router.add_get("/cdn/{digest}", _stored)
    app.router.add_route("*", "/{rest:.*}", _unknown)
    return app


@web.middleware
async def _neighbours(request: web.Request, handler: Any) -> web.StreamResponse:
    """Hang up on containers without egress.

    Docker's internal networks have no route out, but the addresses of this machine can be reached from all
    of them.
    """
    peer = ipaddress.ip_address(request.remote or "127.0.0.1")
    egress = request.app[HUB].egress
    if not peer.is_loopback and not (egress and peer in ipaddress.ip_network(egress)):
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError
    return await handler(request)


@web.middleware
async def _errors(request: web.Request, handler: Any) -> web.StreamResponse:
    try:
        return await handler(request)
    except RefusalError as refusal:
        return refusal.response()


async def _own_etag(request: web.Request, response: web.StreamResponse) -> None:
    """FileResponse makes an ETag of the file's time; the hub's is the file's identity."""
    if ETAG in request:
        response.headers["ETag"] = request[ETAG]


async def _health(request: web.Request) -> web.Response:
    return web.json_response({"models": sorted(r.name for r in request.app[HUB].repositories.values())})


async def _unknown(request: web.Request) -> web.Response:
    raise RefusalError(404, f"The embedded hub does not serve {request.method} {request.path}")


async def _whoami(request: web.Request) -> web.Response:
    token = _token(request)
    if token is None:
        raise RefusalError(401, "Invalid username or password.")
    return web.json_response({"type": "user", "name": token.removeprefix("embedded-azure-"), "orgs": []})


async def _model_info(request: web.Request) -> web.Response:
    repository, snapshot = _find(request)
    siblings: list[dict[str, Any]] = []
    for entry in snapshot.entries.values():
        row: dict[str, Any] = {"rfilename": entry.path}
        if request.query.get("blobs"):
            row |= {"size": entry.size, "blobId": entry.blob}
            if entry.sha256:
                row["lfs"] = {"sha256": entry.sha256, "size": entry.size, "pointerSize": entry.pointer_size}
        siblings.append(row)
    return web.json_response(
        {
            "_id": snapshot.commit[:24],
            "id": repository.name,
            "modelId": repository.name,
            "author": repository.name.partition("/")[0],
            "sha": snapshot.commit,
            "lastModified": DATE,
            "createdAt": DATE,
            "private": False,
            "disabled": False,
            "gated": "manual" if repository.gated else False,
            "downloads": 0,
            "likes": 0,
            "library_name": "transformers",
            "tags": ["transformers"],
            "siblings": siblings,
        }
    )


async def _tree(request: web.Request) -> web.Response:
    _, snapshot = _find(request)
    folder = request.match_info.get("path", "").strip("/")
    recursive = request.query.get("recursive", "").lower() in {"true", "1"}
    rows = _listing(snapshot, folder, recursive)
    if folder and not rows:
        raise RefusalError(
            404, f'"{folder}" does not exist on "{request.match_info["revision"]}"', "EntryNotFound"
        )
    hub = request.app[HUB]
    start = int(request.query.get("cursor") or 0)
    size = min(int(request.query.get("limit") or hub.page), hub.page)
    headers = {}
    if start + size < len(rows):
        following = request.url.update_query(cursor=start + size)
        headers["Link"] = f'<{following}>; rel="next"'
    return web.json_response(rows[start : start + size], headers=headers)


async def _paths_info(request: web.Request) -> web.Response:
    _, snapshot = _find(request)
    body = await request.json() if request.content_type == "application/json" else await request.post()
    paths = body["paths"] if isinstance(body, dict) else body.getall("paths")
    rows = _listing(snapshot, "", True)
    wanted = {str(path).strip("/") for path in ([paths] if isinstance(paths, str) else paths)}
    return web.json_response([row for row in rows if row["path"] in wanted])


async def _refs(request: web.Request) -> web.Response:
    repository, _ = _find(request)
    branches: list[dict[str, str]] = []
    tags: list[dict[str, str]] = []
    for name, snapshot in repository.revisions.items():
        kind, rows = ("tags", tags) if name in repository.tags else ("heads", branches)
        rows.append({"name": name, "ref": f"refs/{kind}/{name}", "targetCommit": snapshot.commit})
    return web.json_response({"branches": branches, "tags": tags, "converts": [], "pullRequests": []})


async def _auth_check(request: web.Request) -> web.Response:
    repository, _ = _find(request)
    _require_access(request, repository)
    return web.json_response({})


async def _resolve(request: web.Request) -> web.StreamResponse:
    """A small file itself; a large one as a redirect to its signed URL. HEAD comes here too."""
    repository, snapshot = _find(request)
    _require_access(request, repository)
    path = request.match_info["path"]
    entry = snapshot.entries.get(path)
    commit = {"X-Repo-Commit": snapshot.commit}
    if entry is None:
        refusal = RefusalError(404, "Entry not found", "EntryNotFound").response()
        refusal.headers.update(commit)
        return refusal
    if entry.sha256 is None:
        return _send(request, entry, commit)
    headers = commit | {
        "X-Linked-Etag": f'"{entry.sha256}"',
        "X-Linked-Size": str(entry.size),
        "ETag": f'"{entry.blob}"',
        "Accept-Ranges": "bytes",
        "Location": _signed_url(request, entry),
    }
    return web.Response(status=302, headers=headers, text="Found. Redirecting")


async def _stored(request: web.Request) -> web.StreamResponse:
    """The store behind the hub: asks for a signature that has not expired, and for no token."""
    digest = request.match_info["digest"]
    expires = request.query.get("Expires", "0")
    good = hmac.compare_digest(request.query.get("Signature", ""), _signature(request, digest, expires))
    if not good or float(expires) < time.time():
        return web.Response(
            status=403, text="<Error><Code>AccessDenied</Code></Error>", content_type="text/xml"
        )
    for repository in request.app[HUB].repositories.values():
        for snapshot in repository.revisions.values():
            for entry in snapshot.entries.values():
                if entry.sha256 == digest:
                    return _send(request, entry, {})
    return web.Response(status=404)


def _send(request: web.Request, entry: Entry, headers: dict[str, str]) -> web.StreamResponse:
    """The file, whole or the range asked for; aiohttp answers 206 and 416 and uses sendfile."""
    headers = headers | {
        "Content-Disposition": f"inline; filename*=UTF-8''{quote(entry.path.split('/')[-1])}"
    }
    request[ETAG] = f'"{entry.etag}"'
    response = web.FileResponse(entry.source, headers=headers)
    response.content_type = "application/json" if entry.path.endswith(".json") else "application/octet-stream"
    return response


def _find(request: web.Request) -> tuple[Repository, Snapshot]:
    token = _token(request)
    name = f"{request.match_info['owner']}/{request.match_info['name']}"
    repository = request.app[HUB].repositories.get(name.lower())
    if repository is None:
        # The real hub does not tell strangers whether a private repository exists: 401 (utils/_http.py says
        # so).
        if token is None:
            raise RefusalError(401, "Invalid username or password.", "RepoNotFound")
        raise RefusalError(404, "Repository not found", "RepoNotFound")
    revision = request.match_info.get("revision", "main")
    snapshot = repository.at(revision)
    if snapshot is None:
        raise RefusalError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
    return repository, snapshot


def _token(request: web.Request) -> str | None:
    header = request.headers.get("Authorization")
    if not header:
        return None
    token = header.removeprefix("Bearer ").strip()
    tokens = request.app[HUB].tokens
    if token not in {tokens.granted, tokens.plain}:
        raise RefusalError(401, "Invalid credentials in Authorization header")
    return token


def _require_access(request: web.Request, repository: Repository) -> None:
    """Files of a gated repository need a token whose user was granted access; its metadata does not."""
    if not repository.gated:
        return
    token = _token(request)
    what = f"Access to model {repository.name} is restricted"
    if token is None:
        text = f"{what}. You must have access to it and be authenticated to access it. Please log in."
        raise RefusalError(401, text, "GatedRepo")
    if token != request.app[HUB].tokens.granted:
        text = f"{what} and you are not in the authorized list. Visit the model's page to ask for access."
        raise RefusalError(403, text, "GatedRepo")


def _listing(snapshot: Snapshot, folder: str, recursive: bool) -> list[dict[str, Any]]:
    prefix = f"{folder}/" if folder else ""
    rows: list[dict[str, Any]] = []
    for path, tree in snapshot.folders.items():
        if path.startswith(prefix) and (recursive or "/" not in path[len(prefix) :]):
            rows.append({"type": "directory", "oid": tree, "size": 0, "path": path})
    for path, entry in snapshot.entries.items():
        if not path.startswith(prefix) or (not recursive and "/" in path[len(prefix) :]):
            continue
        row: dict[str, Any] = {"type": "file", "oid": entry.blob, "size": entry.size, "path": path}
        if entry.sha256:
            row["lfs"] = {"oid": entry.sha256, "size": entry.size, "pointerSize": entry.pointer_size}
        rows.append(row)
    return sorted(rows, key=lambda row: row["path"])


def _signed_url(request: web.Request, entry: Entry) -> str:
    expires = f"{time.time() + request.app[HUB].url_seconds:.3f}"
    digest = entry.sha256 or ""
    signature = _signature(request, digest, expires)
    # Another origin than the hub's: huggingface_hub reads a file's metadata from a redirect that leaves the
    # hub and follows one that stays (`_is_same_or_hub_host` in utils/_http.py).
    store = request.url.origin().with_port((request.url.port or 80) + 1)
    return f"{store}/cdn/{digest}?Expires={expires}&Signature={signature}"


def _signature(request: web.Request, digest: str, expires: str) -> str:
    text = json.dumps([digest, expires]).encode()
    return hmac.new(request.app[HUB].signing_key, text, hashlib.sha256).hexdigest()
