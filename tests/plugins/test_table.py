"""The table agrees with the installed SDK and has everything that the program uses."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path
from typing import Any

import pytest

from emulator.plugins.azure_native import invokes, shapes
from emulator.plugins.azure_native.table import ROWS, Row

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ("__main__.py", "stack", "components", "providers", "examples")
HELPERS = {"authorization:getClientConfig", "authorization:getClientToken"}


@pytest.mark.engine
@pytest.mark.filterwarnings("ignore")  # of the packages that are imported
def test_shapes_are_current() -> None:
    """Imports the SDK and Azure's models: seconds, so not among the unit tests."""
    from emulator.plugins.azure_native import generate

    assert generate.SHAPES.read_text() == generate.render(), (
        "run: python -m emulator.plugins.azure_native.generate"
    )


@pytest.mark.engine
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("token", [token for token, row in ROWS.items() if row.source.startswith("spec")])
def test_create_only_properties_are_those_of_the_models(token: str) -> None:
    """Both ways: what a row calls create-only is so in Azure's models, and none of theirs is missing."""
    row = ROWS[token]
    module = importlib.import_module(row.model.split(":")[0])
    top = [getattr(module, name) for name in row.model.split(":")[1].split(",")]
    if hasattr(top[-1], "_attribute_map"):
        return  # models of the older generation do not tell
    found = {name for cls in top for name in _create_only(cls)}
    shape = shapes.inputs(row).get("properties", {})
    for reference in [shape["r"]] if "r" in shape else shape.get("o", []):
        cls = getattr(module, reference.split(":")[1].removesuffix("Args"))
        found |= {f"properties.{name}" for name in _create_only(cls)}
    known = {name for name in found if name.split(".")[-1] in _names(row)}
    assert set(row.create_only) <= found
    assert known <= set(row.create_only)


def _create_only(model: Any) -> set[str]:
    fields = model({})._attr_to_rest_field.values()
    return {
        f._rest_name
        for f in fields
        if f._visibility and "create" in f._visibility and "update" not in f._visibility
    }


def _names(row: Row) -> set[str]:
    """Return the inputs of a row and of its `properties`."""
    shape = shapes.inputs(row).get("properties", {})
    references = [shape["r"]] if "r" in shape else shape.get("o", [])
    return {*shapes.inputs(row), *(name for item in references for name in shapes.of_type(item))}


@pytest.mark.parametrize("token", ROWS)
def test_api_versions_are_those_of_the_sdk(token: str) -> None:
    assert shapes._content()["resources"][token]["api"] == ROWS[token].api


@pytest.mark.parametrize("token", ROWS)
def test_rows_only_name_properties_that_exist(token: str) -> None:
    row = ROWS[token]
    known = shapes.inputs(row)
    for name in (*row.create_only, *row.maintained, *row.query, *row.bag, *row.defaults):
        assert name.split(".")[0] in known, f"{token} has no input {name}"
    for parameter in shapes.path_parameters(row):
        assert parameter in known, f"{token} has no input {parameter}, which its path names"


@pytest.mark.parametrize("token", ROWS)
def test_create_only_properties_say_where_that_is_known_from(token: str) -> None:
    row = ROWS[token]
    assert row.source or not (row.create_only or row.bag or row.defaults or row.singleton)


def test_everything_the_program_uses_is_in_the_table() -> None:
    used = {token for path in _sources() for token in _tokens(ast.parse(path.read_text()))}
    functions = {f"{row.module}:get{row.name}" for row in ROWS.values()} | set(invokes.ACTIONS) | HELPERS
    resources = {f"{row.module}:{row.name}" for row in ROWS.values()}
    assert used <= functions | resources, f"missing: {sorted(used - functions - resources)}"


def _sources() -> list[Path]:
    found = []
    for name in PROGRAM:
        path = ROOT / name
        found += sorted(path.rglob("*.py")) if path.is_dir() else [path] if path.exists() else []
    return found


def _tokens(tree: ast.AST) -> set[str]:
    """Return `module:Name` of every azure-native resource and function that a source file names."""
    packages, modules, direct = _imports(tree)
    found = set(direct)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Native":
            found.add(ast.literal_eval(node.args[0]))  # components/native.py: by token
        if not isinstance(node, ast.Attribute):
            continue
        module = _module(node.value, packages, modules)
        if module and (token := _token(module, node.attr)):
            found.add(token)
    return found


def _imports(tree: ast.AST) -> tuple[set[str], dict[str, str], set[str]]:
    packages: set[str] = set()
    modules: dict[str, str] = {}
    direct: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            packages |= {i.asname or i.name for i in node.names if i.name == "pulumi_azure_native"}
        if isinstance(node, ast.ImportFrom) and node.module == "pulumi_azure_native":
            modules |= {i.asname or i.name: i.name for i in node.names if not i.name.startswith("_")}
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pulumi_azure_native."):
            module = (node.module or "").split(".")[1]
            direct |= {token for item in node.names if (token := _token(module, item.name))}
    return packages, modules, direct


def _module(node: ast.expr, packages: set[str], modules: dict[str, str]) -> str | None:
    if isinstance(node, ast.Name):
        return modules.get(node.id)
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in packages:
        return node.attr
    return None


def _token(module: str, name: str) -> str | None:
    """Classes that are no arguments, results or enums, and functions, by the SDK's naming."""
    if name.startswith(("get_", "list_")):
        words = name.removesuffix("_output").split("_")
        return f"{module}:{words[0]}{''.join(word.title() for word in words[1:])}"
    is_resource = name[:1].isupper() and not name.endswith(("Args", "ArgsDict", "Result"))
    return f"{module}:{name}" if is_resource and _is_resource(module, name) else None


def _is_resource(module: str, name: str) -> bool:
    """Enums have the same kind of names; only resources have a source file of their own."""
    from importlib.util import find_spec

    spec = find_spec("pulumi_azure_native")
    assert spec
    assert spec.origin
    words = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).strip("_")
    return (Path(spec.origin).parent / module / f"{words}.py").exists()
