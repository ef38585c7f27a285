"""Online endpoints: names, identity and its roles, keys, and traffic that names what exists."""

from __future__ import annotations

import time

import pytest

from tests.azure.harness import (
    LOCATION,
    Azure,
    Platform,
    endpoint_body,
    make_platform,
    vault_body,
    workspace_body,
)

pytestmark = pytest.mark.emulator
ROLES = "2022-04-01"


class TestNames:
    @pytest.mark.parametrize("name", ["ab", "1starts", "ends-", "double--dash", "under_score", "x" * 33])
    def test_a_wrong_name(self, azure: Azure, platform: Platform, name: str):
        error = azure.refusal("PUT", f"{platform.workspace}/onlineEndpoints/{name}", endpoint_body())
        assert (error["code"], error["target"]) == ("UserError", "name")

    def test_a_name_is_taken_in_the_whole_region(self, azure: Azure, platform: Platform):
        platform.endpoint("in-region")
        other = make_platform(azure, "region1")
        error = azure.refusal("PUT", f"{other.workspace}/onlineEndpoints/in-region", endpoint_body())
        assert "region" in error["message"]

    def test_a_name_is_held_while_the_delete_is_under_way_and_a_little_after(
        self, azure: Azure, platform: Platform
    ):
        path = platform.endpoint("held-name")
        gone = azure.request("DELETE", path)
        assert azure.refusal("PUT", path, endpoint_body())["status"] == 409
        azure.wait(gone)
        assert "still being deleted" in azure.refusal("PUT", path, endpoint_body())["message"]
        time.sleep(0.7)
        azure.do("PUT", path, endpoint_body())

    def test_the_location_is_the_workspaces(self, azure: Azure, platform: Platform):
        body = {**endpoint_body(), "location": "northeurope"}
        error = azure.refusal("PUT", f"{platform.workspace}/onlineEndpoints/elsewhere", body)
        assert error["target"] == "location"


class TestTraffic:
    @pytest.fixture(scope="class")
    @classmethod
    def split(cls, platform: Platform, environment: str) -> str:
        endpoint = platform.endpoint("split")
        platform.deployment(endpoint, "blue", environment)
        platform.deployment(endpoint, "green", environment)
        return endpoint

    def test_traffic_to_a_deployment_that_is_not_there(self, azure: Azure, split: str):
        error = azure.refusal("PUT", split, endpoint_body(traffic={"red": 100}))
        assert error["target"] == "properties.traffic"
        none_of_it = azure.refusal("PUT", split, endpoint_body(traffic={"blue": 100, "red": 0}))
        assert "does not have" in none_of_it["message"], "a name counts also without a share"

    def test_a_new_endpoint_cannot_have_traffic(self, azure: Azure, platform: Platform):
        path = f"{platform.workspace}/onlineEndpoints/too-early"
        assert "does not have" in azure.refusal("PUT", path, endpoint_body(traffic={"blue": 100}))["message"]

    @pytest.mark.parametrize("traffic", [{"blue": 50}, {"blue": 60, "green": 60}, {"blue": 99}])
    def test_traffic_sums_to_0_or_100(self, azure: Azure, split: str, traffic: dict):
        assert "0 or 100" in azure.refusal("PUT", split, endpoint_body(traffic=traffic))["message"]

    def test_a_put_without_traffic_empties_it(self, azure: Azure, split: str):
        made = azure.do("PUT", split, endpoint_body(traffic={"blue": 90, "green": 10}))
        assert made["properties"]["traffic"] == {"blue": 90, "green": 10}
        assert azure.do("PUT", split, endpoint_body())["properties"]["traffic"] == {}

    def test_patch_cannot_set_traffic(self, azure: Azure, split: str):
        error = azure.refusal("PATCH", split, {"properties": {"traffic": {"blue": 100}}})
        assert "properties" in error["message"]

    def test_patch_sets_tags_and_leaves_the_rest(self, azure: Azure, split: str):
        azure.do("PUT", split, endpoint_body(traffic={"blue": 100}))
        changed = azure.do("PATCH", split, {"tags": {"team": "a"}})
        assert (changed["tags"], changed["properties"]["traffic"]) == ({"team": "a"}, {"blue": 100})

    @pytest.mark.parametrize(
        ("traffic", "mirror", "word"),
        [
            ({"blue": 100}, {"green": 51}, "50"),
            ({}, {"blue": 10, "green": 10}, "one deployment"),
            ({"blue": 100}, {"blue": 10}, "live and mirrored"),
            ({"blue": 100}, {"red": 10}, "does not have"),
        ],
    )
    def test_wrong_mirror_traffic(self, azure: Azure, split: str, traffic: dict, mirror: dict, word: str):
        error = azure.refusal("PUT", split, endpoint_body(traffic=traffic, mirrorTraffic=mirror))
        assert word in error["message"]

    def test_mirrored_traffic_that_is_allowed(self, azure: Azure, split: str):
        made = azure.do("PUT", split, endpoint_body(traffic={"blue": 100}, mirrorTraffic={"green": 50}))
        assert made["properties"]["mirrorTraffic"] == {"green": 50}
        azure.do("PUT", split, endpoint_body())

    def test_a_deployment_with_live_traffic_cannot_be_deleted(self, azure: Azure, split: str):
        azure.do("PUT", split, endpoint_body(traffic={"blue": 100}))
        assert "live traffic" in azure.refusal("DELETE", f"{split}/deployments/blue")["message"]
        azure.do("PUT", split, endpoint_body())


