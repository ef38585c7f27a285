"""Why a deployment failed, in sentences.

Azure's text names stages (SystemSetup, UserContainerImagePull, ModelDownload, UserContainerStart) and events
(LivenessProbeFailed) in the middle of a long message; what a person needs is which one it was and what to do.
Texts as people have posted them: github.com/Azure/azureml-examples issue 3444, azure-docs issues 107890
and 120727, azure-cli-extensions issue 5583, Azure-Samples/AI-Gateway issue 393. Pure functions; nothing is
fetched here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

STAGES = {
    "SystemSetup": "the machine is prepared",
    "UserContainerImagePull": "the image is pulled",
    "ModelDownload": "the model is downloaded and mounted",
    "UserContainerStart": "the container starts and loads the model",
}


@dataclass(frozen=True)
class Explanation:
    """`stage` is Azure's name of where it stopped, "" if it does not say. `retry` is whether trying again
    may help."""

    cause: str
    fix: str
    stage: str = ""
    retry: bool = False

    def __str__(self) -> str:
        where = f"Stopped while {STAGES[self.stage]} ({self.stage}). " if self.stage else ""
        again = " Trying again may help." if self.retry else ""
        return f"{where}{self.cause} {self.fix}{again}"


# The first pattern that is found decides, so the more particular come first.
_CAUSES: list[tuple[str, Explanation]] = [
    (
        r"cannot create already existing resource",
        Explanation(
            "A deployment of this name is there already, and the state does not know it: an earlier run "
            "ended between "
            "the request and its answer, or somebody else made it.",
            "`make recover` takes over what an earlier run began; `import_` on the deployment takes over "
            "another's.",
        ),
    ),
    (
        r"OutOfQuota|not enough quota|quota.*exceed|exceed.*quota",
        Explanation(
            "There is not enough quota for this machine in this region; during a blue/green roll both "
            "servers count.",
            "Ask for quota of the VM family (Azure ML, not Compute), use another instance_type or region, or "
            "`rollout: recreate`.",
        ),
    ),
    (
        r"pull permission|AcrPull|unauthorized.*(registry|azurecr)|ImagePullUnauthorized",
        Explanation(
            "The endpoint's identity may not pull the image.",
            "Give it AcrPull on the registry; a new assignment takes minutes. A system-assigned identity "
            "gets it "
            "from Azure only on the workspace's own registry.",
            "UserContainerImagePull",
            retry=True,
        ),
    ),
    (
        r"ImagePullFailed|ErrImagePull|ImagePullBackOff|manifest unknown|image .*not found",
        Explanation(
            "The image cannot be pulled.",
            "Check that the reference exists in the registry and that the registry lets Azure ML in (private "
            "endpoint or trusted services).",
            "UserContainerImagePull",
        ),
    ),
    (
        r"StorageManifestError|model artifacts|ModelDownloadFailed|Storage Blob Data Reader",
        Explanation(
            "The model cannot be read.",
            "The endpoint's identity needs Storage Blob Data Reader on the workspace's storage account, and "
            "the "
            "model's files must be in it.",
            "ModelDownload",
            retry=True,
        ),
    ),
    (
        r"WorkspaceManagedNetworkNotReady",
        Explanation(
            "The workspace's managed network is not provisioned.",
            "Set workspace.managed_network.provision: true (about 30 minutes once).",
            "SystemSetup",
        ),
    ),
    (
        r"MissingDriverProgram",
        Explanation(
            "Azure expects a scoring script, because the environment names no routes.",
            "Give environment.inference_config its liveness, readiness and scoring routes.",
        ),
    ),
    (
        r"LivenessProbeFailed|Liveness probe failed",
        Explanation(
            "The container did not answer its liveness probe in time and was restarted. vLLM answers only "
            "once the "
            "model is loaded.",
            "If the log ends while loading, raise liveness_probe.initial_delay or failure_threshold; else "
            "the log "
            "says what is wrong.",
            "UserContainerStart",
        ),
    ),
    (
        r"ReadinessProbeFailed|Readiness probe failed",
        Explanation(
            "The container lives but never became ready.",
            "Raise readiness_probe.initial_delay or failure_threshold, or check that the readiness route "
            "answers 200.",
            "UserContainerStart",
        ),
    ),
    (
        r"CrashLoopBackOff|ContainerCrashed|container .*(crash|exited|terminated)|exit code",
        Explanation("The container stopped by itself.", "Its log says why.", "UserContainerStart"),
    ),
    (
        r"InternalServerError|Internal Server Error",
        Explanation(
            "Azure reports an internal error without a cause.",
            "If it comes again, give Azure support the request id.",
            retry=True,
        ),
    ),
]


def explain(errors: list[str]) -> Explanation:
    """What the errors of a failed deployment mean."""
    text = "\n".join(errors)
    stage = failed_stage(text)
    for pattern, found in _CAUSES:
        if re.search(pattern, text, re.IGNORECASE | re.DOTALL):
            return found if found.stage else Explanation(found.cause, found.fix, stage, found.retry)
    return Explanation("Azure did not create the deployment.", "Its own words are in the error.", stage)


def failed_stage(text: str) -> str:
    """The stage that had not succeeded: the one that failed, else the last one that was in progress."""
    states = re.findall(
        r"(SystemSetup|UserContainerImagePull|ModelDownload|UserContainerStart)\W+(\w+)", text
    )
    failed = [stage for stage, state in states if state.lower() in ("failed", "error")]
    running = [stage for stage, state in states if state.lower() == "inprogress"]
    return (failed or running or [""])[-1]
