"""docs/fidelity.md names, for each emulated behaviour, its source and a test that exists."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENT = REPOSITORY / "docs" / "fidelity.md"


def rows() -> list[tuple[str, str, str]]:
    """Return (behaviour, source, test) of every table row."""
    found = []
    for line in DOCUMENT.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if line.startswith("| ") and len(cells) == 3 and cells[0] != "behaviour":
            found.append((cells[0], cells[1], cells[2]))
    return found


@cache
def names(path: Path) -> frozenset[str]:
    """Return the tests of a file, as `function` or `Class::function`."""
    out = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            out.add(node.name)
        elif isinstance(node, ast.ClassDef):
            out |= {
                f"{node.name}::{x.name}"
                for x in node.body
                if isinstance(x, ast.FunctionDef | ast.AsyncFunctionDef)
            }
    return frozenset(out)


def test_the_document_is_read():
    assert len(rows()) > 100


@pytest.mark.parametrize(("behaviour", "source", "test"), rows(), ids=[row[0] for row in rows()])
def test_a_row_has_a_source_and_a_test_that_exists(behaviour: str, source: str, test: str):
    assert source, behaviour
    found = re.fullmatch(r"`(tests/[\w/]+\.py)::([\w:]+)`", test)
    assert found, f"{behaviour}: {test} is not the name of a test"
    path = REPOSITORY / found[1]
    assert path.exists(), found[1]
    assert found[2] in names(path), f"{found[2]} is not in {found[1]}"


def test_every_test_of_a_refusal_is_named():
    """The tables do not lag behind: each class of the emulator's tests has at least one row."""
    named = {row[2] for row in rows()}
    for path in sorted((REPOSITORY / "tests" / "azure").glob("test_*.py")):
        if path.stem in {"test_units", "test_fidelity"}:
            continue
        for name in sorted({item.split("::")[0] for item in names(path) if "::" in item and "test_" in item}):
            mine = f"tests/azure/{path.name}::{name}::"
            assert any(mine in row for row in named) or name in {"TestJournal"}, f"{mine} has no row"
