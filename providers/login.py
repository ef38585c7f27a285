"""`python -m providers.login [LOGIN_SERVER ...]`: what `az acr login` does, for the registries of a stack.

Without arguments the registry is the output `container_registry_login_server` of the selected stack, asked
of the command in PULUMI (by default `pulumi`, else the embedded engine) for the stack in PULUMI_STACK.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys

from providers import registry
from providers.errors import ProviderError


def main(servers: list[str]) -> int:
    """Log in to every registry; one line each."""
    try:
        for server in servers or [_from_stack()]:
            registry.login(server)
            print(f"logged in to {server}")
    except ProviderError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    return 0


def _from_stack() -> str:
    stack = os.environ.get("PULUMI_STACK") or os.environ.get("STACK")
    if not stack:
        raise ProviderError("name a registry (LOGIN_SERVER) or a stack (PULUMI_STACK=dev).")
    command = shlex.split(os.environ.get("PULUMI", "")) or _engine()
    run = subprocess.run(
        [*command, "stack", "output", "container_registry_login_server", "--stack", stack],
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode or not run.stdout.strip():
        raise ProviderError(
            f"stack {stack!r} has no output container_registry_login_server: "
            f"{run.stderr.strip() or 'nothing printed'}. "
            "Run `up` first, or name the registry."
        )
    return run.stdout.strip()


def _engine() -> list[str]:
    found = shutil.which("pulumi")
    return [found] if found else [sys.executable, "-m", "emulator.engine"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
