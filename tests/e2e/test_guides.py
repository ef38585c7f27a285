"""The two guides, deployed without containers: what Azure receives is what `az ml` would have sent."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import Azure, Project

pytestmark = pytest.mark.emulator

GUIDES = Path(__file__).parents[1] / "settings/data"
STACKS = {"dev": ("private-qwen3", "westeurope"), "r1": ("public-r1", "swedencentral")}
# ARM writes enumerations with a capital; az ml passes on what the YAML says, and ARM takes either.
IN_ANY_CASE = {"publicNetworkAccess", "egressPublicNetworkAccess"}


@pytest.fixture(scope="module", params=sorted(STACKS))
def guide(request: pytest.FixtureRequest, requests_only: Azure, tmp_path_factory) -> Iterator[Project]:
    project = Project.copy(tmp_path_factory.mktemp(request.param) / "program", requests_only, request.param)
    project.up()
    yield project
    project.destroy()


def oracle(stack: str) -> dict[str, dict[str, Any]]:
    """The bodies that azure-ai-ml makes of the guide's YAML."""
    warnings.simplefilter("ignore")
    from azure.ai.ml import load_model, load_online_deployment, load_online_endpoint

    guide, region = STACKS[stack]
    folder = GUIDES / guide
    deployment = load_online_deployment(folder / "deployment.yml")
    environment = deployment.environment
    deployment.environment, deployment.model = "<id>", deployment.model and "<id>"
    bodies = {
        "onlineEndpoints": load_online_endpoint(folder / "endpoint.yml")._to_rest_online_endpoint(region),
        "deployments": deployment._to_rest_object(location=region),
        "environments": environment._to_rest_object(),
    }
    if (folder / "model.yml").exists():
        bodies["models"] = load_model(folder / "model.yml")._to_rest_object()
    return {kind: _plain(body) for kind, body in bodies.items()}


def received(project: Project, kind: str) -> dict[str, Any]:
    """The body of the first PUT of this kind for this stack's resource group."""
    group = f"rg-vllm-{project.stack}"
    for row in project.azure.journal():
        parts = row["path"].split("/")
        versioned = kind in {"models", "environments"} and "versions" not in parts
        if row["method"] == "PUT" and group in parts and parts[-2 if not _versioned(kind) else -4] == kind:
            assert not versioned
            return row["body"]
    raise AssertionError(f"nothing was PUT to {kind} in {group}")


def _versioned(kind: str) -> bool:
    return kind in {"models", "environments"}


def _plain(body: Any) -> dict[str, Any]:
    return body.serialize() if hasattr(body, "serialize") else body.as_dict()


def _comparable(body: Any) -> Any:
    """Without ids and image references, which differ by design, and without what says nothing."""
    if isinstance(body, list):
        return [_comparable(item) for item in body]
    if not isinstance(body, dict):
        return body
    out = {}
    for key, value in body.items():
        if key in {"environmentId", "model", "modelUri", "image"}:
            out[key] = "<id>"
        elif key in IN_ANY_CASE:
            out[key] = str(value).lower()
        elif value not in (None, {}, []):
            out[key] = _comparable(value)
    return out


@pytest.mark.parametrize("kind", ["onlineEndpoints", "deployments", "environments", "models"])
def test_azure_receives_what_az_ml_sends(guide: Project, kind: str) -> None:
    expected = oracle(guide.stack)
    if kind not in expected:  # the second guide has no model asset: none may have been made either
        with pytest.raises(AssertionError, match="nothing was PUT"):
            received(guide, kind)
        return
    assert _comparable(received(guide, kind)) == _comparable(expected[kind])


def test_the_first_put_of_the_endpoint_has_no_traffic(guide: Project) -> None:
    """az ml sends an empty split, which on a second PUT would empty the live one; the program sends none."""
    assert not received(guide, "onlineEndpoints")["properties"].get("traffic")


def test_a_second_up_changes_nothing(guide: Project) -> None:
    guide.preview("--expect-no-changes")


def test_a_reader_can_preview(guide: Project) -> None:
    guide.preview("--expect-no-changes", principal="reader")


def test_the_traffic_is_the_guides(guide: Project) -> None:
    outputs = guide.outputs()
    assert outputs["traffic"] == {outputs["deployments"]["current"]: 100}


def test_images_are_referenced_by_digest(guide: Project) -> None:
    (reference,) = guide.outputs()["image_refs"].values()
    assert "@sha256:" in reference
    assert received(guide, "environments")["properties"]["image"] == reference
