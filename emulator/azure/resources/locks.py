"""Microsoft.Authorization/locks: CanNotDelete and ReadOnly on a scope and all below it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.azure.errors import ArmError
from emulator.azure.resource_type import ResourceType

if TYPE_CHECKING:
    from emulator.azure.cloud import Cloud

TYPE = "Microsoft.Authorization/locks"


class Lock(ResourceType):
    type = TYPE
    versions = frozenset({"2020-05-01", "2016-09-01"})
    # azure-mgmt-resource 26 no longer carries the locks client: the table is the REST specification's
    # ManagementLockObject (Microsoft.Authorization/stable/2020-05-01/locks.json).
    fields = {
        "root": "ManagementLockObject",
        "models": {
            "ManagementLockObject": {
                "fields": {
                    "properties": {"type": ["model", "Properties"], "readonly": False, "required": True}
                }
            },
            "Properties": {
                "fields": {
                    "level": {
                        "type": ["enum", ["NotSpecified", "CanNotDelete", "ReadOnly"]],
                        "readonly": False,
                        "required": True,
                    },
                    "notes": {"type": ["str"], "readonly": False, "required": False},
                    "owners": {"type": ["list", ["any"]], "readonly": False, "required": False},
                }
            },
        },
    }
    extension = True
    show_state = False


def check_locks(cloud: Cloud, resource_id: str, verb: str) -> None:
    """Raise ARM's ScopeLocked when a lock at the resource or above it forbids the verb (write or delete)."""
    for lock in cloud.store.all(TYPE):
        scope = lock.id.lower().rsplit("/providers/microsoft.authorization/locks/", 1)[0]
        level = lock.properties["level"]
        path = resource_id.lower()
        covered = path == scope or path.startswith(scope + "/")
        if not covered or "/providers/microsoft.authorization/locks/" in path:
            continue
        if level == "ReadOnly" or (level == "CanNotDelete" and verb == "delete"):
            raise ArmError(
                409,
                "ScopeLocked",
                f"The scope '{resource_id}' cannot perform {verb} operation because following scope(s) are locked: "
                f"'{scope}'. Please remove the lock and try again.",
            )
