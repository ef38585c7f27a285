"""The text of a stack file."""

from pathlib import Path
from typing import Any

from settings.errors import NAMESPACE
from settings.migrate.convert import Conversion

HEAD = """\
# Made from the az ml files in {folder} by `python -m settings.from_azml`.
# docs/configuration.md says what each key means.
"""
DEFAULTS = """\
# `azml` leaves out what the files leave out. Remove it to have timeouts, concurrency and probe windows that
# fit the model; the plan explains each choice.
"""


def write(converted: Conversion, folder: Path) -> str:
    """Pulumi.STACK.yaml as text, with what was changed as comments."""
    import yaml

    lines = [HEAD.format(folder=folder.name)]
    if converted.notes:
        lines.append("# Changed on the way:\n" + "".join(f"#   {note}\n" for note in converted.notes))
    lines.append("config:\n")
    for key, value in converted.config.items():
        name = "azure-native:location" if key == "location" else f"{NAMESPACE}:{key}"
        text = yaml.safe_dump({name: _plain(value)}, sort_keys=False, allow_unicode=True, width=110)
        text = DEFAULTS + text if key == "defaults" else text
        lines.append("".join(f"  {line}\n" for line in text.splitlines()))
    return "".join(lines)


def _plain(value: Any) -> Any:
    """Copies, so that what a file anchors (&a, *a) is written out where it stands."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value
