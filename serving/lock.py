"""`models.lock.json`: which commit a revision is, what files it has, and the facts sizing needs.

{"version": 1, "models": {"ORG/NAME@REVISION": {"repository", "revision", "commit", "gated",
"allow_patterns", "ignore_patterns", "files": {PATH: {"size": BYTES, "sha256" or "git_blob": HEX}},
"weights_bytes": BYTES, "config": {...}}}, "unlocked": {"ORG/NAME@REVISION": "why it could not be
resolved"}}

Reading, checking and writing the file; asking the hub is `lock_writer`'s. The text is deterministic
(sorted, no dates), so that a change of revision is a small diff. `python -m serving.lock_writer --repo
ORG/NAME --lock PATH` writes an entry.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from serving.errors import LockError, ServingError
from serving.model_config import ModelFacts, facts

VERSION = 1
COMMIT = re.compile(r"^[0-9a-f]{40}$")
SHA256 = re.compile(r"^[0-9a-f]{64}$")


@dataclass(frozen=True)
class Entry:
    """One locked model. `files` has the shape the copy takes; `config` is a subset of config.json."""

    repository: str
    revision: str
    commit: str
    files: Mapping[str, Mapping[str, Any]]
    weights_bytes: int
    config: Mapping[str, Any]
    gated: bool = False
    allow_patterns: tuple[str, ...] | None = None
    ignore_patterns: tuple[str, ...] | None = None

    @property
    def key(self) -> str:
        return key(self.repository, self.revision)

    @property
    def total_bytes(self) -> int:
        return sum(int(file["size"]) for file in self.files.values())

    @property
    def remote_code(self) -> bool:
        """The repository brings Python of its own; vLLM runs it only with --trust-remote-code."""
        return bool(self.config.get("remote_code"))

    def facts(self) -> ModelFacts:
        """What sizing reads. Raises UnknownModelError for what is not modelled."""
        return facts(self.config)

    def as_json(self) -> dict[str, Any]:
        return {
            "repository": self.repository,
            "revision": self.revision,
            "commit": self.commit,
            "gated": self.gated,
            "allow_patterns": _listed(self.allow_patterns),
            "ignore_patterns": _listed(self.ignore_patterns),
            "files": {path: dict(sorted(self.files[path].items())) for path in sorted(self.files)},
            "weights_bytes": self.weights_bytes,
            "config": dict(self.config),
        }


@dataclass(frozen=True)
class Lock:
    """The whole file: entries by key, and what could not be locked with the reason."""

    models: Mapping[str, Entry] = field(default_factory=dict)
    unlocked: Mapping[str, str] = field(default_factory=dict)

    def find(self, repository: str, revision: str = "main") -> Entry | None:
        return self.models.get(key(repository, revision))

    def with_entry(self, entry: Entry) -> Lock:
        left = {name: reason for name, reason in self.unlocked.items() if name != entry.key}
        return Lock({**self.models, entry.key: entry}, left)

    def without(self, repository: str, revision: str, reason: str) -> Lock:
        """The model stays unlocked, and the file says why."""
        name = key(repository, revision)
        models = {found: entry for found, entry in self.models.items() if found != name}
        return Lock(models, {**self.unlocked, name: reason})


def key(repository: str, revision: str) -> str:
    return f"{repository}@{revision}"


def _listed(patterns: tuple[str, ...] | None) -> list[str] | None:
    return None if patterns is None else list(patterns)


def dumps(lock: Lock) -> str:
    """The file's text: sorted by model, files by path, keys in a fixed order."""
    document = {
        "version": VERSION,
        "models": {name: lock.models[name].as_json() for name in sorted(lock.models)},
        "unlocked": dict(sorted(lock.unlocked.items())),
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def write(path: Path | str, lock: Lock) -> bool:
    """Write the file if its text changes; True when it did."""
    target, text = Path(path), dumps(lock)
    if target.exists() and target.read_text(encoding="utf-8") == text:
        return False
    partial = target.with_suffix(target.suffix + ".new")
    partial.write_text(text, encoding="utf-8")
    partial.replace(target)
    return True


def read_if_there(path: Path | str) -> Lock | None:
    """The lock at that path; None where there is no file, which is another thing than an empty lock."""
    return read(path, missing_ok=False) if Path(path).exists() else None


def read(path: Path | str, *, missing_ok: bool = True) -> Lock:
    """The lock at that path; an absent file is an empty lock unless told otherwise."""
    target = Path(path)
    try:
        text = target.read_text(encoding="utf-8")
    except FileNotFoundError:
        if missing_ok:
            return Lock()
        raise LockError(f"there is no lock file at {target}. Write it: make lock STACK=NAME") from None
    except OSError as error:
        raise LockError(f"the lock file {target} cannot be read: {error.strerror}") from error
    try:
        document = json.loads(text)
    except ValueError as error:
        raise LockError(
            f"the lock file {target} is not JSON ({error}). Restore it from version control, or delete it"
            " and run"
            " make lock STACK=NAME"
        ) from error
    return parse(document, str(target))


def parse(document: Any, where: str = "the lock file") -> Lock:
    """The document's entries, all problems at once."""
    if not isinstance(document, Mapping) or document.get("version") != VERSION:
        found = document.get("version") if isinstance(document, Mapping) else None
        raise LockError(
            f"{where}: version is {found!r}, this program reads {VERSION}. Run make lock STACK=NAME"
        )
    models, unlocked = document.get("models", {}), document.get("unlocked", {})
    if not isinstance(models, Mapping) or not isinstance(unlocked, Mapping):
        raise LockError(f"{where}: `models` and `unlocked` must be objects. Run make lock STACK=NAME")
    problems = [f"{name}: {problem}" for name, raw in models.items() for problem in _problems(name, raw)]
    if problems:
        raise LockError(f"{where} is not usable: {'; '.join(problems)}. Run make lock STACK=NAME")
    entries = {name: _entry(raw) for name, raw in models.items()}
    return Lock(entries, {str(name): str(reason) for name, reason in unlocked.items()})


def _problems(name: str, raw: Any) -> list[str]:
    if not isinstance(raw, Mapping):
        return ["is not an object"]
    found = []
    if name != f"{raw.get('repository')}@{raw.get('revision')}":
        found.append("its name is not REPOSITORY@REVISION of its own fields")
    if not isinstance(raw.get("commit"), str) or not COMMIT.match(raw["commit"]):
        found.append(f"commit {raw.get('commit')!r} is not 40 hexadecimal digits")
    if not isinstance(raw.get("config"), Mapping):
        found.append("has no config facts")
    for name in ("allow_patterns", "ignore_patterns"):
        patterns = raw.get(name)
        if patterns is not None and not (
            isinstance(patterns, list) and all(isinstance(pattern, str) for pattern in patterns)
        ):
            found.append(f"{name} is {patterns!r}, not a list of patterns")
    files = raw.get("files")
    if not isinstance(files, Mapping) or not files:
        return [*found, "has no files"]
    for path, file in files.items():
        found += _file_problems(str(path), file)
    if not found and raw.get("weights_bytes") != _weights(files):
        found.append(f"weights_bytes {raw.get('weights_bytes')!r} is not the sum of its safetensors files")
    return found


def _weights(files: Mapping[str, Any]) -> int | None:
    """The sum again from the files; None when they are no loadable weights."""
    from serving.snapshot import weight_files

    try:
        return weight_files({path: int(file["size"]) for path, file in files.items()}).bytes
    except ServingError:
        return None


def _file_problems(path: str, file: Any) -> list[str]:
    if not isinstance(file, Mapping):
        return [f"{path} is not an object"]
    size = file.get("size")
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        return [f"{path} has no size in bytes"]
    sha256, blob = file.get("sha256"), file.get("git_blob")
    if isinstance(sha256, str) and SHA256.match(sha256):
        return []
    if isinstance(blob, str) and COMMIT.match(blob):
        return []
    return [f"{path} has neither a sha256 nor a git_blob"]


def _entry(raw: Mapping[str, Any]) -> Entry:
    allow, ignore = raw.get("allow_patterns"), raw.get("ignore_patterns")
    return Entry(
        repository=raw["repository"],
        revision=raw["revision"],
        commit=raw["commit"],
        files=raw["files"],
        weights_bytes=raw["weights_bytes"],
        config=raw["config"],
        gated=bool(raw.get("gated")),
        allow_patterns=None if allow is None else tuple(allow),
        ignore_patterns=None if ignore is None else tuple(ignore),
    )


def require(
    lock: Lock, repository: str, revision: str, *, stack: str = "NAME", where: str = "models.lock.json"
) -> Entry:
    """The entry, or an error that names the command.

    For `up`; a preview uses `find` and says what it cannot know.
    """
    entry = lock.find(repository, revision)
    if entry is not None:
        return entry
    name = key(repository, revision)
    reason = lock.unlocked.get(name)
    because = f" (the last attempt: {reason})" if reason else ""
    raise LockError(
        f"{name} is not in {where}{because}, so nobody has said which commit that is. Run make lock"
        f" STACK={stack},"
        " look at the difference and commit it."
    )


def contradictions(
    entry: Entry,
    *,
    repository: str,
    revision: str,
    allow_patterns: Sequence[str] | None = None,
    ignore_patterns: Sequence[str] | None = None,
    stack: str = "NAME",
) -> list[str]:
    """Where the stack file and the entry disagree, each with the fix. Both `preview` and `up` stop on any."""
    found = []
    if entry.repository != repository:
        found.append(f"the stack names {repository}, the lock {entry.repository}")
    if entry.revision != revision:
        found.append(f"the stack names revision {revision!r}, the lock has {entry.revision!r}")
    if COMMIT.match(revision) and revision != entry.commit:
        found.append(f"the stack pins commit {revision}, the lock has {entry.commit}")
    for name, wanted, locked in (
        ("allow_patterns", allow_patterns, entry.allow_patterns),
        ("ignore_patterns", ignore_patterns, entry.ignore_patterns),
    ):
        if (None if wanted is None else tuple(wanted)) != locked:
            shown = None if wanted is None else list(wanted)
            found.append(f"{name} is {shown} in the stack and {_listed(locked)} in the lock")
    return [f"{problem}: run make lock STACK={stack}, or put the stack file back" for problem in found]


def notices(entry: Entry) -> list[str]:
    """What a person should know about a locked model before deploying it."""
    found = []
    if entry.gated:
        found.append(
            f"{entry.repository} is gated: accept its licence on the hub with the account whose token"
            " copies it"
            " (`token` of the model in the stack file, or HF_TOKEN)"
        )
    if entry.remote_code:
        found.append(
            f"{entry.repository} brings Python of its own: vLLM needs it only for architectures it does not"
            " know, and"
            " then --trust-remote-code runs it. Read the files and pin the commit before you allow that"
        )
    return found
