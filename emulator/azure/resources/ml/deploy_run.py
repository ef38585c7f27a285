"""The work of a deployment: what to run, the nodes' answer, and what the front door sees afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emulator.azure import autoscale
from emulator.azure.resources.ml import deployment_log as log
from emulator.azure.resources.ml.deploy_spec import inference_config, make_spec, route_of
from emulator.azure.store import Resource
from emulator.nodes.interface import Stage

if TYPE_CHECKING:
    from emulator.azure.cloud import Cloud


async def deploy(cloud: Cloud, resource: Resource, data: dict[str, Any]) -> None:
    """Run a deployment; raises ArmError with Azure's text when it fails.

    `data` is what the operation began with: `old` the document before it, `state` the state before it.
    """
    log.begin(resource)
    log.reached(cloud, resource, Stage.SYSTEM_SETUP, "")
    if _only_scaled(data, resource):
        outcome = await cloud.nodes.scale(resource.id, resource.doc["sku"]["capacity"])
    else:
        spec = await make_spec(cloud, resource, check=True)
        outcome = await cloud.nodes.deploy(
            spec, lambda stage, text: log.reached(cloud, resource, stage, text)
        )
    if not outcome.ok:
        raise log.failure(cloud, resource, outcome)
    log.succeeded(resource)
    resource.private["live"] = _live(cloud, resource)


def _only_scaled(data: dict[str, Any], new: Resource) -> bool:
    """Say whether a running deployment changes its instance count and nothing else."""
    old = data.get("old")
    if not old or data.get("state") != "Succeeded":
        return False
    same = old.get("properties") == new.doc.get("properties")
    return same and (old.get("sku") or {}).get("capacity") != new.doc["sku"]["capacity"]


def _live(cloud: Cloud, resource: Resource) -> dict[str, Any]:
    """Return what the front door sees once this deployment has succeeded."""
    limits = resource.properties["requestSettings"]
    _, path = route_of(inference_config(cloud, resource), "scoringRoute")
    return {
        "scoring_path": path,
        "request_timeout": autoscale.seconds(limits["requestTimeout"]),
        "max_concurrent": limits["maxConcurrentRequestsPerInstance"],
    }
