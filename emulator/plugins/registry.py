"""A small client of the OCI distribution API, signed in as the docker login of whoever runs is.

Finds, pushes and deletes manifests; layers come and go through the docker engine. Credentials:
DOCKER_CONFIG's `auths`, `credHelpers` and `credsStore`, and a registry's token service (basic or bearer
challenge, refresh tokens). Only registries on loopback or in private networks.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import re
import subprocess
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emulator.plugins.errors import PluginError
from emulator.plugins.transport import Response, Transport, require_private

MANIFESTS = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)


class RegistryError(PluginError):
    """A registry refused; `status` is HTTP's, 0 when there was no answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True)
class Reference:
    """An image's name: HOST/REPOSITORY:TAG, with a digest or without."""

    host: str
    repository: str
    tag: str = "latest"
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Take a fully qualified name; raises PluginError for any other."""
        match = re.fullmatch(
            r"(?P<host>[\w.-]+\.[\w.-]+(?::\d+)?|localhost(?::\d+)?|[\w.-]+:\d+)/(?P<repository>[a-z0-9._/-]+)"
            r"(?::(?P<tag>[\w.-]+))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?",
            text,
        )
        if not match:
            raise PluginError(f"{text!r} does not name a registry: write HOST/REPOSITORY:TAG")
        return cls(match["host"], match["repository"], match["tag"] or "latest", match["digest"] or "")

    def at(self, digest: str) -> str:
        return f"{self.host}/{self.repository}:{self.tag}@{digest}"


@dataclass
class Credentials:
    """What docker knows of registries: the ambient login, and what a program adds."""

    added: dict[str, tuple[str, str]] = field(default_factory=dict)

    def of(self, host: str) -> tuple[str, str]:
        """Return (user name, password); a refresh token is the password of `<token>`, none is two ''."""
        if host in self.added:
            return self.added[host]
        config = docker_config()
        helper = config.get("credHelpers", {}).get(host) or config.get("credsStore")
        if helper:
            return _ask_helper(helper, host)
        entry = config.get("auths", {}).get(host) or config.get("auths", {}).get(f"https://{host}") or {}
        if entry.get("identitytoken"):
            return "<token>", str(entry["identitytoken"])
        user, _, password = base64.b64decode(entry.get("auth", "")).decode().partition(":")
        return user, password


def docker_config() -> dict[str, Any]:
    """Return the docker client's configuration, {} when there is none."""
    folder = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    try:
        content: dict[str, Any] = json.loads((folder / "config.json").read_text())
        return content
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise PluginError(f"cannot read the docker login in {folder / 'config.json'}: {error}") from error


def _ask_helper(helper: str, host: str) -> tuple[str, str]:
    command = [f"docker-credential-{helper}", "get"]
    try:
        done = subprocess.run(command, input=host, capture_output=True, text=True, timeout=30, check=False)
    except FileNotFoundError as error:
        raise PluginError(f"the docker configuration names {command[0]}, which is not on PATH") from error
    if done.returncode:
        return "", ""
    answer = json.loads(done.stdout)
    return answer.get("Username", ""), answer.get("Secret", "")


