"""Default providers: made when a resource names none, one for each package, version and download URL."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from . import urn as urns
from .errors import Bail, EngineError
from .planner import Registration
from .registry import INTERNAL
from .state import Goal
from .values import Properties

if TYPE_CHECKING:
    from .config import StackConfig
    from .deployment import Deployment
    from .provider import Provider

_VERSION = re.compile(r"^v?(\d+)\.(\d+)\.(\d+)(?:-([0-9A-Za-z.\-]+))?(?:\+([0-9A-Za-z.\-]+))?$")


@dataclass(frozen=True)
class ProviderRequest:
    """Which plugin a resource wants. `parameter` is (name, version, base64 value) of a
    parameterised package.
    """

    name: str
    version: str = ""
    url: str = ""
    parameter: tuple[str, str, str] | None = None

    @property
    def package(self) -> str:
        return self.parameter[0] if self.parameter else self.name

    @property
    def default_name(self) -> str:
        """`default`, with the version and the URL where they are known."""
        out = "default"
        version = self.parameter[1] if self.parameter else self.version
        if version:
            match = _VERSION.match(version)
            if match is None:
                raise EngineError(
                    f"the version {version!r} of the provider {self.package!r} is not a semantic version"
                )
            out += "_" + "_".join(match.group(1, 2, 3))
            for extra in (match.group(4) or "", match.group(5) or ""):
                out += "".join(f"_{part}" for part in extra.split(".") if part)
        return out + (f"_{urns.into_qname(self.url)}" if self.url else "")

    def add_to(self, inputs: Properties) -> None:
        """What of this goes into a provider's inputs."""
        if not (self.version or self.url or self.parameter):
            return
        internal = inputs.setdefault(INTERNAL, {})
        if self.version:
            inputs["version"] = self.version
        if self.url:
            internal["pluginDownloadURL"] = self.url
        if self.parameter:
            internal["name"] = self.name
            if self.version:
                internal["version"] = self.version
            inputs["version"] = self.parameter[1]
            internal["parameterization"] = self.parameter[2]


class DefaultProviders:
    def __init__(
        self, deployment: Deployment, config: StackConfig, installed: Callable[[], dict[str, ProviderRequest]]
    ):
        self._deployment = deployment
        self._config = config
        self._installed = cache(installed)
        self._known: dict[ProviderRequest, asyncio.Task[str]] = {}

    def complete(self, request: ProviderRequest) -> ProviderRequest:
        """A request without a version gets that of the package installed beside the program."""
        if request.version or request.parameter or request.name == "pulumi":
            return request
        found = self._installed().get(request.name)
        if found is None:
            return request
        return ProviderRequest(request.name, found.version, request.url or found.url)

    async def reference(self, request: ProviderRequest) -> str:
        request = self.complete(request)
        if self._denied(request.package):
            return f"{urns.DENIED}::{request.package}"
        if request not in self._known:
            self._known[request] = asyncio.ensure_future(self._register(request))
        return await asyncio.shield(self._known[request])

    def early(self, request: ProviderRequest) -> Provider | None:
        """The default provider as a refresh runs it, for functions that are called before that is over. It is
        registered in its turn, like any other.
        """
        request = self.complete(request)
        if self._deployment.planner is not None or self._denied(request.package):
            return None
        inputs = self._config.package(request.package)
        request.add_to(inputs)
        urn = self._deployment.urn_of("", urns.PROVIDER_PREFIX + request.package, request.default_name)
        running = self._deployment.registry.running(urn, inputs)
        if running is not None and request not in self._known:
            self._known[request] = asyncio.ensure_future(self._register(request))
            # A failure is reported where it happens, and raised by the resources that need the provider.
            self._known[request].add_done_callback(lambda done: done.cancelled() or done.exception())
        return running

    def _denied(self, package: str) -> bool:
        text = self._config.package("pulumi").get("disable-default-providers")
        if package == "pulumi" or not text:
            return False
        try:
            barred = json.loads(text) if isinstance(text, str) else text
        except json.JSONDecodeError as error:
            raise EngineError(f"pulumi:disable-default-providers must be a JSON list: {error}") from error
        return any(str(name).strip() in ("*", package) for name in barred)

    async def _register(self, request: ProviderRequest) -> str:
        inputs = self._config.package(request.package)
        request.add_to(inputs)
        goal = Goal(
            type=urns.PROVIDER_PREFIX + request.package,
            name=request.default_name,
            custom=True,
            properties=inputs,
        )
        registration = Registration(goal, asyncio.get_running_loop().create_future())
        self._deployment.submit(registration)
        registered = await registration.answer
        if registered.result != "success":
            raise Bail(f"the default provider of {request.package} failed")
        return f"{registered.state.urn}::{registered.state.id}"


def installed_plugins(site_packages: list[Path]) -> dict[str, ProviderRequest]:
    """What the program's packages say about their plugins: `pulumi-plugin.json` in each of them."""
    found: dict[str, ProviderRequest] = {}
    for folder in site_packages:
        for file in folder.glob("*/pulumi-plugin.json"):
            try:
                data = json.loads(file.read_text())
            except (OSError, json.JSONDecodeError):
                continue
            name = data.get("name") or file.parent.name.removeprefix("pulumi_").replace("_", "-")
            if data.get("resource"):
                found.setdefault(
                    name,
                    ProviderRequest(name, (data.get("version") or "").lstrip("v"), data.get("server") or ""),
                )
    return found
