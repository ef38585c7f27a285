"""What a person sees while a deployment is made: a line now and then, and an explanation when it fails.

Deployments are created by azure-native, which says nothing for the quarter of an hour that a GPU machine
takes. So a hook starts a watcher before the create; it asks Azure how far it is and logs the stage and the
time, until the deployment is finished or a hook after it says so. The error hook explains and always
returns False: a retry after a half-made create would send the create again (pulumi/pulumi issue 24683).
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pulumi

from components.explain import explain

EVERY_SECONDS = 30.0
LOG_LINES = 25
ML_API = "2025-12-01"
# The stages in the head of a deployment's log, in their order (documentation of
# Get-AzMLWorkspaceOnlineDeploymentLog).
STAGES = {
    "SystemSetup": "the machine is prepared",
    "UserContainerImagePull": "the image is pulled",
    "ModelDownload": "the model is downloaded and mounted",
    "UserContainerStart": "the container starts and loads the model",
}
LOGS = "Container logs:"


@dataclass
class Watch:
    """Watches one deployment from a thread of its own; daemon, so that it never holds the program up."""

    deployment_id: str
    name: str
    log: Callable[[str], None] = pulumi.log.info
    every: float = EVERY_SECONDS
    read: Callable[[str, int], str] = field(default_factory=lambda: log_text)
    _done: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        threading.Thread(target=self._run, name=f"watch-{self.name}", daemon=True).start()

    def stop(self) -> None:
        self._done.set()

    def _run(self) -> None:
        begun = time.monotonic()
        while not self._done.wait(self.every):
            elapsed = elapsed_text(time.monotonic() - begun)
            try:
                line = stage_of(self.read(self.deployment_id, 1))
            except Exception as problem:  # noqa: BLE001 - a watcher must not fail what it watches
                line = f"not visible from here ({str(problem).splitlines()[0]})"
            if line and not self._done.is_set():
                self.log(f"{self.name}: {elapsed}: {line}")


def hooks(name: str, deployment_id: str) -> pulumi.ResourceHookBinding:
    """Hooks for one deployment; `deployment_id` is its ARM id, which follows from its names."""
    watch = Watch(deployment_id, name)

    def before(_args: pulumi.ResourceHookArgs) -> None:
        configure_credentials()
        pulumi.log.info(f"{name}: asked for; on Azure a machine with a GPU takes 10 to 20 minutes to come up")
        watch.start()

    def after(_args: pulumi.ResourceHookArgs) -> None:
        watch.stop()

    def failed(args: Any) -> bool:
        watch.stop()
        if args.failed_operation != "delete":
            configure_credentials()
            pulumi.log.error(f"{name}: {explain(args.errors)}{_log_tail(deployment_id)}")
        return False

    return pulumi.ResourceHookBinding(
        before_create=[pulumi.ResourceHook(f"{name}-before-create", before)],
        after_create=[pulumi.ResourceHook(f"{name}-after-create", after)],
        on_error=[pulumi.ErrorHook(f"{name}-on-error", failed)],
    )


def log_text(deployment_id: str, tail: int) -> str:
    """The log of the inference server: stages, events, its last `tail` lines; "" when there is none yet."""
    from providers import arm

    body = {"containerType": "InferenceServer", "tail": tail}
    answer = arm.request("POST", f"{deployment_id}/getLogs", ML_API, body, missing_ok=True)
    return answer.get("content") or ""


def stage_of(text: str) -> str:
    """Where a deployment is, from its log: the first stage that has not succeeded, the container's last line.

    A text without stages is the container's log alone.
    """
    states = dict(re.findall(r"^(\w+): (\w+)$", text.partition(LOGS)[0], re.MULTILINE))
    waiting = [said for stage, said in STAGES.items() if states.get(stage, "Succeeded") != "Succeeded"]
    stage = waiting[0] if waiting else STAGES["UserContainerStart" if text else "SystemSetup"]
    lines = container_lines(text)
    return f"{stage}: {lines[-1][:160]}" if lines else stage


def container_lines(text: str) -> list[str]:
    """What the container itself printed, without empty lines."""
    return [line for line in text.rpartition(LOGS)[2].splitlines() if line.strip()]


def configure_credentials() -> None:
    """Hooks run in the program, so the stack's azure-native settings come from its configuration."""
    from providers import credentials

    config = pulumi.Config("azure-native")
    credentials.use_configuration({key: config.get(key) for key in credentials.SETTINGS})


def elapsed_text(seconds: float) -> str:
    """`2 min 05 s`."""
    return f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"


def _log_tail(deployment_id: str) -> str:
    try:
        lines = container_lines(log_text(deployment_id, LOG_LINES))
    except Exception as problem:  # noqa: BLE001 - the explanation is worth more than the log
        return f"\nThe container's log cannot be read ({str(problem).splitlines()[0]})."
    return "\nThe container's log ends:\n" + "\n".join(f"  {line}" for line in lines) if lines else ""
