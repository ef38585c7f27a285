"""What ARM does the same way for every type: GET, list, PUT, PATCH, DELETE and POST actions."""

from __future__ import annotations

import asyncio
import copy
import inspect
import math
from typing import Any

from emulator.azure import ids, regions
from emulator.azure.clock import iso, now
from emulator.azure.cloud import Cloud
from emulator.azure.errors import ArmError, conflict, not_found
from emulator.azure.resource_type import Answer, Call, ResourceType, merge, pick
from emulator.azure.resources.locks import check_locks
from emulator.azure.store import Resource
from emulator.azure.validation import changed, validate

_BUSY = {"Creating", "Updating", "Deleting", "Accepted", "Scaling"}


def read(call: Call, kind: ResourceType) -> Answer:
    resource = kind.find(call)
    if resource is None:
        raise _missing(call, kind)
    return Answer(kind.view(call.cloud, resource))


def collection(call: Call, kind: ResourceType) -> Answer:
    """List the direct members of a collection, or all of a type below a group or subscription."""
    cloud, owner = call.cloud, call.target.id
    group = ids.group_of(owner)
    if group and cloud.store.get(group) is None:
        raise _no_group(group)
    if "/providers/" in owner and cloud.store.get(owner) is None:
        raise not_found(owner)
    return Answer({"value": [kind.view(cloud, item) for item in kind.list(call)]})


async def put(call: Call, kind: ResourceType) -> Answer:
    cloud, target = call.cloud, call.target
    old = cloud.store.get(target.id)
    if old is None:
        kind.check_name(target.name)
        _check_parents(call, kind)
    _check_idle(cloud, old)
    check_locks(cloud, target.id, "write")
    body = _validated(call, kind)
    new = Resource(old.id if old else _canonical(cloud, target), kind.type, body, _private(old))
    if "location" in body:
        regions.check(str(body["location"]), kind.type)
    kind.complete(new)
    if old is not None:
        _check_create_only(kind, old, new)
        _check_fixed(cloud, kind, old, new)
        if "location" in old.doc:
            new.doc.setdefault("location", old.doc["location"])
    kind.prepare(call, old, new)
    await kind.settle(cloud, new)
    return _store(call, kind, old, new)


async def patch(call: Call, kind: ResourceType) -> Answer:
    cloud = call.cloud
    old = cloud.store.get(call.target.id)
    if old is None:
        raise _missing(call, kind)
    if kind.patch_model is None:
        raise ArmError(405, "MethodNotAllowed", f"PATCH is not supported for {kind.type}.")
    _check_idle(cloud, old)
    check_locks(cloud, old.id, "write")
    change = validate(cloud.schemas.get(kind.patch_model), call.body, partial=True)
    doc = copy.deepcopy(old.doc)
    tags = change.pop("tags", None)
    merge(doc, change)
    if tags is not None:
        doc["tags"] = tags
    new = Resource(old.id, kind.type, doc, _private(old))
    kind.prepare(call, old, new)
    await kind.settle(cloud, new)
    return _store(call, kind, old, new)


async def delete(call: Call, kind: ResourceType) -> Answer:
    cloud = call.cloud
    resource = cloud.store.get(call.target.id)
    if not kind.deletable:
        raise ArmError(405, "MethodNotAllowed", f"DELETE is not supported for {kind.type}.")
    if resource is None:
        return Answer(status=200 if kind.delete_missing(call) else 204)
    check_locks(cloud, resource.id, "delete")
    if resource.state == "Deleting":
        row = cloud.operations.pending(resource.id)
        return Answer(status=202, operation=row) if row else Answer(status=204)
    kind.check_delete(call, resource)
    data = {"query": dict(call.query)}
    resource.private["delete_query"] = data["query"]
    if not kind.asynchronous_delete:
        await erase(cloud, resource)
        return Answer(status=200)
    resource.private["state"] = "Deleting"
    cloud.store.save(resource)
    row = _begin(cloud, "remove", resource, data)
    return Answer(status=202, operation=row)


