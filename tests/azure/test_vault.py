"""Key vaults: secrets by ARM and by the vault's own address, names that stay blocked after a delete."""

from __future__ import annotations

import time

import httpx
import pytest
from azure.keyvault.secrets import SecretClient

from tests.azure.harness import LOCATION, Azure, Platform, vault_body
from tests.azure.test_storage import Bearer

pytestmark = pytest.mark.emulator
VERSION = "2024-11-01"
AUDIENCE = "https://vault.azure.net"


def vault_path(platform: Platform, name: str) -> str:
    return f"{platform.group}/providers/Microsoft.KeyVault/vaults/{name}"


def data_plane(
    azure: Azure, vault: str, path: str, token: str, method: str = "GET", body: object = None
) -> httpx.Response:
    uri = azure.do("GET", vault, version=VERSION)["properties"]["vaultUri"]
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return azure.http.request(method, f"{uri}{path}?api-version=7.4", headers=headers, json=body)


class TestSecrets:
    def test_arm_sets_a_secret_and_never_shows_it(self, azure: Azure, platform: Platform):
        path = f"{platform.vault}/secrets/by-arm"
        made = azure.do("PUT", path, {"properties": {"value": "not to be seen"}}, version=VERSION)
        assert "value" not in made["properties"]
        assert made["properties"]["secretUriWithVersion"].startswith(made["properties"]["secretUri"] + "/")

    def test_azures_own_client_reads_it(self, azure: Azure, platform: Platform):
        vault = vault_path(platform, "kv-client")
        azure.do("PUT", vault, vault_body(azure), version=VERSION)
        azure.do("PUT", f"{vault}/secrets/it", {"properties": {"value": "by the client"}}, version=VERSION)
        azure.assign(
            vault, "Key Vault Secrets User", azure.object_id(), "cccccccc-0000-4000-8000-000000000002"
        )
        time.sleep(0.5)
        uri = azure.do("GET", vault, version=VERSION)["properties"]["vaultUri"]
        # The address has no name under vault.azure.net: that check of the client's is switched off, no other.
        client = SecretClient(
            uri,
            Bearer(azure.token(AUDIENCE)),
            verify_challenge_resource=False,
            connection_verify=str(azure.settings.bundle_file),
        )
        assert client.get_secret("it").value == "by the client"

    def test_each_put_is_a_new_version(self, azure: Azure, platform: Platform):
        path = f"{platform.vault}/secrets/versions"
        uris = {
            azure.do("PUT", path, {"properties": {"value": value}}, version=VERSION)["properties"][
                "secretUriWithVersion"
            ]
            for value in ("one", "two")
        }
        assert len(uris) == 2

    def test_arm_cannot_delete_a_secret(self, azure: Azure, platform: Platform):
        path = f"{platform.vault}/secrets/by-arm-too"
        azure.do("PUT", path, {"properties": {"value": "x"}}, version=VERSION)
        assert azure.request("DELETE", path, version=VERSION).status_code == 405

    def test_the_data_plane_asks_for_a_token_and_says_for_what(self, azure: Azure, platform: Platform):
        answer = data_plane(azure, platform.vault, "secrets/any", "")
        assert answer.status_code == 401
        assert f'resource="{AUDIENCE}"' in answer.headers["www-authenticate"]

    def test_the_data_plane_refuses_a_token_for_arm(self, azure: Azure, platform: Platform):
        assert data_plane(azure, platform.vault, "secrets/any", azure.token()).status_code == 401

    def test_the_data_plane_needs_a_data_role_even_of_an_owner(self, azure: Azure, platform: Platform):
        vault = vault_path(platform, "kv-roles")
        azure.do("PUT", vault, vault_body(azure), version=VERSION)
        azure.do("PUT", f"{vault}/secrets/it", {"properties": {"value": "found"}}, version=VERSION)
        token = azure.token(AUDIENCE)
        refused = data_plane(azure, vault, "secrets/it", token)
        assert refused.status_code == 403
        assert refused.json()["error"]["innererror"]["code"] == "ForbiddenByRbac"
        azure.assign(
            vault, "Key Vault Secrets User", azure.object_id(), "cccccccc-0000-4000-8000-000000000001"
        )
        time.sleep(0.5)
        assert data_plane(azure, vault, "secrets/it", token).json()["value"] == "found"
        assert data_plane(azure, vault, "secrets/it", token, "PUT", {"value": "x"}).status_code == 403

    def test_access_policies_count_without_rbac(self, azure: Azure, platform: Platform):
        vault = vault_path(platform, "kv-policies")
        policy = {
            "tenantId": azure.settings.tenant,
            "objectId": azure.object_id(),
            "permissions": {"secrets": ["get", "set"]},
        }
        body = vault_body(azure, enableRbacAuthorization=False, accessPolicies=[policy])
        azure.do("PUT", vault, body, version=VERSION)
        token = azure.token(AUDIENCE)
        assert data_plane(azure, vault, "secrets/mine", token, "PUT", {"value": "v"}).status_code == 200
        assert data_plane(azure, vault, "secrets", token).status_code == 403
        policy["permissions"]["secrets"] = ["all"]
        azure.do("PUT", vault, body, version=VERSION)
        assert data_plane(azure, vault, "secrets", token).status_code == 200


