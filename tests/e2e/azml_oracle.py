"""What azure-ai-ml sends for a folder of `az ml` YAML, with the documented differences applied, and no more.

The bodies are made by the installed azure-ai-ml, which opens no connection for it. Ids and the places that
files are uploaded to are patterns (`Like`): Azure's side decides them.
"""

from __future__ import annotations

import json
import logging
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from settings.azml import DIFFERENCES

Body = dict[str, Any]
KINDS = ("endpoint", "deployment", "environment", "model")
SPELLED = ("publicNetworkAccess", "egressPublicNetworkAccess", "dataCollectionMode", "rollingRate", "osType")


class Like:
    """Equal to every text that the pattern matches as a whole."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and re.fullmatch(self.pattern, other) is not None

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{self.pattern}>"


@dataclass(frozen=True)
class Sent:
    """One PUT: `path` is the end of its path, which may name a hash where a version or a server is named."""

    path: Like
    body: Body


@dataclass
class Folder:
    """Everything az ml would send for the files of a folder, and how it would split the traffic."""

    sent: list[Sent] = field(default_factory=list)
    traffic: dict[str, dict[str, Body]] = field(default_factory=dict)
    endpoints: set[str] = field(default_factory=set)
    deployments: set[tuple[str, str]] = field(default_factory=set)


def expected(folder: Path, region: str) -> Folder:
    """Ask azure-ai-ml about every file of the folder that says in its name or its schema what it is."""
    azml, out = _azure_ai_ml(), Folder()
    for path in sorted(path for path in folder.iterdir() if path.suffix in (".yml", ".yaml")):
        raw = yaml.safe_load(path.read_text()) or {}
        kind = _kind(path, raw)
        if kind == "endpoint":
            _endpoint(azml.load_online_endpoint(path), region, out)
        elif kind == "environment":
            _asset("environments", azml.load_environment(path), out, "")
        elif kind == "model":
            _asset("models", azml.load_model(path), out, "")
        elif kind == "deployment":
            _deployment(azml.load_online_deployment(path), raw, region, out)
    return out


def _endpoint(entity: Any, region: str, out: Folder) -> None:
    body = _wire(entity._to_rest_online_endpoint(region))
    out.traffic[entity.name] = {key: body["properties"][key] for key in ("traffic", "mirrorTraffic")}
    out.endpoints.add(entity.name)
    out.sent.append(Sent(Like(f".*/onlineEndpoints/{entity.name}"), as_here(body)))


def _deployment(entity: Any, raw: Body, region: str, out: Folder) -> None:
    endpoint, name = entity.endpoint_name.lower(), entity.name
    out.deployments.add((endpoint, name))
    found = {}
    for kind, key in (("environments", "environment"), ("models", "model")):
        if (asset := getattr(entity, key)) is None:
            continue
        referred = isinstance(raw[key], str) and not raw[key].startswith("file:")
        found[key] = _referred(kind, raw[key]) if referred else _asset(kind, asset, out, f"{endpoint}-{name}")
        setattr(entity, key, "<id>")
    collector = entity.data_collector
    for collection in collector.collections.values() if collector else ():
        collection.data = "<id>"  # az ml registers an asset for each before it sends, and sends its id
    body = as_here(_wire(entity._to_rest_object(location=region)))
    properties = body["properties"]
    properties.update({arm: found[key] for arm, key in (("environmentId", "environment"), ("model", "model"))
                       if key in found})  # fmt: skip
    for collection in properties.get("dataCollector", {}).get("collections", {}).values():
        collection["dataId"] = Like(r"/subscriptions/.+/data/[^/]+/versions/[^/]+")
    server = Like(rf".*/onlineEndpoints/{endpoint}/deployments/{name}(-[0-9a-f]{{8}})?")
    out.sent.append(Sent(server, body))


def _asset(kind: str, entity: Any, out: Folder, anonymous: str) -> Like:
    """The PUT of a version; the id it has then."""
    body = as_here(_wire(entity._to_rest_object()))
    properties = body["properties"]
    if "modelUri" in properties and "://" not in properties["modelUri"]:
        path = Path(properties["modelUri"])
        end = re.escape(f"/{path.name}") if path.is_file() else ""
        properties["modelUri"] = Like(rf"azureml://.+/datastores/\w+/paths/.+{end}")
    if "build" in properties and "://" not in properties["build"]["contextUri"]:
        properties["build"]["contextUri"] = Like(r"https://.+/contexts/.+/")
    name = anonymous if properties["isAnonymous"] else entity.name
    version = "[0-9a-f]{8}" if properties["isAnonymous"] or not entity.version else entity.version
    path = Like(rf".*/{kind}/{name}/versions/{version}")
    out.sent.append(Sent(path, body))
    return path


def _referred(kind: str, text: str) -> Like | str:
    if text.startswith("azureml://"):
        return text
    if text.startswith("azureml:/"):
        return text.removeprefix("azureml:")
    name, version = re.fullmatch(r"azureml:([^:@]+)(?::(.+)|@latest)", text).groups()
    return Like(rf"/subscriptions/.+/{kind}/{name}/versions/{version or '[^/]+'}")


# One function for each documented difference; it makes az ml's body one of this product's.
def _no_traffic(body: Body) -> None:
    body["properties"].pop("traffic", None)


def _no_mirror(body: Body) -> None:
    body["properties"].pop("mirrorTraffic", None)


def _spelling(body: Body) -> None:
    for item in _dicts(body):
        item.update({key: item[key].capitalize() for key in SPELLED if isinstance(item.get(key), str)})


def _writable_identity(body: Body) -> None:
    for name in ("principalId", "tenantId"):
        body.get("identity", {}).pop(name, None)


def _text(body: Body) -> None:
    properties = body["properties"]
    maps = [
        body.get("tags"),
        *(properties.get(key) for key in ("tags", "properties", "environmentVariables")),
    ]
    maps += [flavor["data"] for flavor in properties.get("flavors", {}).values()]
    for values in filter(None, maps):
        values.update({key: _as_text(value) for key, value in values.items()})


def _capacity(body: Body) -> None:
    if "sku" in body:
        body["sku"].setdefault("capacity", 1)


def _nothing(_body: Body) -> None:
    """About names and versions, which are in no body, or about what no file of az ml has."""


APPLIED: dict[str, Callable[[Body], None]] = {
    "onlineEndpoints properties.traffic": _no_traffic,
    "onlineEndpoints properties.mirrorTraffic": _no_mirror,
    "publicNetworkAccess, egressPublicNetworkAccess, dataCollectionMode, rollingRate, osType": _spelling,
    "onlineEndpoints identity.principalId, identity.tenantId": _writable_identity,
    "tags, properties, environmentVariables, flavors": _text,
    "onlineDeployments sku.capacity": _capacity,
    "model and environment versions without a version in the file": _nothing,
    "files of a model by path": _nothing,
    "deployment name": _nothing,
    "onlineDeployments properties.*Probe, requestSettings": _nothing,
    "Environment inferenceConfig.startupRoute, deployment startupProbe": _nothing,
}


def as_here(body: Body) -> Body:
    """az ml's body as this product sends it."""
    for difference in DIFFERENCES:
        APPLIED[difference.where](body)
    return body


def _azure_ai_ml() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        import azure.ai.ml
    logging.disable(logging.NOTSET)
    return azure.ai.ml


def _wire(rest: Any) -> Body:
    """The JSON that goes over the wire."""
    plain = rest.serialize() if hasattr(rest, "serialize") else rest.as_dict()
    return json.loads(json.dumps(plain, default=str))


def _kind(path: Path, raw: Body) -> str | None:
    schema = str(raw.get("$schema", "")).rsplit("/", 1)[-1].lower()
    if schema.startswith("batch"):
        return None
    return next((kind for text in (schema, path.stem.lower()) for kind in KINDS if kind in text), None)


def _dicts(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _dicts(item)


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
