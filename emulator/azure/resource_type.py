"""What a resource type is: its path, api-versions, schema, and the places where a type adds its own rules.

One instance a type, stateless. The flow of a request is in `crud`; a type overrides `prepare` (checks that
need other resources), `provision` (the asynchronous work), `outputs` (what the service adds), `remove` and
its actions.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from emulator.azure.errors import ArmError
from emulator.azure.ids import Target
from emulator.azure.principals import Principal
from emulator.azure.schema import Model
from emulator.azure.store import Resource

if TYPE_CHECKING:
    from emulator.azure.cloud import Cloud


@dataclass
class Call:
    """One ARM request as a resource type sees it."""

    cloud: Cloud
    target: Target
    method: str
    api_version: str
    principal: Principal
    body: Any = None
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Answer:
    """What an action answers; `operation` makes it asynchronous (202)."""

    body: Any = None
    status: int = 200
    operation: dict[str, Any] | None = None
    headers: dict[str, str] = field(default_factory=dict)


Action = Callable[[Call, Resource], Awaitable[Answer] | Answer]


class ResourceType:
    type: str = ""
    versions: frozenset[str] = frozenset()
    model: Model | None = None
    patch_model: Model | None = None
    # An own table of fields, where no SDK has the model; {wire: type, "!wire": required}, see `validation`.
    fields: dict[str, Any] | None = None
    name_pattern: str = r"[^/<>%&\\?*]{1,260}"
    name_rule: str = "1 to 260 characters without / < > % & \\ ? *"
    create_only: tuple[str, ...] = ()
    own_immutability: bool = False  # the type itself refuses changes of what is fixed, in its own words
    asynchronous: bool = False  # creation and update
    asynchronous_delete: bool = False
    create_status: int = 201
    show_state: bool = True
    system_data: bool = False
    listable: bool = True
    deletable: bool = True
    makes_parent: bool = False  # versions of assets: their container is made with the first
    # Types under which ARM itself makes no resource group check: extensions and subscription-level resources.
    extension: bool = False

    def actions(self) -> dict[str, Action]:
        """Return the POST actions by their lower-case name."""
        return {}

    def find(self, call: Call) -> Resource | None:
        """Return the resource a GET means; types that are not stored look elsewhere."""
        return call.cloud.store.get(call.target.id)

    def list(self, call: Call) -> list[Resource]:
        """Return what a GET of the collection shows, or of all of this type below a group or subscription."""
        return call.cloud.store.all(self.type, under=call.target.id)

    def delay(self, cloud: Cloud) -> float:
        return cloud.settings.delays.operation

    def check_name(self, name: str) -> None:
        if not re.fullmatch(self.name_pattern, name):
            raise self.bad_name(name)

    def bad_name(self, name: str) -> ArmError:
        short = self.type.rsplit("/", 1)[-1]
        return ArmError(
            400, "InvalidResourceName", f"'{name}' is not a valid name for {short}: {self.name_rule}."
        )

    def complete(self, new: Resource) -> None:
        """Fill in the service's defaults, before anything is compared."""

    def prepare(self, call: Call, old: Resource | None, new: Resource) -> None:
        """Check and complete a PUT or PATCH before anything is stored; raises ArmError."""

    async def settle(self, cloud: Cloud, resource: Resource) -> None:
        """Do what must be done before a PUT is answered; raises ArmError and leaves the store as it was."""

    async def provision(self, cloud: Cloud, resource: Resource, data: Any) -> None:
        """Do the work of a create or update; an ArmError makes the resource Failed. May run twice."""

    def check_delete(self, call: Call, resource: Resource) -> None:
        """Refuse a DELETE; raises ArmError."""

    def delete_missing(self, call: Call) -> bool:
        """Say whether a DELETE of what is not there purged something."""
        return False

    async def remove(self, cloud: Cloud, resource: Resource) -> None:
        """Undo what `provision` did outside the store. May run twice."""

    def outputs(self, cloud: Cloud, resource: Resource) -> dict[str, Any]:
        """Return what the service adds to the document; merged over it when it is shown."""
        return {}

    def view(self, cloud: Cloud, resource: Resource) -> dict[str, Any]:
        """Return the document as a GET shows it."""
        out: dict[str, Any] = {"id": resource.id, "name": resource.name, "type": self.type}
        out.update(copy.deepcopy(resource.doc))
        merge(out, self.outputs(cloud, resource))
        if self.show_state:
            out.setdefault("properties", {})["provisioningState"] = resource.state
        if self.system_data:
            out["systemData"] = resource.private.get("systemData", {})
        return out


def merge(target: dict[str, Any], source: dict[str, Any]) -> dict[str, Any]:
    """Merge dictionaries deeply, `source` winning."""
    for key, value in source.items():
        if isinstance(value, dict) and isinstance(target.get(key), dict):
            merge(target[key], value)
        else:
            target[key] = value
    return target


def pick(document: dict[str, Any], path: str) -> Any:
    """Return the value at a dotted path, None where something is missing."""
    value: Any = document
    for part in path.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value
