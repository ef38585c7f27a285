"""Paths of ARM that are not resources: operations being polled, name checks, quotas, deleted vaults,
providers.

A table of routes; each has its method, a pattern, the RBAC action it needs and its handler.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from emulator.azure import filters, regions
from emulator.azure.cloud import Cloud
from emulator.azure.errors import ArmError
from emulator.azure.operations import document
from emulator.azure.resource_type import Answer, Call

Handler = Callable[[Call, dict[str, str]], Answer | Awaitable[Answer]]


@dataclass(frozen=True)
class Route:
    method: str
    pattern: re.Pattern[str]
    handler: Handler
    action: str = ""
    type: str = ""
    body: dict[str, Any] | None = None  # the schema of a POST's body


@dataclass(frozen=True)
class Match:
    route: Route
    values: dict[str, str]
    scope: str


def route(
    method: str, path: str, handler: Handler, action: str = "", body: dict[str, Any] | None = None
) -> Route:
    """Make a route; `{name}` in the path matches one segment, the subscription comes first."""
    pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", "/subscriptions/{subscription}" + path)
    return Route(method, re.compile(pattern + "/?", re.IGNORECASE), handler, action, path, body)


def check(cloud: Cloud, match: Match, version: str) -> None:
    """Refuse another subscription, a location that is none, and an api-version that nobody knows here.

    The paths of a provider take the versions of that provider's types.
    """
    given = match.values.get("subscription", "")
    if match.route.type != _LISTING and given.lower() != cloud.settings.subscription.lower():
        raise ArmError(404, "SubscriptionNotFound", f"The subscription '{given}' could not be found.")
    if "location" in match.values:
        regions.check(match.values["location"], match.route.type)
    _, marker, rest = match.route.type.rpartition("/providers/")
    namespace = rest.split("/")[0] if marker and "/" in rest else "Microsoft.Resources"
    if namespace == "{namespace}":
        # An operation's, or `/providers/NAMESPACE` itself, which is Resource Manager's own.
        operation = "operation" in match.values
        namespace = match.values["namespace"] if operation else "Microsoft.Resources"
    known = {
        one
        for kind in cloud.types.all()
        if kind.type.lower().startswith(namespace.lower() + "/")
        for one in kind.versions
    }
    if namespace == "Microsoft.Resources":
        known |= _SUBSCRIPTION_VERSIONS
    cloud.types.check_known(namespace, rest or "subscriptions", version, known)


def find(method: str, path: str) -> Match | None:
    """Return the route for a request, None when it must be a resource."""
    path = unquote(path)
    for item in routes():
        found = item.pattern.fullmatch(path)
        if found and item.method == method:
            whole = path.rstrip("/").rsplit("/", 1)[0] if "/resourcegroups/" in path.lower() else ""
            return Match(item, found.groupdict(), whole or f"/subscriptions/{found['subscription']}")
    return None


def operation_paths(cloud: Cloud, row: dict[str, Any]) -> tuple[str, str]:
    """Return the paths of an operation's status and of its result."""
    base = f"/subscriptions/{cloud.settings.subscription}/providers/{row['namespace']}"
    base += f"/locations/{row['location']}"
    names = ("operationStatuses", "operationResults")
    if row["namespace"] == "Microsoft.MachineLearningServices":
        # As in the recorded answers of azure-ai-ml's own tests.
        names = ("mfeOperationsStatus", "mfeOperationResults")
    return f"{base}/{names[0]}/{row['id']}", f"{base}/{names[1]}/{row['id']}"


def operation_status(call: Call, values: dict[str, str]) -> Answer:
    row = _row(call, values)
    return Answer(document(row, operation_paths(call.cloud, row)[0]), headers=_wait(call, row))


def operation_result(call: Call, values: dict[str, str]) -> Answer:
    """202 while it runs, then the resource (200), nothing (204), or the error."""
    row = _row(call, values)
    if row["status"] == "InProgress":
        return Answer(status=202, operation=row)
    if row.get("error"):
        error = row["error"]
        raise ArmError(409, error["code"], error["message"], details=error.get("details"))
    if row.get("result") is not None:
        return Answer(row["result"])
    resource = call.cloud.store.get(row["resource"])
    if resource is None or row["verb"] == "remove":
        return Answer(status=204)
    return Answer(call.cloud.types.get(resource.type).view(call.cloud, resource))


