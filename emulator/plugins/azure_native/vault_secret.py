"""Deletes keyvault:Secret at the vault's data plane: ARM can set secrets but not delete them, as on Azure.

azure-native does the same (customresources/custom_keyvault.go). The address comes from the vault itself.
"""

from __future__ import annotations

import http.client

from emulator.plugins.azure_native.arm import Arm, Deadline, error_of
from emulator.plugins.errors import PluginError
from emulator.plugins.transport import require_private

AUDIENCE = "https://vault.azure.net"
API = "7.4"


def delete(arm: Arm, id_: str, vault_api: str, deadline: Deadline) -> None:
    """Delete the secret of a resource id; what is already gone is fine."""
    vault_id, _, name = id_.rpartition("/secrets/")
    vault = arm.call("GET", vault_id, vault_api, deadline)
    if vault.status == 404:
        return
    if vault.status != 200:
        raise error_of(vault)
    address = str(vault.json()["properties"]["vaultUri"]).rstrip("/")
    require_private(address, f"vaultUri of {vault_id}")
    url = f"{address}/secrets/{name}?api-version={API}"
    headers = {"Authorization": f"Bearer {arm.session.token(AUDIENCE)}", "Accept": "application/json"}
    try:
        response = arm.session.transport.request("DELETE", url, headers, None, 60)
    except (OSError, http.client.HTTPException) as error:
        raise PluginError(f"no answer from the vault at {address}: {error}") from error
    if response.status not in (200, 204, 404):
        raise error_of(response)
