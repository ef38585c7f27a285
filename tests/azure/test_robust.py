"""No body that the schemas allow breaks the server: it is taken, or refused in Azure's words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emulator.azure.registry_of_types import Types
from emulator.azure.resource_type import ResourceType
from emulator.azure.resources import all_types
from emulator.azure.schema import Schemas
from tests.azure.harness import LOCATION, Azure, Platform

pytestmark = pytest.mark.emulator
KINDS = {kind.type: kind for kind in all_types()}
LEFT_OUT = {"Microsoft.Resources/resourceGroups", "Microsoft.Authorization/locks"}
_TEXTS = st.sampled_from(
    ["", "a", "westeurope", "/subscriptions/x", "azureml://x/y", "10.0.0.0/8", "${{x}}", "100"]
)


def values(schema: dict[str, Any], kind: list[Any], depth: int) -> st.SearchStrategy[Any]:
    """Values of a type of a schema; deep models stay empty."""
    tag = kind[0]
    if tag == "model":
        return model(schema, kind[1], depth + 1) if depth < 5 else st.just({})
    if tag == "list":
        return st.lists(values(schema, kind[1], depth + 1), max_size=2)
    if tag == "dict":
        return st.dictionaries(_TEXTS, values(schema, kind[1], depth + 1), max_size=2)
    if tag == "enum":
        return st.sampled_from(kind[1])
    simple = {
        "str": _TEXTS,
        "bool": st.booleans(),
        "int": st.integers(-1, 200),
        "float": st.floats(0, 100),
        "duration": st.sampled_from(["PT1M", "PT0S", "P1D", "P1Y"]),
    }
    return simple.get(tag, st.none())


def model(schema: dict[str, Any], name: str, depth: int) -> st.SearchStrategy[dict[str, Any]]:
    entry = schema["models"][name]
    if entry.get("subtypes"):
        known = sorted(entry["subtypes"].items())
        return st.one_of(
            *[_fields(schema, sub, depth, {entry["discriminator"]: key}) for key, sub in known[:4]]
        )
    return _fields(schema, name, depth, {})


def _fields(schema: dict, name: str, depth: int, fixed: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    fields = schema["models"][name]["fields"]
    required = {
        k: values(schema, f["type"], depth) for k, f in fields.items() if f["required"] and k not in fixed
    }
    optional = {
        key: values(schema, field["type"], depth)
        for key, field in fields.items()
        if not field["required"] and not field["readonly"] and key not in fixed
    }
    return st.fixed_dictionaries(required, optional=optional).map(lambda made: {**made, **fixed})


def path_of(platform: Platform, kind: ResourceType) -> str:
    """A path whose parents exist."""
    name = kind.type.split("/", 1)[1]
    inside = {
        "workspaces/": platform.workspace + "/",
        "storageAccounts/blobServices/": platform.account + "/blobServices/default/",
        "storageAccounts/fileServices/": platform.account + "/fileServices/default/",
        "vaults/": platform.vault + "/",
    }
    if kind.type.startswith("Microsoft.MachineLearningServices") and name.count("/"):
        parts = name.split("/")[1:]
        return platform.workspace + "".join(f"/{part}/fuzz1" for part in parts)
    for prefix, path in inside.items():
        if name.startswith(prefix):
            return path + name[len(prefix) :].replace("/", "/fuzz1/") + "/fuzz1"
    parts = name.split("/")
    ids = "".join(f"/{part}/{'default' if part.endswith('Services') else 'fuzz1'}" for part in parts)
    return f"{platform.group}/providers/{kind.type.split('/')[0]}{ids}"


@pytest.mark.parametrize("name", sorted(set(KINDS) - LEFT_OUT))
def test_no_body_breaks_the_server(azure: Azure, platform: Platform, name: str):
    kind = KINDS[name]
    schema = kind.fields or _schemas(azure).get(kind.model)  # type: ignore[arg-type]
    path, version = path_of(platform, kind), sorted(kind.versions)[0]
    if name.endswith("onlineEndpoints/deployments"):
        path = path.replace(
            "/onlineEndpoints/fuzz1", platform.endpoint("fuzzed").removeprefix(platform.workspace)
        )

    @settings(
        max_examples=8,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(model(schema, schema["root"], 0))
    def check(body: dict[str, Any]) -> None:
        if "location" in body:
            body["location"] = LOCATION
        answer = azure.request("PUT", path, body, version=version)
        assert answer.status_code < 500, f"{answer.text}\n{body}"
        azure.wait(answer)

    check()
    azure.wait(azure.request("DELETE", path, version=version))


def _schemas(azure: Azure) -> Schemas:
    schemas = Schemas(azure.settings.cache / "schemas")
    schemas.prepare(Types(all_types()).models())
    return schemas
