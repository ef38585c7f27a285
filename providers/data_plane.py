"""Talking to an online endpoint: where it is reached from here, and as whom.

An endpoint with public access disabled answers inside its virtual network only. Where DNS on this machine
does not lead there, VLLM_AZUREML_PRIVATE_ADDRESS=HOST[:PORT] says where the private endpoint is reached;
TLS is still verified against the scoring URI's host and the Host header is unchanged.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from providers import arm, base, credentials

if TYPE_CHECKING:
    import httpx

PRIVATE_ADDRESS = "VLLM_AZUREML_PRIVATE_ADDRESS"


@dataclass(frozen=True)
class Endpoint:
    """One endpoint as a client sees it. `address` is HOST[:PORT] to connect to instead of the URI's own."""

    scoring_uri: str
    token: str = field(repr=False)
    deployment: str = ""
    address: str = ""

    @property
    def origin(self) -> str:
        """Scheme and host of the scoring URI; every path of the container is below it if the route is `/`."""
        parts = urlsplit(self.scoring_uri)
        return f"{parts.scheme}://{parts.netloc}"

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request; `path` is a path of the container, or the whole scoring URI."""
        import httpx

        with httpx.Client(timeout=options.pop("timeout", 60)) as client:
            return client.request(method, self._url(path), **self._routed(options))

    @contextmanager
    def stream(self, path: str, **options: Any) -> Iterator[httpx.Response]:
        """A POST whose answer is read as it arrives."""
        import httpx

        with (
            httpx.Client(timeout=options.pop("timeout", 60)) as client,
            client.stream("POST", self._url(path), **self._routed(options)) as answer,
        ):
            yield answer

    def _url(self, path: str) -> str:
        url = path if "://" in path else self.origin + path
        if not self.address:
            return url
        parts = urlsplit(url)
        return parts._replace(netloc=self.address).geturl()

    def _routed(self, options: dict[str, Any]) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.token}", "Accept-Encoding": "identity"}
        if self.deployment:
            headers["azureml-model-deployment"] = self.deployment
        if self.address:
            parts = urlsplit(self.scoring_uri)
            headers["Host"] = parts.netloc
            options["extensions"] = {"sni_hostname": parts.hostname}
        return {**options, "headers": {**headers, **options.get("headers", {})}}


def connect(
    endpoint_id: str,
    scoring_uri: str,
    *,
    auth_mode: str,
    private: bool,
    deployment: str = "",
    address: str = "",
) -> Endpoint:
    """An endpoint with a token for it. `auth_mode` is `key`, `aml_token` or `aad_token`, in any case."""
    mode = auth_mode.lower().replace("_", "")
    if mode == "key":
        token = arm.request("POST", f"{endpoint_id}/listKeys", base.ML_API)["primaryKey"]
    elif mode == "amltoken":
        token = arm.request("POST", f"{endpoint_id}/token", base.ML_API)["accessToken"]
    else:
        token = credentials.token(credentials.cloud().ml_audience)
    address = (os.environ.get(PRIVATE_ADDRESS) or address) if private else ""
    return Endpoint(scoring_uri, token, deployment, address)
