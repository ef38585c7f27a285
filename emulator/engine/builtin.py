"""The provider `pulumi` that lives in the engine: StackReference, Stash, and the functions that read other
stacks.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

from . import urn as urns
from .backend import FileBackend, StackName, parse_stack
from .differences import NONE, SOME, Diff
from .errors import EngineError
from .provider import Checked, Result
from .state import State
from .values import Properties, contains_secrets, same

STACK_REFERENCE = "pulumi:pulumi:StackReference"
STASH = "pulumi:index:Stash"
_INPUT = {STACK_REFERENCE: "name", STASH: "input"}


class BuiltinProvider:
    """`find` looks a resource of the running deployment up by its URN."""

    def __init__(self, backend: FileBackend, project: str, find: Callable[[str], State | None]) -> None:
        self._backend = backend
        self._project = project
        self._find = find

    def _input_of(self, urn: str) -> str:
        type_ = urns.type_of(urn)
        if type_ not in _INPUT:
            raise EngineError(f"unrecognized resource type '{type_}'")
        return _INPUT[type_]

    async def check(
        self, urn: str, olds: Properties | None, news: Properties, preview: bool, seed: bytes
    ) -> Checked:
        wanted = self._input_of(urn)
        for key in news:
            if key != wanted:
                return Checked({}, [(key, f'unknown property "{key}"')])
        if wanted not in news:
            return Checked({}, [(wanted, f'missing required property "{wanted}"')])
        return Checked(dict(news))

    async def diff(
        self,
        urn: str,
        id: str,
        old_inputs: Properties,
        old_outputs: Properties,
        news: Properties,
        preview: bool,
        ignore: list[str],
    ) -> Diff:
        key = self._input_of(urn)
        if same(news.get(key), old_inputs.get(key)):
            return Diff(NONE)
        if urns.type_of(urn) == STACK_REFERENCE:
            return Diff(SOME, replace_keys=[key])
        return Diff(SOME, changed_keys=[key])

    async def create(self, urn: str, inputs: Properties, timeout: float, preview: bool) -> Result:
        id = "" if preview else str(uuid.uuid4())
        if self._input_of(urn) == "input":
            return Result(id, {"input": inputs["input"], "output": inputs["input"]})
        return Result(id, self.stack_outputs(inputs["name"]))

    async def update(
        self,
        urn: str,
        id: str,
        old_inputs: Properties,
        old_outputs: Properties,
        news: Properties,
        timeout: float,
        preview: bool,
        ignore: list[str],
    ) -> Result:
        return Result(id, {"input": news["input"], "output": old_outputs.get("output")})

    async def delete(
        self, urn: str, id: str, inputs: Properties, outputs: Properties, timeout: float
    ) -> None:
        self._input_of(urn)

    async def read(
        self, urn: str, id: str, inputs: Properties | None, state: Properties, timeout: float
    ) -> Result:
        key = self._input_of(urn)
        if not inputs or key not in inputs:
            raise EngineError(f"{urns.type_of(urn)} can not be imported")
        outputs = state if key == "input" else self.stack_outputs(state["name"])
        return Result(id, outputs, inputs)

    async def invoke(
        self, token: str, args: Properties, preview: bool
    ) -> tuple[Properties, list[tuple[str, str]]]:
        functions = {
            "readStackOutputs": lambda: self.stack_outputs(args["name"]),
            "readStackResourceOutputs": lambda: self._resource_outputs(args["stackName"]),
            "getResource": lambda: self._resource(args["urn"]),
        }
        function = functions.get(token.removeprefix("pulumi:pulumi:"))
        if function is None:
            raise EngineError(f"unrecognized function name: '{token}'")
        return function(), []

    def stack_outputs(self, name: str) -> Properties:
        """What a StackReference answers: every output, and which of them are secret."""
        root = self._backend.snapshot(self._known(name)).root()
        outputs = dict(root.outputs) if root else {}
        hidden = sorted(key for key, value in outputs.items() if contains_secrets(value))
        return {"name": name, "outputs": outputs, "secretOutputNames": list(hidden)}

    def _known(self, name: str) -> StackName:
        stack = parse_stack(name, self._project)
        if not self._backend.exists(stack):
            raise EngineError(
                f"unknown stack {name!r}: there is no state for {stack.full} in {self._backend.url}. "
                "Deploy that stack first, or correct the name."
            )
        return stack

    def _resource_outputs(self, name: str) -> Properties:
        snapshot = self._backend.snapshot(self._known(name))
        outputs = {
            state.urn: {"type": state.type, "id": state.id, "outputs": state.outputs}
            for state in snapshot.resources
            if not state.delete
        }
        return {"name": name, "outputs": outputs}

    def _resource(self, urn: str) -> Properties:
        state = self._find(urn)
        if state is None:
            raise EngineError(f"unknown resource {urn}")
        return {"urn": urn, "id": state.id, "provider": state.provider, "state": dict(state.outputs)}
