"""Asks the Hugging Face hub (HF_ENDPOINT is honoured) what a revision is, and writes the lock's entry.

The only part of this package that opens connections besides prices.py. Downloads config.json and the shard
index, nothing else: digests of the large files come from the hub's own metadata.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from serving.config_facts import config_facts
from serving.errors import LockError, ServingError
from serving.lock import Entry, Lock, notices, read, write
from serving.snapshot import INDEX, weight_files

# The copy's own defaults (a test holds them equal): what a server of the model needs, no pickles.
ALLOW = (
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
IGNORE = ("original/*", "consolidated*.safetensors", "metal/*", ".git*", "*/.git*", ".cache/*")
PICKLE = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.pickle", "*.ckpt", "*.joblib")


def selected(path: str, allow: Sequence[str] | None, ignore: Sequence[str] | None) -> bool:
    """Whether the copy takes the file."""

    def matches(patterns: Sequence[str]) -> bool:
        return any(
            fnmatchcase(path, pattern + "*" if pattern.endswith("/") else pattern) for pattern in patterns
        )

    if matches(PICKLE):
        return False
    return matches(ALLOW if allow is None else allow) and not matches(IGNORE if ignore is None else ignore)


def resolve(
    repository: str,
    revision: str = "main",
    *,
    allow_patterns: Sequence[str] | None = None,
    ignore_patterns: Sequence[str] | None = None,
    token: str | None = None,
    endpoint: str | None = None,
) -> Entry:
    """One entry from the hub. Raises LockError with what to do."""
    from huggingface_hub import (
        HfApi,
    )  # lazily: a second and a half to import, and only this function needs it

    api = HfApi(endpoint=endpoint, token=token)
    info = _ask(repository, revision, lambda: api.model_info(repository, revision=revision))
    commit = info.sha
    tree = _ask(
        repository, revision, lambda: list(api.list_repo_tree(repository, recursive=True, revision=commit))
    )
    every = {item.path: item for item in tree if hasattr(item, "size")}
    taken = {
        path: _file(item) for path, item in every.items() if selected(path, allow_patterns, ignore_patterns)
    }
    config = _json(api, repository, commit, "config.json", every)
    index = _json(api, repository, commit, INDEX, every) if INDEX in every else None
    return Entry(
        repository=repository,
        revision=revision,
        commit=commit,
        files=taken,
        weights_bytes=weight_files(_sizes(taken, every), index).bytes,
        config=config_facts(config),
        gated=bool(getattr(info, "gated", False)),
        allow_patterns=None if allow_patterns is None else tuple(allow_patterns),
        ignore_patterns=None if ignore_patterns is None else tuple(ignore_patterns),
    )


def _sizes(taken: Mapping[str, Mapping[str, Any]], every: Mapping[str, Any]) -> dict[str, int]:
    """Of the files that are copied; of all when those hold no weights: the error then names the pickles."""
    if any(path.endswith(".safetensors") for path in taken):
        return {path: int(file["size"]) for path, file in taken.items()}
    return {path: item.size for path, item in every.items()}


def _file(item: Any) -> dict[str, Any]:
    if item.lfs is not None:
        return {"size": item.lfs.size, "sha256": item.lfs.sha256}
    return {"size": item.size, "git_blob": item.blob_id}


def _json(api: Any, repository: str, commit: str, name: str, every: Mapping[str, Any]) -> Mapping[str, Any]:
    if name not in every:
        raise LockError(f"{repository} has no {name}: vLLM cannot load it, and there is nothing to size.")
    path = _ask(repository, commit, lambda: api.hf_hub_download(repository, name, revision=commit))
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise LockError(f"{name} of {repository} at {commit} is not JSON ({error}).") from error
    if not isinstance(found, Mapping):
        raise LockError(f"{name} of {repository} at {commit} is not a JSON object.")
    return found


def _ask(repository: str, revision: str, question: Callable[[], Any]) -> Any:
    """The hub's refusals as sentences."""
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        return question()
    except GatedRepoError as error:
        raise LockError(
            f"{repository} is gated: accept its licence on the hub, then give a token of that account"
            " (HF_TOKEN)."
        ) from error
    except RevisionNotFoundError as error:
        raise LockError(
            f"{repository} has no revision {revision!r}: check `revision` in the stack file."
        ) from error
    except RepositoryNotFoundError as error:
        raise LockError(
            f"the hub has no model {repository!r}, or it is private and the token (HF_TOKEN) may not see it:"
            " check `huggingface` in the stack file."
        ) from error
    except (transport_error(), OfflineModeIsEnabled, LocalEntryNotFoundError, OSError) as error:
        status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
        what = f"the hub answered {status}" if status else f"no hub could be reached ({type(error).__name__})"
        raise LockError(
            f"{repository}@{revision}: {what}. HF_ENDPOINT names the hub that is asked."
        ) from error


def transport_error() -> type[Exception]:
    """The error of the HTTP library that huggingface_hub sends with: httpx, or httpx2 since its version 2."""
    from huggingface_hub import get_session

    library = importlib.import_module(type(get_session()).__module__.split(".")[0])
    found: type[Exception] = library.HTTPError
    return found


def lock_models(
    lock: Lock, wanted: Sequence[Mapping[str, Any]], *, keep_going: bool = False
) -> tuple[Lock, list[str]]:
    """Resolve every model of a stack. `wanted`: repository, revision, allow_patterns, ignore_patterns, token.

    With `keep_going` what cannot be resolved is recorded as unlocked with its reason; else the first
    problem raises.
    """
    messages = []
    for model in wanted:
        repository, revision = model["repository"], model.get("revision") or "main"
        try:
            entry = resolve(
                repository,
                revision,
                allow_patterns=model.get("allow_patterns"),
                ignore_patterns=model.get("ignore_patterns"),
                token=model.get("token"),
            )
        except ServingError as error:
            if not keep_going:
                raise
            lock = lock.without(repository, revision, str(error))
            messages.append(f"{repository}@{revision}: left unlocked: {error}")
            continue
        lock = lock.with_entry(entry)
        messages.append(
            f"{entry.key} is {entry.commit}: {entry.total_bytes:,} bytes in {len(entry.files)} files"
        )
        messages.extend(notices(entry))
    return lock, messages


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m serving.lock_writer", description="Lock a model's revision."
    )
    parser.add_argument("--repo", required=True, help="ORG/NAME on the hub")
    parser.add_argument("--revision", default="main", help="branch, tag or commit")
    parser.add_argument("--lock", default="models.lock.json", help="path of the lock file")
    parser.add_argument("--allow", action="append", help="pattern of files to take; may repeat")
    parser.add_argument("--ignore", action="append", help="pattern of files to leave out; may repeat")
    options = parser.parse_args(argv)
    model = {
        "repository": options.repo,
        "revision": options.revision,
        "allow_patterns": options.allow,
        "ignore_patterns": options.ignore,
    }
    try:
        lock, messages = lock_models(read(options.lock), [model])
    except ServingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    changed = write(options.lock, lock)
    print("\n".join([*messages, f"{options.lock}: {'written' if changed else 'no change'}"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
