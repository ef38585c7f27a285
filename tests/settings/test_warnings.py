"""What is allowed and probably not meant is said, and a stack that is fine gets no warning."""

from typing import Any

import pytest

from settings import load
from settings.warnings import collect

SERVER: dict[str, Any] = {
    "instance_type": "Standard_NC24ads_A100_v4",
    "image": "acr.azurecr.io/vllm:1",
    "model": "azureml:m:1",
}
BASE: dict[str, Any] = {"resource_group": {"name": "rg"}, "workspace": {"name": "mlw"}}


def said(
    server: dict[str, Any] | None = None, endpoint: dict[str, Any] | None = None, **stack: Any
) -> list[str]:
    whole = {**SERVER, **(server or {})}
    whole = {key: value for key, value in whole.items() if value is not None}
    chat = {"deployments": {"blue": whole}, **(endpoint or {})}
    return [str(warning) for warning in collect(load({**BASE, **stack, "endpoints": {"chat": chat}}))]


def test_a_good_stack_has_none() -> None:
    assert said() == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {"workspace": {"name": "mlw", "public_network_access": "disabled"}},
            "endpoints.chat.public_network_access: the endpoint is public although the workspace is private.",
        ),
        (
            {"endpoint": {"public_network_access": "disabled"}},
            "nothing in this stack reaches the endpoint: there is no `network` with a private endpoint.",
        ),
        ({"endpoint": {"identity": {"type": "none"}}}, "can neither pull the image nor read the model."),
        ({"images": {"x": {"build": {}}}}, "images.x: is used by no deployment."),
        (
            {"server": {"instance_type": "Standard_NC24ads_A100_v5"}},
            "deployments.blue.instance_type: `Standard_NC24ads_A100_v5` is not in the list of sizes that "
            "managed endpoints offer. Did you mean `Standard_NC24ads_A100_v4`?",
        ),
        ({"models": {"x": {"path": "w"}}}, "models.x: is registered and used by no deployment."),
        (
            {"server": {"image": None, "environment": {"image": "acr.azurecr.io/vllm:1"}}},
            "names no routes: unless the model is an MLflow model, Azure looks for a scoring script.",
        ),
        (
            {"server": {"model": None, "egress_public_network_access": "disabled"}},
            "the container has no model and no way out to download one.",
        ),
        (
            {"server": {"image": "acr.azurecr.io/vllm:latest"}},
            "`latest` may be another image on the next start",
        ),
        (
            {"rollout": "recreate"},
            "deployments.blue.rollout: recreate deletes the server before it makes the new",
        ),
        (
            {
                "workspace": {"name": "mlw", "container_registry": {"public_network_access": "disabled"}},
                "environments": {"e": {"build": {"path": "x"}}},
            },
            "workspace.image_build_compute: Azure ML builds an image, and its registry has no public access",
        ),
        (
            {"models": {"m": {"version": "1", "huggingface": "a/b", "allow_patterns": []}}},
            "models.m.allow_patterns: allows no file at all.",
        ),
    ],
)
def test_says(given: dict[str, Any], words: str) -> None:
    found = said(**given)
    assert len(found) == 1
    assert words in found[0]
