"""What the emulated control plane asks of whatever runs deployments, and what it gets back.

ARM calls `Nodes` inside its asynchronous operations and turns an `Outcome` into Azure's failure texts. This
module knows neither Docker nor HTTP. `NoNodes` runs nothing: every deployment succeeds at once, for tests of
requests alone.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class Stage(StrEnum):
    """The stages Azure names in its "ResourceNotReady" texts, in their order.

    Source: failure texts quoted by users of managed online endpoints ("SystemSetup / UserContainerImagePull /
    ModelDownload / UserContainerStart: InProgress"), github.com/Azure/azureml-examples issue 3444.
    """

    SYSTEM_SETUP = "SystemSetup"
    IMAGE_PULL = "UserContainerImagePull"
    MODEL_DOWNLOAD = "ModelDownload"
    CONTAINER_START = "UserContainerStart"


class Reason(StrEnum):
    """Why a deployment failed; finer than the stage, so that ARM can choose the text."""

    IMAGE_PULL_FAILED = "ImagePullFailed"
    MODEL_DOWNLOAD_FAILED = "ModelDownloadFailed"
    CONTAINER_CRASHED = "ContainerCrashed"
    LIVENESS_PROBE_FAILED = "LivenessProbeFailed"
    READINESS_PROBE_FAILED = "ReadinessProbeFailed"
    STARTUP_PROBE_FAILED = "StartupProbeFailed"
    NODES_UNAVAILABLE = "NodesUnavailable"


@dataclass(frozen=True)
class Outcome:
    """How a deployment ended. `text` is plain sentences, `log` the last lines of the container's log."""

    ok: bool
    stage: Stage | None = None
    reason: Reason | None = None
    text: str = ""
    log: str = ""

    @classmethod
    def success(cls) -> Outcome:
        return cls(ok=True)

    @classmethod
    def failure(cls, stage: Stage, reason: Reason, text: str, log: str = "") -> Outcome:
        return cls(ok=False, stage=stage, reason=reason, text=text, log=log)


@dataclass(frozen=True)
class Probe:
    """One HTTP probe as Kubernetes runs it; times in seconds. A GET answered 200 to 399 is a success."""

    port: int
    path: str
    initial_delay: float = 10
    period: float = 10
    timeout: float = 2
    success_threshold: int = 1
    failure_threshold: int = 30


@dataclass(frozen=True)
class ModelMount:
    """A registered model: where its blobs are in the raw blob service, and where the deployment wants them.

    `account` is the account of the raw Azurite (see emulator/host/azurite.py), `prefix` the folder or file
    that the model's URI names, without a leading slash. `mount_path` is the deployment's `modelMountPath`,
    None for Azure's default place.
    """

    account: str
    container: str
    prefix: str
    name: str
    version: str
    mount_path: str | None = None


@dataclass(frozen=True)
class DeploymentSpec:
    """Everything needed to run one deployment. Two equal specs mean that nothing has to be done."""

    endpoint: str
    deployment: str
    resource_id: str
    image: str
    environment: Mapping[str, str] = field(default_factory=dict)
    registry_username: str | None = None
    registry_password: str | None = field(default=None, repr=False)
    model: ModelMount | None = None
    instances: int = 1
    scoring_port: int = 8000
    scoring_path: str = "/"
    liveness: Probe | None = None
    readiness: Probe | None = None
    startup: Probe | None = None
    egress: bool = True
    # Both limits are the front door's; here only for the log of what was asked.
    request_timeout: float = 5.0
    max_concurrent: int = 1


Progress = Callable[[Stage, str], None]


class Nodes(Protocol):
    """Runs deployments. Methods never raise for a deployment's own faults: they answer with an `Outcome`."""

    # False: there are no containers, and the front door answers OpenAI-shaped requests itself.
    serves: bool

    async def start(self) -> None:
        """Called once before anything else, in the server's event loop."""

    async def stop(self) -> None:
        """Called when the server ends: nothing may be left running. Deployments come back with `resume`."""

    async def deploy(self, spec: DeploymentSpec, progress: Progress) -> Outcome:
        """Run this deployment, new or changed. A change brings up the new instances before the old ones go.

        Cancelling the task takes back what was begun.
        """

    async def scale(self, resource_id: str, instances: int) -> Outcome: ...

    async def delete(self, resource_id: str) -> None:
        """Succeeds also when there is nothing to delete."""

    def addresses(self, resource_id: str) -> list[tuple[str, int]]:
        """Live and ready instances, as (host, scoring port)."""

    async def logs(self, resource_id: str, container: str, tail: int) -> str:
        """`container` is `InferenceServer` or `StorageInitializer`, as in the REST API's `containerType`."""

    async def resume(self, specs: Sequence[DeploymentSpec]) -> None:
        """After a restart: bring back deployments that had succeeded, and remove what is not among them."""

    def served_names(self, resource_id: str) -> list[str]:
        """The names under which the deployment would serve its model; only asked when `serves` is False."""


class NoNodes:
    """Runs nothing and says so: deployments succeed at once and no address is ever ready."""

    serves = False

    def __init__(self) -> None:
        self._specs: dict[str, DeploymentSpec] = {}

    async def start(self) -> None:
        """Nothing to prepare."""

    async def stop(self) -> None:
        """Nothing runs."""

    async def deploy(self, spec: DeploymentSpec, progress: Progress) -> Outcome:
        progress(Stage.CONTAINER_START, "no containers are run (started with --nodes none)")
        self._specs[spec.resource_id.lower()] = spec
        return Outcome.success()

    async def scale(self, resource_id: str, instances: int) -> Outcome:
        return Outcome.success()

    async def delete(self, resource_id: str) -> None:
        self._specs.pop(resource_id.lower(), None)

    def addresses(self, resource_id: str) -> list[tuple[str, int]]:
        return []

    async def logs(self, resource_id: str, container: str, tail: int) -> str:
        return "The embedded Azure runs without containers (--nodes none): there is no log.\n"

    async def resume(self, specs: Sequence[DeploymentSpec]) -> None:
        self._specs = {spec.resource_id.lower(): spec for spec in specs}

    def served_names(self, resource_id: str) -> list[str]:
        spec = self._specs.get(resource_id.lower())
        return served_names(spec.environment) if spec else []


def served_names(environment: Mapping[str, str]) -> list[str]:
    """The names a vLLM image started with this environment would serve, first the one it reports.

    `--served-model-name` takes one or more values (vllm/entrypoints/openai/cli_args.py); without it vLLM
    serves the value of `--model`, and images of this kind also the last part of a path.
    """
    words = shlex.split(environment.get("VLLM_ARGS", ""))
    names: list[str] = []
    for at, word in enumerate(words):
        if word.startswith("--served-model-name="):
            names.append(word.partition("=")[2])
        elif word == "--served-model-name":
            for value in words[at + 1 :]:
                if value.startswith("-"):
                    break
                names.append(value)
    if names:
        return names
    model = environment.get("MODEL") or environment.get("MODEL_NAME") or "model"
    short = model.rstrip("/").rpartition("/")[2]
    return [short] if short == model else [short, model]
