"""Every wrong stack file gets every sentence it deserves, and no other. The sentences are written by hand."""

from pathlib import Path
from typing import Any

import pytest
import yaml

import settings

ROWS = yaml.safe_load((Path(__file__).parent / "data" / "wrong.yaml").read_text())
ROUTES = {f"{name}_route": {"port": 8000, "path": "/health"} for name in ("liveness", "readiness", "scoring")}
SERVER = {
    "instance_type": "Standard_NC24ads_A100_v4",
    "environment": {"image": "acr.azurecr.io/vllm:1", "inference_config": ROUTES},
    "model": "azureml:m:1",
}


def stack_file(row: dict[str, Any]) -> dict[str, Any]:
    """The row laid over the smallest stack; `server` becomes the deployment blue of the endpoint chat."""
    least = {"resource_group": {"name": "rg"}, "workspace": {"name": "mlw"}}
    config = {**least, **row.get("config", {})}
    if "server" in row:
        server = {**SERVER, **row["server"]}
        if "image" in row["server"] and "environment" not in row["server"]:
            server.pop("environment")
        server = {key: value for key, value in server.items() if value != "~absent"}
        config["endpoints"] = {"chat": {"deployments": {"blue": server}}}
    return {key: value for key, value in config.items() if value != "~absent"}


def sentence(text: str) -> str:
    """The whole sentence for a row's short one."""
    short = "endpoints.chat.deployments.blue"
    return f"vllm-azureml:{text.replace('~', short, 1) if text[0] == '~' else text}"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["what"])
def test_says_everything_and_nothing_else(row: dict[str, Any]) -> None:
    config = stack_file(row)
    with pytest.raises(settings.SettingsError) as caught:
        settings.load(config)
    said = [str(problem) for problem in caught.value.problems]
    wanted = [sentence(text) for text in row["says"]]
    assert sorted(said) == sorted(wanted)
    assert len(wanted) == 1 or _tops(said, config) == sorted(_tops(said, config))


def _tops(said: list[str], config: dict[str, Any]) -> list[int]:
    """Where in the file the sentences' sections stand: problems come in the file's order."""
    order = list(config)
    keys = [text.removeprefix("vllm-azureml:").split(":")[0].split(".")[0] for text in said]
    return [order.index(key) if key in order else -1 for key in keys]


def test_limits_that_are_too_long_for_a_table() -> None:
    """A hundred endpoints a subscription and region, fifty tags a resource."""
    many: dict[str, Any] = {f"chat{number:03}": {} for number in range(101)}
    tags = {f"tag{number}": "x" for number in range(51)}
    with pytest.raises(settings.SettingsError) as caught:
        settings.load(stack_file({"config": {"tags": tags, "endpoints": many}}))
    assert [str(problem) for problem in caught.value.problems] == [
        "vllm-azureml:tags: has 51 tags; a resource can have 50. Remove some.",
        "vllm-azureml:endpoints: has 101 endpoints; a subscription can have 100 in a region. "
        "Spread them over stacks in other regions.",
    ]


def test_there_are_enough_rows() -> None:
    assert len(ROWS) >= 60


def test_the_error_counts_and_says_that_nothing_was_created() -> None:
    with pytest.raises(settings.SettingsError, match="has 2 problems; nothing was created") as caught:
        settings.load({})
    assert str(caught.value).splitlines()[1].startswith("  1. vllm-azureml:resource_group: is missing.")


def test_no_value_of_a_secret_is_ever_shown() -> None:
    token = "hf_abcdefghijklmnopqrstuvwxyz"
    row = {"server": {"environment_variables": {"HF_TOKEN": token, "A": [token]}, "vllm": token}}
    row["config"] = {"models": {"gated": {"huggingface": "a/b", "token": token}}, "lock": [token]}
    with pytest.raises(settings.SettingsError) as caught:
        settings.load(stack_file(row))
    assert len(caught.value.problems) == 5
    assert token not in str(caught.value)
