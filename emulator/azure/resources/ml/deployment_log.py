"""What a deployment says of itself: its stages, the container's events, and Azure's text for a failure.

Formats follow what users of the service quote: azureml-examples issue 3444 and the example of
Get-AzMLWorkspaceOnlineDeploymentLog (instance status and events), mlops-v2 issue 120 (ResourceNotReady).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.azure.clock import iso
from emulator.azure.errors import ArmError
from emulator.azure.resources.ml.common import GUIDE
from emulator.azure.store import Resource
from emulator.nodes.interface import Outcome, Reason, Stage

if TYPE_CHECKING:
    from emulator.azure.cloud import Cloud

STAGES = (Stage.SYSTEM_SETUP, Stage.IMAGE_PULL, Stage.MODEL_DOWNLOAD, Stage.CONTAINER_START)
_HEADLINES = {
    Reason.IMAGE_PULL_FAILED: ("ImagePullFailed", "Unable to download user container image"),
    Reason.MODEL_DOWNLOAD_FAILED: ("DownloadFailed", "Model download failed"),
    Reason.CONTAINER_CRASHED: ("BackOff", "User container has crashed or terminated"),
    Reason.LIVENESS_PROBE_FAILED: (
        "LivenessProbeFailed",
        "User container has crashed or terminated: Liveness probe failed",
    ),
    Reason.READINESS_PROBE_FAILED: ("ReadinessProbeFailed", "Readiness probe failed"),
    Reason.STARTUP_PROBE_FAILED: (
        "StartupProbeFailed",
        "User container has crashed or terminated: Startup probe failed",
    ),
    Reason.NODES_UNAVAILABLE: ("NodesUnavailable", "The embedded Azure has no nodes"),
}


def begin(resource: Resource) -> None:
    """Start anew: no stage has begun."""
    resource.private["stages"] = {stage.value: "Waiting" for stage in STAGES}
    resource.private["events"] = []


def succeeded(resource: Resource) -> None:
    for stage in STAGES:
        resource.private["stages"][stage.value] = "Succeeded"


def reached(cloud: Cloud, resource: Resource, stage: Stage, text: str) -> None:
    """Write down that a stage has begun; those before it have succeeded."""
    stages = resource.private["stages"]
    for other in STAGES:
        if other == stage:
            stages[other.value] = "InProgress"
            break
        stages[other.value] = "Succeeded"
    if text:
        event(resource, stage.value, "Normal", text)
    cloud.store.save(resource)


def event(resource: Resource, name: str, kind: str, text: str) -> None:
    events = resource.private.setdefault("events", [])
    events.append(f"Kind: Pod, Name: {name}, Type: {kind}, Time: {iso()}, Message: {text}")
    del events[:-20]


def status_text(resource: Resource) -> str:
    """Return the head of a deployment's log: the stages and the container's events."""
    stages = resource.private.get("stages") or {stage.value: "Waiting" for stage in STAGES}
    lines = ["Instance status:", *(f"{name}: {state}" for name, state in stages.items())]
    return "\n".join([*lines, "", "Container events:", *resource.private.get("events", [])])


def failure(cloud: Cloud, resource: Resource, outcome: Outcome) -> ArmError:
    """Return Azure's text for an outcome: the headline, then the stages and events as its logs show them."""
    reason = outcome.reason or Reason.CONTAINER_CRASHED
    name, headline = _HEADLINES[reason]
    stages = resource.private["stages"]
    for stage in STAGES:
        if stage == outcome.stage:
            stages[stage.value] = "InProgress" if stage is Stage.CONTAINER_START else "Failed"
            break
        stages[stage.value] = "Succeeded"
    event(resource, name, "Warning", outcome.text)
    cloud.store.save(resource)
    log = f"\n\nContainer logs:\n{outcome.log}" if outcome.log else ""
    text = f"{headline}: {outcome.text} {GUIDE}#error-resourcenotready\n\n{status_text(resource)}{log}"
    return ArmError(400, "ResourceNotReady", text)
