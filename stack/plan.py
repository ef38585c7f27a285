"""What is known before anything is rented: `python -m stack.plan STACK` for a person, and lines in a preview.

Turns settings and lock into the plain data that `serving.report` judges. Opens no connection and needs no
Pulumi: quota left and prices come from files or callers that have them, else the page says "not checked".
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from serving.lock import Entry, Lock, notices, read
from settings import StackSettings, load, vllm_arguments
from settings.defaults import Choice, Fitted, fitted
from settings.deployment import Deployment
from settings.references import Registered, model_of

PRICES = Path("serving/data/prices.json")  # what `python -m serving.prices` writes


def main(arguments: list[str]) -> int:
    """Print the page of one stack."""
    from serving.errors import ServingError
    from serving.report import show
    from settings import SettingsError

    try:
        name = arguments[0] if arguments else "dev"
        settings = load(raw_settings(name))
        show(page(settings, read(settings.lock), name))
        for choice in choices(settings, read(settings.lock)):
            print(f"chosen: {choice}")
    except (SettingsError, ServingError, OSError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    return 0


def page(settings: StackSettings, lock: Lock, name: str) -> Any:
    """The facts of the page, as `serving.report.StackReport`."""
    from serving.cost import load_prices
    from serving.report import report

    prices = load_prices(PRICES) if PRICES.exists() else None
    return report(inputs(settings, lock, name), prices=prices)


def inputs(settings: StackSettings, lock: Lock, name: str) -> dict[str, Any]:
    """A stack as `serving.report` takes it."""
    deployments = [
        _deployment(settings, endpoint, key, fitted_one(settings, lock, endpoint, key), lock)
        for endpoint, key, _ in settings.deployments()
    ]
    return {"stack": name, "region": settings.location or "", "deployments": deployments}


def raw_settings(stack: str) -> Mapping[str, Any]:
    """The configuration of a stack file beside Pulumi.yaml."""
    import yaml

    path = Path(f"Pulumi.{stack}.yaml")
    if not path.exists():
        raise FileNotFoundError(f"there is no {path} here; STACK names a stack file beside Pulumi.yaml")
    return yaml.safe_load(path.read_text()).get("config") or {}


def fitted_one(settings: StackSettings, lock: Lock | None, endpoint: str, key: str) -> Fitted:
    """A deployment with what the product chooses for it."""
    entry = _entry(settings, lock, settings.endpoints[endpoint].deployments[key])
    return fitted(settings, endpoint, key, weights_bytes=entry.weights_bytes if entry else None)


def choices(settings: StackSettings, lock: Lock | None) -> Iterator[Choice]:
    """Everything the product chose for this stack."""
    for endpoint, key, _ in settings.deployments():
        yield from fitted_one(settings, lock, endpoint, key).choices


def _entry(settings: StackSettings, lock: Lock | None, deployment: Deployment) -> Entry | None:
    found = model_of(settings, deployment)
    if lock is None or found is None or isinstance(found, Registered) or not found[1].huggingface:
        return None
    return lock.find(found[1].huggingface, found[1].revision)


def _deployment(settings: StackSettings, endpoint: str, key: str, one: Fitted, lock: Lock) -> dict[str, Any]:
    deployment, entry = one.deployment, _entry(settings, lock, one.deployment)
    autoscale = deployment.autoscale or settings.autoscale
    requests = deployment.request_settings
    return {
        "endpoint": endpoint,
        "deployment": key,
        "instance_type": deployment.instance_type,
        "instances": deployment.instance_count or (autoscale.minimum if autoscale else 1),
        "maximum_instances": autoscale.maximum if autoscale else None,
        "rollout": deployment.rollout or settings.rollout,
        "model": _called(settings, deployment),
        "config": dict(entry.config) if entry else None,
        "weights_bytes": entry.weights_bytes if entry else None,
        "notices": notices(entry) if entry else [],
        "vllm_args": vllm_arguments.line(settings, deployment),
        "vllm_version": vllm_arguments.version(settings, deployment),
        "liveness_probe": _probe(deployment.liveness_probe),
        "readiness_probe": _probe(deployment.readiness_probe),
        "max_concurrent_requests_per_instance": requests and requests.max_concurrent_requests_per_instance,
        "downloads_at_start": model_of(settings, deployment) is None,
    }


def _called(settings: StackSettings, deployment: Deployment) -> str:
    found = model_of(settings, deployment)
    if isinstance(found, Registered):
        return found.asset_id or f"{found.name}:{found.version or found.label}"
    if found is not None:
        model = found[1]
        return f"{model.huggingface}@{model.revision}" if model.huggingface else found[0]
    variables = deployment.environment_variables
    return variables.get("MODEL") or variables.get("MODEL_NAME") or "unknown model"


def _probe(probe: Any) -> dict[str, Any] | None:
    return probe.model_dump(exclude_none=True) if probe is not None else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
