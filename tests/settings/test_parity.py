"""What this product sends equals what azure-ai-ml sends for the same file, but for documented differences.

The expected bodies are made by the installed azure-ai-ml when the test runs; nothing is recorded.
"""

import json
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import settings
from settings.azml import data_assets, deployment_body, endpoint_body, environment_body, model_body
from settings.deployment import Deployment
from settings.environment import Environment
from settings.models import Model

pytestmark = pytest.mark.filterwarnings("ignore")

TABLE = yaml.safe_load((Path(__file__).parent / "data" / "parity.yaml").read_text())
BASE = {"resource_group": {"name": "rg"}, "workspace": {"name": "mlw"}}
CANONICAL = (
    "publicNetworkAccess",
    "egressPublicNetworkAccess",
    "dataCollectionMode",
    "rollingRate",
    "osType",
)
MAPS = ("tags", "properties", "environmentVariables")


@pytest.fixture(scope="module")
def azml() -> Iterator[Any]:
    """azure-ai-ml's loaders; it is slow to import, so only here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        import azure.ai.ml

        yield azure.ai.ml
    logging.disable(logging.NOTSET)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in (("ctx/Dockerfile", "FROM scratch\n"), ("weights/config.json", "{}")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "conda.yml").write_text("name: z\nchannels: [b]\ndependencies: [python=3.11, {pip: [x]}]\n")
    return tmp_path


def write(folder: Path, body: dict[str, Any]) -> Path:
    (folder / "body.yml").write_text(yaml.safe_dump(body, allow_unicode=True))
    return folder / "body.yml"


def wire(rest: Any) -> dict[str, Any]:
    """The JSON that goes over the wire."""
    return json.loads(
        json.dumps(rest.serialize() if hasattr(rest, "serialize") else rest.as_dict(), default=str)
    )


def as_here(body: dict[str, Any]) -> dict[str, Any]:
    """az ml's body with the documented differences applied, and no others."""
    body["properties"].pop("traffic", None)
    body["properties"].pop("mirrorTraffic", None)
    if "sku" in body:
        body["sku"].setdefault("capacity", 1)
    return _canonical(body)


def _canonical(value: Any, under: str = "") -> Any:
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    if not isinstance(value, dict):
        return value
    out = {}
    for key, item in value.items():
        if key in CANONICAL:
            item = item.capitalize()
        # The outermost `properties` is the resource; the inner one is a map of text, as tags are.
        if under in MAPS and not isinstance(item, dict | list) and not _is_resource(value):
            item = str(item).lower() if isinstance(item, bool) else str(item)
        out[key] = _canonical(item, key)
    return out


def _is_resource(value: dict[str, Any]) -> bool:
    return any(key in value for key in ("authMode", "endpointComputeType", "isAnonymous"))


def stack_with(endpoint: dict[str, Any] | None = None, **more: Any) -> settings.StackSettings:
    endpoints = {endpoint["name"]: endpoint} if endpoint else {}
    return settings.load({**BASE, **more, "endpoints": endpoints})


def deployment_stack(body: dict[str, Any]) -> settings.StackSettings:
    """Without the checks: az ml sends some things that Azure refuses, such as a server without routes."""
    endpoints = {"ep-rows": {"deployments": {"blue": body}}}
    return settings.StackSettings.model_validate({**BASE, "endpoints": endpoints})


@pytest.mark.parametrize("row", TABLE["endpoints"])
def test_endpoint(row: str, azml: Any, folder: Path) -> None:
    body = TABLE["endpoints"][row]
    entity = azml.load_online_endpoint(write(folder, body))
    expected = as_here(wire(entity._to_rest_online_endpoint(location="westeurope")))
    servers = {"image": "acr.azurecr.io/vllm:1", "instance_type": "Standard_NC24ads_A100_v4"}
    stack = stack_with({**body, "deployments": {"blue": servers, "green": servers}, **_needs_traffic(body)})
    assert endpoint_body(stack.endpoints[body["name"]], location="westeurope") == expected


def _needs_traffic(body: dict[str, Any]) -> dict[str, Any]:
    return {} if "traffic" in body else {"traffic": {"blue": 0}}


@pytest.mark.parametrize("row", TABLE["deployments"])
def test_deployment(row: str, azml: Any, folder: Path) -> None:
    """The deployment, and the environment and model it holds inline."""
    body = {"instance_type": "Standard_NC24ads_A100_v4", **TABLE["deployments"][row]}
    entity = azml.load_online_deployment(write(folder, {"name": "blue", "endpoint_name": "ep-rows", **body}))
    deployment = deployment_stack(body).endpoints["ep-rows"].deployments["blue"]

    if isinstance(deployment.environment, Environment):
        expected = as_here(wire(entity.environment._to_rest_object()))
        assert environment_body(deployment.environment, folder=folder) == expected
    if isinstance(deployment.model, Model):
        expected = as_here(wire(entity.model._to_rest_object()))
        assert model_body(deployment.model, model_uri=_uri(expected, folder)) == expected

    entity.environment = "<environment-id>"
    entity.model = "<model-id>" if entity.model is not None else None
    for collection in entity.data_collector.collections.values() if entity.data_collector else ():
        collection.data = "<data-id>"  # az ml registers a data asset for each collection before it sends
    expected = as_here(wire(entity._to_rest_object(location="westeurope")))
    collector = deployment.data_collector
    actual = deployment_body(
        deployment,
        location="westeurope",
        environment_id="<environment-id>",
        model_id="<model-id>" if deployment.model is not None else None,
        data_ids=dict.fromkeys(collector.collections, "<data-id>") if collector else None,
    )
    assert actual == expected