class TestDeletedVaults:
    def test_the_name_stays_blocked_until_the_vault_is_purged(self, azure: Azure, platform: Platform):
        vault = vault_path(platform, "kv-gone")
        azure.do("PUT", vault, vault_body(azure), version=VERSION)
        azure.do("DELETE", vault, version=VERSION)
        error = azure.refusal("PUT", vault, vault_body(azure), version=VERSION)
        assert (error["status"], error["code"]) == (409, "ConflictError")
        deleted = (
            f"{azure.subscription}/providers/Microsoft.KeyVault/locations/{LOCATION}/deletedVaults/kv-gone"
        )
        azure.do("POST", f"{deleted}/purge", version=VERSION)
        azure.do("PUT", vault, vault_body(azure), version=VERSION)

    def test_a_deleted_vault_is_recovered_with_its_secrets(self, azure: Azure, platform: Platform):
        vault = vault_path(platform, "kv-back")
        azure.do("PUT", vault, vault_body(azure, enableRbacAuthorization=False), version=VERSION)
        azure.do("PUT", f"{vault}/secrets/kept", {"properties": {"value": "kept"}}, version=VERSION)
        azure.do("DELETE", vault, version=VERSION)
        policy = {
            "tenantId": azure.settings.tenant,
            "objectId": azure.object_id(),
            "permissions": {"secrets": ["get"]},
        }
        body = vault_body(azure, createMode="recover", enableRbacAuthorization=False, accessPolicies=[policy])
        azure.do("PUT", vault, body, version=VERSION)
        assert data_plane(azure, vault, "secrets/kept", azure.token(AUDIENCE)).json()["value"] == "kept"

    def test_purge_protection_forbids_the_purge_and_cannot_be_undone(self, azure: Azure, platform: Platform):
        vault = vault_path(platform, "kv-protected")
        azure.do("PUT", vault, vault_body(azure, enablePurgeProtection=True), version=VERSION)
        body = vault_body(azure, enablePurgeProtection=False)
        assert "cannot be set to false" in azure.refusal("PUT", vault, body, version=VERSION)["message"]
        azure.do("DELETE", vault, version=VERSION)
        deleted = f"{azure.subscription}/providers/Microsoft.KeyVault/locations/{LOCATION}"
        deleted += "/deletedVaults/kv-protected"
        assert azure.refusal("POST", f"{deleted}/purge", version=VERSION)["code"] == "MethodNotAllowed"


@pytest.mark.parametrize("name", ["1-starts", "double--dash", "a", "x" * 25])
def test_a_wrong_name(azure: Azure, platform: Platform, name: str):
    error = azure.refusal("PUT", vault_path(platform, name), vault_body(azure), version=VERSION)
    assert error["code"] == "VaultNameNotValid"


def test_the_tenant_must_be_the_subscriptions(azure: Azure, platform: Platform):
    body = vault_body(azure, tenantId="aaaaaaaa-0000-4000-8000-00000000000a")
    error = azure.refusal("PUT", vault_path(platform, "kv-tenant"), body, version=VERSION)
    assert error["target"] == "properties.tenantId"
