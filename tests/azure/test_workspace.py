"""Workspaces: what they stand on, default datastores, soft delete, and the managed network's one-way
street.
"""

from __future__ import annotations

import pytest

from tests.azure.harness import (
    LOCATION,
    Azure,
    Platform,
    deployment_body,
    make_platform,
    storage_body,
    workspace_body,
)

pytestmark = pytest.mark.emulator


def path_of(platform: Platform, name: str) -> str:
    return f"{platform.group}/providers/Microsoft.MachineLearningServices/workspaces/{name}"


def body_of(platform: Platform, **properties) -> dict:
    return workspace_body(platform.account, platform.vault, platform.registry, **properties)


class TestDependencies:
    @pytest.mark.parametrize("missing", ["storageAccount", "keyVault"])
    def test_a_missing_dependency(self, azure: Azure, platform: Platform, missing: str):
        body = body_of(platform)
        del body["properties"][missing]
        error = azure.refusal("PUT", path_of(platform, "mlw-less"), body)
        assert missing in error["message"]

    def test_a_dependency_of_another_type(self, azure: Azure, platform: Platform):
        body = body_of(platform, keyVault=platform.account)
        error = azure.refusal("PUT", path_of(platform, "mlw-mixed"), body)
        assert error["target"] == "properties.keyVault"

    def test_its_storage_has_no_hierarchical_namespace(self, azure: Azure, platform: Platform):
        lake = f"{platform.group}/providers/Microsoft.Storage/storageAccounts/stlake1"
        azure.do("PUT", lake, storage_body(isHnsEnabled=True), version="2024-01-01")
        error = azure.refusal("PUT", path_of(platform, "mlw-lake"), body_of(platform, storageAccount=lake))
        assert error["target"] == "properties.storageAccount"

    def test_a_user_assigned_identity_is_named_as_the_primary_one(self, azure: Azure, platform: Platform):
        identity = f"{platform.group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-primary"
        azure.do("PUT", identity, {"location": LOCATION}, version="2023-01-31")
        body = body_of(platform)
        body["identity"] = {"type": "UserAssigned", "userAssignedIdentities": {identity: {}}}
        for primary in ({}, {"primaryUserAssignedIdentity": f"{identity}-of-somebody-else"}):
            wrong = {**body, "properties": {**body["properties"], **primary}}
            error = azure.refusal("PUT", path_of(platform, "mlw-primary"), wrong)
            assert error["target"] == "properties.primaryUserAssignedIdentity"

    def test_its_storage_cannot_be_changed_later(self, azure: Azure, platform: Platform):
        error = azure.refusal(
            "PUT", platform.workspace, body_of(platform, storageAccount=platform.account + "x")
        )
        assert error["code"] == "PropertyChangeNotAllowed"


class TestDatastores:
    def test_the_defaults_are_made_and_the_container_exists(self, azure: Azure, platform: Platform):
        rows = azure.do("GET", f"{platform.workspace}/datastores")["value"]
        assert [row["name"] for row in rows][:2] == ["workspaceblobstore", "workspaceartifactstore"]
        blob = rows[0]["properties"]
        guid = azure.do("GET", platform.workspace)["properties"]["workspaceId"]
        assert blob["containerName"] == f"azureml-blobstore-{guid}"
        assert blob["isDefault"] is True
        containers = azure.do(
            "GET", f"{platform.account}/blobServices/default/containers", version="2024-01-01"
        )
        assert blob["containerName"] in [row["name"] for row in containers["value"]]

    def test_identity_based_access_shows_no_credentials(self, azure: Azure, platform: Platform):
        own = make_platform(azure, "ident1", systemDatastoresAuthMode="Identity")
        blob = azure.do("GET", f"{own.workspace}/datastores/workspaceblobstore")["properties"]
        assert blob["credentials"]["credentialsType"] == "None"
        assert (
            azure.refusal("POST", f"{own.workspace}/datastores/workspaceblobstore/listSecrets")["status"]
            == 400
        )

    def test_a_default_datastore_cannot_be_deleted(self, azure: Azure, platform: Platform):
        path = f"{platform.workspace}/datastores/workspaceblobstore"
        assert "cannot be deleted" in azure.refusal("DELETE", path)["message"]


class TestSoftDelete:
    def test_the_name_is_blocked_until_the_workspace_is_purged(self, azure: Azure, platform: Platform):
        path = path_of(platform, "mlw-gone")
        azure.do("PUT", path, body_of(platform))
        azure.do("DELETE", path)
        error = azure.refusal("PUT", path, body_of(platform))
        assert (error["status"], error["code"]) == (409, "Conflict")
        assert "Soft-deleted workspace exists" in error["message"]
        assert azure.request("DELETE", path + "?forceToPurge=true").status_code == 200
        azure.do("PUT", path, body_of(platform))

    def test_a_purging_delete_leaves_the_name_free(self, azure: Azure, platform: Platform):
        path = path_of(platform, "mlw-purged")
        azure.do("PUT", path, body_of(platform))
        azure.wait(azure.request("DELETE", path + "?forceToPurge=true"))
        azure.do("PUT", path, body_of(platform))


