"""Secret injection: Key Vault references in a deployment's environment variables (a preview of the service).

Source: learn.microsoft.com, "Secret injection in online endpoints": the vault is in RBAC mode and the
endpoint's identity has Key Vault Secrets User. References to workspace connections are refused.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from emulator.azure import identities, vault_secrets
from emulator.azure.errors import ArmError
from emulator.azure.store import Resource

if TYPE_CHECKING:
    from emulator.azure.cloud import Cloud

_SECRET = re.compile(r"\$\{\{keyvault:(https://[^}]+?)/secrets/([^/}]+)(?:/([^/}]+))?\}\}")


def environment(cloud: Cloud, resource: Resource) -> dict[str, str]:
    """Return the environment variables with secrets in their places (secret injection, a preview of the
    service).
    """
    found = dict(resource.properties["environmentVariables"])
    for name, value in found.items():
        match = _SECRET.fullmatch(value.strip())
        if match:
            found[name] = _injected(cloud, resource, name, match)
        elif value.strip().startswith("${{"):
            text = (
                f"SecretsInjectionError: the reference in environment variable {name} is not "
                "a Key Vault secret."
            )
            raise ArmError(400, "SecretsInjectionError", text)
    return found


def _injected(cloud: Cloud, resource: Resource, name: str, match: re.Match[str]) -> str:
    base, secret, version = match.groups()
    endpoint = cloud.store.get(resource.parent_id)
    assert endpoint is not None
    action = "Microsoft.KeyVault/vaults/secrets/getSecret/action"
    for vault in cloud.store.all("Microsoft.KeyVault/vaults"):
        if cloud.addresses.url(vault.private["host"]).rstrip("/") != base.rstrip("/"):
            continue
        if not vault.properties.get("enableRbacAuthorization"):
            text = f"SecretsInjectionError: vault {vault.name} uses access policies; it must use Azure RBAC."
            raise ArmError(400, "SecretsInjectionError", text)
        people = identities.principals(cloud, endpoint)
        if not any(cloud.rbac.allowed(person, action, vault.id, data=True) for person in people):
            text = (
                f"SecretsInjectionError: the endpoint's identity may not read secrets of vault {vault.name}."
            )
            raise ArmError(400, "SecretsInjectionError", text)
        rows = vault_secrets.versions(cloud, vault.id, secret)
        rows = [row for row in rows if version is None or row["version"] == version]
        if rows:
            return rows[-1]["value"]
    text = f"SecretsInjectionError: the secret of environment variable {name} was not found."
    raise ArmError(400, "SecretsInjectionError", text)
