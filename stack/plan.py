"""`python -m stack.plan STACK`: one page for a person on what is known before anything is rented.

The same facts as in a preview (`stack.known`), and what Azure answers to a Reader when there is a
credential: cores left, SKUs the region has, endpoint names (`stack.asked`). Needs no Pulumi and creates
nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def main(arguments: list[str]) -> int:
    """Print the page of one stack; 1 when its files cannot be read, else 0 whatever the page says."""
    from serving.errors import ServingError
    from serving.lock import read_if_there
    from serving.report import show
    from settings import SettingsError, load
    from stack.asked import ask
    from stack.known import choices, page

    name = arguments[0] if arguments else "dev"
    try:
        raw = raw_settings(name)
        settings = load(raw)
        lock = read_if_there(settings.lock)
        show(page(settings, lock, name, ask(settings, raw)))
    except (SettingsError, ServingError, OSError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    for choice in choices(settings, lock):
        print(f"chosen: {choice}")
    return 0


def raw_settings(stack: str) -> Mapping[str, Any]:
    """The configuration of a stack file beside Pulumi.yaml."""
    import yaml

    path = Path(f"Pulumi.{stack}.yaml")
    if not path.exists():
        raise FileNotFoundError(f"there is no {path} here; STACK names a stack file beside Pulumi.yaml")
    try:
        found = yaml.safe_load(path.read_text())
    except yaml.YAMLError as problem:
        raise OSError(f"{path} is not YAML: {' '.join(str(problem).split())}") from None
    config = found.get("config") if isinstance(found, Mapping) else None
    if not isinstance(config, Mapping):
        raise OSError(f"{path} has no `config`; compare Pulumi.dev.yaml")
    return config


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