def _row(call: Call, values: dict[str, str]) -> dict[str, Any]:
    row = call.cloud.operations.get(values["operation"])
    if row is None:
        raise ArmError(404, "OperationNotFound", f"The operation '{values['operation']}' could not be found.")
    return row


def _wait(call: Call, row: dict[str, Any]) -> dict[str, str]:
    from emulator.azure.crud import retry_headers

    return retry_headers(call.cloud) if row["status"] == "InProgress" else {}


def subscription(call: Call, values: dict[str, str]) -> Answer:
    settings = call.cloud.settings
    return Answer(
        {
            "id": f"/subscriptions/{settings.subscription}",
            "subscriptionId": settings.subscription,
            "tenantId": settings.tenant,
            "displayName": "Embedded Azure",
            "state": "Enabled",
        }
    )


def subscriptions(call: Call, values: dict[str, str]) -> Answer:
    return Answer({"value": [subscription(call, {"subscription": call.cloud.settings.subscription}).body]})


def provider(call: Call, values: dict[str, str]) -> Answer:
    """`GET /providers/NS` and its registration: every emulated namespace is registered."""
    namespace = values["namespace"]
    kinds = [item for item in call.cloud.types.all() if item.type.lower().startswith(namespace.lower() + "/")]
    if not kinds:
        raise ArmError(404, "InvalidResourceNamespace", f"The resource namespace '{namespace}' is invalid.")
    types = [
        {"resourceType": item.type.partition("/")[2], "apiVersions": sorted(item.versions), "locations": []}
        for item in kinds
    ]
    return Answer({"namespace": namespace, "registrationState": "Registered", "resourceTypes": types})


def resources(call: Call, values: dict[str, str]) -> Answer:
    """List the tracked resources of a subscription or group, without their properties."""
    under = call.target.id.rsplit("/", 1)[0]
    if "group" in values and call.cloud.store.get(under) is None:
        text = f"Resource group '{values['group']}' could not be found."
        raise ArmError(404, "ResourceGroupNotFound", text)
    asked = filters.parse(call.query.get("$filter", ""), ("resourceType", "name", "location"))
    kind, name, place = (asked.get(key) for key in ("resourcetype", "name", "location"))
    items = [
        {"id": item.id, "name": item.name, "type": item.type, "location": item.doc.get("location")}
        for item in call.cloud.store.all(under=under)
        if "location" in item.doc
        and "/providers/" in item.id
        and (kind is None or item.type.lower() == kind.lower())
        and (name is None or item.name.lower() == name.lower())
        and (place is None or item.location == place.lower())
    ]
    return Answer({"value": items})


# The last is as in the recorded answers of azure-ai-ml's own tests.
_OPERATIONS = (("operationStatuses", "operationResults"), ("mfeOperationsStatus", "mfeOperationResults"))
_routes: list[Route] = []
_LISTING = "/subscriptions"
# Of subscriptions, providers and lists of resources: azure-mgmt-resource and the Azure CLI use them.
_SUBSCRIPTION_VERSIONS = {"2016-06-01", "2019-06-01", "2019-11-01", "2020-01-01", "2021-01-01", "2022-12-01"}


def routes() -> list[Route]:
    """Return the table; the providers' own routes are added at first use, to keep the imports one way."""
    if not _routes:
        from emulator.azure.resources import all_routes

        operation = "/providers/{namespace}/locations/{location}/"
        for status, result in _OPERATIONS:
            _routes.append(route("GET", operation + status + "/{operation}", operation_status))
            _routes.append(route("GET", operation + result + "/{operation}", operation_result))
        listing = re.compile(r"/(?P<subscription>subscriptions)/?", re.IGNORECASE)
        _routes.append(Route("GET", listing, subscriptions, type=_LISTING))
        _routes.append(route("GET", "", subscription, "Microsoft.Resources/subscriptions/read"))
        _routes.append(route("GET", "/providers/{namespace}", provider, "Microsoft.Resources/providers/read"))
        register = "Microsoft.Resources/subscriptions/providers/register/action"
        _routes.append(route("POST", "/providers/{namespace}/register", provider, register))
        read = "Microsoft.Resources/subscriptions/resources/read"
        _routes.append(route("GET", "/resources", resources, read))
        _routes.append(route("GET", "/resourceGroups/{group}/resources", resources, read))
        _routes.extend(all_routes())
    return _routes
