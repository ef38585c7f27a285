"""Runs the engine as a user does: a project in a folder of its own, a file backend, plugins on PATH."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = REPOSITORY / "tests" / "data" / "engine"
SIG = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"


@dataclass
class Workspace:
    """One project with one stack, `dev`."""

    root: Path
    project: str
    plugins: Path
    environment: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, data: str, root: Path) -> Workspace:
        shutil.copytree(DATA / data / "program", root / "program")
        (root / "backend").mkdir()
        project = next(
            line.split(":", 1)[1].strip()
            for line in (root / "program" / "Pulumi.yaml").read_text().splitlines()
            if line.startswith("name:")
        )
        return cls(root, project, DATA / data / "plugins")

    @property
    def program(self) -> Path:
        return self.root / "program"

    @property
    def stack_file(self) -> Path:
        return self.program / "Pulumi.dev.yaml"

    @property
    def state_file(self) -> Path:
        return self.root / "backend" / ".pulumi" / "stacks" / self.project / "dev.json"

    @property
    def variables(self) -> dict[str, str]:
        path = os.pathsep.join([str(self.plugins), str(Path(sys.executable).parent), os.environ["PATH"]])
        return {
            **os.environ,
            "PATH": path,
            "PYTHONPATH": str(REPOSITORY),
            "PULUMI_BACKEND_URL": f"file://{self.root / 'backend'}",
            "PULUMI_CONFIG_PASSPHRASE": "golden",
            "PULUMI_HOME": str(self.root / "home"),
            "PULUMI_PYTHON_CMD": sys.executable,
            **self.environment,
        }

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "emulator.engine", *arguments, "--cwd", str(self.program)]

    def run(self, *arguments: str, check: bool = True, **more: Any) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.command(*arguments),
            env={**self.variables, **more.pop("env", {})},
            capture_output=True,
            text=True,
            timeout=120,
            cwd=self.root,
            **more,
        )
        if check:
            assert done.returncode == 0, done.stdout + done.stderr
        return done

    def start(self, *arguments: str, **more: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*arguments),
            env={**self.variables, **more.pop("env", {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.root,
            **more,
        )

    def operate(self, command: str, *flags: str, check: bool = True) -> tuple[int, list[dict[str, Any]]]:
        """Run an operation without a preview of its own; its exit code and its events."""
        log = self.root / "events.jsonl"
        log.unlink(missing_ok=True)
        quick = () if command == "preview" else ("--skip-preview",)
        done = self.run(command, "--stack", "dev", "--event-log", str(log), *quick, *flags, check=check)
        events = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        return done.returncode, events

    def state(self) -> dict[str, Any]:
        return json.loads(self.state_file.read_text())

    def resources(self) -> list[dict[str, Any]]:
        latest = self.state()["checkpoint"].get("latest") or {}
        return opened(latest.get("resources") or [], latest)

    def names(self) -> set[str]:
        return {r["urn"].rsplit("::", 1)[-1] for r in self.resources()}


@cache
def _key(salt: str, passphrase: str = "golden") -> bytes:
    raw = base64.b64decode(salt.split(":")[1])
    return hashlib.pbkdf2_hmac("sha256", passphrase.encode(), raw, 1_000_000, 32)


def opened(value: Any, latest: dict[str, Any]) -> Any:
    """State with its secrets decrypted, written here once more so that the engine does not check itself."""
    if isinstance(value, list):
        return [opened(item, latest) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get(SIG) == SECRET:
        _, nonce, sealed = value["ciphertext"].split(":")
        key = _key(latest["secrets_providers"]["state"]["salt"])
        plain = AESGCM(key).decrypt(base64.b64decode(nonce), base64.b64decode(sealed), None)
        return {"secret": json.loads(plain)}
    return {key: opened(item, latest) for key, item in value.items()}
