"""The lock against the stack file, before anything is declared: an `up` that must stop has made nothing.

Without a lock file `up` takes what the hub has; with one, every model that this stack copies must be in it
as the stack file says it. A preview works without an entry, and not against one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pulumi

from settings import StackSettings
from settings.models import Model
from settings.references import Registered, model_of

if TYPE_CHECKING:
    from serving.lock import Lock


def read(path: str) -> Lock | None:
    """The lock file; None where there is none."""
    from serving import lock as locks
    from serving.errors import ServingError

    try:
        return locks.read_if_there(path)
    except ServingError as problem:
        raise pulumi.RunError(f"vllm-azureml:lock: {problem}") from None


def check(settings: StackSettings, lock: Lock | None) -> None:
    """Stop where lock and stack file contradict each other, and an `up` where the lock has no entry."""
    if lock is None:
        return
    from serving import lock as locks
    from serving.errors import ServingError

    for where, model in _copied(settings):
        try:
            entry = locks.require(
                lock, model.huggingface or "", model.revision, stack=pulumi.get_stack(), where=settings.lock
            )
        except ServingError as problem:
            if not pulumi.runtime.is_dry_run():
                raise pulumi.RunError(f"{where}: {problem}") from None
            pulumi.log.warn(f"{where}: {problem}")
            continue
        against = locks.contradictions(
            entry,
            repository=model.huggingface or "",
            revision=model.revision,
            allow_patterns=model.allow_patterns,
            ignore_patterns=model.ignore_patterns,
            stack=pulumi.get_stack(),
        )
        if against:
            raise pulumi.RunError(f"{where}: {'; '.join(against)}")


def _copied(settings: StackSettings) -> Iterator[tuple[str, Model]]:
    """Every Hugging Face model that this stack copies, and the key where it stands."""
    for name, model in settings.models.items():
        if model.huggingface:
            yield f"vllm-azureml:models.{name}", model
    for endpoint, key, deployment in settings.deployments():
        found = model_of(settings, deployment)
        inline = isinstance(deployment.model, Model)
        if inline and found is not None and not isinstance(found, Registered) and found[1].huggingface:
            yield f"vllm-azureml:endpoints.{endpoint}.deployments.{key}.model", found[1]