async def action(call: Call, kind: ResourceType) -> Answer:
    name = call.target.tail.lower()
    known = kind.actions()
    if name not in known:
        raise ArmError(404, "InvalidAction", f"'{call.target.tail}' is not an action of {kind.type}.")
    resource = call.cloud.store.get(call.target.id)
    if resource is None:
        raise not_found(call.target.id)
    if call.body is not None and not isinstance(call.body, dict):
        raise ArmError(400, "InvalidRequestContent", "The request content is not a JSON object.")
    answer = known[name](call, resource)
    return await answer if inspect.isawaitable(answer) else answer


async def perform(cloud: Cloud, row: dict[str, Any]) -> Any:
    """Do the work of an operation's row; called by `Operations`, again after a restart."""
    resource = cloud.store.get(row["resource"])
    if resource is None:
        return None
    kind = cloud.types.get(resource.type)
    if row["verb"] == "remove":
        await asyncio.sleep(kind.delay(cloud))
        await erase(cloud, resource)
        return None
    if row["verb"] == "provision":
        await _provision(cloud, kind, resource, row)
        return None
    return await getattr(kind, row["verb"])(cloud, resource, row["data"])


async def _provision(cloud: Cloud, kind: ResourceType, resource: Resource, row: dict[str, Any]) -> None:
    try:
        await asyncio.sleep(kind.delay(cloud))
        await kind.provision(cloud, resource, row["data"])
    except Exception:
        resource.private["state"] = "Failed"
        cloud.store.save(resource)
        raise
    resource.private["state"] = "Succeeded"
    cloud.store.save(resource)


async def erase(cloud: Cloud, resource: Resource) -> None:
    """Remove a resource and all that lives under it, deepest first."""
    below = sorted(cloud.store.all(under=resource.id), key=lambda item: -item.id.count("/"))
    for item in [*below, resource]:
        await cloud.operations.cancel(item.id)
        await cloud.types.get(item.type).remove(cloud, item)
        cloud.rbac.withdraw(item.id)
        cloud.store.remove(item.id)


def _validated(call: Call, kind: ResourceType) -> dict[str, Any]:
    if kind.fields is not None:
        return validate(kind.fields, call.body)
    assert kind.model is not None, kind.type
    return validate(call.cloud.schemas.get(kind.model), call.body)


def _private(old: Resource | None) -> dict[str, Any]:
    return copy.deepcopy(old.private) if old else {}


def _store(call: Call, kind: ResourceType, old: Resource | None, new: Resource) -> Answer:
    cloud = call.cloud
    moment = iso()
    data = new.private.setdefault("systemData", {"createdAt": moment, "createdBy": call.principal.name})
    data.update(createdByType="Application", lastModifiedAt=moment, lastModifiedBy=call.principal.name)
    data["lastModifiedByType"] = "Application"
    new.private.setdefault("created", now())
    status = 200 if old else kind.create_status
    row = None
    if kind.asynchronous:
        new.private["state"] = "Updating" if old else "Creating"
        cloud.store.save(new)
        before = {"created": old is None, "old": old.doc if old else None, "state": old.state if old else ""}
        row = _begin(cloud, "provision", new, before)
    else:
        new.private["state"] = "Succeeded"
        cloud.store.save(new)
    return Answer(kind.view(cloud, new), status, operation=row)


def _begin(cloud: Cloud, verb: str, resource: Resource, data: Any) -> dict[str, Any]:
    location = resource.location or cloud.settings.location
    namespace = resource.type.split("/")[0]
    return cloud.operations.start(verb, resource.id, namespace=namespace, location=location, data=data)


def _check_idle(cloud: Cloud, old: Resource | None) -> None:
    if old is None or (old.state not in _BUSY and not cloud.operations.pending(old.id)):
        return
    raise conflict(
        f"Another operation is in progress on '{old.id}' (provisioning state {old.state}). Wait "
        "until it has ended "
        "and try again.",
        code="AnotherOperationInProgress",
    )


