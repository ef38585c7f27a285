"""Asynchronous operations: 201 or 202 with a URL to poll, persisted so that a killed server resumes them.

An operation is a row: which resource, what is done to it (`provision`, `remove` or an action), how it
ended. The work is the resource type's own coroutine; it may be run again after a restart, so it must not
mind.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from emulator.azure.clock import iso, now
from emulator.azure.errors import ArmError
from emulator.azure.store import Store

_log = logging.getLogger(__name__)
_KIND = "operation"
_KEPT = 3600 * 24

Work = Callable[[dict[str, Any]], Awaitable[Any]]


class Operations:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.run: Work | None = None  # set by the server: performs a row's work

    def start(
        self, verb: str, resource_id: str, *, namespace: str, location: str, data: Any = None
    ) -> dict[str, Any]:
        """Begin an operation and return its row."""
        row = {
            "id": str(uuid.uuid4()),
            "verb": verb,
            "resource": resource_id,
            "namespace": namespace,
            "location": location or "global",
            "status": "InProgress",
            "started": now(),
            "data": data,
        }
        self._store.put(_KIND, row["id"], row)
        self._spawn(row)
        return row

    def resume(self) -> None:
        """Take up what a killed server left, and forget what is long over."""
        for row in list(self._store.table(_KIND).values()):
            if row["status"] == "InProgress":
                self._spawn(row)
            elif row["started"] < now() - _KEPT:
                self._store.drop(_KIND, row["id"])

    def get(self, operation_id: str) -> dict[str, Any] | None:
        return self._store.table(_KIND).get(operation_id)

    def pending(self, resource_id: str) -> dict[str, Any] | None:
        """Return the operation that runs on a resource, if one does."""
        for operation_id in self._tasks:
            row = self.get(operation_id)
            if row and row["status"] == "InProgress" and row["resource"].lower() == resource_id.lower():
                return row
        return None

    async def wait(self, operation_id: str) -> None:
        task = self._tasks.get(operation_id)
        if task:
            await asyncio.wait([task])

    async def cancel(self, resource_id: str) -> None:
        """Stop what runs on a resource, e.g. a deployment's creation when it is deleted."""
        row = self.pending(resource_id)
        task = self._tasks.get(row["id"]) if row else None
        if task and task is not asyncio.current_task():
            task.cancel()
            await asyncio.wait([task])

    async def close(self) -> None:
        """Stop working without ending the operations: they are resumed at the next start."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel("shutdown")
        if tasks:
            await asyncio.wait(tasks, timeout=10)

    def _spawn(self, row: dict[str, Any]) -> None:
        task = asyncio.create_task(self._perform(row), name=f"{row['verb']} {row['resource']}")
        self._tasks[row["id"]] = task
        task.add_done_callback(lambda _: self._tasks.pop(row["id"], None))

    async def _perform(self, row: dict[str, Any]) -> None:
        assert self.run is not None
        try:
            result = await self.run(row)
            self._end(row, "Succeeded", result=result)
        except ArmError as error:
            self._end(row, "Failed", error=error.body())
        except asyncio.CancelledError as reason:
            if "shutdown" not in reason.args:
                self._end(
                    row, "Canceled", error={"code": "Canceled", "message": "The operation was canceled."}
                )
            raise
        except Exception:  # noqa: BLE001 - whatever broke, the operation must end and say so
            _log.exception("operation %s on %s failed", row["verb"], row["resource"])
            text = f"The embedded Azure failed itself; see its log. Operation {row['id']}."
            self._end(row, "Failed", error={"code": "InternalServerError", "message": text})

    def _end(self, row: dict[str, Any], status: str, *, result: Any = None, error: Any = None) -> None:
        row.update(status=status, ended=now(), result=result, error=error)
        self._store.put(_KIND, row["id"], row)


def document(row: dict[str, Any], path: str) -> dict[str, Any]:
    """Return what `Azure-AsyncOperation` answers (ARM's asynchronous operations, learn.microsoft.com)."""
    out = {
        "id": path,
        "name": row["id"],
        "status": row["status"],
        "startTime": iso(row["started"]),
        "percentComplete": 0 if row["status"] == "InProgress" else 100,
    }
    if "ended" in row:
        out["endTime"] = iso(row["ended"])
    if row.get("error"):
        out["error"] = row["error"]
    return out
