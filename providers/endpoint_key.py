"""The key of an online endpoint, put into Key Vault.

The key goes from Azure to Azure inside this provider and is in no input, output, log or state; what a
stack gives its consumers is the secret's URI. It is written through ARM (`PUT vaults/secrets`), which
needs no reach into a vault behind a private endpoint and no data-plane role. ARM cannot delete a secret,
so a key that is no longer this endpoint's is overwritten and disabled.
https://learn.microsoft.com/rest/api/keyvault/keyvault/secrets/create-or-update
"""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, UpdateResult

from providers import arm, base

VAULT_API = "2024-11-01"


class EndpointKeyProvider(base.AzureProvider):
    """Copies `primary` or `secondary` of an endpoint's keys into a secret."""

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        return base.diff(
            _olds,
            _news,
            identity=["endpoint_id", "vault_id", "secret_name"],
            generation=["endpoint_generation"],  # an endpoint made anew under its name has new keys
            settings=["key"],
            delete_before_replace=True,
        )

    def create(self, props: dict[str, Any]) -> CreateResult:
        return CreateResult(_secret_id(props), _copy(props))

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        return UpdateResult(_copy(_news))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        live = base.read_live(id_, props, _secret_id(props), VAULT_API)
        if isinstance(live, ReadResult):
            return live
        if not (live["properties"].get("attributes") or {}).get("enabled", True):
            return ReadResult("", {})
        return ReadResult(id_, {**props, **_uris(live)})

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Overwrite and disable the secret, where its vault still is."""
        if arm.request("GET", _secret_id(_props), VAULT_API, missing_ok=True):
            properties = {"value": "removed-with-its-endpoint", "attributes": {"enabled": False}}
            arm.request("PUT", _secret_id(_props), VAULT_API, {"properties": properties})


class EndpointKey(Resource, module="vllm-azureml", name="EndpointKey"):
    """`secret_uri` names the secret whose latest version holds the key (`https://VAULT/secrets/NAME`)."""

    secret_uri: pulumi.Output[str]
    secret_version_uri: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        endpoint_id: pulumi.Input[str],
        endpoint_generation: pulumi.Input[str],
        vault_id: pulumi.Input[str],
        secret_name: pulumi.Input[str],
        key: pulumi.Input[str] = "primary",
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {
            "endpoint_id": endpoint_id,
            "endpoint_generation": endpoint_generation,
            "vault_id": vault_id,
            "secret_name": secret_name,
            "key": key,
            "secret_uri": None,
            "secret_version_uri": None,
        }
        super().__init__(EndpointKeyProvider(), name, props, opts)


def _copy(props: dict[str, Any]) -> dict[str, Any]:
    keys = arm.request("POST", f"{props['endpoint_id']}/listKeys", base.ML_API)
    properties = {
        "value": keys[f"{props['key']}Key"],
        "contentType": "key of an Azure ML online endpoint",
        "attributes": {"enabled": True},
    }
    secret = arm.request("PUT", _secret_id(props), VAULT_API, {"properties": properties})
    return {**props, **_uris(secret)}


def _secret_id(props: dict[str, Any]) -> str:
    return f"{props['vault_id']}/secrets/{props['secret_name']}"


def _uris(secret: dict[str, Any]) -> dict[str, str]:
    properties = secret["properties"]
    versioned = properties.get("secretUriWithVersion", "")
    return {"secret_uri": properties["secretUri"], "secret_version_uri": versioned}
