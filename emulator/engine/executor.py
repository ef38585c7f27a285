"""Running steps: chains in parallel, the steps of a chain in order, everything recorded before and after.

The first failure stops what has not started; what runs is let finish and recorded. With --continue-on-error
only what needs the failed resource is skipped. A protected resource that refuses its deletion never stops
others.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from . import urn as urns
from .errors import EngineError
from .provider import PARTIAL
from .state import State
from .steps import DeleteProtected, Outcome, ReadStep, ReplaceStep, Step
from .values import Properties, Secret

if TYPE_CHECKING:
    from .deployment import Deployment


class Executor:
    """At most `parallel` chains at once."""

    def __init__(self, deployment: Deployment, parallel: int, ignore_errors: bool = False) -> None:
        self._deployment = deployment
        self._limit = asyncio.Semaphore(parallel)
        self._ignore_errors = ignore_errors
        self._tasks: set[asyncio.Task[None]] = set()
        self.stopped = asyncio.Event()
        self.errors: list[Exception] = []
        self.errored_steps: list[Step] = []
        self.pending_outputs: dict[str, Step] = {}

    def run_chain(self, steps: list[Step]) -> asyncio.Task[None]:
        task = asyncio.create_task(self._chain(steps))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def run_group(self, steps: list[Step]) -> None:
        """Run independent steps at once and wait for all of them."""
        await asyncio.gather(*(self.run_chain([step]) for step in steps))

    async def drain(self) -> None:
        while self._tasks:
            await asyncio.wait(self._tasks)

    @property
    def idle(self) -> bool:
        return not self._tasks

    def stop(self) -> None:
        self.stopped.set()

    async def _chain(self, steps: list[Step]) -> None:
        async with self._limit:
            for step in steps:
                if self.stopped.is_set():
                    return
                try:
                    outcome = await self._run(step)
                except Exception as error:  # noqa: BLE001 (a state file that cannot be written, say: stop, and say why)
                    self._deployment.report("error", step.urn, f"{error}")
                    outcome = Outcome(error=error)
                if outcome.error is not None:
                    self._failed(step, outcome.error)
                    return

    def _failed(self, step: Step, error: Exception) -> None:
        self.errors.append(error)
        if self._ignore_errors:
            return
        if self._deployment.options.continue_on_error or isinstance(error, DeleteProtected):
            step.settle("failed")
            self.errored_steps.append(step)
        else:
            self.stop()

    async def _run(self, step: Step) -> Outcome:
        deployment = self._deployment
        deployment.before(step)
        try:
            outcome = await step.apply(deployment)
        except EngineError as error:
            outcome = Outcome(error=error)
        if outcome.error is None and step.logical and step.new is not None:
            self.pending_outputs[step.urn] = step
        if step.new is not None and not isinstance(step, ReplaceStep):
            mark_secrets(deployment, step.new)
            known = deployment.reads if isinstance(step, ReadStep) else deployment.news
            known[step.new.urn] = step.new
        deployment.after(step, outcome)
        if outcome.complete is not None:
            outcome.complete()
        if deployment.post_step_errors and not deployment.options.continue_on_error:
            self.stop()
        return outcome


def mark_secrets(deployment: Deployment, state: State) -> None:
    """Outputs are secret if the program says so, or if the input of the same name is."""
    outputs: Properties = state.outputs
    for key in state.additional_secret_outputs:
        if key == "id":
            message = "The 'id' property cannot be made secret. See pulumi/pulumi#2717 for more details."
            deployment.report("warning", state.urn, message)
        elif key in outputs and not isinstance(outputs[key], Secret):
            outputs[key] = Secret(outputs[key])
    for key, value in outputs.items():
        if isinstance(state.inputs.get(key), Secret) and not isinstance(value, Secret):
            outputs[key] = Secret(value)


def succeeded(outcome: Outcome) -> bool:
    """Whether the new state is to be recorded: also when a resource exists but did not come up."""
    return outcome.error is None or outcome.status == PARTIAL


def is_internal(step: Step) -> bool:
    """Steps that plans and counts leave out: default providers, and what only tidies state."""
    if step.op == "remove-pending-replace" or urns.is_default_provider(step.urn):
        return True
    return bool(getattr(step, "internal", False))


def counts(step: Step, refreshing: bool) -> tuple[str, bool]:
    """The operation a finished step counts as, and whether it counts."""
    op, record = step.op, step.logical
    if refreshing and op == "refresh":
        op, record = step.result_op, True  # type: ignore[attr-defined]
    if step.op == "read":
        from .values import same

        record = (
            step.old is not None and step.new is not None and not same(step.old.outputs, step.new.outputs)
        )
    return op, record and not is_internal(step)
