"""Starts Azurite 3.35 for a test or a benchmark, plain with an account key or over TLS with OAuth.

Azurite is where scripts/bootstrap puts it: EMULATOR_CACHE (default `.cache` of the repository).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import jwt

ACCOUNT = "devstoreaccount1"
# Azurite's published development key: https://github.com/Azure/Azurite#default-storage-account
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
MAIN = Path("azurite/node_modules/azurite/dist/src/blob/main.js")


def program() -> Path:
    """Azurite's start file; a missing one is an error, not a skip."""
    root = Path(__file__).resolve().parents[2]
    path = Path(os.environ.get("EMULATOR_CACHE") or root / ".cache") / MAIN
    if not path.is_file():
        raise RuntimeError(
            f"{path} is missing: run scripts/bootstrap (make setup), or point EMULATOR_CACHE at it"
        )
    return path


@dataclass
class Azurite:
    """A running Azurite: `url` is the account's blob endpoint, `bundle` the CA to trust ("" without TLS)."""

    url: str
    bundle: str
    process: subprocess.Popen

    def container(self, name: str) -> str:
        """Make a container and answer its URL."""
        from azure.storage.blob import ContainerClient

        url = f"{self.url}/{name}"
        verify = {"connection_verify": self.bundle} if self.bundle else {}
        ContainerClient.from_container_url(
            url, credential={"account_name": ACCOUNT, "account_key": KEY}, api_version="2023-11-03", **verify
        ).create_container()
        return url


@contextlib.contextmanager
def running(folder: Path, *, tls: bool, certificate: Sequence[str] = ()) -> Iterator[Azurite]:
    """An Azurite of one's own on a free port; stopped by its process id.

    `certificate`: paths of bundle, chain and key to use with `tls`, else new ones are made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = [
        shutil.which("node") or "node",
        str(program()),
        "--blobHost",
        "127.0.0.1",
        "--blobPort",
        str(port),
    ]
    command += ["--location", str(folder), "--silent", "--disableProductStyleUrl"]
    command += ["--skipApiVersionCheck"]  # azure-ai-ml sends a version that is newer than Azurite
    bundle = ""
    if tls:
        bundle, chain, key = certificate or certificates(folder)
        command += ["--cert", chain, "--key", key, "--oauth", "basic"]
    log = (folder / "azurite.log").open("ab")
    process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _wait(port, process)
        yield Azurite(f"http{'s' if tls else ''}://127.0.0.1:{port}/{ACCOUNT}", bundle, process)
    finally:
        process.terminate()
        process.wait(timeout=20)
        log.close()


def certificates(folder: Path) -> tuple[str, str, str]:
    """Paths of a CA bundle, a certificate chain for 127.0.0.1 and its key."""
    import trustme

    ca = trustme.CA()
    leaf = ca.issue_cert("127.0.0.1", "localhost")
    ca.cert_pem.write_to_path(folder / "ca.pem")
    leaf.private_key_pem.write_to_path(folder / "key.pem")
    (folder / "chain.pem").write_bytes(b"".join(part.bytes() for part in leaf.cert_chain_pems))
    return str(folder / "ca.pem"), str(folder / "chain.pem"), str(folder / "key.pem")


class Identity:
    """A credential whose tokens Azurite's `--oauth basic` takes: any JWT of the right audience."""

    def __init__(self, seconds: float = 3600) -> None:
        self.seconds, self.given = seconds, 0

    def get_token(self, *_scopes: str, **_: object):
        from azure.core.credentials import AccessToken

        self.given += 1
        now = int(time.time())
        claims = {
            "iss": "https://sts.windows.net/t/",
            "aud": "https://storage.azure.com",
            "nbf": now - 60,
            "iat": now - 60,
        }
        ends = now + int(self.seconds)
        return AccessToken(jwt.encode(claims | {"exp": ends}, "k" * 32, algorithm="HS256"), ends)


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait(port: int, process: subprocess.Popen) -> None:
    for _ in range(300):
        if process.poll() is not None:
            raise RuntimeError(f"Azurite ended at once with {process.returncode}; see azurite.log")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise RuntimeError("Azurite does not listen after 30 s")
