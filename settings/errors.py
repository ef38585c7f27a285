"""What a stack file gets wrong: one `Problem` each, all of them in one `SettingsError`.

A problem names the key as it stands in the stack file, the reason, and the fix. Nothing here prints or logs.
"""

from collections.abc import Iterable
from dataclasses import dataclass

NAMESPACE = "vllm-azureml"

Path = tuple[str | int, ...]


def dotted(path: Path) -> str:
    """The key as a person would look for it: `vllm-azureml:endpoints.chat.deployments.blue`."""
    if path[:1] in (("location",), ("azure-native:location",)):
        return "azure-native:location"
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return f"{NAMESPACE}:{text}" if text else NAMESPACE


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong (or, in a list of warnings, unwise): where, why, and what to write instead."""

    path: Path
    reason: str
    fix: str

    @property
    def key(self) -> str:
        return dotted(self.path)

    def __str__(self) -> str:
        return f"{self.key}: {self.reason} {self.fix}"


class SettingsError(Exception):
    """The stack file cannot be used. `problems` holds all that is wrong with it, in its order."""

    def __init__(self, problems: Iterable[Problem], source: str = "the stack configuration") -> None:
        self.problems = tuple(problems)
        self.source = source
        super().__init__(self._text())

    def _text(self) -> str:
        count = len(self.problems)
        head = (
            f"{self.source} has {'one problem' if count == 1 else f'{count} problems'}; nothing was created."
        )
        return "\n".join([head, *(f"  {i}. {p}" for i, p in enumerate(self.problems, 1))])
