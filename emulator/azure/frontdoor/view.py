"""What the front door needs to know of an endpoint at a request. ARM implements `EndpointViews`.

A view is a snapshot of the live resource: the front door asks anew for each request and keeps nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class AuthMode(StrEnum):
    """`authMode` of the REST API (2025-12-01)."""

    KEY = "Key"
    AML_TOKEN = "AMLToken"  # noqa: S105 - the name of a mode
    AAD_TOKEN = "AADToken"  # noqa: S105


@dataclass(frozen=True)
class DeploymentView:
    """One deployment that has succeeded at least once. Times in seconds."""

    name: str
    resource_id: str
    scoring_path: str = "/"
    request_timeout: float = 5.0
    max_concurrent: int = 1
    instances: int = 1


@dataclass(frozen=True)
class EndpointView:
    """`host` is the host (with port) of the scoring URI; traffic is percentages by deployment name."""

    name: str
    host: str
    resource_id: str
    public_access: bool = True
    private_link: bool = True  # whether names inside the virtual network lead to the workspace
    auth_mode: AuthMode = AuthMode.KEY
    keys: tuple[str, ...] = field(default=(), repr=False)
    traffic: Mapping[str, int] = field(default_factory=dict)
    mirror_traffic: Mapping[str, int] = field(default_factory=dict)
    deployments: Mapping[str, DeploymentView] = field(default_factory=dict)


class TokenVerdict(StrEnum):
    """What a bearer token is good for. `FORBIDDEN`: genuine, but its principal may not score."""

    OK = "ok"
    INVALID = "invalid"
    EXPIRED = "expired"
    FORBIDDEN = "forbidden"


class EndpointViews(Protocol):
    def by_host(self, host: str) -> EndpointView | None:
        """The endpoint whose scoring URI has this host; given a Host header, in any letter case."""

    def check_token(self, endpoint: EndpointView, token: str) -> TokenVerdict:
        """Judge a token for `AMLToken` (issued by the endpoint's own token action) or `AADToken`.

        The latter is an Entra token for https://ml.azure.com; its principal needs the action
        onlineEndpoints/score.
        """
