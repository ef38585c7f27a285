"""From a stack's outputs to a connection: where the endpoint is, its key, and the way in.

The key is read from Key Vault as whoever runs this (`az login`, a managed identity, ...), who needs Key
Vault Secrets User on the vault; `up` gives that role to whoever deploys. Everything else is in the stack's
outputs.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from dataclasses import dataclass, field
from typing import Any

import httpx
from azure.identity import DefaultAzureCredential


@dataclass(frozen=True)
class Connection:
    """`http` reaches the endpoint from here; `model` is the first name that it serves."""

    base_url: str
    model: str
    http: httpx.Client
    key: str = field(repr=False)


class ConnectionFailed(Exception):
    """Something a person can act on; the message is shown as it is."""


def connect(stack: str, endpoint: str | None = None) -> Connection:
    """Connect to an endpoint of a stack; the only one, if none is named."""
    found = pick(outputs(stack), endpoint)
    private = found.get("public_network_access") == "Disabled"
    http = client(os.environ.get("VLLM_AZUREML_PRIVATE_ADDRESS", "") if private else "")
    names = found["served_model_names"]
    return Connection(found["openai_base_url"], names[0] if names else "", http, key(found["key_secret_uri"]))


def outputs(stack: str) -> dict[str, Any]:
    """The outputs of a stack, from the command in PULUMI (`pulumi` by default)."""
    command = [
        *shlex.split(os.environ.get("PULUMI", "pulumi")),
        "stack",
        "output",
        "--json",
        "--stack",
        stack,
    ]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        raise ConnectionFailed(f"stack {stack!r} has no outputs: {run.stderr.strip()} Run `up` first.")
    return json.loads(run.stdout)


def pick(values: dict[str, Any], endpoint: str | None) -> dict[str, Any]:
    """The outputs of one endpoint."""
    endpoints = values.get("endpoints") or {}
    if endpoint is None and len(endpoints) == 1:
        return next(iter(endpoints.values()))
    if endpoint not in endpoints:
        raise ConnectionFailed(
            f"name an endpoint of the stack with --endpoint: {', '.join(endpoints) or 'none'}."
        )
    return endpoints[endpoint]


def key(secret_uri: str) -> str:
    """The endpoint's key, from Key Vault."""
    if not secret_uri:
        raise ConnectionFailed(
            "the endpoint takes Entra tokens, not keys: send one for https://ml.azure.com."
        )
    url = f"{secret_uri}?api-version=7.4"
    challenge = httpx.get(url, timeout=30).headers.get("www-authenticate", "")
    resource = re.search(r'resource="?([^",]+)', challenge)  # differs between clouds, so the vault says it
    audience = resource.group(1) if resource else "https://vault.azure.net"
    token = DefaultAzureCredential().get_token(f"{audience}/.default").token
    answer = httpx.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=30)
    if answer.status_code != 200:
        raise ConnectionFailed(
            f"{secret_uri} cannot be read ({answer.status_code}). You need Key Vault Secrets User on the "
            "vault, and "
            "to be where the vault can be reached."
        )
    return answer.json()["value"]


def client(address: str) -> httpx.Client:
    """An HTTP client; with an `address` (HOST[:PORT]) it connects there and still verifies the endpoint's
    name."""
    return httpx.Client(transport=_Detour(address) if address else None, timeout=300)


class _Detour(httpx.HTTPTransport):
    """Connects to the private endpoint's address where DNS does not lead to it."""

    def __init__(self, address: str) -> None:
        super().__init__(verify=True)
        self._host, _, port = address.partition(":")
        self._port = int(port) if port else None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.extensions = {**request.extensions, "sni_hostname": request.url.host}
        request.url = request.url.copy_with(host=self._host, port=self._port)
        return super().handle_request(request)
