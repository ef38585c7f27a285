"""Read as much of a broken file as can be read, so that every problem is reported at once.

What pydantic refuses is taken out (or replaced by the section's example where it must be there), until
the rest is a valid tree; the checks that need the whole tree then run on it, and say nothing about the
places that were broken.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from settings.errors import Path, Problem
from settings.messages import problems
from settings.stack import StackSettings
from settings.tree import annotation_at, field_at, sections

ROUNDS = 20


def read(raw: dict[str, Any]) -> tuple[StackSettings | None, list[Problem]]:
    """The tree (None if nothing can be made of the file) and what is wrong with its shape."""
    found: dict[Path, Problem] = {}
    working = _text_keys(raw, (), found)
    for _ in range(ROUNDS):
        try:
            return StackSettings.model_validate(working), list(found.values())
        except ValidationError as error:
            new = problems(StackSettings, error.errors(include_url=False), working)
        for problem in new:
            found.setdefault(problem.path, problem)
            working = _repair(working, problem.path, problem.path)
    return None, list(found.values())


def _text_keys(value: Any, path: Path, found: dict[Path, Problem]) -> Any:
    """YAML reads `1:` and `on:` as other things than text; the rest is checked under the key's text."""
    if isinstance(value, list):
        return [_text_keys(item, (*path, index), found) for index, item in enumerate(value)]
    if not isinstance(value, Mapping):
        return value
    out = {}
    for key, item in value.items():
        here = (*path, _text(key))
        if not isinstance(key, str) and path:
            found[here] = Problem(here, "the key is not text.", f'Put it in quotes: "{_text(key)}".')
        out[here[-1]] = _text_keys(item, here, found)
    return out


def _text(key: Any) -> str:
    """A key as YAML would write it; a number of absurd length only by its kind."""
    if isinstance(key, bool) or key is None:
        return {True: "true", False: "false", None: "null"}[key]
    if isinstance(key, int) and key.bit_length() > 200:
        return "a long number"
    return str(key)


def _repair(value: Any, path: Path, whole: Path) -> Any:
    """A copy of `value` in which the place at `path` is gone or replaced."""
    if not path:
        return {}
    head, rest = path[0], path[1:]
    if isinstance(value, list):
        if not isinstance(head, int) or head >= len(value):
            return value
        if rest:
            return [_repair(v, rest, whole) if i == head else v for i, v in enumerate(value)]
        return [v for i, v in enumerate(value) if i != head]
    if not isinstance(value, Mapping):
        return value
    if rest and head in value:
        return {k: _repair(v, rest, whole) if k == head else v for k, v in value.items()}
    kept = {k: v for k, v in value.items() if k != head}
    stand_in = _stand_in(whole)
    return kept if stand_in is None or rest else {**kept, head: stand_in}


def _stand_in(path: Path) -> Any:
    """What must be there for the rest of the file to be checked, or None when it may be left out."""
    if not all(isinstance(part, str | int) for part in path):
        return None
    field = field_at(StackSettings, path)
    if field is not None:
        return field.examples[0] if field.is_required() and field.examples else None
    found = sections(annotation_at(StackSettings, path))
    return dict(found[0].example) if found and isinstance(path[-1], str) else None
