"""Microsoft.Authorization/locks: CanNotDelete and ReadOnly on a scope and all below it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.azure.errors import ArmError
from emulator.azure.resource_type import ResourceType
from emulator.azure.table import table

if TYPE_CHECKING:
    from emulator.azure.cloud import Cloud

TYPE = "Microsoft.Authorization/locks"


class Lock(ResourceType):
    type = TYPE
    versions = frozenset({"2020-05-01", "2016-09-01"})
    # No installed SDK has the model. Source: REST specification,
    # Microsoft.Authorization/stable/2020-05-01/locks.json.
    fields = table(
        {
            "properties!": {
                "level!": ("NotSpecified", "CanNotDelete", "ReadOnly"),
                "notes": "str",
                "owners": [{"applicationId": "str"}],
            }
        },
        "ManagementLockObject",
    )
    extension = True
    show_state = False


def check_locks(cloud: Cloud, resource_id: str, verb: str) -> None:
    """Raise ARM's ScopeLocked when a lock at the resource or above it forbids the verb (write or delete)."""
    path = resource_id.lower()
    if "/providers/microsoft.authorization/locks/" in path:
        return
    for lock in cloud.store.all(TYPE):
        scope = lock.id.lower().rsplit("/providers/microsoft.authorization/locks/", 1)[0]
        level = lock.properties["level"]
        if path != scope and not path.startswith(scope + "/"):
            continue
        if level == "ReadOnly" or (level == "CanNotDelete" and verb == "delete"):
            raise ArmError(
                409,
                "ScopeLocked",
                f"The scope '{resource_id}' cannot perform {verb} operation because following scope(s) "
                f"are locked: '{scope}'. Please remove the lock and try again.",
            )
