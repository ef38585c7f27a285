"""Ties the endpoints to the front door: live views for it, token checks, and its listeners outside and
inside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.azure.frontdoor.app import create_app
from emulator.azure.frontdoor.view import AuthMode, DeploymentView, EndpointView, TokenVerdict
from emulator.azure.resources import private_endpoints
from emulator.azure.resources.ml.common import DEPLOYMENT, ENDPOINT, workspace_of
from emulator.azure.store import Resource
from emulator.azure.tokens import TokenError

if TYPE_CHECKING:
    from emulator.azure.cloud import Cloud

AUDIENCES = {"https://ml.azure.com", "https://ml.azure.invalid"}
SCORE = f"{ENDPOINT}/score/action"


class FrontDoors:
    """Implements `EndpointViews` over the store."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._outside = create_app(self, cloud.nodes, inside=False)
        self._inside = create_app(self, cloud.nodes, inside=True)

    async def open(self, endpoint: Resource) -> None:
        """Listen at the endpoint's own address, and answer for it at the address inside the virtual
        network.
        """
        cloud = self._cloud
        host = endpoint.private["host"]
        await cloud.listeners.add(host, self._outside, hosts=[host])
        hosts = [cloud.inside_host, *(item.private["host"] for item in cloud.store.all(ENDPOINT))]
        await cloud.listeners.add(cloud.inside_host, self._inside, hosts=hosts)
        cloud.listeners.renew(cloud.inside_host, hosts)

    def by_host(self, host: str) -> EndpointView | None:
        port = self._cloud.settings.port
        for endpoint in self._cloud.store.all(ENDPOINT):
            own = endpoint.private.get("host")
            if own and host.lower() in {f"{own}:{port}", own}:
                return self._view(endpoint, f"{own}:{port}")
        return None

    def _view(self, endpoint: Resource, host: str) -> EndpointView:
        properties = endpoint.properties
        deployments = {}
        for item in self._cloud.store.all(DEPLOYMENT, under=endpoint.id):
            if "live" in item.private and item.state != "Deleting":
                deployments[item.name] = self._deployment(item)
        return EndpointView(
            name=endpoint.name,
            host=host,
            resource_id=endpoint.id,
            private_link=private_endpoints.linked(self._cloud, workspace_of(self._cloud, endpoint.id)),
            public_access=properties.get("publicNetworkAccess") != "Disabled",
            auth_mode=AuthMode(properties["authMode"]),
            keys=tuple(endpoint.private["keys"]),
            traffic=properties.get("traffic") or {},
            mirror_traffic=properties.get("mirrorTraffic") or {},
            deployments=deployments,
        )

    def _deployment(self, item: Resource) -> DeploymentView:
        live = item.private["live"]
        return DeploymentView(
            name=item.name,
            resource_id=item.id,
            scoring_path=live["scoring_path"],
            request_timeout=live["request_timeout"],
            max_concurrent=live["max_concurrent"],
            instances=int((item.doc.get("sku") or {}).get("capacity", 1)),
        )

    def check_token(self, endpoint: EndpointView, token: str) -> TokenVerdict:
        own = endpoint.auth_mode is AuthMode.AML_TOKEN
        audiences = {endpoint.resource_id.lower()} if own else AUDIENCES
        try:
            claims = self._cloud.tokens.check(token, audiences)
        except TokenError as error:
            return TokenVerdict.EXPIRED if error.code == "expired" else TokenVerdict.INVALID
        if own or self._cloud.rbac.allowed(claims["oid"], SCORE, endpoint.resource_id):
            return TokenVerdict.OK
        return TokenVerdict.FORBIDDEN
