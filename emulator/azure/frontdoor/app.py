"""The inference front door of managed online endpoints: authentication, traffic, limits, and the
container's answer.

Status codes and their meaning: "HTTP status codes" in Microsoft's how-to-troubleshoot-online-endpoints.
Header names and what becomes 424: the Lua filter of Azure ML's Envoy sidecar, where every status but 200
turns into 424 and an overflow has the reason `too_many_pending_request`. Bodies of 401:
`key_auth_access_denied` and `key_auth_bad_header_forbidden`, as users report them (MicrosoftDocs/azure-docs
issue 98265). Other bodies are ours; unverified.

What the front door leaves out: the rate limit per second, the bandwidth limit, CORS (Azure has none) and
request metrics.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import itertools
import random
import time
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from starlette.applications import Starlette
from starlette.routing import Mount

from emulator.azure.frontdoor import synthetic
from emulator.azure.frontdoor.relay import Relay, Reply, Request, UpstreamError
from emulator.azure.frontdoor.view import AuthMode, DeploymentView, EndpointView, EndpointViews, TokenVerdict
from emulator.nodes.interface import Nodes

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

DEPLOYMENT_HEADER = "azureml-model-deployment"
REASON_HEADER = "ms-azureml-model-error-reason"
STATUS_HEADER = "ms-azureml-model-error-statuscode"


def create_app(views: EndpointViews, nodes: Nodes, *, inside: bool) -> Starlette:
    """The application for one side:

    `inside` the virtual network, or outside. Both share what is in flight.
    """
    return Starlette(routes=[Mount("/", app=FrontDoor(views, nodes, inside=inside))])


async def close(nodes: Nodes) -> None:
    """Call when the server ends: drops mirrored requests and the connections to containers."""
    shared = _SHARED.pop(nodes, None)
    if shared is not None:
        for task in list(shared.mirrors):
            task.cancel()
        await shared.relay.close()


class RefusedError(Exception):
    """An answer of the front door itself."""

    def __init__(self, status: int, text: str = "", headers: dict[str, str] | None = None) -> None:
        super().__init__(text)
        self.reply = Reply(status, {"content-type": "text/plain"} | (headers or {}), text.encode())


@dataclass
class Load:
    """Requests of one deployment: `pending` of them all, `busy` by instance."""

    pending: int = 0
    busy: dict[tuple[str, int], int] = field(default_factory=dict)
    freed: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Shared:
    """What the inside and the outside front door have in common."""

    relay: Relay = field(default_factory=Relay)
    loads: dict[str, Load] = field(default_factory=dict)
    mirrors: set[asyncio.Task[None]] = field(default_factory=set)


_SHARED: WeakKeyDictionary[Any, Shared] = WeakKeyDictionary()


class FrontDoor:
    """An ASGI application;

    plain ASGI because it has to notice that a client is gone while the model thinks.
    """

    def __init__(
        self, views: EndpointViews, nodes: Nodes, *, inside: bool, dice: Callable[[], float] = random.random
    ) -> None:
        self._views, self._nodes, self._inside, self._dice = views, nodes, inside, dice
        self._shared = _SHARED.setdefault(nodes, Shared())

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = await Request.read(scope, receive)
        answering = asyncio.create_task(self._answer(request, send))
        gone = asyncio.create_task(_disconnected(receive))
        try:
            # Whichever comes first: a client that hangs up cancels its request at the container.
            await asyncio.wait({answering, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            if not answering.done():
                answering.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await answering

    async def _answer(self, request: Request, send: Send) -> None:
        common = {"x-ms-request-id": str(uuid.uuid4())}
        if client_id := request.header("x-ms-client-request-id"):
            common["x-ms-client-request-id"] = client_id
        try:
            view = self._admit(request)
            deployment = self._route(view, request)
            common[DEPLOYMENT_HEADER] = deployment.name
            self._mirror(view, request)
            await self._serve(deployment, request, send, common)
        except RefusedError as refused:
            await refused.reply.with_headers(common).send(send)

    # --- who may ask, and whom

    def _admit(self, request: Request) -> EndpointView:
        view = self._views.by_host(request.header("host") or "")
        if view is None:
            raise RefusedError(404, "There is no online endpoint at this address.")
        # Without private link the endpoint's name leads to its public address inside the network, too.
        if not (view.public_access or (self._inside and view.private_link)):
            text = (
                f"Public network access is disabled for the online endpoint {view.name}: "
                "it is reached through a private endpoint of the workspace only."
            )
            if self._inside:
                text += " The virtual network has none whose DNS records are in a zone linked to it."
            raise RefusedError(403, text)
        scheme, _, credential = (request.header("authorization") or "").partition(" ")
        mode = "key_auth" if view.auth_mode is AuthMode.KEY else "token_auth"
        if scheme.lower() != "bearer" or not credential.strip():
            raise RefusedError(401, f"{mode}_bad_header_forbidden")
        if view.auth_mode is AuthMode.KEY:
            keys = [hmac.compare_digest(key.encode(), credential.strip().encode()) for key in view.keys]
            if not any(keys):
                raise RefusedError(401, "key_auth_access_denied")
            return view
        verdict = self._views.check_token(view, credential.strip())
        if verdict is TokenVerdict.FORBIDDEN:
            raise RefusedError(403, "token_auth_access_denied: the principal may not score at this endpoint")
        if verdict is not TokenVerdict.OK:
            raise RefusedError(401, f"token_auth_access_denied: the token is {verdict.value}")
        return view

    def _route(self, view: EndpointView, request: Request) -> DeploymentView:
        wanted = request.header(DEPLOYMENT_HEADER)
        if wanted is not None:
            deployment = view.deployments.get(wanted)
            if deployment is None:
                raise RefusedError(404, f"The endpoint {view.name} has no deployment {wanted}.")
        else:
            deployment = self._draw(view)
        # With the scoring route "/" every path reaches the container; else the scoring path alone.
        if deployment.scoring_path != "/" and request.path != deployment.scoring_path:
            raise RefusedError(404, f"The scoring path of this deployment is {deployment.scoring_path}.")
        return deployment

    def _draw(self, view: EndpointView) -> DeploymentView:
        weights = {n: w for n, w in view.traffic.items() if w > 0 and n in view.deployments}
        if not weights:
            text = f"The endpoint {view.name} has no valid deployment with positive weight."
            raise RefusedError(404, text)
        point = self._dice() * sum(weights.values())
        bounds = itertools.accumulate(weights.values())
        name = next(name for name, bound in zip(weights, bounds, strict=True) if point < bound)
        return view.deployments[name]

    # --- the container

    async def _serve(
        self, deployment: DeploymentView, request: Request, send: Send, common: dict[str, str]
    ) -> None:
        if not self._nodes.serves:
            names = self._nodes.served_names(deployment.resource_id)
            await synthetic.answer(request, names, common, send, scoring_path=deployment.scoring_path)
            return
        load = self._shared.loads.setdefault(deployment.resource_id.lower(), Load())
        if load.pending >= 2 * deployment.max_concurrent * deployment.instances:
            raise RefusedError(429, headers={REASON_HEADER: "too_many_pending_request"})
        load.pending += 1
        sent = _Sent(send)
        began = time.monotonic()
        try:
            async with asyncio.timeout(deployment.request_timeout):
                await self._relay(deployment, load, request, sent, common, began)
        except TimeoutError:
            if sent.begun:
                raise ConnectionAbortedError("the answer took longer than the request timeout") from None
            text = (
                f"The model execution took longer than the request timeout of the deployment "
                f"({deployment.request_timeout:g} s, request_timeout_ms)."
            )
            raise RefusedError(408, text) from None
        finally:
            load.pending -= 1

    async def _relay(
        self,
        deployment: DeploymentView,
        load: Load,
        request: Request,
        send: _Sent,
        common: dict[str, str],
        began: float,
    ) -> None:
        """One request to one instance. Instances take `max_concurrent` at a time; the rest wait here."""
        instance = await self._instance(deployment, load)
        try:
            async with self._shared.relay.open(instance, request) as upstream:
                headers = upstream.headers | common
                headers["ms-azureml-model-time"] = str(round((time.monotonic() - began) * 1000))
                status = upstream.status
                if status != 200:
                    headers |= {REASON_HEADER: "model_error", STATUS_HEADER: str(status)}
                    status = 424
                await Reply(status, headers).send_head(send)
                async for chunk in upstream.chunks():
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except UpstreamError as error:
            if send.begun:
                raise
            raise RefusedError(424, str(error), {REASON_HEADER: "model_error"}) from None
        finally:
            load.busy[instance] -= 1
            load.freed.set()

    async def _instance(self, deployment: DeploymentView, load: Load) -> tuple[str, int]:
        """The least busy ready instance, counted as taken; waits until one has room."""
        while True:
            ready = self._nodes.addresses(deployment.resource_id)
            if not ready:
                raise RefusedError(424, "No instance is ready.", {REASON_HEADER: "model_not_ready"})
            best = min(ready, key=lambda address: load.busy.get(address, 0))
            if load.busy.get(best, 0) < deployment.max_concurrent:
                load.busy[best] = load.busy.get(best, 0) + 1
                return best
            load.freed.clear()
            # An instance may also become ready meanwhile, which nobody announces.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(load.freed.wait(), timeout=1)

    def _mirror(self, view: EndpointView, request: Request) -> None:
        """Copy a share of the live requests to the mirror deployment, whose answers nobody sees.

        Requests that name their deployment are not mirrored (how-to-safely-rollout-online-endpoints).
        """
        if request.header(DEPLOYMENT_HEADER) is not None or not self._nodes.serves:
            return
        for name, percentage in view.mirror_traffic.items():
            deployment = view.deployments.get(name)
            if deployment is None or self._dice() * 100 >= percentage:
                continue
            task = asyncio.create_task(self._mirrored(deployment, request), name=f"mirror {name}")
            self._shared.mirrors.add(task)
            task.add_done_callback(self._shared.mirrors.discard)

    async def _mirrored(self, deployment: DeploymentView, request: Request) -> None:
        async def nowhere(message: MutableMapping[str, Any]) -> None:
            """Dropped."""

        with contextlib.suppress(RefusedError, UpstreamError, ConnectionError):
            await self._serve(deployment, request, nowhere, {})


class _Sent:
    """`send` that knows whether the answer has begun."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.begun = False

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        self.begun = True
        await self._send(message)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
