"""Waiting for roles and for the managed network."""

import httpx
import pytest

from providers.errors import ProviderError
from providers.managed_network import ManagedNetworkProvider
from providers.role_propagation import RolePropagationProvider
from providers.soft_deleted import SoftDeletedProvider

STORE = "/subscriptions/s/resourceGroups/g/providers/M/workspaces/w/datastores/workspaceblobstore"
ACCOUNT = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/st"
PROPS = {"assignments": ["/a"], "datastore_id": STORE, "settle_seconds": 0.0, "timeout_seconds": 60.0}


@pytest.fixture
def store(azure):
    azure.on(
        "GET", "/a", httpx.Response(200, json={"properties": {"createdOn": "2020-01-01T00:00:00.1234567Z"}})
    )
    azure.on(
        "GET", STORE, httpx.Response(200, json={"properties": {"accountName": "st", "containerName": "c"}})
    )
    endpoints = {"properties": {"primaryEndpoints": {"blob": "https://st.test/"}}}
    azure.on("GET", ACCOUNT, httpx.Response(200, json=endpoints))
    return azure


class TestRoles:
    def test_it_waits_until_blobs_are_no_longer_refused(self, store):
        store.on("HEAD", "/c/.role-propagation", httpx.Response(403), httpx.Response(404))
        made = RolePropagationProvider().create(dict(PROPS))
        assert store.waited == [0.0, 1.0]
        assert made.outs == PROPS
        probe = store.requests[-1]
        assert probe.url.host == "st.test", "the address is the one the account names"
        assert probe.headers["authorization"] == "Bearer token for https://storage.azure.com/.default"

    def test_waiting_has_an_end_and_names_the_role(self, store):
        store.on("HEAD", "/c/.role-propagation", httpx.Response(403))
        with pytest.raises(ProviderError, match="Storage Blob Data Contributor"):
            RolePropagationProvider().create({**PROPS, "timeout_seconds": 0.0})

    def test_what_cannot_be_asked_is_given_time(self, azure):
        azure.on("GET", "/a", httpx.Response(200, json={"properties": {}}))
        RolePropagationProvider().create({**PROPS, "datastore_id": "", "settle_seconds": 300.0})
        assert azure.waited == [300.0]

    def test_another_assignment_waits_again(self):
        assert RolePropagationProvider().diff("id", PROPS, {**PROPS, "assignments": ["/b"]}).replaces


WORKSPACE = "/w"
NETWORK = {
    "workspace_id": WORKSPACE,
    "workspace_generation": "monday",
    "isolation_mode": "AllowOnlyApprovedOutbound",
    "rules": [],
}
ACTIVE = {"properties": {"managedNetwork": {"status": {"status": "Active"}}}}


class TestManagedNetwork:
    def test_it_provisions_and_says_what_became_of_it(self, azure):
        accepted = httpx.Response(202, headers={"Location": "https://arm.test/operations/1"})
        azure.on("POST", "/w/provisionManagedNetwork", accepted)
        azure.on("GET", "/operations/1", httpx.Response(200, json={}))
        azure.on("GET", WORKSPACE, httpx.Response(200, json=ACTIVE))
        made = ManagedNetworkProvider().create(dict(NETWORK))
        assert azure.sent("POST", "/w/provisionManagedNetwork") == [{"includeSpark": False}]
        assert made.outs == {**NETWORK, "status": "Active"}

    @pytest.mark.parametrize(
        ("olds", "news", "changes"),
        [
            ({"status": "Active"}, {}, False),
            ({"status": "Inactive"}, {}, True),
            ({"status": "Active"}, {"rules": ["/r"]}, True),
        ],
    )
    def test_it_provisions_again_when_it_must(self, olds, news, changes):
        result = ManagedNetworkProvider().diff("id", {**NETWORK, **olds}, {**NETWORK, **news})
        assert bool(result.changes) is changes


LEFT = {"workspace_id": "/w", "vault_id": "/subscriptions/s/vaults/kv", "location": "westeurope"}
DELETED = "/subscriptions/s/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults/kv"


class TestLeftovers:
    def test_what_is_deleted_is_purged(self, azure):
        azure.on("GET", "/w", httpx.Response(404, json={}))
        azure.on("DELETE", "/w", httpx.Response(204))
        azure.on("GET", LEFT["vault_id"], httpx.Response(404, json={}))
        azure.on("GET", DELETED, httpx.Response(200, json={"name": "kv"}))
        azure.on("POST", f"{DELETED}/purge", httpx.Response(200))
        SoftDeletedProvider().delete("id", dict(LEFT))
        purged = next(request for request in azure.requests if request.method == "DELETE")
        assert purged.url.params["forceToPurge"] == "true"
        assert azure.sent("POST", f"{DELETED}/purge") == [None]

    def test_what_is_alive_is_left_alone(self, azure):
        azure.on("GET", "/w", httpx.Response(200, json={"name": "w"}))
        azure.on("GET", LEFT["vault_id"], httpx.Response(200, json={"name": "kv"}))
        SoftDeletedProvider().delete("id", dict(LEFT))
        assert {request.method for request in azure.requests} == {"GET"}

    def test_a_vault_that_cannot_be_purged_says_what_to_do(self, azure):
        azure.on("GET", "/w", httpx.Response(200, json={"name": "w"}))
        azure.on("GET", LEFT["vault_id"], httpx.Response(404, json={}))
        azure.on(
            "GET", DELETED, httpx.Response(200, json={"properties": {"scheduledPurgeDate": "2027-01-01"}})
        )
        azure.on(
            "POST", f"{DELETED}/purge", httpx.Response(403, json={"error": {"code": "MethodNotAllowed"}})
        )
        with pytest.raises(ProviderError, match=r"until 2027-01-01.*workspace\.key_vault\.name"):
            SoftDeletedProvider().create(dict(LEFT))
        SoftDeletedProvider().delete("id", dict(LEFT))


def test_a_failure_for_people_has_no_traceback():
    import traceback

    from providers import base

    base.say_failures_plainly()
    try:
        raise ProviderError("what, why, how to fix")
    except ProviderError:
        assert traceback.format_exc() == "what, why, how to fix"
    try:
        raise KeyError("a fault of ours")
    except KeyError:
        assert "Traceback" in traceback.format_exc()
