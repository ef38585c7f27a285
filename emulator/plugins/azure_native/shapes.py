"""Reads shapes.json (made by generate.py): what the inputs and outputs of a resource type look like."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from emulator.plugins.azure_native.table import ROWS, Row
from emulator.plugins.errors import PluginError

Shape = dict[str, Any]  # see generate.py
Shapes = dict[str, Shape]

PROVIDED = ("subscriptionId",)  # path parameters that come from the provider's configuration


@cache
def _content() -> dict[str, dict[str, Any]]:
    content: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("shapes.json").read_text())
    return content


def row(token: str) -> Row:
    """Return the table's row; a token that is not in it is refused by name."""
    if token not in ROWS:
        raise PluginError(
            f"{token} is not among the resource types of the azure-native stand-in, which knows what is in "
            "emulator/plugins/azure_native/table.py only. Add a row there (and teach the embedded Azure the "
            "type), or deploy this resource to a real Azure with Pulumi's own plugin."
        )
    return ROWS[token]


def inputs(row: Row) -> Shapes:
    """Return all inputs of a row, path parameters included."""
    shapes: Shapes = _content()["resources"][row.token]["inputs"]
    return shapes


def outputs(row: Row) -> Shapes:
    """Return the outputs of a row; neither the id nor azureApiVersion is among them."""
    shapes: Shapes = _content()["resources"][row.token]["outputs"]
    return shapes


def body(row: Row) -> Shapes:
    """Return the inputs that make the body of a PUT."""
    elsewhere = {*path_parameters(row), *row.query}
    return {name: shape for name, shape in inputs(row).items() if name not in elsewhere}


def of_type(reference: str) -> Shapes:
    """Return the properties of a type."""
    shapes: Shapes = _content()["types"][reference]
    return shapes


def path_parameters(row: Row) -> list[str]:
    """Return the inputs in the ARM path, in order, without those the provider knows itself."""
    return [name for name in re.findall(r"\{(\w+)\}", row.path) if name not in PROVIDED]
