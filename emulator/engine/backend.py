"""The file backend: state files, backups, history and locks where the Pulumi CLI keeps them.

    .pulumi/meta.yaml                                     version of the layout
    .pulumi/stacks/PROJECT/STACK.json (.bak)              state, and the state before the last write
    .pulumi/history/PROJECT/STACK/STACK-NS.{history,checkpoint}.json
    .pulumi/backups/PROJECT/STACK/STACK.NS.json           state after each update
    .pulumi/locks/organization/PROJECT/STACK/UUID.json    one file for each running update

Other backends (Pulumi Cloud, azblob, s3, gs) are refused by name.
"""

from __future__ import annotations

import getpass
import json
import os
import shutil
import socket
import time
import uuid
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from .checkpoint import encode, load_checkpoint, wrap
from .errors import EngineError, Unsupported
from .project import Project
from .secrets import SecretsManager
from .state import Snapshot

ORGANIZATION = "organization"


@dataclass(frozen=True)
class StackName:
    project: str
    name: str

    @property
    def full(self) -> str:
        return f"{ORGANIZATION}/{self.project}/{self.name}"


def parse_stack(text: str, project: str) -> StackName:
    parts = text.split("/")
    if len(parts) == 3 and parts[0] == ORGANIZATION:
        return StackName(parts[1], parts[2])
    if len(parts) == 2 and parts[0] == ORGANIZATION:
        return StackName(project, parts[1])
    if len(parts) != 1 or not text:
        raise EngineError(
            f"the stack name {text!r} is not valid: file backends take NAME or organization/PROJECT/NAME "
            "(the word organization, literally)."
        )
    return StackName(project, text)


