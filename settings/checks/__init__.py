"""Every check that needs more than the type of one value, and no network.

Each module yields `Problem`s for a whole stack; `check` gathers them. What is unwise but allowed is in
`settings.warnings`.
"""

from pathlib import Path

from settings.checks import (
    assets,
    containers,
    identities,
    local_files,
    names,
    network,
    platform,
    references,
    scaling,
    secrets,
    traffic,
    vllm,
)
from settings.errors import Problem
from settings.stack import StackSettings

RULES = (
    names.check,
    platform.check,
    network.check,
    assets.check,
    identities.check,
    references.check,
    containers.check,
    traffic.check,
    scaling.check,
    secrets.check,
    vllm.check,
)


def check(stack: StackSettings, *, folder: Path | None = None) -> list[Problem]:
    """Everything that is wrong with a well-formed stack; local paths too when `folder` is given."""
    found = [problem for rule in RULES for problem in rule(stack)]
    return found + (list(local_files.check(stack, folder)) if folder is not None else [])
