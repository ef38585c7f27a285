"""Writes docs/sizing*.md: `python -m docs.sizing` (`--check` only says whether they are current)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from docs.sizing import accuracy, comparison, worked

DOCS = Path(__file__).parents[1]
PAGES: dict[str, Callable[[], str]] = {
    "sizing.md": worked.page,
    "sizing-accuracy.md": accuracy.page,
    "sizing-comparison.md": comparison.page,
}


def main(argv: list[str]) -> int:
    stale = [name for name, page in PAGES.items() if _text(name) != page()]
    if "--check" in argv:
        for name in stale:
            print(f"docs/{name} is not current: run python -m docs.sizing")
        return 1 if stale else 0
    for name in stale:
        (DOCS / name).write_text(PAGES[name](), encoding="utf-8")
        print(f"docs/{name} written")
    return 0


def _text(name: str) -> str:
    path = DOCS / name
    return path.read_text(encoding="utf-8") if path.exists() else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
