"""What stays as it is when a running endpoint or deployment is taken over: what the program does not state.

An import reads everything that Azure has, its own defaults and notes included, and what the program leaves
out would be a change to undo. Names are those of API 2025-12-01 (`OnlineEndpoint`, `OnlineDeployment` of
azure-native).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

ENDPOINT = ("compute", "description", "publicNetworkAccess")
DEPLOYMENT = (
    "appInsightsEnabled",
    "codeConfiguration",
    "dataCollector",
    "description",
    "egressPublicNetworkAccess",
    "environmentVariables",
    "livenessProbe",
    "modelMountPath",
    "readinessProbe",
    "requestSettings",
    "scaleSettings",
    "startupProbe",
)
PROBE = ("failureThreshold", "initialDelay", "period", "successThreshold", "timeout")
INSIDE = {
    "livenessProbe": PROBE,
    "readinessProbe": PROBE,
    "startupProbe": PROBE,
    "requestSettings": ("maxConcurrentRequestsPerInstance", "maxQueueWait", "requestTimeout"),
}
# Azure writes some of its own among an endpoint's and a deployment's properties.
NOTES = "properties.properties"


def endpoint(body: Mapping[str, Any], tags: Mapping[str, str]) -> list[str]:
    """Paths that an endpoint which is taken over ignores; traffic is ignored by every endpoint."""
    unstated = (f"properties.{key}" for key in ENDPOINT if key not in body)
    return ["kind", "sku", NOTES, *unstated, *_tags(tags)]


def deployment(body: Mapping[str, Any], tags: Mapping[str, str], *, counted: bool) -> list[str]:
    """The same of a deployment. Environment and model are the ones it runs with, under whatever id; without
    `counted` the number of instances stays too."""
    sku = ["sku.tier", "sku.family", "sku.size", *([] if counted else ["sku.capacity"])]
    assets = ["properties.environmentId", "properties.model"]
    return ["kind", "identity", NOTES, *sku, *assets, *_unstated(body), *_tags(tags)]


def _tags(tags: Mapping[str, str]) -> list[str]:
    """No tags are a mapping here and may be nothing there."""
    return [] if tags else ["tags"]


def _unstated(body: Mapping[str, Any]) -> Iterator[str]:
    for key in DEPLOYMENT:
        if not body.get(key):
            yield f"properties.{key}"
        else:
            yield from (f"properties.{key}.{name}" for name in INSIDE.get(key, ()) if name not in body[key])
