"""Reading RegisterResource requests: options, dependencies, aliases, time-outs, where in the program they
came from.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlparse

from . import urn as urns
from .errors import EngineError
from .hooks import _snake
from .protocol import alias_pb2, provider_pb2, resource_pb2
from .state import HOOK_TYPES, Alias, Goal, Timeouts
from .values import Output, Properties, Unknown, Value, downgrade, output_dependencies
from .wire import Keep, from_value, to_struct

if TYPE_CHECKING:
    from .runinfo import RunInfo

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|h|m|s)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def inherit(request: Any, parent: Goal) -> None:
    """Children take what their parent was given, unless they say otherwise."""
    if not request.deletedWith:
        request.deletedWith = parent.deleted_with
    if not request.HasField("protect") and parent.protect is not None:
        request.protect = parent.protect
    if not request.HasField("retainOnDelete") and parent.retain_on_delete is not None:
        request.retainOnDelete = parent.retain_on_delete
    if not request.provider and parent.provider and (request.custom or request.remote):
        same_package = urns.package_of(urns.type_of(urns.reference_urn(parent.provider)))
        if same_package == urns.package_of(request.type):
            request.provider = parent.provider


def inherit_providers(options: Any, parent: dict[str, str] | None) -> None:
    for package, reference in (parent or {}).items():
        if package not in options.providers:
            options.providers[package] = reference


def dependencies(request: Any, properties: Properties) -> tuple[list[str], dict[str, list[str]]]:
    """All dependencies, and those of each property. Old SDKs send no map: then each property has
    all of them.
    """
    every = sorted(
        set(request.dependencies)
    )  # sent as a set: sorted, so that state does not change without reason
    if not request.propertyDependencies and not request.remote:
        return every, {key: list(every) for key in properties}
    return every, {key: sorted(set(d.urns)) for key, d in request.propertyDependencies.items()}


def upgrade(properties: Properties, by_property: dict[str, list[str]]) -> Properties:
    """Give values the dependencies that the request lists for them, for transforms to see."""
    return {
        key: _upgraded(value, tuple(sorted(by_property.get(key, ())))) for key, value in properties.items()
    }


def _upgraded(value: Value, needed: tuple[str, ...]) -> Value:
    if not needed or isinstance(value, Output):
        return value
    if isinstance(value, Unknown):
        return Output(None, False, False, needed)
    return Output(value, True, False, needed)


def add_output_dependencies(properties: Properties, by_property: dict[str, list[str]]) -> None:
    for key, value in properties.items():
        listed = by_property.setdefault(key, [])
        listed += [urn for urn in sorted(output_dependencies(value)) if urn not in listed]


def dependencies_of_outputs(
    properties: Properties, explicit: Iterable[str]
) -> tuple[list[str], dict[str, list[str]]]:
    by_property = {key: sorted(output_dependencies(value)) for key, value in properties.items()}
    every = sorted({*explicit, *(urn for listed in by_property.values() for urn in listed)})
    return every, by_property


def transform_options(request: Any, provider: str) -> Any:
    """The request's options in the form that transforms may change."""
    aliases = [alias_pb2.Alias(urn=urn) for urn in request.aliasURNs]
    options = resource_pb2.TransformResourceOptions(
        depends_on=request.dependencies,
        ignore_changes=request.ignoreChanges,
        replace_on_changes=request.replaceOnChanges,
        version=request.version,
        aliases=[*aliases, *request.aliases],
        provider=provider,
        providers=request.providers,
        hide_diff=request.hideDiffs,
        plugin_download_url=request.pluginDownloadURL,
        deleted_with=request.deletedWith,
        replace_with=request.replace_with,
        additional_secret_outputs=request.additionalSecretOutputs,
    )
    setattr(options, "import", request.importId)
    for field in ("protect",):
        if request.HasField(field):
            setattr(options, field, getattr(request, field))
    if request.HasField("retainOnDelete"):
        options.retain_on_delete = request.retainOnDelete
    if request.deleteBeforeReplaceDefined or request.deleteBeforeReplace:
        options.delete_before_replace = request.deleteBeforeReplace
    if request.HasField("customTimeouts"):
        options.custom_timeouts.CopyFrom(request.customTimeouts)
    if request.HasField("hooks"):
        options.hooks.CopyFrom(request.hooks)
    if request.HasField("replacement_trigger"):
        options.replacement_trigger.CopyFrom(request.replacement_trigger)
    return options


