"""An embedded Azure of its own for the tests of the emulated control plane, and a small client for it.

Started with `--nodes none` and short delays; the client speaks plain ARM so that a test shows the request
it means.
"""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import jwt

from emulator.settings import Settings

REPOSITORY = Path(__file__).resolve().parents[2]
LOCATION = "westeurope"
ML = "2025-12-01"
DELAYS = {
    "OPERATION": "0.02",
    "ROLE_PROPAGATION": "0.4",
    "ENDPOINT": "0.03",
    "DEPLOYMENT": "0.03",
    "MANAGED_NETWORK": "0.05",
    "NAME_RELEASE": "0.6",
    "RETRY_AFTER": "0.05",
}
_CLIENT_VARIABLES = (
    "ARM_",
    "AZURE",
    "IDENTITY_",
    "SSL_CERT",
    "REQUESTS_CA",
    "CURL_CA",
    "EMULATOR_",
    "DOCKER_CONFIG",
)


def environment(home: Path, network: str, **extra: str) -> dict[str, str]:
    """Return the environment of an embedded Azure: nothing of another one's leaks in."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(_CLIENT_VARIABLES)}
    own = {"EMULATOR_HOME": str(home), "EMULATOR_NETWORK": network, "EMULATOR_NODES": "none"}
    own["EMULATOR_CONTENT"] = "required"
    if "EMULATOR_CACHE" in os.environ:
        own["EMULATOR_CACHE"] = os.environ["EMULATOR_CACHE"]
    return {**kept, **own, **{f"EMULATOR_DELAY_{k}": v for k, v in DELAYS.items()}, **extra}


def command(env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "emulator", *arguments],
        env=env,
        cwd=REPOSITORY,
        text=True,
        capture_output=True,
        check=False,
        timeout=120,
    )


class ArmRefusal(AssertionError):
    """A request that was expected to succeed was refused, or its operation failed."""


@dataclass
class Azure:
    """A client of one embedded Azure. Paths may leave out the subscription: `group/...` hangs under it."""

    env: dict[str, str]
    exports: dict[str, str]
    settings: Settings = field(init=False)
    http: httpx.Client = field(init=False)
    _tokens: dict[tuple[str, str], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.settings = Settings.from_env(self.env)
        context = ssl.create_default_context(cafile=str(self.settings.ca_file))
        self.http = httpx.Client(verify=context, timeout=30, trust_env=False)

    @property
    def subscription(self) -> str:
        return f"/subscriptions/{self.settings.subscription}"

    def group(self, name: str) -> str:
        return f"{self.subscription}/resourceGroups/{name}"

    def token(self, audience: str = "https://management.azure.com", who: str = "deployer") -> str:
        key = (audience, who)
        if key not in self._tokens:
            header = self.settings.deployer_header if who == "deployer" else self.settings.reader_header
            answer = self.http.get(
                self.settings.identity_endpoint,
                params={"api-version": "2019-08-01", "resource": audience},
                headers={"X-IDENTITY-HEADER": header},
            )
            self._tokens[key] = answer.raise_for_status().json()["access_token"]
        return self._tokens[key]

    def object_id(self, who: str = "deployer") -> str:
        return jwt.decode(self.token(who=who), options={"verify_signature": False})["oid"]

    def request(
        self, method: str, path: str, body: Any = None, *, version: str = ML, who: str = "deployer"
    ) -> httpx.Response:
        """Send one ARM request and return the answer, whatever it is."""
        url = path if path.startswith("https://") else self.settings.arm_url + path
        joint = "&" if "?" in url else "?"
        if version:
            url += f"{joint}api-version={version}"
        headers = {"Authorization": f"Bearer {self.token(who=who)}"}
        return self.http.request(method, url, json=body, headers=headers)

    def do(self, method: str, path: str, body: Any = None, *, version: str = ML) -> dict[str, Any]:
        """Send a request that must succeed, wait for its operation, and return the resource (or the
        answer).
        """
        answer = self.request(method, path, body, version=version)
        if answer.status_code >= 300:
            raise ArmRefusal(f"{method} {path}: {answer.status_code} {answer.text}")
        done = self.wait(answer)
        if done and done["status"] != "Succeeded":
            raise ArmRefusal(f"{method} {path}: {done}")
        if method == "PUT" or (method == "PATCH"):
            return self.request("GET", path, version=version).json()
        return answer.json() if answer.content else {}

    def wait(self, answer: httpx.Response) -> dict[str, Any] | None:
        """Poll an answer's Azure-AsyncOperation to its end; None when it has none."""
        url = answer.headers.get("azure-asyncoperation")
        deadline = time.monotonic() + 60
        while url and time.monotonic() < deadline:
            document = self.request("GET", url, version="").json()
            if document["status"] != "InProgress":
                return document
            time.sleep(0.02)
        assert not url, f"the operation did not end: {url}"
        return None

    def refusal(self, method: str, path: str, body: Any = None, **options: Any) -> dict[str, Any]:
        """Send a request that must fail, at once or as an operation; returns {status, code, message}."""
        answer = self.request(method, path, body, **options)
        if answer.status_code >= 400:
            return {"status": answer.status_code, **answer.json()["error"]}
        done = self.wait(answer)
        assert done is not None, f"{method} {path} was accepted: {answer.status_code} {answer.text}"
        assert done["status"] == "Failed", f"{method} {path} was accepted: {done}"
        return {"status": answer.status_code, **done["error"]}

    def role(self, name: str) -> str:
        query = f"?$filter=roleName eq '{name}'"
        path = f"{self.subscription}/providers/Microsoft.Authorization/roleDefinitions{query}"
        return self.do("GET", path, version="2022-04-01")["value"][0]["id"]

    def assign(self, scope: str, role: str, principal: str, name: str) -> str:
        """Assign a role under a GUID; returns the assignment's id."""
        path = f"{scope}/providers/Microsoft.Authorization/roleAssignments/{name}"
        properties = {"roleDefinitionId": self.role(role), "principalId": principal}
        self.do("PUT", path, {"properties": properties}, version="2022-04-01")
        return path


