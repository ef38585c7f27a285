"""Property paths such as `a.b[0]["c.d"]` and `tags.*`: parse, print, look up, match, and reset to an old
value.

The rules for resetting follow Pulumi's `ignoreChanges`: it is an error to keep an old element of a list whose
length has changed, and a key that the old value lacks is removed from the new one.
"""

from __future__ import annotations

import re
from typing import Any

from .values import Properties, Secret, Value

Path = tuple[str | int, ...]

_PLAIN = re.compile(r"^[A-Za-z0-9_]+$")


def parse(text: str) -> Path:
    """Raises ValueError for an unbalanced bracket or quote."""
    out: list[str | int] = []
    position, length = 0, len(text)
    while position < length:
        char = text[position]
        if char == ".":
            position += 1
        elif char == "[":
            part, position = _bracket(text, position)
            out.append(part)
        else:
            match = re.compile(r"[^.\[]+").match(text, position)
            assert match is not None
            out.append(match.group())
            position = match.end()
    return tuple(out)


def _bracket(text: str, start: int) -> tuple[str | int, int]:
    if text.startswith('["', start):
        key, position = [], start + 2
        while position < len(text):
            if text[position] == "\\" and position + 1 < len(text):
                key.append(text[position + 1])
                position += 2
            elif text[position] == '"':
                if text[position + 1 : position + 2] != "]":
                    break
                return "".join(key), position + 2
            else:
                key.append(text[position])
                position += 1
        raise ValueError(f"unbalanced quotes in property path {text!r}")
    end = text.find("]", start)
    if end < 0:
        raise ValueError(f"missing closing bracket in property path {text!r}")
    inner = text[start + 1 : end]
    if inner == "*":
        return "*", end + 1
    if not inner.lstrip("-").isdigit():
        raise ValueError(f"invalid index {inner!r} in property path {text!r}")
    return int(inner), end + 1


def format_path(path: Path) -> str:
    out = ""
    for index, part in enumerate(path):
        if isinstance(part, int):
            out += f"[{part}]"
        elif _PLAIN.match(part):
            out += part if index == 0 else f".{part}"
        else:
            escaped = part.replace('"', '\\"')
            out += f'["{escaped}"]'
    return out


def contains(pattern: Path, other: Path) -> bool:
    """Whether `other` lies at or below `pattern`, where `*` stands for any one part."""
    if len(other) < len(pattern):
        return False
    return all(mine in ("*", theirs) for mine, theirs in zip(pattern, other, strict=False))


def lookup(path: Path, value: Any) -> tuple[Value, bool]:
    for part in path:
        in_list = isinstance(value, list) and isinstance(part, int) and 0 <= part < len(value)
        in_object = isinstance(value, dict) and part in value
        if in_list or in_object:
            value = value[part]
        else:
            return None, False
    return value, True


def reset(path: Path, old: Properties, new: Properties) -> bool:
    """Put the old value at `path` back into `new`, in place. False where the path cannot be reset."""
    return _reset(path, old, new, False)


def _open(value: Value) -> tuple[Value, bool]:
    hidden = False
    while isinstance(value, Secret):
        value, hidden = value.value, True
    return value, hidden


def _reset(path: Path, old: Value, new: Value, hide: bool) -> bool:
    """`hide`: the old value was inside a secret and the new one is not."""
    if not path:
        return False
    old, old_hidden = _open(old)
    new, new_hidden = _open(new)
    hide = (hide or old_hidden) and not new_hidden
    part = path[0]
    if isinstance(part, int):
        return _reset_index(part, path, old, new, hide)
    if part == "*":
        return _reset_all(path, old, new, hide)
    return _reset_key(part, path, old, new, hide)


def _kept(value: Value, hide: bool) -> Value:
    return Secret(value) if hide and not isinstance(value, Secret) else value


def _reset_index(index: int, path: Path, old: Value, new: Value, hide: bool) -> bool:
    both = isinstance(old, list) and isinstance(new, list)
    if index < 0:
        return False
    if not both:
        return not isinstance(old, list) and not isinstance(new, list)
    if len(path) == 1 and index >= len(old) and index >= len(new):
        return True
    if index >= len(old) or index >= len(new):
        return False
    if len(path) == 1:
        new[index] = _kept(old[index], hide)
        return True
    return _reset(path[1:], old[index], new[index], hide)


def _reset_all(path: Path, old: Value, new: Value, hide: bool) -> bool:
    if len(path) == 1:
        return _reset_every_leaf(old, new, hide)
    if isinstance(old, dict) and isinstance(new, dict):
        return all(key in new and _reset(path[1:], old[key], new[key], hide) for key in old)
    if isinstance(old, list) and isinstance(new, list):
        pairs = zip(old, new, strict=False)
        return all(_reset(path[1:], was, now, hide) for was, now in pairs) and len(old) == len(new)
    return False


def _reset_every_leaf(old: Value, new: Value, hide: bool) -> bool:
    if isinstance(new, dict):
        if isinstance(old, dict):
            for key in [key for key in new if key not in old]:
                del new[key]
            new.update({key: _kept(value, hide) for key, value in old.items()})
        return True
    if isinstance(new, list):
        if not isinstance(old, list):
            return True
        for index in range(min(len(old), len(new))):
            new[index] = _kept(old[index], hide)
        return len(old) == len(new)
    return False


def _reset_key(key: str, path: Path, old: Value, new: Value, hide: bool) -> bool:
    if len(path) == 1:
        if isinstance(old, dict) and key in old:
            if not isinstance(new, dict):
                return False
            new[key] = _kept(old[key], hide)
        elif isinstance(new, dict):
            new.pop(key, None)
        return True
    if not isinstance(old, dict) or not isinstance(new, dict):
        return not isinstance(old, dict) and not isinstance(new, dict)
    if key in old and key not in new:
        return False
    if key not in old and key not in new:
        return True
    return _reset(path[1:], old.get(key), new[key], hide)
