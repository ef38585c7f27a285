"""What a deployment leaves out and this product chooses, each choice with its explanation for the plan.

az ml's defaults were made for small models behind scoring scripts: five seconds for a request, one
request at a time, five minutes until the container must listen. `defaults: azml` turns every choice off.
A value the stack gives is never changed, and what cannot be known (the size of a model without a lock
entry) is not chosen.
"""

from dataclasses import dataclass
from typing import Any

from settings import vllm_arguments
from settings.deployment import Deployment
from settings.errors import Path, dotted
from settings.probes import Probe, RequestSettings
from settings.stack import StackSettings

# The longest that Azure allows. Its own default is five seconds: a few hundred tokens at most.
REQUEST_TIMEOUT_MS = 180_000


@dataclass(frozen=True)
class Choice:
    """One value the stack file left out: where it would stand, what was chosen, and why."""

    path: Path
    value: Any
    why: str

    @property
    def key(self) -> str:
        return dotted(self.path)

    def __str__(self) -> str:
        return f"{self.key}: {self.value} ({self.why})"


@dataclass(frozen=True)
class Fitted:
    """The deployment to create, and what was chosen for it."""

    deployment: Deployment
    choices: tuple[Choice, ...]


def fitted(stack: StackSettings, endpoint: str, name: str, *, weights_bytes: int | None = None) -> Fitted:
    """A deployment with what it leaves out; `weights_bytes` is the size of its model's weights, if known."""
    deployment = stack.endpoints[endpoint].deployments[name]
    if stack.defaults == "azml" or deployment.import_:  # what is taken over stays as it is
        return Fitted(deployment, ())
    at: Path = ("endpoints", endpoint, "deployments", name)
    requests, first = _requests(stack, deployment, (*at, "request_settings"))
    probes, second = _probes(stack, deployment, at, weights_bytes)
    changed = {
        key: value for key, value in {"request_settings": requests, **probes}.items() if value is not None
    }
    return Fitted(deployment.model_copy(update=changed), (*first, *second))


def _requests(
    stack: StackSettings, deployment: Deployment, at: Path
) -> tuple[RequestSettings | None, list[Choice]]:
    """A timeout that answers fit into, and as many requests at a time as vLLM batches."""
    given = deployment.request_settings or RequestSettings()
    new: dict[str, int] = {}
    choices = []
    if given.request_timeout_ms is None:
        new["request_timeout_ms"] = REQUEST_TIMEOUT_MS
        why = "Azure's own default is 5000 ms, shorter than most answers; this is the longest it allows"
        choices.append(Choice((*at, "request_timeout_ms"), REQUEST_TIMEOUT_MS, why))
    if given.max_concurrent_requests_per_instance is None:
        sequences, source = _sequences(stack, deployment)
        if sequences is not None:
            new["max_concurrent_requests_per_instance"] = sequences
            why = f"{source}; Azure's own default is 1 and would leave the rest of every batch empty"
            choices.append(Choice((*at, "max_concurrent_requests_per_instance"), sequences, why))
    return (given.model_copy(update=new) if new else None), choices


def _sequences(stack: StackSettings, deployment: Deployment) -> tuple[int | None, str]:
    """--max-num-seqs, or vLLM's default on this GPU when the release and the GPU are known."""
    args = vllm_arguments.parsed(stack, deployment)
    said = args.get("max_num_seqs") if args is not None else None
    if isinstance(said, int) and said > 0:
        return said, f"--max-num-seqs is {said}"
    release = vllm_arguments.version(stack, deployment)
    if release is None:
        return None, ""
    from serving.defaults import default_batch
    from serving.errors import UnknownHardwareError
    from serving.skus import find_sku
    from serving.versions import behaviour

    try:
        gpu = find_sku(deployment.instance_type).gpu
    except UnknownHardwareError:
        gpu = None
    if gpu is None:
        return None, ""
    found = default_batch(gpu, behaviour(release), max_length=None).sequences
    return found, f"vLLM {release} batches {found} requests on this GPU unless --max-num-seqs says otherwise"


def _probes(
    stack: StackSettings, deployment: Deployment, at: Path, weights_bytes: int | None
) -> tuple[dict[str, Probe | None], list[Choice]]:
    """Windows in which this model can be loaded; only for a probe the stack does not mention at all."""
    if weights_bytes is None:
        return {}, []
    from serving.probes import startup, suggestions

    args = vllm_arguments.parsed(stack, deployment)
    eager = bool(args.get("enforce_eager")) if args is not None else False
    time = startup(weights_bytes, downloads=deployment.model is None, enforce_eager=eager)
    why = (
        f"{weights_bytes / 1e9:.1f} GB at {time.mb_per_second:.0f} MB/s ({time.source}) and the start of "
        "the engine take "
        f"{time.expected:.0f} to {time.slow:.0f} s; Azure's own default gives up after 310 s"
    )
    chosen: dict[str, Probe | None] = {}
    choices = []
    for name, values in zip(("liveness_probe", "readiness_probe"), suggestions(time), strict=True):
        if getattr(deployment, name) is None:
            chosen[name] = Probe(**values)
            text = ", ".join(f"{key}: {value}" for key, value in values.items())
            choices.append(Choice((*at, name), f"{{{text}}}", why))
    return chosen, choices
