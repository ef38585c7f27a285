"""What other stacks and people get: ids and URIs, never a secret. Names here are a public API."""

from __future__ import annotations

from typing import Any

import pulumi

from components.online_endpoint import openai_base_url
from stack.endpoints import BuiltEndpoint
from stack.platform import Platform


def outputs(platform: Platform, endpoints: dict[str, BuiltEndpoint]) -> dict[str, Any]:
    """The outputs of a stack.

    `endpoints` has one entry an endpoint. The only endpoint of a stack is at the top level as well, so
    that the common consumer needs no name.
    """
    each = {name: _endpoint(built) for name, built in endpoints.items()}
    only = next(iter(each.values())) if len(each) == 1 else {}
    return {
        "workspace_id": platform.workspace.workspace_id,
        "container_registry_login_server": platform.workspace.login_server,
        "endpoints": each,
        **only,
    }


def _endpoint(built: BuiltEndpoint) -> dict[str, Any]:
    endpoint = built.endpoint
    # Azure finishes the URI with the scoring route when deployments are there.
    scoring_uri = built.traffic.scoring_uri if built.traffic else endpoint.scoring_uri
    return {
        "endpoint_name": built.name,
        "scoring_uri": scoring_uri,
        "openai_base_url": scoring_uri.apply(openai_base_url),
        "served_model_names": _names(built),
        "auth_mode": built.settings.auth_mode,
        "public_network_access": built.settings.public_network_access or "Enabled",
        "key_secret_uri": endpoint.key_secret_uri,
        "deployments": {key: served.server.physical for key, served in built.served.items()},
        "traffic": built.traffic.split if built.traffic else {},
        "image_refs": {
            key: served.environment.image for key, served in built.served.items() if served.environment
        },
        "model_ids": {key: served.model.model_id for key, served in built.served.items() if served.model},
        "endpoint_principal_id": endpoint.principal_id,
    }


def _names(built: BuiltEndpoint) -> pulumi.Output[list[str]]:
    """What the smoke tests saw, each name once."""
    seen = [served.deployment.served_model_names for served in built.served.values()]
    return pulumi.Output.all(*seen).apply(
        lambda lists: list(dict.fromkeys(name for names in lists for name in names or []))
    )
