"""A docker login to the registry of the stack, made before an image is pushed.

The registry may have been created a moment ago, by the same `up`: nobody could have logged in to it, and
the role that allows pushing takes effect late. So this waits until a push would be accepted. It runs again
whenever the image that is to be pushed changes (`contents`), because the login it makes is good for three
hours only. Nothing of the login is in the state.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, UpdateResult

from providers import base, registry
from providers.errors import NotYetAllowed, ProviderError


class RegistryLoginProvider(base.AzureProvider):
    """Logs in, then waits until `repository` takes pushes."""

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        return base.diff(
            _olds, _news, identity=["login_server"], settings=["repository", "contents", "role_assignment_id"]
        )

    def create(self, props: dict[str, Any]) -> CreateResult:
        _login(props)
        return CreateResult(f"{props['login_server']}/{props['repository']}", dict(props))

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        _login(_news)
        return UpdateResult(dict(_news))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        return ReadResult(id_, props)

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Nothing: the login belongs to whoever runs this, and ends by itself."""


class RegistryLogin(Resource, module="vllm-azureml", name="RegistryLogin"):
    """`contents` is a hash of what is to be pushed; `timeout_seconds` bounds the wait for the role."""

    login_server: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        login_server: pulumi.Input[str],
        repository: pulumi.Input[str],
        contents: pulumi.Input[str],
        role_assignment_id: pulumi.Input[str] | None = None,
        timeout_seconds: pulumi.Input[float] = 900,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {
            "login_server": login_server,
            "repository": repository,
            "contents": contents,
            "role_assignment_id": role_assignment_id or "",
            "timeout_seconds": timeout_seconds,
        }
        super().__init__(RegistryLoginProvider(), name, props, opts)


def _login(props: dict[str, Any]) -> None:
    server, repository = props["login_server"], props["repository"]
    deadline = time.monotonic() + props["timeout_seconds"]
    wait = 1.0
    while True:
        try:
            token = registry.login(server)
            if registry.may_push(server, repository, token):
                return
            problem = "pushing is still refused"
        except NotYetAllowed as refused:
            problem = str(refused)
        print(f"waiting for the right to push to {server}/{repository}: {problem}", file=sys.stderr)
        if time.monotonic() + wait > deadline:
            raise ProviderError(
                f"no push to {server}/{repository} after {props['timeout_seconds']:.0f} s: {problem}. "
                "Whoever runs `up` needs AcrPush on the registry. The program assigns it on a registry that "
                "it "
                "makes; on one that exists (workspace.container_registry.id) somebody else must."
            )
        time.sleep(wait)
        wait = min(wait * 1.5, 20)