class Registry:
    """One repository of a registry."""

    def __init__(
        self, reference: Reference, credentials: Credentials | None = None, transport: Transport | None = None
    ) -> None:
        require_private(reference.host, f"the registry of {reference.repository}")
        self.reference = reference
        self._credentials = credentials or Credentials()
        self._transport = transport or Transport()
        self._authorization: str | None = None
        plain = reference.host.split(":")[0] == "localhost"
        self._base = f"{'http' if plain else 'https'}://{reference.host}"

    def digest_of(self, name: str) -> str | None:
        """Return the digest of a tag or digest, None when the registry has no such manifest."""
        response = self._call("HEAD", f"manifests/{name}", headers={"Accept": ", ".join(MANIFESTS)})
        if response.status == 404:
            return None
        if response.status != 200:
            raise self._error(response, f"cannot look up {name}")
        return response.headers.get("docker-content-digest", "")

    def delete(self, digest: str) -> bool:
        """Delete a manifest; False when it was not there."""
        response = self._call("DELETE", f"manifests/{digest}")
        if response.status not in (200, 202, 404):
            raise self._error(response, f"cannot delete {digest}")
        return response.status != 404

    def push(self, config: bytes, layer: bytes) -> str:
        """Push an image of one layer under the reference's tag and return its digest."""
        blobs = [self._push_blob(config), self._push_blob(layer)]
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFESTS[1],
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **blobs[0]},
            "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", **blobs[1]}],
        }
        body = json.dumps(manifest, separators=(",", ":"), sort_keys=True).encode()
        headers = {"Content-Type": MANIFESTS[1]}
        response = self._call("PUT", f"manifests/{self.reference.tag}", body, headers)
        if response.status != 201:
            raise self._error(response, "cannot push the manifest")
        return "sha256:" + hashlib.sha256(body).hexdigest()

    def _push_blob(self, content: bytes) -> dict[str, Any]:
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        if self._call("HEAD", f"blobs/{digest}").status != 200:
            started = self._call("POST", "blobs/uploads/", b"")
            if started.status != 202:
                raise self._error(started, "cannot start an upload")
            where = urllib.parse.urljoin(self._base, started.headers["location"])
            where += ("&" if "?" in where else "?") + urllib.parse.urlencode({"digest": digest})
            headers = {"Content-Type": "application/octet-stream"}
            done = self._call("PUT", where, content, headers)
            if done.status != 201:
                raise self._error(done, "cannot upload")
        return {"digest": digest, "size": len(content)}

    def _call(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Response:
        url = path if "://" in path else f"{self._base}/v2/{self.reference.repository}/{path}"
        response = self._send(method, url, headers or {}, body)
        if response.status == 401:
            self._authorization = self._answer_challenge(response)
            response = self._send(method, url, headers or {}, body)
        return response

    def _send(self, method: str, url: str, headers: dict[str, str], body: bytes | None) -> Response:
        if self._authorization:
            headers = {**headers, "Authorization": self._authorization}
        if body is not None:
            headers = {**headers, "Content-Length": str(len(body))}
        try:
            return self._transport.request(method, url, headers, body, 60)
        except (OSError, http.client.HTTPException) as error:
            raise RegistryError(0, f"no answer from the registry at {url}: {error}") from error

    def _answer_challenge(self, response: Response) -> str:
        user, password = self._credentials.of(self.reference.host)
        challenge = response.headers.get("www-authenticate", "")
        basic = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        if challenge.lower().startswith("basic"):
            return basic
        values = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
        if "realm" not in values:
            raise self._error(response, "the registry asks for a way to sign in that is not known")
        require_private(values["realm"], "the registry's token service")
        query = {"service": values.get("service", ""), "scope": values.get("scope", "")}
        if user == "<token>":
            form = {**query, "grant_type": "refresh_token", "refresh_token": password, "client_id": "docker"}
            content = {"Content-Type": "application/x-www-form-urlencoded"}
            answer = self._fetch_token(
                "POST", values["realm"], content, urllib.parse.urlencode(form).encode()
            )
        else:
            url = f"{values['realm']}?{urllib.parse.urlencode(query)}"
            answer = self._fetch_token("GET", url, {"Authorization": basic} if user else {}, None)
        found = answer.json() or {}
        token = found.get("access_token") or found.get("token")
        if answer.status != 200 or not token:
            raise self._error(answer, "the registry's token service refused")
        return f"Bearer {token}"

    def _fetch_token(self, method: str, url: str, headers: dict[str, str], body: bytes | None) -> Response:
        try:
            return self._transport.request(method, url, headers, body, 30)
        except (OSError, http.client.HTTPException) as error:
            raise RegistryError(
                0, f"no answer from the registry's token service at {url}: {error}"
            ) from error

    def _error(self, response: Response, what: str) -> RegistryError:
        said = response.content.decode(errors="replace").strip()[:2000]
        hint = ""
        if response.status in (401, 403):
            host = self.reference.host
            hint = f". Is the docker login of {host} current (`make login`), and is the role assigned?"
        name = f"{self.reference.host}/{self.reference.repository}"
        return RegistryError(response.status, f"{name}: {what}: status {response.status} {said}{hint}")
