"""Requests to one deployment before it gets any traffic.

A deployment that Azure calls succeeded has passed its probes; whether it answers a chat, and streams, is
another question. The test names its deployment in the `azureml-model-deployment` header, so it runs before
the traffic moves, and a failure leaves the traffic where it is. Stages: ready, models, chat, stream.
Nothing of what the model said is kept, only what was seen to work.
https://learn.microsoft.com/azure/machine-learning/how-to-safely-rollout-online-endpoints
"""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlsplit

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, UpdateResult

from providers import arm, base, data_plane, smoke

# As `path`: only Azure knows the scoring route, because somebody else registered the environment.
ROUTE_OF_ENVIRONMENT = "*"
SETTINGS = (
    "subject",
    "prompt",
    "model",
    "path",
    "max_tokens",
    "stream",
    "expect",
    "timeout_seconds",
    "auth_mode",
    "private",
)


class SmokeTestProvider(base.AzureProvider):
    """Tests on create, and again when the deployment or the test has changed."""

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        return base.diff(
            _olds,
            _news,
            identity=["deployment_id"],
            generation=["endpoint_generation", "deployment_generation"],
            settings=SETTINGS,
        )

    def create(self, props: dict[str, Any]) -> CreateResult:
        return CreateResult(f"{props['deployment_id']}/smoke-test", _test(props))

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        return UpdateResult(_test(_news))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """What was seen stays seen; a test is not repeated by looking at it."""
        return ReadResult(id_, props)

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Nothing was made."""


class SmokeTest(Resource, module="vllm-azureml", name="SmokeTest"):
    """`served_model_names` is what /v1/models listed; empty when another `path` was asked.

    `subject` is a plain hash of everything that makes the deployment answer as it does: when it changes,
    the test runs again. `timeout_seconds` bounds the whole test.
    """

    served_model_names: pulumi.Output[list[str]]

    def __init__(
        self,
        name: str,
        *,
        endpoint_id: pulumi.Input[str],
        endpoint_generation: pulumi.Input[str],
        deployment_id: pulumi.Input[str],
        deployment_generation: pulumi.Input[str],
        deployment: pulumi.Input[str],
        scoring_uri: pulumi.Input[str],
        auth_mode: pulumi.Input[str],
        private: pulumi.Input[bool],
        private_address: pulumi.Input[str],
        subject: pulumi.Input[str],
        prompt: pulumi.Input[str],
        model: pulumi.Input[str],
        path: pulumi.Input[str],
        max_tokens: pulumi.Input[int],
        stream: pulumi.Input[bool],
        expect: pulumi.Input[str],
        timeout_seconds: pulumi.Input[float],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {
            "endpoint_id": endpoint_id,
            "endpoint_generation": endpoint_generation,
            "deployment_id": deployment_id,
            "deployment_generation": deployment_generation,
            "deployment": deployment,
            "scoring_uri": scoring_uri,
            "auth_mode": auth_mode,
            "private": private,
            "private_address": private_address,
            "subject": subject,
            "prompt": prompt,
            "model": model,
            "path": path,
            "max_tokens": max_tokens,
            "stream": stream,
            "expect": expect,
            "timeout_seconds": timeout_seconds,
            "served_model_names": None,
        }
        super().__init__(SmokeTestProvider(), name, props, opts)


def _path(props: dict[str, Any]) -> str:
    """The path to ask; of an environment that somebody else registered, the scoring route it has."""
    if props["path"] != ROUTE_OF_ENVIRONMENT:
        return props["path"]
    environment = arm.request("GET", props["deployment_id"], base.ML_API)["properties"]["environmentId"]
    if environment.lower().startswith("/subscriptions/"):
        found = arm.request("GET", environment, base.ML_API)["properties"].get("inferenceConfig") or {}
        route = (found.get("scoringRoute") or {}).get("path") or "/"
    else:
        # In a registry, which this cannot ask. Azure ends the endpoint's scoring URI with the route of what
        # is deployed (unverified for endpoints whose deployments have several).
        live = arm.request("GET", props["endpoint_id"], base.ML_API)["properties"]
        route = urlsplit(live.get("scoringUri") or "").path
    return "" if route in ("", "/") else route


def _test(props: dict[str, Any]) -> dict[str, Any]:
    endpoint = data_plane.connect(
        props["endpoint_id"],
        props["scoring_uri"],
        auth_mode=props["auth_mode"],
        private=bool(props["private"]),
        deployment=props["deployment"],
        address=props["private_address"],
    )
    question = smoke.Question(
        prompt=props["prompt"],
        model=props["model"],
        path=_path(props),
        max_tokens=int(props["max_tokens"]),
        stream=bool(props["stream"]),
        expect=props["expect"],
    )
    deadline = time.monotonic() + props["timeout_seconds"]
    return {**props, "served_model_names": smoke.run(endpoint, question, deadline)}