class TestIdentity:
    def test_a_system_assigned_one_is_the_default_and_cannot_be_changed(
        self, azure: Azure, platform: Platform
    ):
        path = platform.endpoint("identified")
        assert azure.do("GET", path)["identity"]["type"] == "SystemAssigned"
        user = f"{platform.group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-late"
        azure.do("PUT", user, {"location": LOCATION}, version="2023-01-31")
        body = endpoint_body(identity={"type": "UserAssigned", "userAssignedIdentities": {user: {}}})
        assert azure.refusal("PUT", path, body)["target"] == "identity"

    def test_a_user_assigned_one_must_be_there(self, azure: Azure, platform: Platform):
        user = f"{platform.group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-nobody"
        body = endpoint_body(identity={"type": "UserAssigned", "userAssignedIdentities": {user: {}}})
        error = azure.refusal("PUT", f"{platform.workspace}/onlineEndpoints/by-nobody", body)
        assert error["code"] == "FailedIdentityOperation"

    def test_the_default_secret_stores_are_for_system_assigned_ones(self, azure: Azure, platform: Platform):
        path = f"{platform.group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/own-secrets"
        azure.do("PUT", path, {"location": LOCATION}, version="2023-01-31")
        identity = {"type": "UserAssigned", "userAssignedIdentities": {path: {}}}
        flag = {"enforce_access_to_default_secret_stores": "enabled"}
        body = endpoint_body(identity=identity, properties=flag)
        error = azure.refusal("PUT", f"{platform.workspace}/onlineEndpoints/default-stores", body)
        assert "system-assigned" in error["message"]

    @pytest.mark.parametrize("change", [{"kind": "Kubernetes"}, {"identity": {"type": "None"}}])
    def test_what_no_managed_endpoint_is(self, azure: Azure, platform: Platform, change: dict):
        path = f"{platform.workspace}/onlineEndpoints/not-managed"
        assert azure.refusal("PUT", path, {**endpoint_body(), **change})["code"] == "UserError"

    def test_a_new_endpoint_under_an_old_name_is_somebody_else(self, azure: Azure, platform: Platform):
        path = platform.endpoint("reborn")
        first = (
            azure.do("GET", path)["identity"]["principalId"],
            azure.do("POST", f"{path}/listKeys")["primaryKey"],
        )
        azure.do("DELETE", path)
        time.sleep(0.7)
        azure.do("PUT", path, endpoint_body())
        again = (
            azure.do("GET", path)["identity"]["principalId"],
            azure.do("POST", f"{path}/listKeys")["primaryKey"],
        )
        assert first[0] != again[0]
        assert first[1] != again[1]


