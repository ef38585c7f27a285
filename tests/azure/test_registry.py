"""Container registries: token exchange, scopes cut down to roles, pushing and pulling through the gate."""

from __future__ import annotations

import hashlib
import json

import httpx
import jwt
import pytest

from tests.azure.harness import LOCATION, Azure, Platform

pytestmark = pytest.mark.emulator
VERSION = "2023-01-01-preview"


def exchange(azure: Azure, server: str, who: str = "deployer") -> str:
    form = {"grant_type": "access_token", "service": server, "access_token": azure.token(who=who)}
    answer = azure.http.post(f"https://{server}/oauth2/exchange", data=form)
    return answer.raise_for_status().json()["refresh_token"]


def access(azure: Azure, server: str, refresh: str, scope: str) -> str:
    form = {"grant_type": "refresh_token", "service": server, "scope": scope, "refresh_token": refresh}
    return (
        azure.http.post(f"https://{server}/oauth2/token", data=form).raise_for_status().json()["access_token"]
    )


def push(azure: Azure, server: str, repository: str, tag: str, content: bytes, refresh: str) -> str:
    """Push an image of one layer by the distribution API; returns its digest."""
    token = access(azure, server, refresh, f"repository:{repository}:pull,push")
    headers = {"Authorization": f"Bearer {token}"}
    blobs = []
    for data in (content, b"{}"):
        begun = azure.http.post(f"https://{server}/v2/{repository}/blobs/uploads/", headers=headers)
        assert begun.status_code == 202, begun.text
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        where = begun.headers["location"]
        url = where if where.startswith("https://") else f"https://{server}{where}"
        done = azure.http.put(
            url, params={**httpx.URL(url).params, "digest": digest}, content=data, headers=headers
        )
        assert done.status_code == 201, done.text
        blobs.append({"digest": digest, "size": len(data)})
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **blobs[1]},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", **blobs[0]}],
    }
    body = json.dumps(manifest).encode()
    headers["Content-Type"] = manifest["mediaType"]
    put = azure.http.put(f"https://{server}/v2/{repository}/manifests/{tag}", content=body, headers=headers)
    assert put.status_code == 201, put.text
    return "sha256:" + hashlib.sha256(body).hexdigest()


def scopes(token: str) -> list[dict]:
    return jwt.decode(token, options={"verify_signature": False})["access"]


class TestTokens:
    def test_without_a_token_the_registry_says_where_to_get_one(self, azure: Azure, platform: Platform):
        answer = azure.http.get(f"https://{platform.registry_server}/v2/")
        assert answer.status_code == 401
        challenge = answer.headers["www-authenticate"]
        assert challenge.startswith("Bearer ")
        assert f'realm="https://{platform.registry_server}/oauth2/token"' in challenge

    def test_an_anonymous_token_is_refused(self, azure: Azure, platform: Platform):
        query = {"service": platform.registry_server, "scope": "repository:vllm:pull"}
        assert (
            azure.http.get(f"https://{platform.registry_server}/oauth2/token", params=query).status_code
            == 401
        )

    def test_the_scope_is_cut_down_to_the_roles(self, azure: Azure, platform: Platform):
        server = platform.registry_server
        reader = access(azure, server, exchange(azure, server, "reader"), "repository:vllm:pull,push")
        assert scopes(reader) == [{"type": "repository", "name": "vllm", "actions": ["pull"]}]
        owner = access(azure, server, exchange(azure, server), "repository:vllm:pull,push")
        assert scopes(owner)[0]["actions"] == ["pull", "push"]

    def test_a_refresh_token_opens_nothing_by_itself(self, azure: Azure, platform: Platform):
        refresh = exchange(azure, platform.registry_server)
        headers = {"Authorization": f"Bearer {refresh}"}
        answer = azure.http.get(f"https://{platform.registry_server}/v2/vllm/tags/list", headers=headers)
        assert answer.status_code == 401

    def test_a_token_for_storage_cannot_be_exchanged(self, azure: Azure, platform: Platform):
        server = platform.registry_server
        wrong = azure.token("https://storage.azure.com")
        form = {"grant_type": "access_token", "service": server, "access_token": wrong}
        assert azure.http.post(f"https://{server}/oauth2/exchange", data=form).status_code == 401


