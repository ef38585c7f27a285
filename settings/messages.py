"""From what pydantic found to what a person needs: the key, the reason, the fix.

Values are shown only where they cannot be secrets: never below environment variables, tokens or build
arguments.
"""

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from settings.base import Section
from settings.errors import Path, Problem
from settings.redact import is_token
from settings.tree import annotation_at, field_at, literals, places, sections

HIDDEN = frozenset({"environment_variables", "token", "args", "conda_file", "flavors", "system_metadata"})


def problems(root: type[Section], errors: Iterable[Mapping[str, Any]], raw: Any) -> list[Problem]:
    """One problem for each key; what several branches of a union say about one key becomes one sentence."""
    found: dict[Path, Problem] = {}
    for error in errors:
        path = clean(error["loc"], raw)
        if path not in found:
            found[path] = _problem(root, path, error)
    return list(found.values())


def clean(location: tuple[str | int, ...], raw: Any) -> Path:
    """pydantic's location without the names of union branches, which are no keys of the file."""
    path: list[str | int] = []
    here = raw
    for index, part in enumerate(location):
        last = index == len(location) - 1
        if isinstance(here, Mapping) and part in here:
            here = here[part]
            path.append(part)
        elif isinstance(here, Mapping) and last:
            path.append(part)
        elif isinstance(here, list) and isinstance(part, int) and part < len(here):
            here = here[part]
            path.append(part)
    return tuple(path)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word somebody most likely meant."""
    table = {k.lower().replace("-", "_"): k for k in known}
    close = difflib.get_close_matches(word.lower().replace("-", "_"), table, n=1, cutoff=0.6)
    return table[close[0]] if close else None


def show(value: Any) -> str:
    """A value short enough for a sentence."""
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "null"
    if isinstance(value, str):
        if is_token(value):
            return "the value (it looks like a secret)"
        return f"`{value if len(value) <= 60 else value[:57] + '...'}`"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple | set):
        return "a list"
    if isinstance(value, int | float):
        return (
            str(value)
            if isinstance(value, float) or value.bit_length() < 200
            else "a number with too many digits"
        )
    return f"a value of type {type(value).__name__}"


def _problem(root: type[Section], path: Path, error: Mapping[str, Any]) -> Problem:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown(root, path)
    if kind == "missing":
        return _missing(root, path)
    if "fix" in context:
        return Problem(path, context["reason"], context["fix"])
    if error.get("input") is None and kind not in ("union_tag_not_found",):
        return Problem(path, "has no value.", "Write a value, or remove the key.")
    hidden = any(part in HIDDEN for part in path)
    shown = "the value" if hidden else show(error.get("input"))
    return _by_kind(root, path, kind, context, shown)


def _unknown(root: type[Section], path: Path) -> Problem:
    candidates = sections(annotation_at(root, path[:-1]))
    key = str(path[-1])
    for section in candidates:
        if key in section.refused:
            return Problem(path, "is not supported here.", section.refused[key])
        if key in section.read_only:
            return Problem(path, "is read-only.", f"{section.read_only[key]} Remove it.")
    known = [name for section in candidates for name in section.model_fields]
    place = next((place for section in candidates for place in places(section, key)), None)
    guess = nearest(key, known)
    if guess and (place is None or guess.lower() == key.lower()):
        return Problem(path, "is not a known key.", f"Did you mean `{guess}`?")
    if place:
        return Problem(path, "is not a known key here.", f"Write it as `{place}`.")
    return Problem(path, "is not a known key.", f"Known keys here: {', '.join(sorted(known))}.")


def _missing(root: type[Section], path: Path) -> Problem:
    field = field_at(root, path)
    example = field.examples[0] if field is not None and field.examples else None
    what = field.description.rstrip(".") if field is not None and field.description else "A value is needed"
    return Problem(path, "is missing.", f"{what}; for example {_yaml(path[-1], example)}.")


def _yaml(key: Any, example: Any) -> str:
    if isinstance(example, Mapping):
        return (
            f"`{key}: {{{', '.join(f'{k}: {v}' for k, v in example.items() if not isinstance(v, Mapping))}}}`"
        )
    return f"`{key}: {example}`"


Sentence = Callable[[Mapping[str, Any], str], tuple[str, str]]

_SENTENCES: dict[str, Sentence] = {
    "int_type": lambda c, v: (f"{v} is not a whole number.", "Write digits, for example 1."),
    "int_parsing": lambda c, v: (f"{v} is not a whole number.", "Write digits, for example 1."),
    "int_parsing_size": lambda c, v: ("the number has too many digits.", "Write a smaller number."),
    "int_from_float": lambda c, v: (f"{v} is not a whole number.", "Write it without a fraction."),
    "finite_number": lambda c, v: (f"{v} is not a finite number.", "Write digits, for example 1."),
    "float_type": lambda c, v: (f"{v} is not a number.", "Write a number, for example 0.5."),
    "float_parsing": lambda c, v: (f"{v} is not a number.", "Write a number, for example 0.5."),
    "bool_type": lambda c, v: (f"{v} is neither true nor false.", "Write true or false."),
    "bool_parsing": lambda c, v: (f"{v} is neither true nor false.", "Write true or false."),
    "greater_than_equal": lambda c, v: (
        f"{v} is below the minimum of {c['ge']:g}.",
        f"Write {c['ge']:g} or more.",
    ),
    "less_than_equal": lambda c, v: (
        f"{v} is above the maximum of {c['le']:g}.",
        f"Write {c['le']:g} or less.",
    ),
    "list_type": lambda c, v: (f"{v} stands where a list belongs.", "Write it as a list: [a, b]."),
    "dict_type": lambda c, v: (f"{v} stands where a mapping belongs.", "Write it as `key: value` lines."),
    "model_type": lambda c, v: (f"{v} stands where a mapping belongs.", "Write it as `key: value` lines."),
    "model_attributes_type": lambda c, v: (
        f"{v} stands where a mapping belongs.",
        "Write it as `key: value` lines.",
    ),
    "string_unicode": lambda c, v: ("the text is not valid Unicode.", "Write it as UTF-8."),
}


def _by_kind(root: type[Section], path: Path, kind: str, context: Mapping[str, Any], shown: str) -> Problem:
    if kind == "string_type":
        return Problem(path, f"{shown} is not text.", 'Put it in quotes, as "8000" or "true".')
    if kind in ("literal_error", "union_tag_invalid", "union_tag_not_found"):
        return _not_one_of(root, path, shown)
    if kind in _SENTENCES:
        return Problem(path, *_SENTENCES[kind](context, shown))
    return Problem(
        path, f"{shown} cannot be used here.", "See docs/configuration.md for what this key takes."
    )


def _not_one_of(root: type[Section], path: Path, shown: str) -> Problem:
    annotation = annotation_at(root, path)
    allowed = [str(value) for value in literals(annotation)]
    if not allowed:
        kinds = [value for s in sections(annotation) for value in literals(s.model_fields["type"].annotation)]
        return Problem(
            path, "does not say what kind it is.", f"Add `type`: one of {', '.join(map(str, kinds))}."
        )
    guess = nearest(shown.strip("`"), allowed)
    fix = f"Did you mean `{guess}`? Allowed: " if guess else "Write one of: "
    return Problem(path, f"{shown} is not one of the allowed values.", f"{fix}{', '.join(allowed)}.")
