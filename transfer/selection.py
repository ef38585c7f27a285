"""Which files of a repository are copied: what a server of the model needs, and no pickles unless asked for.

Patterns are those of huggingface_hub: shell patterns over the whole path, a trailing slash means the folder.
A pickle runs code when it is loaded, so weights in that form come only with `include_pickle`, even if a
pattern names them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from hashlib import sha256

from transfer.errors import TransferError
from transfer.model import FileEntry

DEFAULT_ALLOW = (
    "*.safetensors",
    "*.json",
    "*.jinja",
    "*.model",
    "*.txt",
    "*.tiktoken",
    "*.py",
    "*.md",
    "LICENSE*",
    "NOTICE*",
    "USE_POLICY*",
)
# Copies of the same weights in the authors' own layout; vLLM reads the Hugging Face one.
DEFAULT_IGNORE = ("original/*", "consolidated*.safetensors", "metal/*", ".git*", "*/.git*", ".cache/*")
PICKLE = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.pickle", "*.ckpt", "*.joblib")


@dataclass(frozen=True)
class Selection:
    """The patterns of one copy. None means the default."""

    allow: tuple[str, ...] | None = None
    ignore: tuple[str, ...] | None = None
    include_pickle: bool = False

    @staticmethod
    def of(
        allow: Sequence[str] | None, ignore: Sequence[str] | None, include_pickle: bool = False
    ) -> Selection:
        """From whatever a configuration holds."""
        return Selection(
            tuple(allow) if allow is not None else None,
            tuple(ignore) if ignore is not None else None,
            bool(include_pickle),
        )

    def takes(self, path: str) -> bool:
        """Whether the file is copied."""
        if not self.include_pickle and _any(path, PICKLE):
            return False
        allow = (
            self.allow if self.allow is not None else DEFAULT_ALLOW + (PICKLE if self.include_pickle else ())
        )
        ignore = self.ignore if self.ignore is not None else DEFAULT_IGNORE
        return _any(path, allow) and not _any(path, ignore)

    def apply(self, files: Iterable[FileEntry], repository: str) -> tuple[FileEntry, ...]:
        """The files that are copied, in a fixed order. Raises when there are none."""
        given = {entry.path: entry for entry in files}
        return tuple(given[path] for path in self.select(given, repository))

    def select(self, paths: Iterable[str], repository: str) -> list[str]:
        """The paths that are copied, in a fixed order. Raises when there are none."""
        given = sorted(paths)
        taken = [path for path in given if self.takes(path)]
        if not taken:
            pickles = sum(_any(path, PICKLE) for path in given)
            hint = f" {pickles} pickle files are left out: include_pickle takes them." if pickles else ""
            raise TransferError(
                f"{repository}: none of its {len(given)} files is selected, so there would be no "
                f"model.{hint} Change allow_patterns or ignore_patterns."
            )
        return taken

    @property
    def name(self) -> str:
        """A short name of a selection that is not the default; it keeps different selections in different
        folders.
        """
        if self == Selection():
            return ""
        return sha256(repr((self.allow, self.ignore, self.include_pickle)).encode()).hexdigest()[:8]


def _any(path: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(path, pattern + "*" if pattern.endswith("/") else pattern) for pattern in patterns)