class FileBackend:
    """All stacks below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = root / ".pulumi"
        self._lock: Path | None = None

    @property
    def url(self) -> str:
        return f"file://{self.root}"

    def stack_path(self, stack: StackName) -> Path:
        return self.home / "stacks" / stack.project / f"{stack.name}.json"

    def exists(self, stack: StackName) -> bool:
        return self.stack_path(stack).exists()

    def stacks(self, project: str | None = None) -> list[StackName]:
        found = sorted(self.home.glob(f"stacks/{project or '*'}/*.json"))
        return [StackName(file.parent.name, file.stem) for file in found]

    def create(self, stack: StackName) -> None:
        if self.exists(stack):
            raise EngineError(f"stack '{stack.full}' already exists")
        self._ensure_layout()
        self.write_document(stack, {"version": 3, "checkpoint": {"stack": stack.full}})

    def remove(self, stack: StackName) -> None:
        path = self.stack_path(stack)
        for file in (path, path.with_name(path.name + ".bak")):
            file.unlink(missing_ok=True)
        for kind in ("history", "backups"):
            shutil.rmtree(self.home / kind / stack.project / stack.name, ignore_errors=True)

    def _ensure_layout(self) -> None:
        meta = self.home / "meta.yaml"
        if meta.exists():
            return
        if any(self.home.glob("stacks/*.json")):
            raise Unsupported("A state folder of Pulumi's old layout (stacks outside of project folders)")
        self.home.mkdir(parents=True, exist_ok=True)
        _write(meta, "version: 1\n")

    def read_document(self, stack: StackName) -> dict[str, Any]:
        path = self.stack_path(stack)
        if not path.exists():
            gz = path.with_name(path.name + ".gz")
            if gz.exists():
                raise Unsupported(f"The compressed state file {gz}")
            raise EngineError(
                f"no stack named '{stack.name}' found; create it with `stack init {stack.name}`."
            )
        try:
            return json.loads(path.read_text())
        except json.JSONDecodeError as error:
            raise EngineError(
                f"{path} is not valid JSON ({error}); the state before it is in {path}.bak."
            ) from error

    def snapshot(self, stack: StackName) -> Snapshot:
        return load_checkpoint(self.read_document(stack))[0] or Snapshot()

    def save(self, stack: StackName, snapshot: Snapshot, manager: SecretsManager | None) -> None:
        self.write_document(stack, wrap(stack.full, snapshot, manager))

    def write_document(self, stack: StackName, document: dict[str, Any]) -> None:
        path = self.stack_path(stack)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            backup = path.with_name(f".{path.name}.bak.{os.getpid()}")
            backup.unlink(missing_ok=True)
            os.link(path, backup)
            os.replace(backup, path.with_name(path.name + ".bak"))
        _write(path, encode(document))

    def add_history(self, stack: StackName, info: dict[str, Any]) -> None:
        """What `pulumi stack history` reads, and a copy of the state for `.pulumi/backups`."""
        stamp = time.time_ns()
        state = self.stack_path(stack).read_text()
        folder = self.home / "history" / stack.project / stack.name
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / f"{stack.name}-{stamp}.history.json", encode(info), durable=False)
        _write(folder / f"{stack.name}-{stamp}.checkpoint.json", state, durable=False)
        if os.environ.get("PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS", "").lower() not in ("1", "true"):
            backups = self.home / "backups" / stack.project / stack.name
            backups.mkdir(parents=True, exist_ok=True)
            _write(backups / f"{stack.name}.{stamp}.json", state, durable=False)

    def _locks(self, stack: StackName) -> Path:
        return self.home / "locks" / stack.full

    def lock(self, stack: StackName) -> None:
        self._refuse_if_locked(stack)
        path = self._locks(stack) / f"{uuid.uuid4()}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {
            "pid": os.getpid(),
            "username": getpass.getuser(),
            "hostname": socket.gethostname(),
            "timestamp": datetime.now().astimezone().isoformat(),
        }
        _write(path, encode(content), durable=False)
        self._lock = path
        try:
            self._refuse_if_locked(stack)
        except EngineError:
            self.unlock()
            raise

    def _refuse_if_locked(self, stack: StackName) -> None:
        others = [file for file in sorted(self._locks(stack).glob("*.json")) if file != self._lock]
        if not others:
            return
        lines = [
            f"the stack is currently locked by {len(others)} lock(s). Either wait for the other "
            "process(es) to end "
            "or delete the lock file with `cancel`."
        ]
        for file in others:
            try:
                held = json.loads(file.read_text())
            except (OSError, json.JSONDecodeError):
                continue
            lines.append(
                f"  file://{file}: created by {held.get('username')}@{held.get('hostname')} "
                f"(pid {held.get('pid')}) at {held.get('timestamp')}"
            )
        raise EngineError("\n".join(lines))

    def unlock(self) -> None:
        if self._lock is not None:
            self._lock.unlink(missing_ok=True)
            self._lock = None

    def cancel(self, stack: StackName) -> int:
        """Remove every lock of a stack; the number removed."""
        locks = list(self._locks(stack).glob("*.json"))
        for file in locks:
            file.unlink(missing_ok=True)
        return len(locks)


def _write(path: Path, text: str, durable: bool = True) -> None:
    """Write beside, force to disk, rename: a reader and a crash see the old file or the new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(text)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    os.replace(temporary, path)


def open_backend(project: Project | None) -> FileBackend:
    url = os.environ.get("PULUMI_BACKEND_URL") or (project.backend_url if project else "") or _logged_in()
    if not url:
        raise EngineError(
            "no backend is chosen. Set PULUMI_BACKEND_URL to file://FOLDER (or `backend: {url: ...}` in "
            "Pulumi.yaml)."
        )
    if not url.startswith("file://"):
        raise Unsupported(f"The backend {url}", "file:// backends are")
    path = url[len("file://") :].split("?", 1)[0]
    folder = Path(path).expanduser() if path.startswith("~") else Path(path or ".")
    if not folder.is_absolute():
        folder = Path.cwd() / folder
    return FileBackend(Path(os.path.normpath(folder)))


def _logged_in() -> str:
    """Where `pulumi login` last logged in to."""
    file = pulumi_home() / "credentials.json"
    try:
        return json.loads(file.read_text()).get("current") or ""
    except (OSError, json.JSONDecodeError):
        return ""


def pulumi_home() -> Path:
    return Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
