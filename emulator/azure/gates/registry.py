"""The registry gate: Azure Container Registry's token authentication before the raw OCI registry.

`/oauth2/exchange` turns an Entra token into a refresh token, `/oauth2/token` a refresh token (or the
admin's password) into an access token whose scope follows the caller's roles; `/v2/` asks for it with a
Bearer challenge and passes on. Source: github.com/Azure/acr, docs/AAD-OAuth.md. Each registry's
repositories live below its name in the raw one.
"""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import aiohttp
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from emulator.azure import metadata
from emulator.azure.forms import read_form
from emulator.azure.gates import proxy
from emulator.azure.principals import Principal
from emulator.azure.resources import private_endpoints
from emulator.azure.resources.container_registry import login_server
from emulator.azure.tokens import TokenError, bearer

if TYPE_CHECKING:
    from emulator.azure.cloud import Cloud
    from emulator.azure.store import Resource

TOKEN_USER = "00000000-0000-0000-0000-000000000000"  # noqa: S105 - the user name that goes with a refresh token
AUDIENCES = {"https://containerregistry.azure.net"}
_REGISTRY = "Microsoft.ContainerRegistry/registries"
_ACTIONS = {
    "pull": f"{_REGISTRY}/pull/read",
    "push": f"{_REGISTRY}/push/write",
    "delete": f"{_REGISTRY}/artifacts/delete",
}
_ADMIN = Principal("admin", "admin", "admin")
_ANONYMOUS = Principal("anonymous", "anonymous", "anonymous")


