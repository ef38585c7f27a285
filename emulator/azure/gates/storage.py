"""The storage gate: checks token, audience and role as Azure Storage does, then passes on to Azurite.

One gate a storage account, at its own address: `/CONTAINER/BLOB` becomes `/SLOT/CONTAINER/BLOB`. Shared
keys and SAS are refused: with key access disabled as Azure does, else because they are not emulated. Which
permission an operation needs: learn.microsoft.com, "Authorize access to blobs with Microsoft Entra ID",
permissions for calling data operations. The account's
firewall: see `private_endpoints.shut_out`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from emulator.azure.gates import proxy
from emulator.azure.resources import private_endpoints
from emulator.azure.tokens import TokenError, bearer

if TYPE_CHECKING:
    from emulator.azure.cloud import Cloud

AUDIENCE = "https://storage.azure.com"
_CONTAINERS = "Microsoft.Storage/storageAccounts/blobServices/containers"


@dataclass(frozen=True)
class Need:
    """The permission an operation needs; `data` says whether it is a data action."""

    action: str
    data: bool
    container: str


def need(method: str, path: str, query: dict[str, list[str]]) -> Need:
    """Return what an operation needs."""
    parts = unquote(path).strip("/").split("/", 1)
    container = parts[0]
    blob = len(parts) > 1 and parts[1] != ""
    restype, comp = query.get("restype", [""])[0], query.get("comp", [""])[0]
    if not container:
        if comp == "userdelegationkey":
            service = "Microsoft.Storage/storageAccounts/blobServices"
            return Need(f"{service}/generateUserDelegationKey/action", False, "")
        return Need(f"{_CONTAINERS}/read", False, "")
    if restype == "container" and not blob and comp not in {"list", "blobs"}:
        verb = {"GET": "read", "HEAD": "read", "DELETE": "delete"}.get(method, "write")
        return Need(f"{_CONTAINERS}/{verb}", False, container)
    verb = {"GET": "read", "HEAD": "read", "DELETE": "delete"}.get(method, "write")
    return Need(f"{_CONTAINERS}/blobs/{verb}", True, container)


class StorageGate:
    """An ASGI application for one account."""

    def __init__(self, cloud: Cloud, account_id: str) -> None:
        self._cloud = cloud
        self._account_id = account_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._check(scope)
        if refusal:
            await refusal(scope, receive, send)
            return
        account = self._cloud.store.get(self._account_id)
        assert account is not None
        blobs = self._cloud.blobs
        url = self._cloud.settings.azurite_url + f"/{blobs.slot(account)}" + proxy.raw_path(scope)
        token = {"Authorization": f"Bearer {blobs.token()}"}
        try:
            await proxy.forward(
                self._cloud.session, scope, receive, send, proxy.with_query(url, scope), replace=token
            )
        except OSError as error:
            text = f"The blob service of the embedded Azure does not answer: {error}"
            await _error(503, "ServerBusy", text)(scope, receive, send)

    def _check(self, scope: Scope) -> Response | None:
        account = self._cloud.resource(self._account_id)
        if account is None:
            return _error(404, "ResourceNotFound", "The specified account does not exist.")
        headers = proxy.headers_of(scope)
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        authorization = headers.get("authorization", "")
        if authorization.lower().startswith("sharedkey") or "sig" in query:
            if account.properties.get("allowSharedKeyAccess") is False:
                text = "Key based authentication is not permitted on this storage account."
                return _error(403, "KeyBasedAuthenticationNotPermitted", text)
            text = "Shared keys and SAS are not emulated; use a token."
            return _error(403, "AuthenticationFailed", text)
        try:
            endpoint = self._cloud.addresses.url(account.private["host"])
            claims = self._cloud.tokens.check(bearer(authorization), {AUDIENCE, endpoint})
        except TokenError as error:
            return self._unauthorized(error)
        if headers.get("x-ms-version", "") < "2017-11-09":
            text = "The x-ms-version header must be 2017-11-09 or later for requests with a token."
            return _error(400, "InvalidHeaderValue", text)
        if private_endpoints.shut_out(self._cloud, account, claims["oid"]):
            return _error(
                403, "AuthorizationFailure", "This request is not authorized to perform this operation."
            )
        wanted = need(scope["method"], proxy.raw_path(scope), query)
        where = account.id
        if wanted.container:
            where = f"{account.id}/blobServices/default/containers/{wanted.container}"
        if not self._cloud.rbac.allowed(claims["oid"], wanted.action, where, data=wanted.data):
            text = "This request is not authorized to perform this operation using this permission."
            return _error(403, "AuthorizationPermissionMismatch", text)
        return None

    def _unauthorized(self, error: TokenError) -> Response:
        authority = f"{self._cloud.settings.login_url}/{self._cloud.settings.tenant}/oauth2/authorize"
        challenge = f"Bearer authorization_uri={authority} resource_id={AUDIENCE}"
        code = "NoAuthenticationInformation" if error.code == "missing" else "InvalidAuthenticationInfo"
        text = "Server failed to authenticate the request. Please refer to the information in the "
        response = _error(401, code, f"{text}www-authenticate header. {error}")
        response.headers["WWW-Authenticate"] = challenge
        return response


def _error(status: int, code: str, text: str) -> Response:
    body = (
        f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{text}</Message></Error>'
    )
    headers = {"x-ms-error-code": code}
    return Response(body, status, media_type="application/xml", headers=headers)
