"""The split: what replaces it, what a PUT of the endpoint carries, and whose traffic is taken away."""

import httpx
import pytest
from pulumi.output import Unknown

from providers.traffic_split import TrafficSplitProvider, endpoint_body, split

ID = "/subscriptions/s/workspaces/w/onlineEndpoints/e"
LIVE = {
    "id": ID,
    "name": "e",
    "location": "westeurope",
    "tags": {"a": "b"},
    "kind": "Managed",
    "identity": {
        "type": "UserAssigned",
        "principalId": "p",
        "userAssignedIdentities": {"/i": {"clientId": "c"}},
    },
    "systemData": {"createdAt": "monday"},
    "properties": {
        "authMode": "Key",
        "publicNetworkAccess": "Disabled",
        "description": "mine",
        "properties": {"x": "y"},
        "traffic": {"old": 100},
        "mirrorTraffic": {},
        "scoringUri": "https://e.test/",
        "provisioningState": "Succeeded",
    },
}
PROPS = {
    "endpoint_id": ID,
    "endpoint_generation": "monday",
    "traffic": {"new": 100},
    "mirror_traffic": {},
    "fixed_deployment_ids": [],
}
provider = TrafficSplitProvider()


class TestDiff:
    @pytest.mark.parametrize(
        ("news", "changes", "replaces"),
        [
            ({}, False, []),
            ({"traffic": {"new": 100.0, "old": 0}}, False, []),
            ({"traffic": {"new": 50, "old": 50}}, True, []),
            ({"endpoint_id": "/other"}, True, ["endpoint_id"]),
            ({"endpoint_id": Unknown()}, True, ["endpoint_id"]),
            ({"endpoint_generation": "tuesday"}, True, ["endpoint_generation"]),
            ({"endpoint_generation": Unknown()}, False, []),
            ({"fixed_deployment_ids": [Unknown()]}, True, ["fixed_deployment_ids"]),
            ({"fixed_deployment_ids": ["/d"]}, False, []),
        ],
    )
    def test_what_changes_and_what_replaces(self, news, changes, replaces):
        result = provider.diff("id", PROPS, {**PROPS, **news})
        assert (bool(result.changes), result.replaces) == (changes, replaces)
        assert bool(result.delete_before_replace) is bool(replaces)


class TestPut:
    def test_it_carries_everything_that_can_be_written_and_nothing_else(self):
        assert endpoint_body(LIVE, {"new": 100}, {}) == {
            "location": "westeurope",
            "kind": "Managed",
            "tags": {"a": "b"},
            "identity": {"type": "UserAssigned", "userAssignedIdentities": {"/i": {}}},
            "properties": {
                "authMode": "Key",
                "publicNetworkAccess": "Disabled",
                "description": "mine",
                "properties": {"x": "y"},
                "traffic": {"new": 100},
                "mirrorTraffic": {},
            },
        }

    def test_create_puts_the_split(self, azure):
        azure.on("GET", ID, httpx.Response(200, json=LIVE))
        azure.on("PUT", ID, httpx.Response(200, json=LIVE))
        created = provider.create(dict(PROPS))
        assert azure.sent("PUT", ID)[0]["properties"]["traffic"] == {"new": 100}
        assert created.outs == {**PROPS, "scoring_uri": "https://e.test/"}

    def test_a_split_that_is_live_already_is_not_put_again(self, azure):
        azure.on("GET", ID, httpx.Response(200, json=LIVE))
        provider.create({**PROPS, "traffic": {"old": 100}})
        assert azure.sent("PUT", ID) == []

    def test_update_answers_every_output(self, azure):
        azure.on("GET", ID, httpx.Response(200, json=LIVE))
        azure.on("PUT", ID, httpx.Response(200, json=LIVE))
        assert provider.update("id", dict(PROPS), dict(PROPS)).outs == {
            **PROPS,
            "scoring_uri": "https://e.test/",
        }


class TestRead:
    def test_it_tells_what_is_live(self, azure):
        azure.on("GET", ID, httpx.Response(200, json=LIVE))
        assert provider.read("id", dict(PROPS)).outs["traffic"] == {"old": 100}

    def test_only_404_means_gone(self, azure):
        azure.on("GET", ID, httpx.Response(404, json={}))
        gone = provider.read("id", dict(PROPS))
        assert (gone.id, gone.outs) == ("", {})

    @pytest.mark.parametrize("status", [401, 403])
    def test_what_may_not_be_seen_is_not_checked(self, azure, status, capsys):
        azure.on("GET", ID, httpx.Response(status, json={}))
        assert provider.read("id", dict(PROPS)).outs == PROPS
        assert "not checked: id" in capsys.readouterr().err

    def test_an_unreachable_azure_is_not_checked(self, azure):
        def broken(_request):
            raise httpx.ConnectError("no route")

        azure.on("GET", ID, broken)
        assert provider.read("id", dict(PROPS)).outs == PROPS


class TestDelete:
    def test_the_traffic_is_taken_away(self, azure):
        azure.on("GET", ID, httpx.Response(200, json=LIVE))
        azure.on("PUT", ID, httpx.Response(200, json=LIVE))
        provider.delete("id", dict(PROPS))
        assert azure.sent("PUT", ID)[0]["properties"]["traffic"] == {}

    @pytest.mark.parametrize(
        "answer",
        [
            httpx.Response(404, json={}),
            httpx.Response(200, json={**LIVE, "systemData": {"createdAt": "tuesday"}}),
        ],
    )
    def test_but_not_from_an_endpoint_that_is_gone_or_another(self, azure, answer):
        azure.on("GET", ID, answer)
        provider.delete("id", dict(PROPS))
        assert azure.sent("PUT", ID) == []


def test_a_split_is_whole_percents_without_zeros():
    assert split({"b": 0, "a": 100.0}) == {"a": 100}
    assert split(None) == {}