def _check_parents(call: Call, kind: ResourceType) -> None:
    cloud, resource_id = call.cloud, call.target.id
    group = ids.group_of(resource_id)
    if group and kind.type != ids.GROUP_TYPE:
        found = cloud.store.get(group)
        if found is None:
            raise _no_group(group)
        if found.state == "Deleting":
            raise conflict(
                f"The resource group '{found.name}' is in deprovisioning state and cannot "
                "perform this operation.",
                code="ResourceGroupBeingDeleted",
            )
    if kind.extension:
        _check_scope(cloud, call.target.scope)
        return
    if kind.type.count("/") > 1:
        parent = resource_id.rsplit("/", 4 if kind.makes_parent else 2)[0]
        found = cloud.store.get(parent)
        if found is None:
            raise ArmError(
                404,
                "ParentResourceNotFound",
                "Failed to perform 'write' on resource(s) of type "
                f"'{kind.type.partition('/')[2]}', because the "
                f"parent resource '{parent}' could not be found.",
            )
        if found.state == "Deleting":
            raise conflict(f"The parent resource '{parent}' is being deleted.")


def _check_scope(cloud: Cloud, scope: str) -> None:
    is_subscription = scope.lower() == f"/subscriptions/{cloud.settings.subscription}".lower()
    if not is_subscription and cloud.store.get(scope) is None:
        raise not_found(scope)


def _canonical(cloud: Cloud, target: ids.Target) -> str:
    """Return the id with the letter case of what already exists above it."""
    parent = cloud.store.get(target.id.rsplit("/", 2)[0])
    if parent:
        return "/".join([parent.id, *target.id.rsplit("/", 2)[1:]])
    group = ids.group_of(target.id)
    found = cloud.store.get(group) if group else None
    return found.id + target.id[len(found.id) :] if found else target.id


def _check_create_only(kind: ResourceType, old: Resource, new: Resource) -> None:
    for path in ("location", *kind.create_only):
        before, after = pick(old.doc, path), pick(new.doc, path)
        if path == "location":
            before, after = old.location or None, new.location or None
        if after is None and path == "location":
            continue
        if _plain(before) != _plain(after):
            code = "InvalidResourceLocation" if path == "location" else "PropertyChangeNotAllowed"
            raise ArmError(
                409 if path == "location" else 400,
                code,
                f"Changing property '{path}' of '{old.id}' from {before!r} to {after!r} is not "
                "allowed: it can only be "
                "set when the resource is created.",
                target=path,
            )


def _check_fixed(cloud: Cloud, kind: ResourceType, old: Resource, new: Resource) -> None:
    """Refuse to change what the SDK's model marks as set at creation only."""
    if kind.model is None or kind.own_immutability:
        return
    path = changed(cloud.schemas.get(kind.model), old.doc, new.doc)
    if path:
        text = f"Changing property '{path}' of '{old.id}' is not allowed: it can only be set at creation."
        raise ArmError(400, "PropertyChangeNotAllowed", text, target=path)


def _plain(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _missing(call: Call, kind: ResourceType) -> ArmError:
    group = ids.group_of(call.target.id)
    if group and call.cloud.store.get(group) is None:
        return _no_group(group)
    return not_found(call.target.id)


def _no_group(group: str) -> ArmError:
    name = group.rsplit("/", 1)[1]
    return ArmError(404, "ResourceGroupNotFound", f"Resource group '{name}' could not be found.")


def retry_headers(cloud: Cloud) -> dict[str, str]:
    """Return how long to wait: whole seconds as the header has it, and milliseconds for those who read
    them.
    """
    seconds = cloud.settings.delays.retry_after
    return {"Retry-After": str(max(1, math.ceil(seconds))), "x-ms-retry-after-ms": str(int(seconds * 1000))}
