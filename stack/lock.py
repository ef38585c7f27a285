"""`python -m stack.lock STACK`: resolve every Hugging Face model of a stack and write the stack's lock file.

What the hub does not give is left out and reported; the lock never holds a commit or a digest nobody saw.
"""

from __future__ import annotations

import os
import sys

from serving.errors import ServingError
from settings import SettingsError, StackSettings, load
from settings.models import Model
from settings.references import Registered, model_of
from stack.plan import raw_settings


def main(arguments: list[str]) -> int:
    """Write the lock; 1 when a model could not be resolved."""
    from serving.lock import read, write
    from serving.lock_writer import lock_models

    try:
        settings = load(raw_settings(arguments[0] if arguments else "dev"))
        lock, said = lock_models(read(settings.lock), [_wanted(model) for model in models(settings)])
        changed = write(settings.lock, lock)
    except (SettingsError, ServingError, OSError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    print("\n".join([*said, f"{settings.lock}: {'written' if changed else 'no change'}"]))
    return 0


def models(settings: StackSettings) -> list[Model]:
    """The stack's Hugging Face models, those that deployments hold inline included; each once."""
    found = list(settings.models.values())
    for _, _, deployment in settings.deployments():
        named = model_of(settings, deployment)
        if named is not None and not isinstance(named, Registered) and named[1] not in found:
            found.append(named[1])
    return [model for model in found if model.huggingface]


def _wanted(model: Model) -> dict[str, object]:
    return {
        "repository": model.huggingface,
        "revision": model.revision,
        "allow_patterns": model.allow_patterns,
        "ignore_patterns": model.ignore_patterns,
        # Taken where it is used, and nowhere kept.
        "token": os.environ.get("HF_TOKEN"),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