class TestKeys:
    def test_keys_given_at_creation_are_kept_and_never_shown(self, azure: Azure, platform: Platform):
        keys = {"primaryKey": "first-key-given", "secondaryKey": "second-key-given"}
        path = platform.endpoint("given-keys", keys=keys)
        assert azure.do("GET", path)["properties"]["keys"] is None
        assert azure.do("POST", f"{path}/listKeys") == keys

    def test_keys_cannot_be_set_later(self, azure: Azure, platform: Platform):
        path = platform.endpoint("late-keys")
        error = azure.refusal("PUT", path, endpoint_body(keys={"primaryKey": "another"}))
        assert error["target"] == "properties.keys"

    def test_a_key_is_regenerated_and_the_other_stays(self, azure: Azure, platform: Platform):
        path = platform.endpoint("new-keys")
        before = azure.do("POST", f"{path}/listKeys")
        azure.do("POST", f"{path}/regenerateKeys", {"keyType": "Primary"})
        after = azure.do("POST", f"{path}/listKeys")
        assert before["primaryKey"] != after["primaryKey"]
        assert before["secondaryKey"] == after["secondaryKey"]

    def test_a_token_is_for_endpoints_of_that_mode_only(self, azure: Azure, platform: Platform):
        assert azure.refusal("POST", f"{platform.endpoint('mode-key')}/token")["code"] == "UserError"
        path = platform.endpoint("mode-token", authMode="AMLToken")
        assert azure.do("POST", f"{path}/token")["tokenType"] == "Bearer"
        assert azure.refusal("POST", f"{path}/listKeys")["code"] == "UserError"