def goal_of(
    request: Any,
    options: Any,
    properties: Properties,
    provider: str,
    dependencies: list[str],
    by_property: dict[str, list[str]],
    root: Path,
) -> Goal:
    position, trace = source_of(request, root)
    trigger = None
    if options.HasField("replacement_trigger"):
        trigger = downgrade(from_value(options.replacement_trigger, Keep(True, True, True, outputs=True)))
    return Goal(
        type=request.type,
        name=request.name,
        custom=request.custom,
        properties=properties,
        parent=request.parent,
        protect=options.protect if options.HasField("protect") else None,
        dependencies=dependencies,
        provider=provider,
        property_dependencies=by_property,
        delete_before_replace=options.delete_before_replace
        if options.HasField("delete_before_replace")
        else None,
        ignore_changes=list(options.ignore_changes),
        additional_secret_outputs=list(options.additional_secret_outputs),
        aliases=[alias_of(alias) for alias in options.aliases],
        import_id=getattr(options, "import"),
        custom_timeouts=timeouts_of(options) if options.HasField("custom_timeouts") else Timeouts(),
        replace_on_changes=list(options.replace_on_changes),
        replacement_trigger=trigger,
        retain_on_delete=options.retain_on_delete if options.HasField("retain_on_delete") else None,
        deleted_with=options.deleted_with,
        replace_with=list(options.replace_with),
        hide_diff=list(options.hide_diff),
        source_position=position,
        stack_trace=trace,
        resource_hooks=hooks_of(options),
    )


def hooks_of(options: Any) -> dict[str, list[str]]:
    if not options.HasField("hooks"):
        return {}
    found = {kind: list(getattr(options.hooks, _snake(kind))) for kind in HOOK_TYPES}
    return {kind: names for kind, names in found.items() if names}


def alias_of(message: Any) -> Alias:
    if message.WhichOneof("alias") == "urn":
        return Alias(urn=message.urn)
    spec = message.spec
    kind = spec.WhichOneof("parent")
    return Alias(
        name=spec.name,
        type=spec.type,
        stack=spec.stack,
        project=spec.project,
        parent=spec.parentUrn if kind == "parentUrn" else "",
        no_parent=kind == "noParent" and spec.noParent,
    )


def timeouts_of(options: Any) -> Timeouts:
    given = options.custom_timeouts
    return Timeouts(*(seconds(getattr(given, name)) for name in ("create", "update", "delete", "read")))


def seconds(text: str) -> float:
    """A Go duration such as 1h30m in seconds."""
    if not text:
        return 0
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise EngineError(f"unable to parse customTimeout Value {text}; write it like 30m or 1h15m")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def source_of(request: Any, root: Path) -> tuple[str, list[str]]:
    """Where in the program the resource is made, relative to the project."""
    position = _position(request.sourcePosition, root) if request.HasField("sourcePosition") else ""
    trace = []
    if request.HasField("stackTrace"):
        trace = [_position(frame.pc, root) for frame in request.stackTrace.frames]
    return position, trace


def _position(raw: Any, root: Path) -> str:
    file = _in_project(raw.uri, root)
    if not file or raw.line < 0:
        return ""
    column = f",{raw.column}" if raw.column else ""
    return f"{file}#{raw.line}{column}"


@cache  # every resource comes with a whole stack of the same few files
def _in_project(uri: str, root: Path) -> str:
    parsed = urlparse(uri)
    if parsed.scheme != "file" or not parsed.path.startswith("/"):
        return ""
    return f"project:///{quote(os.path.relpath(unquote(parsed.path), root))}"


def construct_request(request: Any, options: Any, goal: Goal, properties: Properties, info: RunInfo) -> Any:
    """What a provider is asked when it builds a component of several resources."""
    message = provider_pb2.ConstructRequest(
        project=info.project,
        stack=info.stack,
        organization=info.organization,
        config=info.config,
        configSecretKeys=info.secret_keys,
        dryRun=info.preview,
        parallel=info.parallel,
        monitorEndpoint=info.monitor,
        type=request.type,
        name=request.name,
        parent=request.parent,
        inputs=to_struct(properties, Keep(True, True, True, outputs=True)),
        providers=dict(options.providers),
        dependencies=goal.dependencies,
        additionalSecretOutputs=goal.additional_secret_outputs,
        deletedWith=goal.deleted_with,
        ignoreChanges=goal.ignore_changes,
        replaceOnChanges=goal.replace_on_changes,
        replace_with=goal.replace_with,
        aliases=list(options.aliases),
        accepts_output_values=True,
    )
    if request.provider:
        message.providers.setdefault(urns.package_of(request.type), goal.provider)
    for key, listed in goal.property_dependencies.items():
        message.inputDependencies[key].urns.extend(listed)
    for field, value in (("protect", goal.protect), ("retainOnDelete", goal.retain_on_delete)):
        if value is not None:
            setattr(message, field, value)
    if goal.delete_before_replace is not None:
        message.deleteBeforeReplace = goal.delete_before_replace
    return message


def call_request(request: Any, info: RunInfo) -> Any:
    message = provider_pb2.CallRequest(
        tok=request.tok,
        args=request.args,
        project=info.project,
        stack=info.stack,
        organization=info.organization,
        config=info.config,
        configSecretKeys=info.secret_keys,
        dryRun=info.preview,
        parallel=info.parallel,
        monitorEndpoint=info.monitor,
        accepts_output_values=True,
    )
    for key, listed in request.argDependencies.items():
        message.argDependencies[key].urns.extend(listed.urns)
    return message