def _uri(expected: dict[str, Any], folder: Path) -> str | None:
    """A folder is uploaded, and its address is an argument; az ml still has the local path at this point."""
    uri = expected["properties"]["modelUri"]
    return uri if uri.startswith(str(folder)) else None


@pytest.mark.parametrize("row", TABLE["environments"])
def test_environment(row: str, azml: Any, folder: Path) -> None:
    body = TABLE["environments"][row]
    expected = as_here(wire(azml.load_environment(write(folder, body))._to_rest_object()))
    stack = stack_with(environments={body["name"]: body})
    assert environment_body(stack.environments[body["name"]], folder=folder) == expected


class TestAnonymous:
    """What has no name in the file is anonymous, under whatever name it is registered."""

    def test_under_a_name_that_a_component_gives(self) -> None:
        inline = deployment_stack({**TABLE["deployments"]["least"], "instance_type": "Standard_X"})
        environment = inline.endpoints["ep-rows"].deployments["blue"].environment
        assert isinstance(environment, Environment)
        named = environment.model_copy(update={"name": "ep-rows-blue"})
        assert environment_body(named)["properties"]["isAnonymous"] is True

    def test_not_under_a_key_of_the_stack(self) -> None:
        stack = stack_with(models={"m": {"path": "azureml://d"}}, environments={"e": {"image": "a.io/b:1"}})
        assert model_body(stack.models["m"])["properties"]["isAnonymous"] is False
        assert environment_body(stack.environments["e"])["properties"]["isAnonymous"] is False


@pytest.mark.parametrize("row", TABLE["models"])
def test_model(row: str, azml: Any, folder: Path) -> None:
    body = TABLE["models"][row]
    expected = as_here(wire(azml.load_model(write(folder, body))._to_rest_object()))
    stack = stack_with(models={body["name"]: body})
    assert model_body(stack.models[body["name"]]) == expected


class TestStartup:
    """What az ml's YAML does not have and the API does: named as azure-ai-ml's own REST models name it."""

    def test_probe_and_route(self) -> None:
        from azure.ai.ml._restclient.arm_ml_service import models as rest

        routes = {
            f"{n}_route": {"port": 8000, "path": "/health"} for n in ("liveness", "readiness", "scoring")
        }
        routes["startup_route"] = {"port": 8000, "path": "/ping"}
        environment = {"image": "acr.azurecr.io/vllm:1", "inference_config": routes}
        server = {"instance_type": "Standard_X", "environment": environment, "startup_probe": {"period": 90}}
        deployment = deployment_stack(server).endpoints["ep-rows"].deployments["blue"]
        assert isinstance(deployment.environment, Environment)
        rendered = deployment_body(deployment, location="we", environment_id="e")["properties"]
        expected = rest.ManagedOnlineDeployment(
            startup_probe=rest.ProbeSettings({"period": "PT1M30S"})
        ).as_dict()
        assert rendered["startupProbe"] == expected["startupProbe"]
        config = environment_body(deployment.environment)["properties"]["inferenceConfig"]
        route = rest.Route(port=8000, path="/ping")
        assert (
            config["startupRoute"]
            == rest.InferenceContainerProperties(startup_route=route).as_dict()["startupRoute"]
        )


class TestCollectedData:
    """az ml registers a data asset for each collection; so must whoever sends the deployment."""

    COLLECTIONS = {
        "request": {"enabled": True},
        "response": {"enabled": True, "data": {"name": "answers", "version": "2", "path": "azureml://d"}},
        "known": {"enabled": True, "data": {"data_id": "/subscriptions/s/data/x"}},
        "said": {"enabled": False, "data": "azureml:x:1"},
    }

    def deployment(self) -> Deployment:
        server = {**TABLE["deployments"]["least"], "instance_type": "Standard_X", "data_collector": {}}
        stack = deployment_stack({**server, "data_collector": {"collections": self.COLLECTIONS}})
        return stack.endpoints["ep-rows"].deployments["blue"]

    def test_has_az_mls_names_and_body(self, azml: Any) -> None:
        found = data_assets("ep-rows", "blue", self.deployment())
        names = {key: (asset.name, asset.version) for key, asset in found.items()}
        assert names == {"request": ("ep-rows-blue-request", "1"), "response": ("answers", "2")}
        path = "azureml://datastores/workspaceblobstore/paths/modelDataCollector/ep-rows/blue/request"
        entity = azml.entities.Data(name="ep-rows-blue-request", version="1", path=path)
        assert found["request"].body == wire(entity._to_rest_object())

    def test_what_is_registered_already_is_named(self) -> None:
        body = deployment_body(
            self.deployment(), location="we", environment_id="e", data_ids={"request": "<r>"}
        )
        collections = body["properties"]["dataCollector"]["collections"]
        ids = {key: value.get("dataId") for key, value in collections.items()}
        assert ids == {
            "request": "<r>",
            "response": None,
            "known": "/subscriptions/s/data/x",
            "said": "azureml:x:1",
        }