class TestFrontDoor:
    """What the endpoint's own address answers; the front door itself is tested in tests/nodes."""

    @pytest.fixture(scope="class")
    @classmethod
    def served(cls, azure: Azure, platform: Platform, environment: str) -> str:
        endpoint = platform.endpoint("served", publicNetworkAccess="Disabled")
        platform.deployment(endpoint, "current", environment)
        body = endpoint_body(publicNetworkAccess="Disabled", traffic={"current": 100})
        azure.do("PUT", endpoint, body)
        return endpoint

    def test_a_private_endpoint_refuses_outside_and_answers_inside(
        self, azure: Azure, platform: Platform, served: str
    ):
        uri = azure.do("GET", served)["properties"]["scoringUri"]
        key = azure.do("POST", f"{served}/listKeys")["primaryKey"]
        headers = {"Authorization": f"Bearer {key}"}
        assert azure.http.get(uri + "v1/models", headers=headers).status_code == 403
        host = uri.split("/")[2]
        inside = uri.replace(host, f"{azure.settings.inside_host}:{azure.settings.port}")

        def ask() -> int:
            return azure.http.get(inside + "v1/models", headers={**headers, "Host": host}).status_code

        assert ask() == 403, "the workspace has no private endpoint"
        group = f"{platform.group}/providers/Microsoft.Network"
        network, zone = (
            f"{group}/virtualNetworks/served",
            f"{group}/privateDnsZones/privatelink.api.azureml.ms",
        )
        space = {"addressSpace": {"addressPrefixes": ["10.9.0.0/16"]}}
        subnets = [{"name": "endpoints", "properties": {"addressPrefix": "10.9.1.0/24"}}]
        made = {"location": LOCATION, "properties": {**space, "subnets": subnets}}
        azure.do("PUT", network, made, version="2024-05-01")
        private = f"{group}/privateEndpoints/served"
        service = {"privateLinkServiceId": platform.workspace, "groupIds": ["amlworkspace"]}
        connection = {"privateLinkServiceConnections": [{"name": "ws", "properties": service}]}
        body = {"subnet": {"id": f"{network}/subnets/endpoints"}, **connection}
        azure.do("PUT", private, {"location": LOCATION, "properties": body}, version="2024-05-01")
        assert ask() == 403, "nothing in its network resolves the name"
        azure.do("PUT", zone, {"location": "global"}, version="2024-06-01")
        configs = {"privateDnsZoneConfigs": [{"name": "api", "properties": {"privateDnsZoneId": zone}}]}
        azure.do(
            "PUT", f"{private}/privateDnsZoneGroups/default", {"properties": configs}, version="2024-05-01"
        )
        assert ask() == 403, "the zone is linked to no network"
        link = {"registrationEnabled": False, "virtualNetwork": {"id": network}}
        azure.do(
            "PUT",
            f"{zone}/virtualNetworkLinks/served",
            {"location": "global", "properties": link},
            version="2024-06-01",
        )
        assert ask() == 200
        assert azure.http.get(inside + "v1/models", headers={"Host": host}).status_code == 401
        azure.do("DELETE", private, version="2024-05-01")
        assert ask() == 403, "the private endpoint is gone"
        for path in (f"{zone}/virtualNetworkLinks/served", zone):
            azure.do("DELETE", path, version="2024-06-01")

    def test_the_scoring_uri_follows_the_scoring_route(self, azure: Azure, platform: Platform):
        endpoint = platform.endpoint("routed")
        assert azure.do("GET", endpoint)["properties"]["scoringUri"].endswith("/score")
        platform.deployment(endpoint, "current", platform.environment("invoked", path="/invocations"))
        assert azure.do("GET", endpoint)["properties"]["scoringUri"].endswith("/invocations")

    def test_an_entra_token_needs_the_scoring_action(
        self, azure: Azure, platform: Platform, environment: str
    ):
        endpoint = platform.endpoint("by-entra", authMode="AADToken")
        platform.deployment(endpoint, "current", environment)
        azure.do("PUT", endpoint, endpoint_body(authMode="AADToken", traffic={"current": 100}))
        uri = azure.do("GET", endpoint)["properties"]["scoringUri"]
        for who, status in (("deployer", 200), ("reader", 403)):
            token = azure.token("https://ml.azure.com", who=who)
            answer = azure.http.get(uri + "v1/models", headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == status
        wrong = azure.http.get(uri + "v1/models", headers={"Authorization": f"Bearer {azure.token()}"})
        assert wrong.status_code == 401


class TestWorkspaceOfTheEndpoint:
    def test_a_firewalled_vault_must_let_azure_services_bypass(self, azure: Azure, platform: Platform):
        own = make_platform(azure, "bypass1")
        acls = {"bypass": "None", "defaultAction": "Deny"}
        azure.do("PUT", own.vault, vault_body(azure, networkAcls=acls), version="2024-11-01")
        error = azure.refusal("PUT", f"{own.workspace}/onlineEndpoints/bypassed", endpoint_body())
        assert "bypass" in error["message"]
        acls["bypass"] = "AzureServices"
        azure.do("PUT", own.vault, vault_body(azure, networkAcls=acls), version="2024-11-01")
        azure.do("PUT", f"{own.workspace}/onlineEndpoints/bypassed", endpoint_body())

    def test_legacy_mode_has_no_managed_endpoints(self, azure: Azure, platform: Platform):
        own = make_platform(azure, "legacy1", v1LegacyMode=True)
        error = azure.refusal("PUT", f"{own.workspace}/onlineEndpoints/legacy", endpoint_body())
        assert "legacy" in error["message"]
        azure.do(
            "PUT", own.workspace, workspace_body(own.account, own.vault, own.registry, v1LegacyMode=False)
        )

    def test_deleting_an_endpoint_takes_its_deployments_along(
        self, azure: Azure, platform: Platform, environment: str
    ):
        endpoint = platform.endpoint("cascade")
        path = platform.deployment(endpoint, "current", environment)
        azure.do("PUT", endpoint, endpoint_body(traffic={"current": 100}))
        azure.do("DELETE", endpoint)
        assert azure.request("GET", path).status_code == 404


class TestProperties:
    def test_properties_can_be_added_and_not_altered(self, azure: Azure, platform: Platform):
        path = platform.endpoint("props", properties={"a": "1"})
        azure.do("PUT", path, endpoint_body(properties={"a": "1", "b": "2"}))
        error = azure.refusal("PUT", path, endpoint_body(properties={"a": "3"}))
        assert error["target"] == "properties.properties.a"
