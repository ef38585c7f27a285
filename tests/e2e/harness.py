"""Whole stacks on an embedded Azure of the tests' own: its processes, a copy of the program, its clients."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ("__main__.py", "settings", "stack", "serving", "components", "providers", "transfer", "docker")
PASSPHRASE = "not a secret"
PORT = 10443


@dataclass(frozen=True)
class Result:
    """How a command ended; `text` is what a person would have seen."""

    code: int
    text: str


@dataclass(frozen=True)
class Azure:
    """An embedded Azure under `home`, on addresses that nobody else uses."""

    home: Path
    number: int  # of the loopback network 127.<number> and of three docker subnets; see `free`
    variables: dict[str, str] = field(default_factory=dict)  # more of its environment

    @classmethod
    def free(cls, home: Path, number: int, variables: dict[str, str] | None = None) -> Azure:
        """On the first network from `number`, in steps of 10, on which no other run of the tests listens."""
        for candidate in range(number, 256, 10):
            with socket.socket() as probe:
                if probe.connect_ex((f"127.{candidate}.0.5", PORT)):
                    return cls(home, candidate, variables or {})
        raise AssertionError(f"every network from 127.{number} is taken on port {PORT}")

    def own_environment(self) -> dict[str, str]:
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("EMULATOR_", "ARM_"))}
        cache = os.environ.get("EMULATOR_CACHE", str(ROOT / ".cache"))
        return (
            clean
            | self.variables
            | {
                "EMULATOR_HOME": str(self.home),
                "EMULATOR_CACHE": cache,
                "EMULATOR_NETWORK": f"127.{self.number}",
                "EMULATOR_PORT": str(PORT),
                "EMULATOR_VNET_SUBNET": f"172.28.{self.number}.0/26",
                "EMULATOR_NODES_SUBNET": f"172.28.{self.number}.64/26",
                "EMULATOR_EGRESS_SUBNET": f"172.28.{self.number}.128/26",
            }
        )

    def command(self, *arguments: str, check: bool = True) -> Result:
        return _run([sys.executable, "-m", "emulator", *arguments], ROOT, self.own_environment(), check)

    def environment(self, principal: str = "deployer") -> dict[str, str]:
        """What `eval "$(python -m emulator env)"` makes of the environment, and nothing else."""
        values = self.own_environment()
        for line in self.command("env", "--principal", principal).text.splitlines():
            name, _, value = line.removeprefix("export ").partition("=")
            values[name] = shlex.split(value)[0] if value else ""
        return values

    def journal(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.home / "journal.jsonl").read_text().splitlines()]

    def arm(self, method: str, path: str, api_version: str, body: Any = None) -> Any:
        """Ask ARM as the deployer; raises for what is not a success."""
        env = self.environment()
        asked = {"api-version": "2019-08-01", "resource": "https://management.azure.com"}
        header = {"X-IDENTITY-HEADER": env["IDENTITY_HEADER"]}
        token = httpx.get(env["IDENTITY_ENDPOINT"], params=asked, headers=header).json()["access_token"]
        answer = httpx.request(
            method,
            f"https://{env['ARM_METADATA_HOSTNAME']}{path}",
            params={"api-version": api_version},
            headers={"Authorization": f"Bearer {token}"},
            json=body,
            verify=ssl.create_default_context(cafile=env["SSL_CERT_FILE"]),
            timeout=60,
        )
        answer.raise_for_status()
        return answer.json() if answer.content else None


@dataclass(frozen=True)
class Project:
    """A copy of the program whose stack files may be changed."""

    folder: Path
    azure: Azure
    stack: str

    @classmethod
    def copy(cls, folder: Path, azure: Azure, stack: str) -> Project:
        """The program with one of its own stacks."""
        project = cls.empty(folder, azure, stack)
        shutil.copy(ROOT / f"Pulumi.{stack}.yaml", folder)
        project.run("stack", "select", stack, "--create")
        return project

    @classmethod
    def empty(cls, folder: Path, azure: Azure, stack: str) -> Project:
        """The program with a stack that has no file yet."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in PROGRAM:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, folder / name)
        text = (ROOT / "Pulumi.yaml").read_text()
        (folder / "Pulumi.yaml").write_text(
            text.replace("virtualenv: .venv", f"virtualenv: {ROOT / '.venv'}")
        )
        return cls(folder, azure, stack)

    @property
    def settings_file(self) -> Path:
        return self.folder / f"Pulumi.{self.stack}.yaml"

    @contextmanager
    def edited(self, change: Callable[[dict[str, Any]], Any]) -> Iterator[None]:
        """The stack file with `change` made to its configuration, as long as the block lasts."""
        before = self.settings_file.read_text()
        self.edit(change)
        try:
            yield
        finally:
            self.settings_file.write_text(before)

    def edit(self, change: Callable[[dict[str, Any]], Any]) -> None:
        content = yaml.safe_load(self.settings_file.read_text())
        change(content["config"])
        self.settings_file.write_text(yaml.safe_dump(content, sort_keys=False))

    def environment(self, principal: str = "deployer") -> dict[str, str]:
        backend = {"PULUMI_BACKEND_URL": f"file://{self.folder}", "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE}
        quiet = {"PULUMI_SKIP_UPDATE_CHECK": "true", "NO_COLOR": "1", "PYTHONPATH": str(ROOT)}
        return self.azure.environment(principal) | backend | quiet

    def run(self, *arguments: str, principal: str = "deployer", check: bool = True) -> Result:
        return _run([*_pulumi(), *arguments], self.folder, self.environment(principal), check)

    def python(self, *arguments: str) -> Result:
        """A Python program in the project's folder that finds the stack as `make chat` lets it."""
        more = {"PULUMI": shlex.join(_pulumi()), "PULUMI_STACK": self.stack}
        return _run([sys.executable, *arguments], self.folder, self.environment() | more, check=True)

    def up(self, *flags: str, check: bool = True) -> Result:
        return self.run("up", "--yes", "--skip-preview", "--stack", self.stack, *flags, check=check)

    def preview(self, *flags: str, principal: str = "deployer", check: bool = True) -> Result:
        return self.run("preview", "--stack", self.stack, *flags, principal=principal, check=check)

    def destroy(self) -> Result:
        return self.run("destroy", "--yes", "--skip-preview", "--stack", self.stack)

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command in a process group of its own, to be killed with everything it started."""
        return subprocess.Popen(
            [*_pulumi(), *arguments, "--stack", self.stack],
            cwd=self.folder,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def outputs(self) -> dict[str, Any]:
        return json.loads(self.run("stack", "output", "--json", "--stack", self.stack).text)

    def state_text(self) -> str:
        (path,) = self.folder.glob(f".pulumi/stacks/*/{self.stack}.json")
        return path.read_text()


@dataclass(frozen=True)
class Client:
    """A client of one endpoint, with its key; `base` is where it connects, `host` whom it asks for."""

    base: str
    host: str
    key: str
    bundle: str

    def request(
        self, method: str, path: str, headers: dict[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        sent = {"Host": self.host, "Authorization": f"Bearer {self.key}"} | (headers or {})
        return httpx.request(
            method,
            f"https://{self.base}{path}",
            headers=sent,
            verify=ssl.create_default_context(cafile=self.bundle),
            timeout=190,
            **more,
        )

    def chat(self, text: str, model: str, **more: Any) -> httpx.Response:
        body = {"model": model, "messages": [{"role": "user", "content": text}], **more}
        return self.request("POST", "/v1/chat/completions", json=body)


def client_of(project: Project, *, inside: bool = True) -> Client:
    """A client with the key from Azure, inside the virtual network or outside of it."""
    env, outputs = project.environment(), project.outputs()
    host = httpx.URL(outputs["scoring_uri"]).netloc.decode()
    base = env["VLLM_AZUREML_PRIVATE_ADDRESS"] if inside else host
    endpoint = f"{outputs['workspace_id']}/onlineEndpoints/{outputs['endpoint_name']}"
    key = project.azure.arm("POST", f"{endpoint}/listKeys", "2025-12-01")["primaryKey"]
    return Client(base, host, key, env["SSL_CERT_FILE"])


def kill(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def _pulumi() -> list[str]:
    found = shutil.which("pulumi")
    return [found] if found else [sys.executable, "-m", "emulator.engine"]


def _run(command: list[str], cwd: Path, env: dict[str, str], check: bool) -> Result:
    done = subprocess.run(
        command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert not check or done.returncode == 0, (
        f"{shlex.join(command)} ended with {done.returncode}:\n{done.stdout}"
    )
    return Result(done.returncode, done.stdout)
