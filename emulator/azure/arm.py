"""Azure Resource Manager: authentication, authorization, dispatch, error envelope and journal of every
request.
"""

from __future__ import annotations

import json
import logging
import uuid
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from emulator.azure import autoscale, crud, ids, metadata, subscription_level
from emulator.azure.clock import iso, now
from emulator.azure.cloud import Cloud
from emulator.azure.errors import ArmError
from emulator.azure.principals import Principal
from emulator.azure.resource_type import Answer, Call, ResourceType
from emulator.azure.tokens import TokenError, bearer
from emulator.azure.validation import validate

_log = logging.getLogger(__name__)
_METHODS = ["GET", "PUT", "PATCH", "POST", "DELETE", "HEAD"]
_TOKEN_ERRORS = {
    "missing": ("AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing."),
    "expired": (
        "ExpiredAuthenticationToken",
        "The access token expiry UTC time is earlier than current UTC time.",
    ),
    "audience": (
        "InvalidAuthenticationTokenAudience",
        "The access token has been obtained for wrong audience.",
    ),
    "invalid": ("InvalidAuthenticationToken", "The access token is invalid."),
}


def _parsed(raw: bytes) -> Any:
    """Return the JSON of a body; raises ArmError 400. Python's own reader takes more than JSON has: NaN,
    halves of surrogate pairs, and any depth until its stack ends.
    """
    try:
        value = json.loads(raw, parse_constant=_no_constant)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise ArmError(400, "InvalidRequestContent", "The request content is not valid JSON.") from None
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


