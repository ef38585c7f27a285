"""`python -m stack.lock STACK`: resolve every Hugging Face model of a stack and write the stack's lock file.

Models that a container downloads itself are locked too: sizing needs their facts. What the hub does not give
is reported and left as it was; the lock never holds a commit or a digest nobody saw.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from settings.models import Model


def main(arguments: list[str]) -> int:
    """Write the lock; 1 when a model could not be resolved."""
    from serving.errors import ServingError
    from serving.lock import read, write
    from serving.lock_writer import lock_models
    from settings import SettingsError, load
    from stack.known import hub_models
    from stack.plan import raw_settings

    try:
        settings = load(raw_settings(arguments[0] if arguments else "dev"))
        wanted = [_wanted(model) for model in hub_models(settings)]
        if not wanted:
            print("the stack names no Hugging Face model: there is nothing to lock")
            return 0
        lock, said = lock_models(read(settings.lock), wanted)
        changed = write(settings.lock, lock)
    except (SettingsError, ServingError, OSError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    print("\n".join([*said, f"{settings.lock}: {'written' if changed else 'no change'}"]))
    return 0


def _wanted(model: Model) -> dict[str, object]:
    return {
        "repository": model.huggingface,
        "revision": model.revision,
        "allow_patterns": model.allow_patterns,
        "ignore_patterns": model.ignore_patterns,
        # Taken where it is used, and nowhere kept. A reference to a vault is the copy's alone.
        "token": os.environ.get((model.token or "").removeprefix("env:")) or os.environ.get("HF_TOKEN"),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
