"""Reading YAML as Pulumi does (dates stay strings), and changing one key of a file without losing its
comments.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from .errors import EngineError

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):
    """A safe loader without timestamps: `2024-01-01` in a configuration is a string."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in _Base.yaml_implicit_resolvers.items()
}


def load_yaml(file: Path) -> Any:
    try:
        return parse_yaml(file.read_text(), str(file))
    except OSError as error:
        raise EngineError(f"{file} cannot be read ({error.strerror}).") from error


def parse_yaml(text: str, name: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 (a safe loader)
    except yaml.YAMLError as error:
        raise EngineError(f"{name} is not valid YAML: {error}") from error


def set_key(text: str, path: tuple[str, ...], value: Any) -> str:
    """Set a key one or two levels deep. What stands around it stays as it is."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if root is None:
        return text + _render(path, value)
    if len(path) == 1:
        return _set_in(text, root, path[0], value, indent=0)
    section = _child(root, path[0])
    if section is None or not isinstance(section, yaml.MappingNode) or not section.value:
        cleared = remove_key(text, path[:1])
        return _ended(cleared) + _render(path, value)
    if section.flow_style:
        data = parse_yaml(text, "")[path[0]]
        return set_key(text, path[:1], {**data, path[1]: value})
    return _set_in(text, section, path[1], value, indent=section.start_mark.column)


def remove_key(text: str, path: tuple[str, ...]) -> str:
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    node = root
    for part in path[:-1]:
        node = _child(node, part) if node is not None else None
    if node is None or not isinstance(node, yaml.MappingNode):
        return text
    for key, value in node.value:
        if key.value == path[-1]:
            lines = text.splitlines(keepends=True)
            last = max(_last_line(value), key.start_mark.line)
            return "".join(lines[: key.start_mark.line] + lines[last + 1 :])
    return text


def _last_line(node: Any) -> int:
    """The last line with something of the node on it. (The mark of a block's end is where the next thing
    starts.)
    """
    if isinstance(node, yaml.MappingNode) and not node.flow_style and node.value:
        return max(_last_line(value) for _, value in node.value)
    if isinstance(node, yaml.SequenceNode) and not node.flow_style and node.value:
        return max(_last_line(item) for item in node.value)
    end = node.end_mark
    return end.line - 1 if end.column == 0 and end.line > node.start_mark.line else end.line


def _child(node: Any, key: str) -> Any:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if name.value == key), None)


def _set_in(text: str, mapping: Any, key: str, value: Any, indent: int) -> str:
    rendered = _block(key, value, indent)
    lines = text.splitlines(keepends=True)
    for name, current in mapping.value:
        if name.value == key:
            last = max(_last_line(current), name.start_mark.line)
            return "".join(lines[: name.start_mark.line]) + rendered + "".join(lines[last + 1 :])
    position = max((_last_line(item) for _, item in mapping.value), default=mapping.start_mark.line) + 1
    before = "".join(lines[:position])
    return _ended(before) + rendered + "".join(lines[position:])


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"


def _render(path: tuple[str, ...], value: Any) -> str:
    if len(path) == 1:
        return _block(path[0], value, 0)
    return f"{path[0]}:\n" + _block(path[1], value, 2)


def _block(key: str, value: Any, indent: int) -> str:
    dumped = yaml.safe_dump({key: value}, sort_keys=False, width=10**6, allow_unicode=True)
    return "".join(f"{' ' * indent}{line}\n" for line in dumped.splitlines())


def to_json(value: Any) -> str:
    """Compact JSON with sorted keys, as Go writes it."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
