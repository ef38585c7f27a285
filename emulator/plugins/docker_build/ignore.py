""".dockerignore as Docker reads it.

Last match wins, `!` takes back, `**` crosses folders, a matched folder takes everything in it. Source:
github.com/moby/patternmatcher (behaviour only). Which file is read: NAME.dockerignore beside the
Dockerfile, else .dockerignore of the context (docs.docker.com/build/concepts/context).
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Rule:
    """One line; `exclude` is False for a line with `!`."""

    pattern: re.Pattern[str]
    exclude: bool


def read_rules(context: Path, dockerfile: Path | None) -> list[Rule]:
    """Return the rules of the ignore file that applies."""
    candidates = [context / ".dockerignore"]
    if dockerfile is not None:
        candidates.insert(0, dockerfile.with_name(dockerfile.name + ".dockerignore"))
    for candidate in candidates:
        if candidate.is_file():
            return parse(candidate.read_text(encoding="utf-8-sig"))
    return []


def parse(text: str) -> list[Rule]:
    """Return the rules of an ignore file's text."""
    rules = []
    for raw in text.splitlines():
        line = raw.strip()
        if not line or raw.startswith("#"):
            continue
        exclude = not line.startswith("!")
        pattern = posixpath.normpath(line.removeprefix("!").strip()).lstrip("/")
        if pattern not in ("", "."):
            rules.append(Rule(_compile(pattern), exclude))
    return rules


def is_ignored(path: str, rules: list[Rule]) -> bool:
    """Tell whether a file (relative, with slashes) stays out of the context."""
    parts = path.split("/")
    parents = ["/".join(parts[: i + 1]) for i in range(len(parts))]
    ignored = False
    for rule in rules:
        if rule.exclude != ignored and any(rule.pattern.fullmatch(parent) for parent in parents):
            ignored = rule.exclude
    return ignored


def _compile(pattern: str) -> re.Pattern[str]:
    out, i = "", 0
    while i < len(pattern):
        if pattern.startswith("**/", i):
            out, i = out + "(?:.*/)?", i + 3
        elif pattern.startswith("**", i):
            out, i = out + ".*", i + 2
        elif pattern[i] == "*":
            out, i = out + "[^/]*", i + 1
        elif pattern[i] == "?":
            out, i = out + "[^/]", i + 1
        elif pattern[i] == "[" and (end := pattern.find("]", i + 2)) > 0:
            out, i = out + pattern[i : end + 1].replace("[!", "[^"), end + 1
        elif pattern[i] == "\\" and i + 1 < len(pattern):
            out, i = out + re.escape(pattern[i + 1]), i + 2
        else:
            out, i = out + re.escape(pattern[i]), i + 1
    return re.compile(out, re.DOTALL)
