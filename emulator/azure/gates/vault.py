"""A vault's data plane: secrets by HTTPS at the vault's own address, with audience and permission checks.

Secrets only, api-versions 7.x: get, set, list, versions, delete. Permissions by role when the vault uses
RBAC, else by its access policies. Keys, certificates, soft delete of single secrets and backups are
left out; the firewall: see `private_endpoints.shut_out`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from emulator.azure import vault_secrets
from emulator.azure.resources import private_endpoints
from emulator.azure.tokens import TokenError, bearer

if TYPE_CHECKING:
    from emulator.azure.cloud import Cloud

AUDIENCE = "https://vault.azure.net"
_ACTIONS = {
    "get": "getSecret/action",
    "set": "setSecret/action",
    "list": "readMetadata/action",
    "delete": "delete",
}


class VaultError(Exception):
    def __init__(self, status: int, code: str, text: str, inner: str = "") -> None:
        super().__init__(text)
        self.status, self.code, self.text, self.inner = status, code, text, inner


class VaultGate:
    """The application of one vault."""

    def __init__(self, cloud: Cloud, vault_id: str) -> None:
        self._cloud = cloud
        self._vault_id = vault_id

    def app(self) -> Starlette:
        routes = [
            Route("/secrets", self._guard("list", self.list_secrets), methods=["GET"]),
            Route("/secrets/{name}", self._guard("set", self.set_secret), methods=["PUT"]),
            Route("/secrets/{name}", self._guard("delete", self.delete_secret), methods=["DELETE"]),
            Route("/secrets/{name}/versions", self._guard("list", self.list_versions), methods=["GET"]),
            Route("/secrets/{name}", self._guard("get", self.get_secret), methods=["GET"]),
            Route("/secrets/{name}/{version}", self._guard("get", self.get_secret), methods=["GET"]),
        ]
        return Starlette(routes=routes)

    def _guard(self, verb: str, handler: Any) -> Any:
        async def endpoint(request: Request) -> Response:
            try:
                await request.body()
                self._authorize(request, verb)
                return await handler(request)
            except VaultError as error:
                inner = {"innererror": {"code": error.inner}} if error.inner else {}
                body = {"error": {"code": error.code, "message": error.text, **inner}}
                return JSONResponse(body, error.status, headers=self._challenge(error.status))

        return endpoint

    def _challenge(self, status: int) -> dict[str, str]:
        if status != 401:
            return {}
        authority = f"{self._cloud.settings.login_url}/{self._cloud.settings.tenant}"
        return {"WWW-Authenticate": f'Bearer authorization="{authority}", resource="{AUDIENCE}"'}

    def _authorize(self, request: Request, verb: str) -> None:
        vault = self._cloud.resource(self._vault_id)
        if vault is None:
            raise VaultError(404, "VaultNotFound", "The vault does not exist.")
        try:
            accepted = {AUDIENCE, self._cloud.addresses.url(vault.private["host"])}
            claims = self._cloud.tokens.check(bearer(request.headers.get("authorization")), accepted)
        except TokenError as error:
            raise VaultError(401, "Unauthorized", f"AKV10000: {error}") from None
        if private_endpoints.shut_out(self._cloud, vault, claims["oid"]):
            # The text: secrets-store-csi-driver-provider-azure issue 873.
            text = (
                "Public network access is disabled and request is not from a trusted service nor via an "
                "approved private link."
            )
            raise VaultError(403, "Forbidden", text, "ForbiddenByConnection")
        if not re.fullmatch(
            r"7\.\d(-preview\.\d)?|20\d\d-\d\d-\d\d(-preview)?", request.query_params.get("api-version", "")
        ):
            raise VaultError(400, "BadParameter", "api-version must be specified, for example 7.4")
        if not self._allowed(vault, claims["oid"], verb):
            text = (
                f"Caller is not authorized to perform action on resource.\r\nAction: "
                f"'Microsoft.KeyVault/vaults/secrets/{_ACTIONS[verb]}'\r\nResource: '{vault.id}'. If role "
                "assignments were changed recently, wait for them to take effect."
            )
            raise VaultError(403, "Forbidden", text, "ForbiddenByRbac")

    def _allowed(self, vault: Any, oid: str, verb: str) -> bool:
        if vault.properties.get("enableRbacAuthorization"):
            action = f"Microsoft.KeyVault/vaults/secrets/{_ACTIONS[verb]}"
            return self._cloud.rbac.allowed(oid, action, vault.id, data=True)
        for policy in vault.properties.get("accessPolicies") or []:
            if policy["objectId"].lower() == oid.lower():
                granted = {
                    str(item).lower() for item in (policy.get("permissions") or {}).get("secrets") or []
                }
                return bool({verb, "all"} & granted)
        return False

    async def get_secret(self, request: Request) -> Response:
        name, version = request.path_params["name"], request.path_params.get("version")
        rows = vault_secrets.versions(self._cloud, self._vault_id, name)
        found = [row for row in rows if version is None or row["version"] == version]
        if not found:
            text = f"A secret with (name/id) {name} was not found in this key vault."
            raise VaultError(404, "SecretNotFound", text)
        if not found[-1]["attributes"].get("enabled", True):
            raise VaultError(
                403, "Forbidden", "Operation get is not allowed on a disabled secret.", "SecretDisabled"
            )
        return JSONResponse(self._bundle(name, found[-1], value=True))

    async def set_secret(self, request: Request) -> Response:
        name = request.path_params["name"]
        if not re.fullmatch(r"[A-Za-z0-9-]{1,127}", name):
            raise VaultError(400, "BadParameter", f"The secret name {name} is invalid.")
        body = await request.json()
        if not isinstance(body, dict) or not isinstance(body.get("value"), str):
            raise VaultError(400, "BadParameter", "Property value is missing or not a string.")
        vault_secrets.put(self._cloud, self._vault_id, name, body["value"], body)
        return JSONResponse(self._bundle(name, self._last(name), value=True))

    async def delete_secret(self, request: Request) -> Response:
        name = request.path_params["name"]
        if not vault_secrets.versions(self._cloud, self._vault_id, name):
            raise VaultError(
                404, "SecretNotFound", f"A secret with (name/id) {name} was not found in this key vault."
            )
        bundle = self._bundle(name, self._last(name), value=False)
        vault_secrets.remove(self._cloud, self._vault_id, name)
        return JSONResponse(bundle)

    async def list_secrets(self, request: Request) -> Response:
        names = vault_secrets.names(self._cloud, self._vault_id)
        rows = [self._bundle(name, self._last(name), value=False, versioned=False) for name in names]
        return JSONResponse({"value": rows, "nextLink": None})

    async def list_versions(self, request: Request) -> Response:
        name = request.path_params["name"]
        rows = vault_secrets.versions(self._cloud, self._vault_id, name)
        return JSONResponse(
            {"value": [self._bundle(name, row, value=False) for row in rows], "nextLink": None}
        )

    def _last(self, name: str) -> dict[str, Any]:
        return vault_secrets.versions(self._cloud, self._vault_id, name)[-1]

    def _bundle(
        self, name: str, row: dict[str, Any], *, value: bool, versioned: bool = True
    ) -> dict[str, Any]:
        vault = self._cloud.store.get(self._vault_id)
        assert vault is not None
        base = self._cloud.addresses.url(vault.private["host"])
        identifier = f"{base}secrets/{name}" + (f"/{row['version']}" if versioned else "")
        times = {
            "created": row["created"],
            "updated": row["created"],
            "recoveryLevel": "Recoverable+Purgeable",
        }
        out: dict[str, Any] = {"id": identifier, "attributes": {**row["attributes"], **times}}
        if row.get("contentType"):
            out["contentType"] = row["contentType"]
        if row.get("tags"):
            out["tags"] = row["tags"]
        return {"value": row["value"], **out} if value else out
