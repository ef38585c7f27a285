"""The docker-build stand-in as a provider: one resource type, docker-build:index:Image.

Update is Create again; a preview answers unknown digests and builds when `buildOnPreview` is on; Read asks
the registry whether the tags still have their digest; Delete removes them there, best effort.
"""

from __future__ import annotations

from typing import Any

from emulator.plugins.docker_build import client, image
from emulator.plugins.docker_build.inputs import OUTPUTS, changes, failures, with_defaults
from emulator.plugins.errors import PluginError
from emulator.plugins.protocol import empty_pb2, provider_pb2, sdk_version
from emulator.plugins.registry import Reference, Registry
from emulator.plugins.servicer import Plugin, urn_name, urn_type
from emulator.plugins.values import UNKNOWN, Properties, decode, encode, has_unknown, same

IMAGE = "docker-build:index:Image"


class DockerBuild(Plugin):
    """pulumi-docker-build with the docker client."""

    name = "docker-build"
    version = sdk_version("pulumi_docker_build")

    def configure(self) -> None:
        for key in ("host", "registries"):
            if self.config.get(key):
                raise PluginError(
                    f"the docker-build stand-in does not support docker-build:{key}: it takes DOCKER_HOST "
                    "and the docker login (DOCKER_CONFIG)"
                )

    def Check(self, request: Any, context: Any) -> Any:
        def check() -> Any:
            _must_be_image(request.urn)
            inputs = with_defaults(decode(request.news))
            found = [provider_pb2.CheckFailure(property=name, reason=text) for name, text in failures(inputs)]
            return provider_pb2.CheckResponse(inputs=encode(inputs), failures=found)

        return self.run(context, check)

    def Diff(self, request: Any, context: Any) -> Any:
        def diff() -> Any:
            olds, news = decode(request.olds), decode(request.news)
            found = changes(olds, news)
            if not same(olds.get("contextHash"), image.hash_of(news)):
                found.append("contextHash")
            kind = provider_pb2.DiffResponse.DIFF_SOME if found else provider_pb2.DiffResponse.DIFF_NONE
            update = provider_pb2.PropertyDiff(kind=provider_pb2.PropertyDiff.UPDATE)
            return provider_pb2.DiffResponse(
                changes=kind,
                diffs=sorted({path.split(".")[0].split("[")[0] for path in found}),
                detailedDiff=dict.fromkeys(found, update),
                hasDetailedDiff=bool(found),
            )

        return self.run(context, diff)

    def Create(self, request: Any, context: Any) -> Any:
        def create() -> Any:
            name = urn_name(request.urn)
            id_, state = self._make(request.urn, name, decode(request.properties), preview=request.preview)
            return provider_pb2.CreateResponse(id=id_, properties=encode(state))

        return self.run(context, create)

    def Update(self, request: Any, context: Any) -> Any:
        def update() -> Any:
            _, state = self._make(request.urn, request.id, decode(request.news), preview=request.preview)
            return provider_pb2.UpdateResponse(properties=encode(state))

        return self.run(context, update)

    def _make(self, urn: str, id_: str, inputs: Properties, *, preview: bool) -> tuple[str, Properties]:
        without_containers = image.nodes_mode() == "none"
        if preview:
            self._preview(urn, inputs, without_containers=without_containers)
            return "", {**inputs, **dict.fromkeys(OUTPUTS, UNKNOWN)}
        content = image.hash_of(inputs)
        state = {**inputs, "contextHash": content, "digest": "", "ref": image.reference_of(inputs, "")}
        if without_containers:
            digest = image.push_placeholder(inputs, content)
        else:
            if not inputs.get("push") and not inputs.get("load"):
                self.warn(
                    urn, "No exports were specified so the build will only remain in the local build cache."
                )
            digest = image.build(inputs, self._client(urn), export=True)
        state |= {"digest": digest, "ref": image.reference_of(inputs, digest)}
        return digest or id_, state

    def _preview(self, urn: str, inputs: Properties, *, without_containers: bool) -> None:
        if without_containers:
            return
        client.find()  # as the real one: a preview needs an engine too
        if inputs.get("buildOnPreview") is False:
            return
        if has_unknown(inputs):
            self.warn(urn, "Skipping preview build because some inputs are unknown.")
            return
        image.build(inputs, self._client(urn), export=False)

    def _client(self, urn: str) -> client.Client:
        return client.Client(self.cancelled, lambda line: self.status(urn, line))

    def Read(self, request: Any, context: Any) -> Any:
        return self.run(context, lambda: self._read(request))

    def _read(self, request: Any) -> Any:
        _must_be_image(request.urn)
        inputs, state = decode(request.inputs), decode(request.properties)
        if not state:
            raise PluginError(
                "docker-build:index:Image cannot be imported: a registry does not know its inputs"
            )
        same_as_before = provider_pb2.ReadResponse(
            id=request.id, properties=request.properties, inputs=request.inputs
        )
        if state.get("push") is not True or not state.get("digest"):
            return same_as_before
        kept = []
        for tag in state.get("tags") or []:
            try:
                registry = Registry(Reference.parse(tag), image.credentials_of(state))
                if registry.digest_of(state["digest"]) is not None:
                    kept.append(tag)
            except PluginError as error:
                self.warn(request.urn, f"unable to verify image tags, leaving state unchanged: {error}")
                return same_as_before
        if inputs.get("tags") and not kept:
            return provider_pb2.ReadResponse(id="")
        properties = encode({**state, "tags": kept})
        return provider_pb2.ReadResponse(id=request.id, properties=properties, inputs=request.inputs)

    def Delete(self, request: Any, context: Any) -> Any:
        def delete() -> Any:
            state = decode(request.properties)
            tags = (state.get("tags") or []) if state.get("digest") and state.get("push") is True else []
            repositories = {(r.host, r.repository): r for r in map(Reference.parse, tags)}
            for reference in repositories.values():
                try:
                    Registry(reference, image.credentials_of(state)).delete(state["digest"])
                except PluginError as error:
                    self.warn(request.urn, f"the image stays in its registry: {error}")
            return empty_pb2.Empty()

        return self.run(context, delete)


def _must_be_image(urn: str) -> None:
    if urn_type(urn) != IMAGE:
        raise PluginError(f"the docker-build stand-in only knows {IMAGE}, not {urn_type(urn)}")
