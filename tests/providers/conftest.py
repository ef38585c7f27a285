"""Azure as a script of answers: httpx and azure-identity are real, what they would reach is not.

A test gives answers by method and path; a request for which there is none fails the test. No socket is opened
and nothing waits.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from azure import identity
from azure.core.credentials import AccessToken

from providers import credentials

ARM = "https://arm.test"
METADATA = {
    "name": "TestCloud",
    "resourceManager": ARM,
    "authentication": {"loginEndpoint": "https://login.test", "audiences": [ARM]},
}
Answer = httpx.Response | Callable[[httpx.Request], httpx.Response]


@dataclass
class Azure:
    """`answers[("GET", path)]` are given in order; the last one stays."""

    answers: dict[tuple[str, str], list[Answer]] = field(default_factory=lambda: defaultdict(list))
    requests: list[httpx.Request] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)

    def on(self, method: str, path: str, *answers: Answer) -> None:
        self.answers[method, path].extend(answers)

    def handle(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/metadata/endpoints":
            return httpx.Response(200, json=METADATA)
        self.requests.append(request)
        queue = self.answers.get((request.method, request.url.path))
        assert queue, f"unexpected {request.method} {request.url}"
        answer = queue.pop(0) if len(queue) > 1 else queue[0]
        return (
            answer(request)
            if callable(answer)
            else httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)
        )

    def sent(self, method: str, path: str) -> list[Any]:
        """The JSON bodies of the requests that were made."""
        return [
            json.loads(request.content or "null")
            for request in self.requests
            if (request.method, request.url.path) == (method, path)
        ]


class Credential:
    """azure-identity's managed identity without an identity endpoint."""

    def __init__(self, **_options: Any) -> None:
        pass

    def get_token(self, *scopes: str, **_options: Any) -> AccessToken:
        return AccessToken(f"token for {scopes[0]}", int(time.time()) + 3600)


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> Azure:
    script = Azure()
    transport = httpx.MockTransport(script.handle)
    monkeypatch.setattr(httpx._client, "HTTPTransport", lambda *_args, **_options: transport)
    monkeypatch.setattr(identity, "ManagedIdentityCredential", Credential)
    monkeypatch.setattr(time, "sleep", script.waited.append)
    for names in credentials.SETTINGS.values():
        for name in names:
            monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ARM_METADATA_HOSTNAME", "arm.test")
    monkeypatch.setenv("ARM_USE_MSI", "true")
    monkeypatch.setenv("ARM_TENANT_ID", "tenant")
    monkeypatch.delenv("VLLM_AZUREML_PRIVATE_ADDRESS", raising=False)
    credentials.use_configuration({})
    credentials._credential.cache_clear()
    credentials._from_metadata.cache_clear()
    return script
