"""The raw blob service: Azurite over HTTPS with OAuth, behind the role-checking gate and never exported.

Azurite takes its accounts from its environment at start, and storage accounts are created while it runs. So
it starts with a fixed row of accounts, the slots; a storage account of the embedded Azure is given a slot
for life.
`--oauth basic` takes unsigned tokens that have the right issuer, audience and dates (Azurite README,
"OAuth"); roles are the gate's affair.
"""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Callable
from pathlib import Path

import jwt

from emulator.host.process import Service, write_atomically
from emulator.settings import Settings

SLOTS = 64
AUDIENCE = "https://storage.azure.com"


def slot_account(number: int) -> str:
    """The name of a raw account, 1 to SLOTS;

    the first segment of a path: `azurite_url/slot001/container/blob`.
    """
    if not 1 <= number <= SLOTS:
        raise ValueError(f"the embedded Azure holds {SLOTS} storage accounts, number {number} was asked for")
    return f"slot{number:03d}"


def token(settings: Settings, seconds: int = 3600) -> str:
    """A bearer token that the raw blob service takes for everything."""
    now = int(time.time())
    claims = {
        "iss": f"https://sts.windows.net/{settings.tenant}/",
        "aud": AUDIENCE,
        "tid": settings.tenant,
        "oid": "embedded-azure",
        "iat": now - 60,
        "nbf": now - 60,
        "exp": now + seconds,
    }
    return jwt.encode(claims, "unsigned".ljust(32, "."), algorithm="HS256")


def program(settings: Settings) -> Path:
    """Where scripts/bootstrap puts Azurite's start file."""
    return settings.cache / "azurite" / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"


def service(settings: Settings, certificate: Path, key: Path, ready: Callable[[], bool]) -> Service:
    folder = settings.home / "azurite"
    folder.mkdir(parents=True, exist_ok=True)
    setting = "EMULATOR_PORT or EMULATOR_NETWORK"
    argv = [
        "node",
        str(program(settings)),
        "--blobHost",
        settings.azurite_host,
        "--blobPort",
        str(settings.port),
    ]
    argv += [
        "--location",
        str(folder),
        "--cert",
        str(certificate),
        "--key",
        str(key),
        "--oauth",
        "basic",
    ]
    # SDKs are newer than Azurite and send API versions that it does not know but serves well.
    argv += ["--skipApiVersionCheck", "--disableTelemetry", "--silent"]
    accounts = ";".join(f"{slot_account(n + 1)}:{key_}" for n, key_ in enumerate(_keys(folder / "keys.json")))
    return Service(
        name="azurite",
        argv=argv,
        environment={"AZURITE_ACCOUNTS": accounts, "NODE_ENV": "production"},
        cwd=folder,
        ready=ready,
        listens=[(settings.azurite_host, settings.port, setting)],
    )


def _keys(path: Path) -> list[str]:
    """One random key a slot. Nothing uses them, but Azurite wants them and they must survive a restart."""
    if path.exists():
        return json.loads(path.read_text())
    keys = [base64.b64encode(secrets.token_bytes(32)).decode() for _ in range(SLOTS)]
    write_atomically(path, json.dumps(keys))
    return keys
