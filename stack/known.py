"""What is known about a stack before anything is rented: settings and lock as the plain data that
`serving.report` judges, and the same page as lines in a preview.

Opens no connection: quota left and names are asked by `stack.asked`, which gives them to the page, prices
come from a file, and what nobody has is shown as "not checked" or "unknown". A model that does not fit is a
warning and no error: the estimate is cautious, and whether to try is the owner's decision.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import serving
from serving.lock import Entry, Lock, key, notices
from settings import StackSettings, vllm_arguments
from settings.checks.assets import REPOSITORY_ID
from settings.defaults import Choice, Fitted, fitted
from settings.deployment import Deployment
from settings.models import Model
from settings.references import Registered, model_of

# What `python -m serving.prices` writes.
PRICES = Path(serving.__file__).parent / "data" / "prices.json"
COMMIT = re.compile(r"[0-9a-f]{40}")


def say(settings: StackSettings, lock: Lock | None, asking: Any) -> None:
    """In a preview: the page as one information, each concern as a warning, once Azure has answered.

    Waits in a thread of its own while the resources are being looked at; Pulumi waits for the output.
    """
    import pulumi

    async def told() -> bool:
        _say(settings, lock, await asyncio.to_thread(asking.answer))
        return True

    pending: pulumi.Input[bool] = told()
    pulumi.Output.from_input(pending)


def _say(settings: StackSettings, lock: Lock | None, answered: Any) -> None:
    import pulumi

    from serving.errors import ServingError
    from serving.report import lines

    name = pulumi.get_stack()
    try:
        found = page(settings, lock, name, answered)
    except ServingError as problem:  # a price table that cannot be read is no reason not to preview
        pulumi.log.warn(str(problem))
        return
    told = [*lines(found), *(f"chosen: {choice}" for choice in choices(settings, lock))]
    pulumi.log.info("\n".join(["what is known before anything is rented", *(f"  {line}" for line in told)]))
    for text in found.warnings:
        pulumi.log.warn(text)


def page(settings: StackSettings, lock: Lock | None, name: str, asked: Any = None) -> Any:
    """The facts of the page, as `serving.report.StackReport`; `asked` is what Azure answered, if anybody
    asked.
    """
    from serving.cost import load_prices
    from serving.report import report

    facts = inputs(settings, lock, name)
    if asked is None:
        return report(facts, prices=load_prices(PRICES))
    facts |= {"checks": asked.checks, "offered": asked.offered}
    return report(facts, prices=load_prices(PRICES), available_cores=asked.available, used_cores=asked.used)


def inputs(settings: StackSettings, lock: Lock | None, name: str) -> dict[str, Any]:
    """A stack as `serving.report` takes it."""
    deployments = [
        _deployment(settings, fitted_one(settings, lock, endpoint, key).deployment, lock, name)
        | {"endpoint": endpoint, "deployment": key}
        for endpoint, key, _ in settings.deployments()
    ]
    return {"stack": name, "region": settings.location or "", "deployments": deployments}


def fitted_one(settings: StackSettings, lock: Lock | None, endpoint: str, key: str) -> Fitted:
    """A deployment with what the product chooses for it."""
    entry = _entry(settings, lock, settings.endpoints[endpoint].deployments[key])
    return fitted(settings, endpoint, key, weights_bytes=entry.weights_bytes if entry else None)


def choices(settings: StackSettings, lock: Lock | None) -> Iterator[Choice]:
    """Everything the product chose for this stack."""
    for endpoint, name, _ in settings.deployments():
        yield from fitted_one(settings, lock, endpoint, name).choices


def hub_models(settings: StackSettings) -> list[Model]:
    """Every Hugging Face model of the stack once: under `models`, inline, and those that a container
    downloads when it starts, which no copy pins but which sizing needs all the same.
    """
    found = list(settings.models.values())
    for _, _, deployment in settings.deployments():
        model = _model(settings, deployment)
        if model is not None and model not in found:
            found.append(model)
    return [model for model in found if model.huggingface]


def _model(settings: StackSettings, deployment: Deployment) -> Model | None:
    named = model_of(settings, deployment)
    if isinstance(named, Registered):
        return None
    return named[1] if named is not None else downloaded(settings, deployment)


def downloaded(settings: StackSettings, deployment: Deployment) -> Model | None:
    """The hub's model that the container fetches itself: MODEL or MODEL_NAME when it is an id and no path."""
    variables = deployment.environment_variables
    name = variables.get("MODEL") or variables.get("MODEL_NAME") or ""
    if deployment.model is not None or not REPOSITORY_ID.fullmatch(name):
        return None
    args = vllm_arguments.parsed(settings, deployment)
    revision = args.get("revision") if args is not None else None
    return Model(huggingface=name, revision=str(revision or "main"))


