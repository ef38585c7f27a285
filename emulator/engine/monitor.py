"""The two services a running program talks to: the resource monitor and the engine (logs, the root
resource).
"""

from __future__ import annotations

import asyncio
import base64
import uuid
from typing import TYPE_CHECKING, Any

from . import paths, requests
from . import urn as urns
from .checkpoint import ENGINE_VERSION
from .defaults import DefaultProviders, ProviderRequest
from .deployment import Deployment, OutputsRequest
from .errors import EngineError, Unsupported
from .hooks import KEEP_ALL, Callbacks, Hook
from .planner import ReadRequest, Registration
from .project import version_satisfies
from .protocol import (
    empty_pb2,
    engine_pb2,
    engine_pb2_grpc,
    grpc,
    provider_pb2,
    resource_pb2,
    resource_pb2_grpc,
)
from .provider import PluginProvider, Provider
from .state import Goal, State
from .steps import Registered
from .values import Properties, contains_unknowns, downgrade, in_message
from .wire import Keep, from_struct, to_struct

if TYPE_CHECKING:
    from .runinfo import RunInfo

_FEATURES = {
    "secrets",
    "resourceReferences",
    "outputValues",
    "aliasSpecs",
    "replacementTrigger",
    "deletedWith",
    "replaceWith",
    "transforms",
    "invokeTransforms",
    "parameterization",
    "resourceHooks",
    "errorHooks",
    "sendsOptionsToHooks",
}
_SEVERITIES = ["debug", "info", "warning", "error"]
_KEEP = Keep(unknowns=True, secrets=True, resources=True)


