"""The text of a stack file."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from settings.errors import NAMESPACE
from settings.migrate.convert import Conversion

AMBIGUOUS = re.compile(
    r"[-+.]?[0-9][0-9a-fxob_.:eE+-]*|y|n|yes|no|on|off|true|false|null|~|[-+]?\.(inf|nan)", re.IGNORECASE
)
HEAD = """\
# Made from the az ml files in {folder} by `python -m settings.from_azml`.
# docs/configuration.md says what each key means.
"""
DEFAULTS = """\
# `azml` leaves out what the files leave out. Remove it to have timeouts, concurrency and probe windows that
# fit the model; the plan explains each choice.
"""


def write(converted: Conversion, folder: Path, kept: dict[str, Any] | None = None) -> str:
    """Pulumi.STACK.yaml as text, with what was changed as comments."""
    dumper = _dumper()
    lines = [HEAD.format(folder=folder.name)]
    if converted.notes:
        lines.append("# Changed on the way:\n" + "".join(f"#   {note}\n" for note in converted.notes))
    lines.append(dumper(kept) if kept else "")
    lines.append("config:\n")
    for key, value in converted.config.items():
        name = "azure-native:location" if key == "location" else f"{NAMESPACE}:{key}"
        text = dumper({name: _plain(value)})
        text = DEFAULTS + text if key == "defaults" else text
        lines.append("".join(f"  {line}\n" for line in text.splitlines()))
    return "".join(lines)


def _dumper() -> Callable[[Any], str]:
    """PyYAML, but with quotes around every text that another YAML reader would take for something else.

    Pulumi reads stack files with Go's YAML 1.2, where `1e5` and `0o7` are numbers; for PyYAML they are text.
    """
    import yaml

    class Dumper(yaml.SafeDumper):
        pass

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        style = "'" if AMBIGUOUS.fullmatch(value) else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    return lambda value: str(yaml.dump(value, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=110))


def _plain(value: Any) -> Any:
    """Copies, so that what a file anchors (&a, *a) is written out where it stands."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value