def _entry(settings: StackSettings, lock: Lock | None, deployment: Deployment) -> Entry | None:
    model = _model(settings, deployment)
    return lock.find(model.huggingface, model.revision) if lock and model and model.huggingface else None


def _deployment(
    settings: StackSettings, deployment: Deployment, lock: Lock | None, stack: str
) -> dict[str, Any]:
    entry = _entry(settings, lock, deployment)
    autoscale = deployment.autoscale or settings.autoscale
    requests = deployment.request_settings
    fetched = downloaded(settings, deployment)
    told = [*notices(entry)] if entry else []
    if entry and fetched and not COMMIT.fullmatch(fetched.revision):
        told.append(
            f"the container downloads {fetched.huggingface} at {fetched.revision!r} when it starts, which may"
            f" have moved: add --revision {entry.commit} to VLLM_ARGS to serve what was looked at"
        )
    return {
        "instance_type": deployment.instance_type,
        "instances": deployment.instance_count or (autoscale.minimum if autoscale else 1),
        "maximum_instances": autoscale.maximum if autoscale else None,
        "rollout": deployment.rollout or settings.rollout,
        "model": _called(settings, deployment),
        "pinned": f"commit {entry.commit}, {entry.total_bytes / 1e9:.2f} GB" if entry else "",
        "unknown_because": _unlocked(settings, deployment, lock, stack),
        "config": dict(entry.config) if entry else None,
        "weights_bytes": entry.weights_bytes if entry else None,
        "notices": told,
        "vllm_args": vllm_arguments.line(settings, deployment),
        "vllm_version": vllm_arguments.version(settings, deployment),
        "liveness_probe": _probe(deployment.liveness_probe),
        "readiness_probe": _probe(deployment.readiness_probe),
        "max_concurrent_requests_per_instance": requests and requests.max_concurrent_requests_per_instance,
        "downloads_at_start": fetched is not None,
    }


def _unlocked(settings: StackSettings, deployment: Deployment, lock: Lock | None, stack: str) -> str:
    """Why a model's files are not known, and what to do about it."""
    model = _model(settings, deployment)
    if model is None:
        return "its files are not this stack's: python -m serving.fit answers for a config.json"
    if not model.huggingface:
        return f"{model.path} is not locked: python -m serving.fit answers for its config.json"
    command = f"make lock STACK={stack} asks the hub and writes it down"
    if lock is None and downloaded(settings, deployment) is not None:
        return f"there is no {settings.lock}, and the container takes what the hub has then: {command}"
    if lock is None:
        return f"there is no {settings.lock}, so `up` takes what the hub has then: {command}"
    reason = lock.unlocked.get(key(model.huggingface, model.revision))
    return f"it is not in {settings.lock}{f' ({reason})' if reason else ''}: {command}"


def _called(settings: StackSettings, deployment: Deployment) -> str:
    found = model_of(settings, deployment)
    if isinstance(found, Registered):
        return found.asset_id or f"{found.name}:{found.version or found.label}"
    model = _model(settings, deployment)
    if model is not None and model.huggingface:
        return f"{model.huggingface}@{model.revision}"
    variables: Mapping[str, str] = deployment.environment_variables
    named = found[0] if found is not None else ""
    return named or variables.get("MODEL") or variables.get("MODEL_NAME") or "unknown model"


def _probe(probe: Any) -> dict[str, Any] | None:
    return probe.model_dump(exclude_none=True) if probe is not None else None