class RegistryGate:
    """The application of one registry."""

    def __init__(self, cloud: Cloud, registry_id: str) -> None:
        self._cloud = cloud
        self._registry_id = registry_id

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/oauth2/exchange", self.exchange, methods=["POST"]),
                Route("/oauth2/token", self.token, methods=["GET", "POST"]),
                Mount("/v2", app=self.registry),
            ]
        )

    @property
    def _resource(self) -> Resource:
        found = self._cloud.store.get(self._registry_id)
        assert found is not None
        return found

    @property
    def _service(self) -> str:
        return login_server(self._cloud, self._resource)

    # --- tokens

    async def exchange(self, request: Request) -> Response:
        form = dict(await read_form(request))
        if form.get("grant_type") not in {"access_token", "access_token_refresh_token"}:
            return _unauthorized(400, "grant_type must be access_token")
        if form.get("service", "").lower() != self._service.lower():
            return _unauthorized(400, f"service must be {self._service}")
        audiences = AUDIENCES | metadata.arm_audiences(self._cloud.settings)
        try:
            claims = self._cloud.tokens.check(form.get("access_token", ""), audiences)
        except TokenError as error:
            return _unauthorized(401, str(error))
        principal = self._cloud.principals.get(claims["oid"])
        if principal is None:
            return _unauthorized(401, "the principal does not exist any more")
        if private_endpoints.shut_out(self._cloud, self._resource, principal.id):
            return _denied(request)
        return JSONResponse({"refresh_token": self.refresh_token(principal)})

    def refresh_token(self, principal: Principal) -> str:
        """Return a refresh token: three hours, for this registry only."""
        return self._cloud.tokens.issue(principal, self._service, seconds=10800, grant_type="refresh_token")

    async def token(self, request: Request) -> Response:
        fields = {key: value for key, value in request.query_params.multi_items() if key != "scope"}
        scopes = request.query_params.getlist("scope")
        if request.method == "POST":
            form = await read_form(request)
            fields.update(form)
            scopes = [value for key, value in form if key == "scope"]
        principal = self._who(request, fields)
        if principal is None:
            return _unauthorized(401, "authentication required")
        if private_endpoints.shut_out(self._cloud, self._resource, principal.id):
            return _denied(request)
        scopes = [part for item in scopes for part in item.split(" ") if part]
        access = [self._granted(principal, item) for item in scopes]
        issued = self._cloud.tokens.issue(
            principal, self._service, seconds=4500, grant_type="access_token", access=[a for a in access if a]
        )
        return JSONResponse({"access_token": issued, "token": issued, "expires_in": 4500})

    def _who(self, request: Request, fields: dict[str, str]) -> Principal | None:
        user, password = _basic(request.headers.get("authorization"))
        if fields.get("grant_type") == "password":
            user, password = fields.get("username", ""), fields.get("password", "")
        if fields.get("grant_type") == "refresh_token":
            user, password = TOKEN_USER, fields.get("refresh_token", "")
        if not user and not password:
            return _ANONYMOUS if self._resource.properties.get("anonymousPullEnabled") else None
        if self._resource.properties["adminUserEnabled"] and user == self._resource.name:
            return _ADMIN if password in self._resource.private["passwords"] else None
        try:
            claims = self._cloud.tokens.check(password, {self._service})
        except TokenError:
            return None
        if claims.get("grant_type") != "refresh_token":
            return None
        return self._cloud.principals.get(claims["oid"])

    def _granted(self, principal: Principal, scope: str) -> dict[str, Any] | None:
        """Cut an asked scope (`repository:NAME:pull,push`) down to what the roles allow."""
        parts = scope.split(":")
        if len(parts) < 3:
            return None
        name, asked = ":".join(parts[1:-1]), parts[-1].split(",")
        if asked == ["*"]:
            asked = [*_ACTIONS, "*"]
        allowed = [verb for verb in asked if self._may(principal, verb)]
        return {"type": parts[0], "name": name, "actions": allowed}

    def _may(self, principal: Principal, verb: str) -> bool:
        if principal is _ADMIN:
            return True
        if principal is _ANONYMOUS:
            return verb == "pull"
        action = _ACTIONS.get("pull" if verb in {"pull", "metadata_read", "*"} else verb)
        return action is not None and self._cloud.rbac.allowed(principal.id, action, self._registry_id)

    # --- the registry itself

    async def registry(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = proxy.raw_path(scope)[len("/v2") :]
        repository = _repository(path)
        verb = {"GET": "pull", "HEAD": "pull", "DELETE": "delete"}.get(scope["method"], "push")
        if not self._token_allows(proxy.headers_of(scope).get("authorization"), repository, verb, path):
            await self._challenge(repository, verb, path)(scope, receive, send)
            return
        prefix = self._resource.name.lower()
        try:
            if path.strip("/") in {"", "_catalog"} or path.endswith("/tags/list"):
                await self._small(scope, receive, send, path, repository, prefix)
                return
            url = f"{self._cloud.settings.registry_url}/v2/{prefix}{path}"
            await proxy.forward(
                self._cloud.session,
                scope,
                receive,
                send,
                self._mounted(proxy.with_query(url, scope), prefix),
                drop=("authorization",),
                rewrite=lambda headers: _relocate(headers, prefix),
            )
        except aiohttp.ClientConnectionError as error:
            text = f"the registry of the embedded Azure does not answer: {error}"
            await JSONResponse({"errors": [{"code": "UNAVAILABLE", "message": text}]}, 503)(
                scope, receive, send
            )

    def _mounted(self, url: str, prefix: str) -> str:
        """Point a cross-repository mount at the same registry's repository."""
        return re.sub(r"([?&]from=)([^&]+)", lambda m: m[1] + quote(prefix, safe="") + "%2F" + m[2], url)

    def _token_allows(self, authorization: str | None, repository: str, verb: str, path: str) -> bool:
        try:
            claims = self._cloud.tokens.check(bearer(authorization), {self._service})
        except TokenError:
            return False
        if claims.get("grant_type") != "access_token":
            return False
        if path.strip("/") == "":
            return True
        for item in claims.get("access", []):
            if path.strip("/") == "_catalog" and item["type"] == "registry":
                return "*" in item["actions"]
            if item["type"] == "repository" and item["name"] == repository and verb in item["actions"]:
                return True
        return False

    def _challenge(self, repository: str, verb: str, path: str) -> Response:
        realm = f'Bearer realm="https://{self._service}/oauth2/token",service="{self._service}"'
        if repository:
            realm += f',scope="repository:{repository}:{"pull,push" if verb == "push" else verb}"'
        elif path.strip("/") == "_catalog":
            realm += ',scope="registry:catalog:*"'
        response = _unauthorized(401, "authentication required, visit https://aka.ms/acr/authorization")
        response.headers["WWW-Authenticate"] = realm
        response.headers["Docker-Distribution-Api-Version"] = "registry/2.0"
        return response

    async def _small(
        self, scope: Scope, receive: Receive, send: Send, path: str, repository: str, prefix: str
    ) -> None:
        """Answer what names repositories in its body."""
        headers = {"Docker-Distribution-Api-Version": "registry/2.0"}
        base, where = self._cloud.settings.registry_url, path.strip("/")
        target = f"/v2/{prefix}{path}" if repository else f"/v2/{where}" + ("?n=10000" if where else "")
        async with self._cloud.session.get(base + target) as answer:
            body, status = await answer.read(), answer.status
        document = json.loads(body or b"{}")
        if status == 200 and where == "_catalog":
            names = document.get("repositories") or []
            document["repositories"] = [n[len(prefix) + 1 :] for n in names if n.startswith(prefix + "/")]
        elif status == 200 and repository:
            document["name"] = repository
        await JSONResponse(document, status, headers=headers)(scope, receive, send)


def _repository(path: str) -> str:
    found = re.match(r"/(.+?)/(?:manifests|blobs|tags|referrers)(?:/|$)", path)
    return found[1] if found else ""


def _relocate(headers: Any, prefix: str) -> None:
    location = headers.get("Location")
    if location and f"/v2/{prefix}/" in location:
        headers["Location"] = re.sub(r"^https?://[^/]+", "", location).replace(f"/v2/{prefix}/", "/v2/", 1)


def _basic(authorization: str | None) -> tuple[str, str]:
    scheme, _, value = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, _, password = base64.b64decode(value).decode().partition(":")
    except ValueError:
        return "", ""
    return user, password


def _denied(request: Request) -> Response:
    """The text: docker/build-push-action issue 1214."""
    client = request.client.host if request.client else "unknown"
    text = (
        f"client with IP '{client}' is not allowed access. Refer https://aka.ms/acr/firewall to grant access."
    )
    return JSONResponse({"errors": [{"code": "DENIED", "message": text}]}, 403)


def _unauthorized(status: int, text: str) -> Response:
    return JSONResponse({"errors": [{"code": "UNAUTHORIZED", "message": text, "detail": None}]}, status)
