"""Logging docker in to an Azure container registry with an Entra token, as `az acr login` does.

The registry exchanges the token for a refresh token of its own (`/oauth2/exchange`), which docker then
uses as the password of a fixed user name. It lives for three hours, so it is never an input of a resource:
it goes where docker keeps logins (DOCKER_CONFIG, or the credential helper configured there).
https://github.com/Azure/acr/blob/main/docs/AAD-OAuth.md
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from providers import credentials
from providers.errors import NotYetAllowed, ProviderError

if TYPE_CHECKING:
    import httpx

USERNAME = "00000000-0000-0000-0000-000000000000"  # documented on the page above


def login(login_server: str) -> str:
    """Exchange the credential's token at the registry, store the docker login, return the refresh token."""
    token = refresh_token(login_server)
    store(login_server, token)
    return token


def refresh_token(login_server: str) -> str:
    """A registry refresh token for whoever runs this."""
    where = credentials.cloud()
    form = {
        "grant_type": "access_token",
        "service": login_server,
        "tenant": credentials.setting("tenantId"),
        "access_token": credentials.token(where.audience),
    }
    answer = _post(f"https://{login_server}/oauth2/exchange", form, login_server)
    if answer.status_code >= 500:
        raise ProviderError(f"the registry {login_server} answers {answer.status_code}: {answer.text[:200]}")
    if answer.status_code != 200:
        raise NotYetAllowed(
            f"the registry {login_server} does not accept your Entra token ({answer.status_code}). "
            "AcrPush on the registry is needed; a new role assignment takes minutes to take effect."
        )
    return answer.json()["refresh_token"]


def may_push(login_server: str, repository: str, token: str) -> bool:
    """Whether the holder of `token` may push to `repository` by now: opens an upload and cancels it."""
    import httpx

    form = {
        "grant_type": "refresh_token",
        "service": login_server,
        "scope": f"repository:{repository}:pull,push",
        "refresh_token": token,
    }
    answer = _post(f"https://{login_server}/oauth2/token", form, login_server)
    if answer.status_code != 200:
        return False
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    base = f"https://{login_server}"
    try:
        upload = httpx.post(f"{base}/v2/{repository}/blobs/uploads/", headers=headers, timeout=60)
        if upload.status_code == 202:
            httpx.delete(httpx.URL(base).join(upload.headers["Location"]), headers=headers, timeout=60)
    except httpx.TransportError as problem:
        raise _unreachable(login_server, problem) from None
    return upload.status_code == 202


def store(login_server: str, token: str) -> None:
    """Store a docker login where the docker client looks for it."""
    path = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"
    config: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    helper = (config.get("credHelpers") or {}).get(login_server) or config.get("credsStore")
    if helper:
        entry = json.dumps({"ServerURL": login_server, "Username": USERNAME, "Secret": token})
        subprocess.run(
            [f"docker-credential-{helper}", "store"], input=entry, text=True, check=True, capture_output=True
        )
        return
    auth = base64.b64encode(f"{USERNAME}:{token}".encode()).decode()
    config.setdefault("auths", {})[login_server] = {"auth": auth}
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(config, file, indent=2)
    fresh.replace(path)


def _post(url: str, form: dict[str, str], login_server: str) -> httpx.Response:
    import httpx

    try:
        return httpx.post(url, data=form, timeout=60)
    except httpx.TransportError as problem:
        raise _unreachable(login_server, problem) from None


def _unreachable(login_server: str, problem: Exception) -> ProviderError:
    return ProviderError(
        f"the registry {login_server} cannot be reached from here ({problem or type(problem).__name__}). A "
        "registry "
        "without public access is reached from inside its network only: run this there (a VNet runner)."
    )
