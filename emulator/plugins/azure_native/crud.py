"""Create, update and delete of one resource, with azure-native's rules.

Create asks first and refuses what exists; update PUTs the inputs; an operation that fails after ARM
accepted it leaves the resource in the state, marked as failed. Source: provider/pkg/provider/provider.go
and crud/crud.go.
"""

from __future__ import annotations

import copy
from typing import Any

from emulator.plugins.azure_native import convert, ids, shapes, vault_secret
from emulator.plugins.azure_native.arm import Arm, ArmError, Deadline, FailedOperationError, error_of
from emulator.plugins.azure_native.table import Row
from emulator.plugins.errors import CancelledError, PartialFailureError, PluginError
from emulator.plugins.values import Properties


class Resource:
    """The operations on one row's resources."""

    def __init__(self, row: Row, arm: Arm, subscription: str) -> None:
        self.row = row
        self.arm = arm
        self.subscription = subscription

    def id_of(self, inputs: Properties) -> str:
        return ids.make(self.row.path, inputs, self.subscription)

    def create(self, inputs: Properties, deadline: Deadline) -> tuple[str, Properties]:
        """Create and return (id, outputs)."""
        id_ = self.id_of(inputs)
        self._must_not_exist(id_, deadline)
        body = self._body(inputs)
        for path in self._unset(inputs):  # azure-native sends an empty list for what other resources fill
            _put_at(body, self._wire(path), [])
        id_ = self._put(id_, body, inputs, deadline)
        return id_, self.state(id_, deadline)

    def update(self, id_: str, inputs: Properties, old_state: Properties, deadline: Deadline) -> Properties:
        """PUT the inputs and return the outputs. The id is the state's; the inputs' may differ in case."""
        inputs = dict(inputs)
        for name, default in self.row.defaults.items():
            if name not in inputs and name in old_state:
                inputs[name] = default
        body = self._body(inputs)
        self._keep_maintained(id_, body, inputs, deadline)
        id_ = self._put(id_, body, inputs, deadline)
        return self.state(id_, deadline)

    def delete(self, id_: str, deadline: Deadline) -> None:
        """Delete; what is already gone is fine. A singleton goes back to its default."""
        if self.row.delete == "vault":
            vault_secret.delete(self.arm, id_, self.row.api, deadline)
            return
        if self.row.singleton:
            response = self.arm.call("PUT", id_, self.row.api, deadline, {})
        else:
            response = self.arm.call("DELETE", id_, self.row.api, deadline)
        if response.status == 404:
            return
        if response.status not in (200, 201, 202, 204):
            raise error_of(response)
        try:
            self.arm.finish(response, id_, self.row.api, deadline, deleting=True)
        except ArmError as error:
            if error.status != 404:
                raise

    def read(self, id_: str, deadline: Deadline) -> Properties | None:
        """Return ARM's answer, None when the resource is not there."""
        try:
            found = self.arm.get(id_, self.row.api, deadline)
        except ArmError as error:
            if error.status == 404:
                return None
            raise
        return found if isinstance(found, dict) else {}

    def outputs(self, response: Properties) -> Properties:
        """Return ARM's answer in the SDK's shape, as it goes into the state."""
        found = convert.to_outputs(shapes.outputs(self.row), response) or {}
        return {**found, "azureApiVersion": self.row.api}

    def state(self, id_: str, deadline: Deadline) -> Properties:
        """Read after writing: a PUT's answer may differ from a GET's, and a refresh would show that."""
        found = self.read(id_, deadline)
        if found is None:
            raise PluginError(f"{id_} was written, but ARM does not find it (404)")
        return self.outputs(found)

    # --- parts

    def _body(self, inputs: Properties) -> Properties:
        return copy.deepcopy(convert.to_body(shapes.body(self.row), inputs) or {})

    def _must_not_exist(self, id_: str, deadline: Deadline) -> None:
        response = self.arm.call("GET", id_, self.row.api, deadline)
        if response.status in (404, 204) or (response.status == 200 and self.row.singleton):
            return
        if response.status == 200:
            if response.json():
                raise PluginError(f"cannot create already existing resource '{id_}'")
            return
        text = response.content.decode(errors="replace")
        raise PluginError(
            f"cannot check existence of resource '{id_}': status code {response.status}, {text}"
        )

    def _put(self, id_: str, body: Properties, inputs: Properties, deadline: Deadline) -> str:
        query = {name: str(inputs[name]).lower() for name in self.row.query if name in inputs}
        response = self.arm.call("PUT", id_, self.row.api, deadline, body, query)
        if response.status not in (200, 201, 202):
            raise error_of(response)
        document = response.json()
        if isinstance(document, dict) and isinstance(document.get("id"), str) and document.get("type"):
            id_ = document["id"]
        try:
            self.arm.finish(response, id_, self.row.api, deadline, deleting=False)
        except (FailedOperationError, CancelledError) as error:
            raise self._partial(error, id_, inputs) from error
        return id_

    def _partial(self, error: PluginError, id_: str, inputs: Properties) -> PluginError:
        """Describe what exists although its operation failed or was given up."""
        message, properties = str(error), {}
        try:
            patient = Deadline.after(30, _never())
            found = self.read(id_, patient)
            if found is not None:
                properties = self.outputs(found)
            elif not isinstance(error, CancelledError):  # Azure took it back: nothing to record
                return PluginError(message)
            # Given up while Azure was still at it: recorded, or nobody would know of what is about to exist.
        except PluginError as second:
            message = f"{message} (resource created but read failed: {second})"
        return PartialFailureError(message, id_=id_, properties=properties, inputs=inputs)

    def _unset(self, inputs: Properties) -> list[list[str]]:
        paths = [name.split(".") for name in self.row.maintained]
        return [path for path in paths if _get_at(inputs, path) is None]

    def _wire(self, path: list[str]) -> list[str]:
        shape = shapes.inputs(self.row)[path[0]]
        return [*shape.get("w", [path[0]]), *path[1:]]

    def _keep_maintained(self, id_: str, body: Properties, inputs: Properties, deadline: Deadline) -> None:
        unset = [self._wire(path) for path in self._unset(inputs)]
        if not unset:
            return
        live = self.arm.get(id_, self.row.api, deadline)
        for path in unset:
            value = _get_at(live, path)
            if value is not None:
                _put_at(body, path, value)


def _get_at(values: Any, path: list[str]) -> Any:
    for part in path:
        values = values.get(part) if isinstance(values, dict) else None
    return values


def _put_at(values: Properties, path: list[str], value: Any) -> None:
    for part in path[:-1]:
        values = values.setdefault(part, {})
    values[path[-1]] = value


def _never() -> Any:
    import threading

    return threading.Event()
