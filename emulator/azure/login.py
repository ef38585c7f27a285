"""The token service: managed identity (App Service's shape) and the tenant's OAuth endpoints.

`IDENTITY_ENDPOINT` answers `GET ?api-version=2019-08-01&resource=R` with header X-IDENTITY-HEADER, which
says who asks (learn.microsoft.com, "How to use managed identities for App Service", REST endpoint
reference). The tenant serves discovery, keys and the client-credentials grant; interactive logins are left
out. azure-identity validates an authority with a public host unless the tenant is `adfs`, hence that path
too.
"""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from emulator.azure.clock import now
from emulator.azure.forms import read_form
from emulator.azure.principals import Principal, Principals
from emulator.azure.store import Store
from emulator.azure.tokens import Tokens
from emulator.settings import Settings

LIFETIME = 86400


class Login:
    def __init__(self, settings: Settings, store: Store, principals: Principals, tokens: Tokens) -> None:
        self._settings = settings
        self._store = store
        self._principals = principals
        self._tokens = tokens

    def app(self) -> Starlette:
        """Return the application of both listeners: TLS for the tenant, plain http for IDENTITY_ENDPOINT."""
        tenant = "/{tenant}"
        return Starlette(
            routes=[
                Route("/msi/token", self.managed_identity),
                Route("/common/discovery/instance", self.instance),
                Route(tenant + "/v2.0/.well-known/openid-configuration", self.discovery),
                Route(tenant + "/.well-known/openid-configuration", self.discovery),
                Route(tenant + "/discovery/v2.0/keys", self.keys),
                Route(tenant + "/oauth2/v2.0/token", self.token, methods=["POST"]),
                Route(tenant + "/oauth2/token", self.token, methods=["POST"]),
            ]
        )

    async def managed_identity(self, request: Request) -> JSONResponse:
        query = request.query_params
        if query.get("api-version") not in {"2019-08-01", "2017-09-01"}:
            return _refuse(400, "invalid_request", "api-version must be 2019-08-01")
        header = request.headers.get("x-identity-header") or request.headers.get("secret") or ""
        principal = self._principals.by_header(header)
        if principal is None:
            return _refuse(401, "unauthorized", "X-IDENTITY-HEADER is not the value of IDENTITY_HEADER")
        resource = query.get("resource", "")
        if not resource:
            return _refuse(400, "invalid_request", "the query parameter resource is missing")
        chosen = self._assigned(query)
        if chosen is not None:
            principal = chosen
        elif any(query.get(name) for name in ("client_id", "principal_id", "object_id", "mi_res_id")):
            return _refuse(400, "invalid_request", "No User Assigned or Delegated Managed Identity found")
        return self._managed_answer(principal, resource)

    def _managed_answer(self, principal: Principal, resource: str) -> JSONResponse:
        expires = int(now()) + LIFETIME
        return JSONResponse(
            {
                "access_token": self._tokens.issue(principal, resource, seconds=LIFETIME),
                "expires_on": str(expires),
                "resource": resource,
                "token_type": "Bearer",
                "client_id": principal.client_id,
            }
        )

    def _assigned(self, query: Any) -> Principal | None:
        """Return the user-assigned identity that the request names, if there is one."""
        wanted = query.get("mi_res_id", "").lower()
        for row in self._store.table("principal").values():
            named = {query.get("client_id"), query.get("principal_id"), query.get("object_id")}
            if (
                row["client_id"] in named
                or row["id"] in named
                or (wanted and row["resource_id"].lower() == wanted)
            ):
                return Principal(**row)
        for known in (self._principals.deployer, self._principals.reader):
            if query.get("client_id") == known.client_id:
                return known
        return None

    async def instance(self, request: Request) -> JSONResponse:
        tenant = f"{self._settings.login_url}/{self._settings.tenant}/v2.0/.well-known/openid-configuration"
        host = f"{self._settings.login_host}:{self._settings.port}"
        cloud = {"preferred_network": host, "preferred_cache": host, "aliases": [host]}
        return JSONResponse({"tenant_discovery_endpoint": tenant, "api-version": "1.1", "metadata": [cloud]})

    async def discovery(self, request: Request) -> JSONResponse:
        base = f"{self._settings.login_url}/{request.path_params['tenant']}"
        adfs = request.path_params["tenant"] == "adfs"
        return JSONResponse(
            {
                "issuer": self._tokens.issuer,
                "authorization_endpoint": base + "/oauth2/v2.0/authorize",
                "token_endpoint": base + ("/oauth2/token" if adfs else "/oauth2/v2.0/token"),
                "jwks_uri": base + "/discovery/v2.0/keys",
                "response_types_supported": ["code", "id_token", "token"],
                "subject_types_supported": ["pairwise"],
                "id_token_signing_alg_values_supported": ["RS256"],
            }
        )

    async def keys(self, request: Request) -> JSONResponse:
        return JSONResponse({"keys": [self._tokens.public_jwk()]})

    async def token(self, request: Request) -> JSONResponse:
        form = dict(await read_form(request))
        if form.get("grant_type") != "client_credentials":
            return _refuse(400, "unsupported_grant_type", "only client_credentials is emulated")
        principal = self._principals.by_client(form.get("client_id", ""), form.get("client_secret", ""))
        if principal is None:
            return _refuse(401, "invalid_client", "AADSTS7000215: Invalid client secret provided.")
        scope = form.get("scope", "").split(" ")[0]
        audience = form.get("resource") or scope.removesuffix("/.default")
        if not audience:
            return _refuse(400, "invalid_scope", "AADSTS1002012: the scope must end in /.default")
        token = self._tokens.issue(principal, audience, seconds=3600)
        return JSONResponse(
            {"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": token}
        )


def _refuse(status: int, code: str, text: str) -> JSONResponse:
    return JSONResponse({"error": code, "error_description": text, "statusCode": status}, status_code=status)
