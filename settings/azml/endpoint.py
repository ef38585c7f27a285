"""The PUT of an online endpoint."""

from typing import Any

from settings.endpoint import Endpoint, Identity

AUTH_MODES = {"key": "Key", "aml_token": "AMLToken", "aad_token": "AADToken"}


def endpoint_body(endpoint: Endpoint, *, location: Any) -> dict[str, Any]:
    """The body of PUT onlineEndpoints/NAME, without traffic and mirrorTraffic (see `differences`)."""
    properties: dict[str, Any] = {
        "authMode": AUTH_MODES[endpoint.auth_mode],
        "properties": dict(endpoint.properties),
    }
    if endpoint.description is not None:
        properties["description"] = endpoint.description
    if endpoint.public_network_access:
        properties["publicNetworkAccess"] = endpoint.public_network_access
    return {
        "location": location,
        "identity": _identity(endpoint.identity),
        "tags": dict(endpoint.tags),
        "properties": properties,
    }


def _identity(identity: Identity | None) -> dict[str, Any]:
    """az ml asks for a system assigned identity when the file says nothing."""
    if identity is None:
        return {"type": "SystemAssigned"}
    body: dict[str, Any] = {"type": identity.type}
    if identity.user_assigned_identities:
        body["userAssignedIdentities"] = {uai.resource_id: {} for uai in identity.user_assigned_identities}
    return body