class Arm:
    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/metadata/endpoints", self.metadata),
                Route("/_emulator/metrics", self.metrics, methods=["POST"]),
                Route("/{path:path}", self.handle, methods=_METHODS),
            ]
        )

    async def metadata(self, request: Request) -> Response:
        answer = metadata.answer(self.cloud.settings, request.query_params.get("api-version", ""))
        if answer is None:
            return JSONResponse({"error": {"code": "InvalidApiVersion", "message": "use 2022-09-01"}}, 400)
        return JSONResponse(answer)

    async def metrics(self, request: Request) -> Response:
        """Take metric points for autoscale; not Azure's, and so not in the journal.

        `{"points": [{"resource", "metric", "value", "seconds_ago"}], "at": epoch seconds}`; answers what
        was scaled.
        """
        try:
            self._authenticate(request)
        except ArmError as error:
            return JSONResponse(error.envelope(), error.status)
        try:
            body = await request.json()
            points, at = body["points"], float(body.get("at", now()))
        except (ValueError, KeyError, TypeError, AttributeError):
            return JSONResponse({"error": "points: [{resource, metric, value, seconds_ago}] is missing"}, 400)
        scaled = await autoscale.feed(self.cloud, points, at)
        return JSONResponse({"scaled": scaled})

    async def handle(self, request: Request) -> Response:
        """Answer one request and write it down, whatever becomes of it."""
        entry: dict[str, Any] = {
            "time": iso(),
            "method": request.method,
            "path": request.url.path,
            "api-version": request.query_params.get("api-version", ""),
            "query": {k: v for k, v in request.query_params.items() if k != "api-version"},
            "principal": None,
            "body": None,
            "status": 500,
            "request-id": str(uuid.uuid4()),
        }
        try:
            response = await self._answer(request, entry)
        except ArmError as error:
            entry["error"] = error.code
            response = JSONResponse(error.envelope(), error.status, headers=error.headers)
        except Exception:  # noqa: BLE001 - whatever broke, the client gets Azure's envelope and we a log entry
            _log.exception("%s %s", request.method, request.url.path)
            entry["error"] = "InternalServerError"
            text = f"The embedded Azure failed itself; see its log for request {entry['request-id']}."
            response = JSONResponse(ArmError(500, entry["error"], text).envelope(), 500)
        entry["status"] = response.status_code
        self.cloud.journal.write(entry)
        response.headers["x-ms-request-id"] = entry["request-id"]
        response.headers["x-ms-correlation-request-id"] = entry["request-id"]
        return response

    async def _answer(self, request: Request, entry: dict[str, Any]) -> Response:
        raw = await request.body()
        if raw:
            entry["body"] = _parsed(raw)
        principal = self._authenticate(request)
        entry["principal"] = principal.name
        special = subscription_level.find(request.method, request.url.path)
        if special:
            return await self._special(special, request, entry, principal)
        answer, call = await self._dispatch(request, entry, principal)
        return self._respond(answer, call)

    def _authenticate(self, request: Request) -> Principal:
        try:
            token = bearer(request.headers.get("authorization"))
            claims = self.cloud.tokens.check(token, metadata.arm_audiences(self.cloud.settings))
            principal = self.cloud.principals.get(claims["oid"])
            if principal is None:
                raise TokenError("invalid", "The principal does not exist any more.")
            return principal
        except TokenError as error:
            code, text = _TOKEN_ERRORS[error.code]
            authority = f"{self.cloud.settings.login_url}/{self.cloud.settings.tenant}"
            challenge = f'Bearer authorization_uri="{authority}", error="invalid_token"'
            raise ArmError(401, code, f"{text} {error}", headers={"WWW-Authenticate": challenge}) from None

    async def _special(
        self, special: subscription_level.Match, request: Request, entry: dict[str, Any], principal: Principal
    ) -> Response:
        target = ids.Target(request.url.path.rstrip("/"), special.route.type, special.scope)
        subscription_level.check(self.cloud, special, entry["api-version"])
        call = self._call(target, request, entry, principal)
        if special.route.body is not None:
            call.body = validate(special.route.body, call.body)
        if special.route.action:
            self.cloud.rbac.check(principal, special.route.action, special.scope)
        answer = special.route.handler(call, special.values)
        return self._respond(await answer if hasattr(answer, "__await__") else answer, call)

    def _call(
        self, target: ids.Target, request: Request, entry: dict[str, Any], principal: Principal
    ) -> Call:
        return Call(
            cloud=self.cloud,
            target=target,
            method=request.method,
            api_version=entry["api-version"],
            principal=principal,
            body=entry["body"],
            query=dict(request.query_params),
            headers=request.headers,
        )

    async def _dispatch(
        self, request: Request, entry: dict[str, Any], principal: Principal
    ) -> tuple[Answer, Call]:
        target = ids.parse(request.url.path)
        if target is None:
            raise ArmError(
                404, "InvalidRequestUri", f"'{request.url.path}' is not a resource, list or action."
            )
        subscription = ids.subscription_of(target.id)
        if subscription.lower() != self.cloud.settings.subscription.lower():
            raise ArmError(
                404, "SubscriptionNotFound", f"The subscription '{subscription}' could not be found."
            )
        call = self._call(target, request, entry, principal)
        method = request.method
        if target.tail and method in {"GET", "HEAD"}:
            kind = self._kind(f"{target.type}/{target.tail}", call)
            self._authorize(call, f"{kind.type}/read")
            if not kind.listable:
                raise ArmError(405, "MethodNotAllowed", f"{kind.type} cannot be listed.")
            return crud.collection(call, kind), call
        kind = self._kind(target.type, call)
        if target.tail:
            if method != "POST":
                raise ArmError(405, "MethodNotAllowed", f"{method} is not allowed on a collection.")
            self._authorize(call, f"{kind.type}/{target.tail}/action")
            return await crud.action(call, kind), call
        return await self._one(call, kind), call

    def _kind(self, name: str, call: Call) -> ResourceType:
        kind = self.cloud.types.get(name)
        self.cloud.types.check_version(kind, call.api_version)
        return kind

    async def _one(self, call: Call, kind: ResourceType) -> Answer:
        verbs = {"GET": "read", "HEAD": "read", "PUT": "write", "PATCH": "write", "DELETE": "delete"}
        if call.method not in verbs:
            raise ArmError(405, "MethodNotAllowed", f"{call.method} is not allowed on a resource.")
        self._authorize(call, f"{kind.type}/{verbs[call.method]}")
        if call.method in {"GET", "HEAD"}:
            return crud.read(call, kind)
        if call.method == "DELETE":
            return await crud.delete(call, kind)
        return await (crud.put if call.method == "PUT" else crud.patch)(call, kind)

    def _authorize(self, call: Call, action: str) -> None:
        self.cloud.rbac.check(call.principal, action, call.target.id)

    def _respond(self, answer: Answer, call: Call) -> Response:
        headers = dict(answer.headers)
        if answer.operation:
            headers.update(self._operation_headers(answer.operation, call.api_version))
        if answer.body is None or answer.status == 204:
            return Response(status_code=answer.status, headers=headers)
        return JSONResponse(answer.body, answer.status, headers=headers)

    def _operation_headers(self, row: dict[str, Any], version: str) -> dict[str, str]:
        status, results = subscription_level.operation_paths(self.cloud, row)
        base, query = self.cloud.settings.arm_url, f"?api-version={version}"
        headers = {"Azure-AsyncOperation": base + status + query, "Location": base + results + query}
        if row["status"] == "InProgress":
            headers.update(crud.retry_headers(self.cloud))
        return headers