class EngineService(engine_pb2_grpc.EngineServicer):
    """Logs of the program and of plugins. `report` takes (severity, urn, message, stream, ephemeral)."""

    def __init__(self, report: Any) -> None:
        self._report = report
        self._root = ""

    async def Log(self, request: Any, context: Any) -> Any:
        severity = _SEVERITIES[request.severity]
        self._report(severity, request.urn, request.message, request.streamId, request.ephemeral)
        return empty_pb2.Empty()

    async def GetRootResource(self, request: Any, context: Any) -> Any:
        return engine_pb2.GetRootResourceResponse(urn=self._root)

    async def SetRootResource(self, request: Any, context: Any) -> Any:
        self._root = request.urn
        return engine_pb2.SetRootResourceResponse()

    async def StartDebugging(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()

    async def RequirePulumiVersion(self, request: Any, context: Any) -> Any:
        wanted = request.pulumi_version_range
        version = ENGINE_VERSION.lstrip("v")
        if not version_satisfies(version, wanted):
            message = f"Pulumi CLI version {version} does not satisfy the version range {wanted!r}"
            await context.abort(grpc.StatusCode.UNKNOWN, message)
        return engine_pb2.RequirePulumiVersionResponse()


class Monitor(resource_pb2_grpc.ResourceMonitorServicer):
    """Turns RPCs into registrations and waits for their answers."""

    def __init__(
        self, deployment: Deployment, defaults: DefaultProviders, callbacks: Callbacks, info: RunInfo
    ) -> None:
        self._deployment = deployment
        self._defaults = defaults
        self._callbacks = callbacks
        self._info = info
        self._packages: dict[str, ProviderRequest] = {}
        self._goals: dict[str, Goal] = {}
        self._parents: dict[str, str] = {}
        self._component_providers: dict[str, dict[str, str]] = {}
        self._transforms: dict[str, list[Any]] = {}
        self._pending_transforms: dict[str, list[Any]] = {}
        self._stack_transforms: list[Any] = []
        self._invoke_transforms: list[Any] = []
        self._waiting: set[asyncio.Future[Any]] = set()
        self._closing = False
        self.ended = asyncio.Event()

    def abort(self) -> None:
        """Nothing more is answered: the deployment is over."""
        self._closing = True
        for future in self._waiting:
            if not future.done():
                future.cancel()

    async def _wait(self, context: Any, future: asyncio.Future[Any]) -> Any:
        if self._closing:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "resource monitor shut down")
        self._waiting.add(future)
        try:
            return await future
        except asyncio.CancelledError:
            if self._closing:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "resource monitor shut down")
            raise
        finally:
            self._waiting.discard(future)

    # Facts about the deployment

    async def SupportsFeature(self, request: Any, context: Any) -> Any:
        return resource_pb2.SupportsFeatureResponse(hasSupport=request.id in _FEATURES)

    async def GetDeploymentInfo(self, request: Any, context: Any) -> Any:
        info = self._info
        return resource_pb2.DeploymentInfo(
            project=info.project,
            stack=info.stack,
            organization=info.organization,
            config=info.config,
            configSecretKeys=info.secret_keys,
            dryRun=info.preview,
            parallel=info.parallel,
            supportedFeatures=[
                value.number
                for value in resource_pb2.ResourceMonitorFeature.DESCRIPTOR.values
                if _camel(value.name.removeprefix("RESOURCE_MONITOR_FEATURE_"))
                in _FEATURES | {"invokeDependsOn", "invokeParent"}
            ],
        )

    async def RegisterPackage(self, request: Any, context: Any) -> Any:
        if request.HasField("extension"):
            await _refuse(context, Unsupported("A provider extension (RegisterPackage with an extension)"))
        parameter = None
        if request.HasField("parameterization"):
            value = base64.b64encode(request.parameterization.value).decode()
            parameter = (request.parameterization.name, request.parameterization.version, value)
        wanted = ProviderRequest(request.name, request.version, request.download_url, parameter)
        for known, package in self._packages.items():
            if package == wanted:
                return resource_pb2.RegisterPackageResponse(ref=known)
        reference = str(uuid.uuid4())
        self._packages[reference] = wanted
        return resource_pb2.RegisterPackageResponse(ref=reference)

    async def SignalAndWaitForShutdown(self, request: Any, context: Any) -> Any:
        """The program has nothing more to register, and waits here so that its hooks can still be called."""
        self.ended.set()
        await self._wait(context, asyncio.ensure_future(self._info.finished.wait()))
        return empty_pb2.Empty()

    # Hooks and transforms

    async def RegisterResourceHook(self, request: Any, context: Any) -> Any:
        hook = Hook(
            request.name,
            request.callback.target,
            request.callback.token,
            request.on_dry_run,
            request.ignore_errors,
        )
        await _guard(context, lambda: self._deployment.hooks.register(hook))
        return empty_pb2.Empty()

    async def RegisterErrorHook(self, request: Any, context: Any) -> Any:
        hook = Hook(request.name, request.callback.target, request.callback.token)
        await _guard(context, lambda: self._deployment.hooks.register_error(hook))
        return empty_pb2.Empty()

    async def RegisterStackTransform(self, request: Any, context: Any) -> Any:
        self._stack_transforms.append(request)
        return empty_pb2.Empty()

    async def RegisterStackInvokeTransform(self, request: Any, context: Any) -> Any:
        self._invoke_transforms.append(request)
        return empty_pb2.Empty()

    def _transforms_for(self, request: Any) -> tuple[list[Any], list[Any]]:
        """The resource's own transforms, and all that apply: its parents' and the stack's after its own."""
        key = f"{request.parent}::{request.type}::{request.name}"
        own = self._pending_transforms.pop(key, None)
        if own is None:
            own = list(request.transforms)
            if request.remote and own:
                self._pending_transforms[key] = own
        every = list(own)
        parent = request.parent
        while parent:
            every += self._transforms.get(parent, [])
            parent = self._parents.get(parent, "")
        return own, every + self._stack_transforms

    async def _transform(
        self, request: Any, properties: Properties, options: Any, transforms: list[Any]
    ) -> tuple[Properties, Any]:
        for callback in transforms:
            message = resource_pb2.TransformRequest(
                name=request.name,
                type=request.type,
                parent=request.parent,
                custom=request.custom,
                properties=to_struct(properties, KEEP_ALL),
                options=options,
            )
            raw = await self._callbacks.invoke(callback.target, callback.token, message.SerializeToString())
            answer = resource_pb2.TransformResponse.FromString(raw)
            if answer.HasField("options"):
                options = answer.options
            if answer.HasField("properties"):
                properties = from_struct(answer.properties, KEEP_ALL)
        return properties, options

    # Resources

    async def RegisterResource(self, request: Any, context: Any) -> Any:
        try:
            return await self._register(request, context)
        except EngineError as error:
            return await _refuse(context, error)

    async def _register(self, request: Any, context: Any) -> Any:
        if request.state_migrations:
            raise Unsupported("State migrations")
        if request.parent in self._goals:
            requests.inherit(request, self._goals[request.parent])
        keep = Keep(True, True, True, outputs=True, asset_root=str(self._info.folder))
        properties = from_struct(request.object, keep)
        dependencies, by_property = requests.dependencies(request, properties)
        own, transforms = self._transforms_for(request)
        if request.transforms:
            properties = requests.upgrade(properties, by_property)
        options = requests.transform_options(request, self._resolve_provider(request))
        properties, options = await self._transform(request, properties, options, transforms)
        if request.transforms:
            dependencies, by_property = requests.dependencies_of_outputs(properties, options.depends_on)
        else:
            requests.add_output_dependencies(properties, by_property)
        if not request.custom:
            requests.inherit_providers(options, self._component_providers.get(request.parent))
        provider = await self._provider_reference(request, options)
        goal = requests.goal_of(
            request, options, properties, provider, dependencies, by_property, self._info.root
        )
        if urns.is_provider_type(request.type):
            self._add_provider_facts(request, options, goal)
        if request.remote:
            answer = await self._construct(request, options, goal, properties, context)
        else:
            goal.properties = downgrade(goal.properties)
            registration = Registration(goal, asyncio.get_running_loop().create_future())
            self._deployment.submit(registration)
            registered = await self._wait(context, registration.answer)
            answer = await self._answer(request, registered, context)
            if registered.state.urn:
                self._goals[registered.state.urn] = goal
        self._remember(request, options, answer.urn, own)
        return answer

    def _remember(self, request: Any, options: Any, urn: str, own: list[Any]) -> None:
        if not urn:
            return
        self._parents[urn] = request.parent
        self._transforms[urn] = own
        if not request.custom:
            self._component_providers[urn] = dict(options.providers)

    def _resolve_provider(self, request: Any) -> str:
        if not (request.custom or request.remote) or request.provider:
            return request.provider
        package = urns.package_of(request.type)
        inherited = self._component_providers.get(request.parent, {})
        return request.providers.get(package) or inherited.get(package, "")

    def _wanted(self, request: Any, options: Any, package: str) -> ProviderRequest:
        if request.packageRef:
            if request.packageRef not in self._packages:
                raise EngineError(f"unknown provider package '{request.packageRef}'")
            return self._packages[request.packageRef]
        url = getattr(options, "plugin_download_url", "") or getattr(request, "pluginDownloadURL", "")
        return ProviderRequest(package, options.version.lstrip("v"), url.rstrip("/"))

    async def _provider_reference(self, request: Any, options: Any) -> str:
        needs = (request.custom and not urns.is_provider_type(request.type)) or request.remote
        if not needs:
            return ""
        if options.provider:
            return options.provider
        return await self._defaults.reference(self._wanted(request, options, urns.package_of(request.type)))

    def _add_provider_facts(self, request: Any, options: Any, goal: Goal) -> None:
        """Version and download URL of an explicit provider are part of its inputs."""
        wanted = self._wanted(request, options, urns.package_of(request.type))
        if not request.packageRef and not wanted.version and not wanted.url:
            wanted = self._defaults.complete(wanted)
        wanted.add_to(goal.properties)
        if request.envVarMappings:
            raise Unsupported("`env_var_mappings` of a provider")

    async def _answer(self, request: Any, registered: Registered, context: Any) -> Any:
        if registered.result != "success" and not request.supportsResultReporting:
            await context.abort(grpc.StatusCode.INTERNAL, "resource registration failed")
        state = registered.state
        outputs = state.outputs if request.custom else {}
        if not request.supportsPartialValues:
            outputs = {key: value for key, value in outputs.items() if not contains_unknowns(value)}
        keep = Keep(unknowns=True, secrets=request.acceptSecrets, resources=request.acceptResources)
        result = {"success": "SUCCESS", "failed": "FAIL", "skipped": "SKIP"}[registered.result]
        return resource_pb2.RegisterResourceResponse(
            urn=state.urn,
            id=state.id,
            object=to_struct(outputs, keep),
            result=resource_pb2.Result.Value(result),
            unknown=registered.unknown,
        )

    async def _construct(
        self, request: Any, options: Any, goal: Goal, properties: Properties, context: Any
    ) -> Any:
        provider = self._deployment.registry.get(goal.provider)
        if not isinstance(provider, PluginProvider):
            raise EngineError(f"unknown provider '{goal.provider}' for the remote component {request.name}")
        message = requests.construct_request(request, options, goal, properties, self._info)
        try:
            answer = await provider.construct(message)
        except EngineError as error:
            what = f"{request.type} resource '{request.name}' has a problem: {error}"
            self._deployment.report("error", "", what + _wrong_properties(error, properties))
            raise
        keep = Keep(unknowns=True, secrets=True, resources=True, outputs=True)
        outputs = downgrade(from_struct(answer.state, keep))
        out = resource_pb2.RegisterResourceResponse(
            urn=answer.urn,
            object=to_struct(outputs, Keep(True, request.acceptSecrets, request.acceptResources)),
        )
        for key, listed in answer.stateDependencies.items():
            out.propertyDependencies[key].urns.extend(listed.urns)
        return out

    async def RegisterResourceOutputs(self, request: Any, context: Any) -> Any:
        try:
            outputs = from_struct(request.outputs, Keep(True, True, True, asset_root=str(self._info.folder)))
        except EngineError as error:
            return await _refuse(context, error)
        wanted = OutputsRequest(request.urn, outputs, asyncio.get_running_loop().create_future())
        self._deployment.submit(wanted)
        await self._wait(context, wanted.answer)
        return empty_pb2.Empty()

    async def ReadResource(self, request: Any, context: Any) -> Any:
        try:
            return await self._read(request, context)
        except EngineError as error:
            return await _refuse(context, error)

    async def _read(self, request: Any, context: Any) -> Any:
        provider = request.provider
        if not urns.is_provider_type(request.type) and not provider:
            provider = await self._defaults.reference(
                self._wanted(request, request, urns.package_of(request.type))
            )
        position, trace = requests.source_of(request, self._info.root)
        state = State(
            urn="",
            type=request.type,
            custom=True,
            id=request.id,
            inputs=from_struct(request.properties, _KEEP),
            parent=request.parent,
            external=True,
            dependencies=list(dict.fromkeys(request.dependencies)),
            provider=provider,
            additional_secret_outputs=list(request.additionalSecretOutputs),
            source_position=position,
            stack_trace=trace,
        )
        future: asyncio.Future[Registered] = asyncio.get_running_loop().create_future()
        self._deployment.submit(ReadRequest(state, request.name, request.parent, future))
        registered = await self._wait(context, future)
        if registered.result != "success":
            await context.abort(grpc.StatusCode.INTERNAL, "resource read failed")
        keep = Keep(unknowns=True, secrets=request.acceptSecrets, resources=request.acceptResources)
        return resource_pb2.ReadResourceResponse(
            urn=registered.state.urn, properties=to_struct(registered.state.outputs, keep)
        )

    # Functions

    async def Invoke(self, request: Any, context: Any) -> Any:
        try:
            return await self._invoke(request)
        except EngineError as error:
            return await _refuse(context, error)

    async def _invoke(self, request: Any) -> Any:
        args = from_struct(request.args, _KEEP)
        args, options = await self._transform_invoke(request, args)
        if any(self._undecided(urn) for urn in request.dependsOn):
            return resource_pb2.ResourceInvokeResponse(unknown=True)
        provider = await self._function_provider(request, options)
        try:
            result, failures = await provider.invoke(request.tok, args, self._info.preview)
        except EngineError as error:
            raise EngineError(f"invocation of {request.tok} returned an error: {error}") from error
        keep_resources = request.acceptResources or request.tok == "pulumi:pulumi:getResource"
        answer = resource_pb2.ResourceInvokeResponse(
            failures=[{"property": name, "reason": reason} for name, reason in failures]
        )
        keep = Keep(unknowns=True, secrets=True, resources=keep_resources)
        getattr(answer, "return").CopyFrom(to_struct(result, keep))
        return answer

    def _undecided(self, urn: str) -> bool:
        """A preview cannot call a function that depends on what does not exist yet."""
        state = self._deployment.find(urn)
        return self._info.preview and state is not None and state.custom and not state.id

    async def _transform_invoke(self, request: Any, args: Properties) -> tuple[Properties, Any]:
        package = urns.package_of(request.tok)
        inherited = self._component_providers.get(request.parent, {}).get(package, "")
        options = resource_pb2.TransformInvokeOptions(
            provider=request.provider or inherited,
            version=request.version,
            plugin_download_url=request.pluginDownloadURL,
        )
        for callback in self._invoke_transforms:
            message = resource_pb2.TransformInvokeRequest(
                token=request.tok, args=to_struct(args, KEEP_ALL), options=options
            )
            raw = await self._callbacks.invoke(callback.target, callback.token, message.SerializeToString())
            answer = resource_pb2.TransformInvokeResponse.FromString(raw)
            if answer.HasField("options"):
                options = answer.options
            if answer.HasField("args"):
                args = from_struct(answer.args, KEEP_ALL)
        return downgrade(args), options

    async def _function_provider(self, request: Any, options: Any) -> Provider:
        reference = options.provider
        if not reference:
            wanted = self._wanted(request, options, urns.package_of(request.tok))
            early = self._defaults.early(wanted)
            if early is not None:
                return early
            reference = await self._defaults.reference(wanted)
        provider = self._deployment.registry.get(reference)
        if provider is None:
            raise EngineError(
                f"the function {request.tok} has no provider: '{reference}' is not registered (default "
                "providers "
                "may be disabled by pulumi:disable-default-providers)"
            )
        return provider

    async def Call(self, request: Any, context: Any) -> Any:
        try:
            return await self._call(request)
        except EngineError as error:
            return await _refuse(context, error)

    async def _call(self, request: Any) -> Any:
        reference = request.provider
        if not reference and request.args.fields["__self__"].WhichOneof("kind") == "struct_value":
            state = self._deployment.find(
                request.args.fields["__self__"].struct_value.fields["urn"].string_value
            )
            reference = state.provider if state is not None else ""
        options = resource_pb2.TransformInvokeOptions(provider=reference, version=request.version)
        provider = await self._function_provider(request, options)
        if not isinstance(provider, PluginProvider):
            raise EngineError(f"the method {request.tok} is not implemented by a plugin")
        answer = await provider.call(requests.call_request(request, self._info))
        failures = list(answer.failures)
        message = provider_pb2.CallResponse(failures=failures)
        getattr(message, "return").CopyFrom(getattr(answer, "return"))
        for key, listed in answer.returnDependencies.items():
            message.returnDependencies[key].urns.extend(listed.urns)
        return message


def _camel(name: str) -> str:
    head, *rest = name.lower().split("_")
    return head + "".join(part.capitalize() for part in rest)


async def _guard(context: Any, action: Any) -> None:
    try:
        action()
    except EngineError as error:
        await _refuse(context, error)


def _wrong_properties(error: EngineError, inputs: Properties) -> str:
    out = ""
    for path, reason in getattr(error, "properties", ()):
        value, found = paths.lookup(paths.parse(path), inputs)
        shown = f" with value '{in_message(value)}'" if found else ""
        out += f"\n\t\t- property {path}{shown} has a problem: {reason}"
    return out


async def _refuse(context: Any, error: EngineError) -> Any:
    await context.abort(grpc.StatusCode.UNKNOWN, str(error))