class TestManagedNetwork:
    @pytest.fixture(scope="class")
    @classmethod
    def isolated(cls, azure: Azure) -> Platform:
        return make_platform(azure, "isolated1", managedNetwork={"isolationMode": "AllowInternetOutbound"})

    def test_a_deployment_waits_for_its_provisioning(self, azure: Azure, isolated: Platform):
        endpoint, environment = isolated.endpoint("in-network"), isolated.environment("env")
        path = f"{endpoint}/deployments/current"
        error = azure.refusal("PUT", path, deployment_body(environment))
        assert error["code"] == "WorkspaceManagedNetworkNotReady"
        before = azure.do("GET", isolated.workspace)["properties"]["managedNetwork"]["status"]
        assert before["status"] == "Inactive"
        answer = azure.request(
            "POST", f"{isolated.workspace}/provisionManagedNetwork", {"includeSpark": False}
        )
        assert answer.status_code == 202
        assert azure.wait(answer)["status"] == "Succeeded"
        after = azure.do("GET", isolated.workspace)["properties"]["managedNetwork"]["status"]
        assert after == {"status": "Active", "sparkReady": False}
        azure.do("PUT", path, deployment_body(environment))

    def test_the_legacy_egress_flag_is_refused_in_it(self, azure: Azure, isolated: Platform):
        azure.wait(azure.request("POST", f"{isolated.workspace}/provisionManagedNetwork", {}))
        endpoint, environment = isolated.endpoint("legacy-egress"), isolated.environment("env")
        body = deployment_body(environment, egressPublicNetworkAccess="Disabled")
        error = azure.refusal("PUT", f"{endpoint}/deployments/current", body)
        assert error["target"] == "properties.egressPublicNetworkAccess"

    def test_the_approved_mode_has_private_endpoints_to_every_dependency(self, azure: Azure):
        own = make_platform(azure, "approved1", managedNetwork={"isolationMode": "AllowOnlyApprovedOutbound"})
        azure.wait(azure.request("POST", f"{own.workspace}/provisionManagedNetwork", {}))
        rules = azure.do("GET", f"{own.workspace}/outboundRules")["value"]
        groups = sorted(rule["properties"]["destination"]["subresourceTarget"] for rule in rules)
        assert groups == ["blob", "file", "registry", "vault"]
        assert "required" in azure.refusal("DELETE", rules[0]["id"])["message"]

    def test_the_internet_mode_has_them_only_to_what_is_closed(self, azure: Azure, isolated: Platform):
        azure.wait(azure.request("POST", f"{isolated.workspace}/provisionManagedNetwork", {}))
        assert azure.do("GET", f"{isolated.workspace}/outboundRules")["value"] == []

    def test_isolation_goes_one_way(self, azure: Azure, isolated: Platform):
        for mode, accepted in (
            ("Disabled", False),
            ("AllowOnlyApprovedOutbound", True),
            ("AllowInternetOutbound", False),
        ):
            body = body_of(isolated, managedNetwork={"isolationMode": mode})
            if accepted:
                azure.do("PUT", isolated.workspace, body)
            else:
                error = azure.refusal("PUT", isolated.workspace, body)
                assert error["target"] == "properties.managedNetwork.isolationMode"

    def test_fqdn_rules_exist_in_the_approved_mode_only(self, azure: Azure, platform: Platform):
        rule = {"huggingface": {"type": "FQDN", "destination": "huggingface.co"}}
        network = {"isolationMode": "AllowInternetOutbound", "outboundRules": rule}
        error = azure.refusal("PUT", path_of(platform, "mlw-fqdn"), body_of(platform, managedNetwork=network))
        assert "AllowOnlyApprovedOutbound" in error["message"]
        network["isolationMode"] = "AllowOnlyApprovedOutbound"
        azure.do("PUT", path_of(platform, "mlw-fqdn"), body_of(platform, managedNetwork=network))

    def test_there_is_nothing_to_provision_without_isolation(self, azure: Azure, platform: Platform):
        assert azure.refusal("POST", f"{platform.workspace}/provisionManagedNetwork", {})["status"] == 400

    def test_a_user_assigned_identity_needs_the_approvers_role(self, azure: Azure, platform: Platform):
        identity = f"{platform.group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-approver"
        azure.do("PUT", identity, {"location": LOCATION}, version="2023-01-31")
        path = path_of(platform, "mlw-uai")
        body = body_of(platform, managedNetwork={"isolationMode": "AllowInternetOutbound"})
        body["identity"] = {"type": "UserAssigned", "userAssignedIdentities": {identity: {}}}
        body["properties"]["primaryUserAssignedIdentity"] = identity
        azure.do("PUT", path, body)
        error = azure.refusal("POST", f"{path}/provisionManagedNetwork", {})
        assert "Azure AI Enterprise Network Connection Approver" in error["message"]


class TestNames:
    @pytest.mark.parametrize("name", ["ab", "-dash", "x" * 34, "with.dot"])
    def test_a_wrong_name(self, azure: Azure, platform: Platform, name: str):
        assert (
            azure.refusal("PUT", path_of(platform, name), body_of(platform))["code"] == "InvalidResourceName"
        )