def start(home: Path, network: str, **extra: str) -> Azure:
    env = environment(home, network, **extra)
    done = command(env, "start", "--nodes", "none")
    assert done.returncode == 0, done.stdout + done.stderr
    return attach(env)


def attach(env: dict[str, str]) -> Azure:
    """Return a client of an embedded Azure that runs, with what `env` exports."""
    done = command(env, "env")
    assert done.returncode == 0, done.stderr
    lines = [line.removeprefix("export ") for line in done.stdout.splitlines() if line.startswith("export ")]
    pairs = (line.split("=", 1) for line in lines)
    return Azure(env, {name: value.strip("'\"") for name, value in pairs})


@dataclass
class Platform:
    """A workspace with everything it stands on, and how to hang things below it."""

    azure: Azure
    group: str
    workspace: str
    account: str
    vault: str
    registry: str
    registry_server: str

    def environment(self, name: str, image: str = "docker.io/library/none:1", *, path: str = "/") -> str:
        """Register version 1 of an environment with all routes; returns its id."""
        routes = {f"{kind}Route": {"port": 8000, "path": "/health"} for kind in ("liveness", "readiness")}
        routes["scoringRoute"] = {"port": 8000, "path": path}
        version = f"{self.workspace}/environments/{name}/versions/1"
        self.azure.do("PUT", version, {"properties": {"image": image, "inferenceConfig": routes}})
        return version

    def endpoint(self, name: str, **properties: Any) -> str:
        path = f"{self.workspace}/onlineEndpoints/{name}"
        self.azure.do("PUT", path, endpoint_body(**properties))
        return path

    def deployment(self, endpoint: str, name: str, environment: str, **changes: Any) -> str:
        path = f"{endpoint}/deployments/{name}"
        self.azure.do("PUT", path, deployment_body(environment, **changes))
        return path


def endpoint_body(*, identity: dict[str, Any] | None = None, **properties: Any) -> dict[str, Any]:
    body: dict[str, Any] = {"location": LOCATION, "properties": {"authMode": "Key", **properties}}
    return {**body, "identity": identity} if identity else body


def deployment_body(environment: str, *, capacity: int = 1, **properties: Any) -> dict[str, Any]:
    own = {"endpointComputeType": "Managed", "environmentId": environment, "instanceType": "Standard_DS1_v2"}
    sku = {"name": "Default", "capacity": capacity}
    return {"location": LOCATION, "sku": sku, "properties": {**own, **properties}}


def make_platform(azure: Azure, name: str, **workspace: Any) -> Platform:
    """Make a resource group with storage, vault, registry and workspace; `name` is short, letters and
    digits.
    """
    group = azure.group(f"rg-{name}")
    account = f"{group}/providers/Microsoft.Storage/storageAccounts/st{name}"
    vault = f"{group}/providers/Microsoft.KeyVault/vaults/kv-{name}"
    registry = f"{group}/providers/Microsoft.ContainerRegistry/registries/acr{name}"
    path = f"{group}/providers/Microsoft.MachineLearningServices/workspaces/mlw-{name}"
    azure.do("PUT", group, {"location": LOCATION}, version="2024-03-01")
    azure.do("PUT", account, storage_body(), version="2024-01-01")
    azure.do("PUT", vault, vault_body(azure), version="2024-11-01")
    made = azure.do(
        "PUT", registry, {"location": LOCATION, "sku": {"name": "Premium"}}, version="2023-01-01-preview"
    )
    azure.do("PUT", path, workspace_body(account, vault, registry, **workspace))
    return Platform(azure, group, path, account, vault, registry, made["properties"]["loginServer"])


def storage_body(**properties: Any) -> dict[str, Any]:
    return {
        "location": LOCATION,
        "kind": "StorageV2",
        "sku": {"name": "Standard_LRS"},
        "properties": properties,
    }


def vault_body(azure: Azure, **properties: Any) -> dict[str, Any]:
    own = {"tenantId": azure.settings.tenant, "sku": {"family": "A", "name": "standard"}}
    return {"location": LOCATION, "properties": {**own, "enableRbacAuthorization": True, **properties}}


def workspace_body(account: str, vault: str, registry: str | None, **properties: Any) -> dict[str, Any]:
    own = {
        "storageAccount": account,
        "keyVault": vault,
        **({"containerRegistry": registry} if registry else {}),
    }
    return {"location": LOCATION, "identity": {"type": "SystemAssigned"}, "properties": {**own, **properties}}
