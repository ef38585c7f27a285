"""The docker stand-in as a provider: the function getRegistryImage. Everything else is refused by name."""

from __future__ import annotations

from typing import Any

from emulator.plugins.errors import PluginError
from emulator.plugins.protocol import provider_pb2, sdk_version
from emulator.plugins.registry import Reference, Registry
from emulator.plugins.servicer import Plugin, urn_type
from emulator.plugins.values import decode, encode

GET_REGISTRY_IMAGE = "docker:index/getRegistryImage:getRegistryImage"


class Docker(Plugin):
    """pulumi-docker, as far as resolving a prebuilt image goes."""

    name = "docker"
    version = sdk_version("pulumi_docker")

    def configure(self) -> None:
        for key in ("registryAuth", "host"):
            if self.config.get(key):
                raise PluginError(
                    f"the docker stand-in does not support docker:{key}: it takes the docker login"
                )

    def Invoke(self, request: Any, context: Any) -> Any:
        def invoke() -> Any:
            if request.tok != GET_REGISTRY_IMAGE:
                raise PluginError(f"the docker stand-in only knows {GET_REGISTRY_IMAGE}, not {request.tok}")
            arguments = decode(request.args)
            if arguments.get("insecureSkipVerify"):
                raise PluginError(
                    "the docker stand-in does not support insecureSkipVerify: trust the CA instead"
                )
            reference = Reference.parse(arguments["name"])
            digest = Registry(reference).digest_of(reference.digest or reference.tag)
            if digest is None:
                raise PluginError(
                    f"Got error when attempting to fetch image version {arguments['name']}: not found"
                )
            result = {"id": digest, "name": arguments["name"], "sha256Digest": digest}
            return provider_pb2.InvokeResponse(**{"return": encode(result)})

        return self.run(context, invoke)

    def Check(self, request: Any, context: Any) -> Any:
        def refuse() -> Any:
            raise PluginError(
                f"the docker stand-in knows no resource types, so not {urn_type(request.urn)}: build images "
                "with docker-build:index:Image"
            )

        return self.run(context, refuse)
