"""`VersionGuard`: a model or environment version stays as long as a live deployment names it.

Azure lets a version go that a deployment runs with, and the deployment then fails when its next instance
starts: on a scale-out, or when Azure moves it. A stack's own deployments are gone before its guards are, so
what is left when a guard is deleted belongs to somebody else: another stack, or an endpoint made by hand.
The module path and the class names are in users' state: they stay.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, UpdateResult

from providers import arm, base
from providers.errors import ArmError, ProviderError

_ID = re.compile(
    r"(?P<workspace>/subscriptions/.+/workspaces/[^/]+)"
    r"(?P<asset>/(?P<kind>models|environments)/(?P<name>[^/]+)/versions/(?P<version>[^/]+))",
    re.IGNORECASE,
)


class VersionGuardProvider(base.AzureProvider):
    """Asks when it is deleted, and only then."""

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        return base.diff(_olds, _news, identity=["version_id"])

    def create(self, props: dict[str, Any]) -> CreateResult:
        return CreateResult(f"{props['version_id']}/guard", dict(props))

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        return UpdateResult(dict(_news))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        return ReadResult(id_, props)

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Refuse while a deployment of the workspace names the version."""
        found = _ID.fullmatch(_props["version_id"])
        if found is None:
            return
        try:
            users = list(_users(found["workspace"], found["asset"]))
        except ArmError as problem:
            if problem.status != 404:  # the workspace is gone, and everything in it
                print(f"not checked who uses {found['name']}: {problem}", file=sys.stderr)
            return
        if users:
            kind = found["kind"].lower()
            raise ProviderError(
                f"{kind[:-1]} {found['name']}:{found['version']} is named by {', '.join(users)}, which could "
                "start no further instance without it. Delete that deployment or have it name another "
                f"version, or keep this one in the stack (vllm-azureml:{kind}.{found['name']})."
            )


class VersionGuard(Resource, module="vllm-azureml", name="VersionGuard"):
    """`version_id` is the id it was given; deployments take it from here, so that they are deleted first."""

    version_id: pulumi.Output[str]

    def __init__(
        self, name: str, *, version_id: pulumi.Input[str], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(VersionGuardProvider(), name, {"version_id": version_id}, opts)


def _users(workspace: str, asset: str) -> Iterator[str]:
    """Every deployment that names the asset, in words."""
    for endpoint in _rows(f"{workspace}/onlineEndpoints"):
        for deployment in _rows(f"{endpoint['id']}/deployments"):
            if any(_is(named, asset) for named in _named(deployment["properties"])):
                yield f"deployment {deployment['name']} of endpoint {endpoint['name']}"


def _named(properties: Mapping[str, Any]) -> Iterator[str]:
    yield from (str(properties[key]) for key in ("model", "environmentId") if properties.get(key))


def _is(named: str, asset: str) -> bool:
    """Azure answers with ARM ids and with azureml:// ids of the workspace; a registry's asset is another."""
    return named.lower().endswith(asset.lower()) and "/registries/" not in named.lower()


def _rows(target: str) -> Iterator[Mapping[str, Any]]:
    answer = arm.request("GET", target, base.ML_API)
    while True:
        yield from answer.get("value") or ()
        if not answer.get("nextLink"):
            return
        answer = arm.request("GET", answer["nextLink"])