@pytest.mark.parametrize("row", TABLE["refused"], ids=lambda row: f"{row['under']}.{row['key']}")
def test_refused_with_a_sentence(row: dict[str, Any]) -> None:
    """What az ml reads and this product does not take is refused by name, with what to do instead."""
    first, _, rest = row["key"].partition(".")
    value = {rest: row["value"]} if rest else row["value"]
    extra = {
        "scale_settings": {"type": "target_utilization"},
        "model": {"path": "weights"},
        "identity": {"type": "SystemAssigned"},
    }
    if rest:
        value = {**extra.get(first, {"image": "acr.azurecr.io/vllm:1"}), **value}
    server = {"instance_type": "Standard_NC24ads_A100_v4", "environment": {"image": "acr.azurecr.io/vllm:1"}}
    target = server if row["under"] == "deployment" else {}
    endpoint = {"deployments": {"blue": server}}
    (target if row["under"] == "deployment" else endpoint)[first] = value
    with pytest.raises(settings.SettingsError) as caught:
        settings.load({**BASE, "endpoints": {"ep-rows": endpoint}})
    key = f"{'ep-rows.deployments.blue' if row['under'] == 'deployment' else 'ep-rows'}.{row['key']}"
    assert [str(p) for p in caught.value.problems if p.key.endswith(key) and row["says"] in str(p)]


class TestEveryFieldOfAzMlIsInTheTable:
    """A field that a newer azure-ai-ml adds must be looked at: it is in a row, or this fails."""

    @pytest.mark.parametrize(
        ("schema", "rows", "kind"),
        [
            ("ManagedOnlineEndpointSchema", "endpoints", "endpoint"),
            ("ManagedOnlineDeploymentSchema", "deployments", "deployment"),
            ("EnvironmentSchema", "environments", "deployment.environment"),
            ("ModelSchema", "models", "deployment.model"),
        ],
    )
    def test_schema(self, azml: Any, schema: str, rows: str, kind: str) -> None:
        known = set(_fields(_schema(schema), ()))
        prefix = kind.partition(".")[2]
        bodies = [*TABLE[rows].values(), *_inner(prefix)]
        covered = {path for body in bodies for path in _paths(body, ())}
        refused = {row["key"] for row in TABLE["refused"] if row["under"] == kind.partition(".")[0]}
        refused = {key.removeprefix(f"{prefix}.") for key in refused if key.startswith(prefix)}
        missing = {f for f in known - covered if not any(f == r or f.startswith(f"{r}.") for r in refused)}
        always = {"name", "endpoint_name", "instance_type"}  # the test adds them to every row
        assert missing - always == set()

    def test_there_are_enough_rows(self) -> None:
        assert len(TABLE["deployments"]) + len(TABLE["endpoints"]) >= 40


def _inner(prefix: str) -> list[dict[str, Any]]:
    found = [row.get(prefix) for row in TABLE["deployments"].values()] if prefix else []
    return [body for body in found if isinstance(body, dict)]


def _schema(name: str) -> Any:
    from azure.ai.ml._schema import EnvironmentSchema, ModelSchema
    from azure.ai.ml._schema._deployment.online.online_deployment import ManagedOnlineDeploymentSchema
    from azure.ai.ml._schema._endpoint import ManagedOnlineEndpointSchema

    schemas = (EnvironmentSchema, ModelSchema, ManagedOnlineDeploymentSchema, ManagedOnlineEndpointSchema)
    return next(s for s in schemas if s.__name__ == name)(context={"base_path": "."})


def _fields(schema: Any, path: tuple[str, ...]) -> list[str]:
    """Every key a schema reads, through nested schemas, unions, lists and maps of schemas."""
    out = []
    for name, field in schema.fields.items():
        if not field.dump_only:
            here = (*path, field.data_key or name)
            out += [".".join(here), *_of_field(field, here)]
    return out


def _of_field(field: Any, path: tuple[str, ...]) -> list[str]:
    if hasattr(field, "_experimental_field"):
        return _of_field(field._experimental_field, path)
    if hasattr(field, "_union_fields"):
        return [found for part in field._union_fields for found in _of_field(part, path)]
    if hasattr(field, "schema"):
        return _fields(field.schema, path)
    inner = getattr(field, "value_field", None) or getattr(field, "inner", None)
    return _of_field(inner, (*path, "*")) if inner is not None else []


def _paths(value: Any, path: tuple[str, ...]) -> list[str]:
    out = [".".join(path)] if path else []
    if isinstance(value, dict):
        for key, item in value.items():
            part = "*" if path[-1:] == ("collections",) else str(key)
            out += _paths(item, (*path, part))
    if isinstance(value, list):
        for item in value:
            out += _paths(item, (*path, "*"))
    return out
