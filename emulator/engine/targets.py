"""`--target` and `--exclude`: sets of URNs, where `*` matches within one part of a URN and `**` across
parts.
"""

from __future__ import annotations

import re


class Targets:
    """Unconstrained (matches everything) when made from nothing."""

    def __init__(self, patterns: list[str] | tuple[str, ...] = ()) -> None:
        self.literals = [pattern for pattern in patterns if "*" not in pattern]
        self._globs = [_compile(pattern) for pattern in patterns if "*" in pattern]

    def __bool__(self) -> bool:
        return bool(self.literals or self._globs)

    def __contains__(self, urn: str) -> bool:
        if not self:
            return True
        return urn in self.literals or any(glob.match(urn) for glob in self._globs)

    def add(self, urn: str) -> None:
        if self:
            self.literals.append(urn)

    def copy(self) -> Targets:
        clone = Targets()
        clone.literals, clone._globs = list(self.literals), list(self._globs)
        return clone


def _compile(pattern: str) -> re.Pattern[str]:
    segments = [
        "[^:]*".join(re.escape(part) for part in segment.split("*")) for segment in pattern.split("**")
    ]
    return re.compile("^" + ".*".join(segments) + "$")
