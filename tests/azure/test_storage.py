"""Storage accounts by ARM, and the gate before their blobs: token, audience, role, propagation."""

from __future__ import annotations

import time

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.storage.blob import ContainerClient

from tests.azure.harness import LOCATION, Azure, Platform, storage_body

pytestmark = pytest.mark.emulator
VERSION = "2024-01-01"


class Bearer:
    """A credential that always gives the same token."""

    def __init__(self, token: str) -> None:
        self._token = token

    def get_token(self, *scopes: str, **_: object) -> AccessToken:
        return AccessToken(self._token, int(time.time()) + 3600)


def container(azure: Azure, account: str, name: str, token: str) -> ContainerClient:
    endpoint = azure.do("GET", account, version=VERSION)["properties"]["primaryEndpoints"]["blob"]
    ca = str(azure.settings.bundle_file)
    return ContainerClient(endpoint, name, credential=Bearer(token), connection_verify=ca, retry_total=0)


@pytest.fixture(scope="module")
def account(azure: Azure, platform: Platform) -> str:
    path = f"{platform.group}/providers/Microsoft.Storage/storageAccounts/stgate1"
    azure.do("PUT", path, storage_body(allowSharedKeyAccess=False), version=VERSION)
    azure.do("PUT", f"{path}/blobServices/default/containers/data", {"properties": {}}, version=VERSION)
    azure.assign(
        path, "Storage Blob Data Contributor", azure.object_id(), "bbbbbbbb-0000-4000-8000-000000000001"
    )
    time.sleep(0.5)
    return path


class TestNames:
    @pytest.mark.parametrize("name", ["ab", "Upper1", "with-dash", "a" * 25])
    def test_a_wrong_name(self, azure: Azure, platform: Platform, name: str):
        path = f"{platform.group}/providers/Microsoft.Storage/storageAccounts/{name}"
        assert azure.refusal("PUT", path, storage_body(), version=VERSION)["code"] == "AccountNameInvalid"

    def test_a_name_is_taken_worldwide(self, azure: Azure, platform: Platform, account: str):
        other = azure.group("rg-other-names")
        azure.do("PUT", other, {"location": LOCATION}, version="2024-03-01")
        path = f"{other}/providers/Microsoft.Storage/storageAccounts/stgate1"
        assert (
            azure.refusal("PUT", path, storage_body(), version=VERSION)["code"]
            == "StorageAccountAlreadyTaken"
        )
        check = f"{azure.subscription}/providers/Microsoft.Storage/checkNameAvailability"
        body = {"name": "stgate1", "type": "Microsoft.Storage/storageAccounts"}
        assert azure.do("POST", check, body, version=VERSION)["nameAvailable"] is False


class TestKeys:
    def test_keys_are_refused_when_key_access_is_disabled(self, azure: Azure, account: str):
        error = azure.refusal("POST", f"{account}/listKeys", version=VERSION)
        assert error["code"] == "KeyBasedAuthenticationNotPermitted"

    def test_a_request_signed_with_a_key_is_refused(self, azure: Azure, account: str):
        endpoint = azure.do("GET", account, version=VERSION)["properties"]["primaryEndpoints"]["blob"]
        headers = {"Authorization": "SharedKey stgate1:c2lnbmF0dXJl", "x-ms-version": "2023-11-03"}
        answer = azure.http.get(f"{endpoint}data/a.txt", headers=headers)
        assert answer.headers["x-ms-error-code"] == "KeyBasedAuthenticationNotPermitted"


class TestGate:
    def test_a_role_lets_blobs_be_written_and_read(self, azure: Azure, account: str):
        client = container(azure, account, "data", azure.token("https://storage.azure.com"))
        client.upload_blob("folder/a.txt", b"hello", overwrite=True)
        assert client.download_blob("folder/a.txt").readall() == b"hello"
        assert [blob.name for blob in client.list_blobs(name_starts_with="folder/")] == ["folder/a.txt"]

    def test_an_owner_without_a_data_role_is_refused(self, azure: Azure, platform: Platform):
        azure.do(
            "PUT",
            f"{platform.account}/blobServices/default/containers/closed",
            {"properties": {}},
            version=VERSION,
        )
        client = container(azure, platform.account, "closed", azure.token("https://storage.azure.com"))
        with pytest.raises(HttpResponseError) as refused:
            client.upload_blob("a.txt", b"x")
        assert refused.value.error_code == "AuthorizationPermissionMismatch"

    def test_a_readers_data_role_does_not_write(self, azure: Azure, account: str):
        azure.assign(
            account,
            "Storage Blob Data Reader",
            azure.object_id("reader"),
            "bbbbbbbb-0000-4000-8000-000000000002",
        )
        time.sleep(0.5)
        client = container(azure, account, "data", azure.token("https://storage.azure.com", who="reader"))
        list(client.list_blobs())
        with pytest.raises(HttpResponseError) as refused:
            client.upload_blob("b.txt", b"x")
        assert refused.value.status_code == 403

    def test_a_new_role_takes_effect_late(self, azure: Azure, platform: Platform):
        path = f"{platform.group}/providers/Microsoft.Storage/storageAccounts/stlate1"
        azure.do("PUT", path, storage_body(), version=VERSION)
        azure.do("PUT", f"{path}/blobServices/default/containers/data", {"properties": {}}, version=VERSION)
        azure.assign(
            path, "Storage Blob Data Owner", azure.object_id(), "bbbbbbbb-0000-4000-8000-000000000003"
        )
        client = container(azure, path, "data", azure.token("https://storage.azure.com"))
        with pytest.raises(HttpResponseError) as refused:
            client.upload_blob("a.txt", b"x")
        assert refused.value.status_code == 403
        time.sleep(0.5)
        client.upload_blob("a.txt", b"x")

    def test_a_token_for_another_service_is_refused(self, azure: Azure, account: str):
        client = container(azure, account, "data", azure.token())
        with pytest.raises(ClientAuthenticationError):
            client.upload_blob("a.txt", b"x", overwrite=True)

    def test_containers_of_one_account_are_not_anothers(self, azure: Azure, platform: Platform, account: str):
        endpoint = azure.do("GET", platform.account, version=VERSION)["properties"]["primaryEndpoints"][
            "blob"
        ]
        assert endpoint != azure.do("GET", account, version=VERSION)["properties"]["primaryEndpoints"]["blob"]

    def test_public_access_to_blobs_is_refused_unless_the_account_allows_it(self, azure: Azure, account: str):
        path = f"{account}/blobServices/default/containers/open"
        body = {"properties": {"publicAccess": "Blob"}}
        assert azure.refusal("PUT", path, body, version=VERSION)["code"] == "PublicAccessNotPermitted"
