"""The container of the deployed stack once more, by `docker run`, without anything around it."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

from emulator.host.networks import LABEL
from emulator.host.started import instance_id
from emulator.settings import Settings

SECONDS = 600


def bare_seconds(environment: dict[str, str]) -> float:
    """Seconds from `docker run` to the first answer of /health, with the image, environment, mounts, network
    and shared memory of the container that the stack runs. That one is paused meanwhile. `environment` is
    that of the stack's commands.
    """
    home = Path(environment["EMULATOR_HOME"])
    label = f"{LABEL}={instance_id(replace(Settings.from_env(environment), home=home))}"
    (node,) = _docker(environment, "ps", "-q", "--filter", f"label={label}").split()
    facts = json.loads(_docker(environment, "inspect", node))[0]
    (network,) = facts["NetworkSettings"]["Networks"]
    arguments = ["run", "-d", "--network", network, "--shm-size", str(facts["HostConfig"]["ShmSize"])]
    for pair in facts["Config"]["Env"]:
        arguments += ["-e", pair]
    for bind in facts["HostConfig"]["Binds"]:
        arguments += ["-v", bind]
    _docker(environment, "pause", node)
    began = time.monotonic()
    container = _docker(environment, *arguments, facts["Image"]).strip()
    try:
        _until_healthy(environment, container, network)
        return time.monotonic() - began
    finally:
        _docker(environment, "rm", "-f", container)
        _docker(environment, "unpause", node)


def _until_healthy(environment: dict[str, str], container: str, network: str) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        facts: Any = json.loads(_docker(environment, "inspect", container))[0]
        if not facts["State"]["Running"]:
            raise SystemExit(f"the bare container ended:\n{_docker(environment, 'logs', container)}")
        address = facts["NetworkSettings"]["Networks"][network]["IPAddress"]
        try:
            with opener.open(f"http://{address}:8000/health", timeout=2):
                return
        except (OSError, urllib.error.URLError):
            time.sleep(0.2)
    raise SystemExit(f"/health did not answer within {SECONDS} s")


def _docker(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        ["/usr/bin/docker", *arguments], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"docker {arguments[0]}: {done.stderr}")
    return done.stdout + (done.stderr if arguments[0] == "logs" else "")
