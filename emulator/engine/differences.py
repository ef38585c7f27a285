"""What changed between two sets of properties: a provider's answer to Diff, or the engine's own
comparison.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from . import paths
from .values import Properties, Value, same, unwrap

NONE, SOME, UNKNOWN = "none", "some", "unknown"
INIT_ERROR_KEY = "#initerror"
_INVERSE = {
    "add": "delete",
    "delete": "add",
    "add-replace": "delete-replace",
    "delete-replace": "add-replace",
}


@dataclass(frozen=True)
class PropertyDiff:
    """`kind` is add, delete or update, with `-replace` where the property forces a replacement."""

    kind: str
    input_diff: bool = False

    @property
    def replaces(self) -> bool:
        return self.kind.endswith("-replace")

    def to_replace(self) -> PropertyDiff:
        return self if self.replaces else replace(self, kind=f"{self.kind}-replace")


@dataclass
class Diff:
    """A provider's verdict: changes is none, some or unknown (then the engine compares the inputs itself)."""

    changes: str = NONE
    replace_keys: list[str] = field(default_factory=list)
    changed_keys: list[str] = field(default_factory=list)
    stable_keys: list[str] = field(default_factory=list)
    detailed: dict[str, PropertyDiff] | None = None
    delete_before_replace: bool = False

    @property
    def replaces(self) -> bool:
        detailed = self.detailed or {}
        return bool(self.replace_keys) or any(entry.replaces for entry in detailed.values())

    def inverted(self) -> Diff:
        detailed = None
        if self.detailed is not None:
            detailed = {
                key: replace(entry, kind=_INVERSE.get(entry.kind, entry.kind))
                for key, entry in self.detailed.items()
            }
        return replace(self, detailed=detailed)


def compare(old: Properties, new: Properties) -> Diff:
    """The engine's own comparison of inputs, for providers that do not know. Secrecy alone is not
    a change.
    """
    detailed: dict[str, PropertyDiff] = {}
    changed = [
        key
        for key in sorted(set(old) | set(new))
        if _compare((key,), unwrap(old.get(key)), unwrap(new.get(key)), detailed)
    ]
    if not changed:
        return Diff(NONE)
    return Diff(SOME, changed_keys=changed, detailed=detailed)


def _compare(path: paths.Path, old: Value, new: Value, found: dict[str, PropertyDiff]) -> bool:
    before = len(found)
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(set(old) | set(new)):
            _compare((*path, key), old.get(key), new.get(key), found)
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            place = (*path, index)
            if index >= len(old):
                found[paths.format_path(place)] = PropertyDiff("add", True)
            elif index >= len(new):
                found[paths.format_path(place)] = PropertyDiff("delete", True)
            else:
                _compare(place, old[index], new[index], found)
    elif not same(old, new):
        kind = "add" if old is None else "delete" if new is None else "update"
        found[paths.format_path(path)] = PropertyDiff(kind, True)
    return len(found) > before


def apply_replace_on_changes(diff: Diff, patterns: list[str], has_init_errors: bool) -> Diff:
    """Turn changes below the program's `replaceOnChanges` paths into reasons to replace."""
    if diff.changes != SOME and not has_init_errors:
        return diff
    parsed = [paths.parse(pattern) for pattern in patterns]
    detailed = None
    if diff.detailed is not None:
        detailed = {
            key: entry.to_replace() if _below(parsed, paths.parse(key)) else entry
            for key, entry in diff.detailed.items()
        }
    keys = list(dict.fromkeys(diff.replace_keys))
    keys += [key for key in diff.changed_keys if key not in keys and _below(parsed, (key,))]
    changes = diff.changes
    if has_init_errors and _below(parsed, (INIT_ERROR_KEY,)):
        keys.append(INIT_ERROR_KEY)
        changes = SOME
        if detailed is not None:
            detailed[INIT_ERROR_KEY] = PropertyDiff("update-replace")
    return replace(diff, changes=changes, replace_keys=keys, detailed=detailed)


def _below(patterns: list[paths.Path], path: paths.Path) -> bool:
    return any(paths.contains(pattern, path) for pattern in patterns)