class TestImages:
    def test_what_is_pushed_is_pulled_by_tag_and_digest(self, azure: Azure, platform: Platform):
        server = platform.registry_server
        refresh = exchange(azure, server)
        digest = push(azure, server, "team/app", "1.0", b"a layer", refresh)
        token = access(azure, server, refresh, "repository:team/app:pull")
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/vnd.oci.image.manifest.v1+json"}
        for reference in ("1.0", digest):
            answer = azure.http.get(f"https://{server}/v2/team/app/manifests/{reference}", headers=headers)
            assert answer.headers["docker-content-digest"] == digest
        tags = azure.http.get(f"https://{server}/v2/team/app/tags/list", headers=headers).json()
        assert tags == {"name": "team/app", "tags": ["1.0"]}

    def test_a_token_for_one_repository_does_not_open_another(self, azure: Azure, platform: Platform):
        server = platform.registry_server
        token = access(azure, server, exchange(azure, server), "repository:one:pull")
        headers = {"Authorization": f"Bearer {token}"}
        assert azure.http.get(f"https://{server}/v2/two/tags/list", headers=headers).status_code == 401

    def test_a_reader_pulls_and_does_not_push(self, azure: Azure, platform: Platform):
        server = platform.registry_server
        token = access(azure, server, exchange(azure, server, "reader"), "repository:team/app:pull,push")
        answer = azure.http.post(
            f"https://{server}/v2/team/app/blobs/uploads/", headers={"Authorization": f"Bearer {token}"}
        )
        assert answer.status_code == 401

    def test_registries_do_not_share_repositories(self, azure: Azure, platform: Platform):
        path = f"{platform.group}/providers/Microsoft.ContainerRegistry/registries/acrother1"
        made = azure.do("PUT", path, {"location": LOCATION, "sku": {"name": "Basic"}}, version=VERSION)
        other = made["properties"]["loginServer"]
        push(
            azure, platform.registry_server, "mine", "1", b"layer", exchange(azure, platform.registry_server)
        )
        token = access(azure, other, exchange(azure, other), "repository:mine:pull")
        answer = azure.http.get(
            f"https://{other}/v2/mine/manifests/1", headers={"Authorization": f"Bearer {token}"}
        )
        assert answer.status_code == 404


class TestResource:
    def test_the_admin_user_is_off(self, azure: Azure, platform: Platform):
        error = azure.refusal("POST", f"{platform.registry}/listCredentials", version=VERSION)
        assert error["code"] == "UnAuthorizedForCredentialOperations"

    @pytest.mark.parametrize("name", ["acr", "with-dash1", "x" * 51])
    def test_a_wrong_name(self, azure: Azure, platform: Platform, name: str):
        path = f"{platform.group}/providers/Microsoft.ContainerRegistry/registries/{name}"
        body = {"location": LOCATION, "sku": {"name": "Basic"}}
        assert azure.refusal("PUT", path, body, version=VERSION)["code"] == "InvalidResourceName"

    def test_only_premium_can_disable_public_access(self, azure: Azure, platform: Platform):
        path = f"{platform.group}/providers/Microsoft.ContainerRegistry/registries/acrclosed1"
        body = {
            "location": LOCATION,
            "sku": {"name": "Standard"},
            "properties": {"publicNetworkAccess": "Disabled"},
        }
        error = azure.refusal("PUT", path, body, version=VERSION)
        assert error["code"] == "CannotDisablePublicNetworkAccess"

    def test_a_name_is_taken_worldwide(self, azure: Azure, platform: Platform):
        group = azure.group("rg-other-registry")
        azure.do("PUT", group, {"location": LOCATION}, version="2024-03-01")
        name = platform.registry.rsplit("/", 1)[1]
        path = f"{group}/providers/Microsoft.ContainerRegistry/registries/{name}"
        body = {"location": LOCATION, "sku": {"name": "Basic"}}
        assert azure.refusal("PUT", path, body, version=VERSION)["code"] == "AlreadyInUse"
