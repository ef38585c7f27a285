"""Virtual networks, private endpoints and their DNS: what refers to something must find it."""

from __future__ import annotations

import pytest

from tests.azure.harness import LOCATION, Azure, Platform

pytestmark = pytest.mark.emulator
NET, DNS = "2024-05-01", "2024-06-01"


@pytest.fixture(scope="module")
def network(azure: Azure, platform: Platform) -> str:
    path = f"{platform.group}/providers/Microsoft.Network/virtualNetworks/vnet"
    space = {"addressSpace": {"addressPrefixes": ["10.20.0.0/16"]}}
    azure.do("PUT", path, {"location": LOCATION, "properties": space}, version=NET)
    azure.do("PUT", f"{path}/subnets/pe", {"properties": {"addressPrefix": "10.20.1.0/24"}}, version=NET)
    return path


def private_endpoint(network: str, target: str, group: str) -> dict:
    connection = {"name": "it", "properties": {"privateLinkServiceId": target, "groupIds": [group]}}
    properties = {"subnet": {"id": f"{network}/subnets/pe"}, "privateLinkServiceConnections": [connection]}
    return {"location": LOCATION, "properties": properties}


def endpoint_path(platform: Platform, name: str) -> str:
    return f"{platform.group}/providers/Microsoft.Network/privateEndpoints/{name}"


class TestSubnets:
    def test_outside_the_address_space(self, azure: Azure, network: str):
        body = {"properties": {"addressPrefix": "10.99.0.0/24"}}
        assert (
            azure.refusal("PUT", f"{network}/subnets/far", body, version=NET)["code"] == "NetcfgInvalidSubnet"
        )

    def test_overlapping_another(self, azure: Azure, network: str):
        body = {"properties": {"addressPrefix": "10.20.1.128/25"}}
        error = azure.refusal("PUT", f"{network}/subnets/twice", body, version=NET)
        assert error["code"] == "NetcfgSubnetRangesOverlap"

    def test_in_use_by_a_private_endpoint(self, azure: Azure, platform: Platform, network: str):
        path = endpoint_path(platform, "pe-holds")
        azure.do("PUT", path, private_endpoint(network, platform.vault, "vault"), version=NET)
        error = azure.refusal("DELETE", f"{network}/subnets/pe", version=NET)
        assert error["code"] == "InUseSubnetCannotBeDeleted"
        assert azure.refusal("DELETE", network, version=NET)["code"] == "InUseSubnetCannotBeDeleted"
        azure.do("DELETE", path, version=NET)


class TestPrivateEndpoints:
    def test_to_a_resource_that_is_not_there(self, azure: Azure, platform: Platform, network: str):
        body = private_endpoint(network, platform.vault + "x", "vault")
        error = azure.refusal("PUT", endpoint_path(platform, "pe-none"), body, version=NET)
        assert error["code"] == "InvalidResourceReference"

    def test_with_a_group_that_the_resource_does_not_have(
        self, azure: Azure, platform: Platform, network: str
    ):
        body = private_endpoint(network, platform.workspace, "workspace")
        error = azure.refusal("PUT", endpoint_path(platform, "pe-group"), body, version=NET)
        assert "amlworkspace" in error["message"]

    def test_a_registry_needs_the_premium_sku(self, azure: Azure, platform: Platform, network: str):
        basic = f"{platform.group}/providers/Microsoft.ContainerRegistry/registries/acrbasic1"
        azure.do("PUT", basic, {"location": LOCATION, "sku": {"name": "Basic"}}, version="2023-01-01-preview")
        body = private_endpoint(network, basic, "registry")
        error = azure.refusal("PUT", endpoint_path(platform, "pe-basic"), body, version=NET)
        assert "Premium" in error["message"]

    def test_its_zone_group_writes_records_and_takes_them_back(
        self, azure: Azure, platform: Platform, network: str
    ):
        zones = []
        for name in ("privatelink.api.azureml.ms", "privatelink.notebooks.azure.net"):
            zone = f"{platform.group}/providers/Microsoft.Network/privateDnsZones/{name}"
            azure.do("PUT", zone, {"location": "global"}, version=DNS)
            zones.append(zone)
        path = endpoint_path(platform, "pe-workspace")
        azure.do("PUT", path, private_endpoint(network, platform.workspace, "amlworkspace"), version=NET)
        configs = [
            {"name": str(at), "properties": {"privateDnsZoneId": zone}} for at, zone in enumerate(zones)
        ]
        body = {"properties": {"privateDnsZoneConfigs": configs}}
        azure.do("PUT", f"{path}/privateDnsZoneGroups/default", body, version=NET)
        names = [row["name"] for row in azure.do("GET", f"{zones[0]}/A", version=DNS)["value"]]
        guid = azure.do("GET", platform.workspace)["properties"]["workspaceId"]
        assert names == [f"{guid}.workspace.{LOCATION}", f"*.{guid}.inference.{LOCATION}"]
        connections = azure.do("GET", platform.workspace)["properties"]["privateEndpointConnections"]
        assert [row["properties"]["privateEndpoint"]["id"] for row in connections] == [path]
        azure.do("DELETE", path, version=NET)
        assert azure.do("GET", f"{zones[0]}/A", version=DNS)["value"] == []

    def test_a_zone_group_names_zones_that_are_there(self, azure: Azure, platform: Platform, network: str):
        path = endpoint_path(platform, "pe-zones")
        azure.do("PUT", path, private_endpoint(network, platform.account, "blob"), version=NET)
        zone = f"{platform.group}/providers/Microsoft.Network/privateDnsZones/nowhere.example"
        body = {
            "properties": {"privateDnsZoneConfigs": [{"name": "a", "properties": {"privateDnsZoneId": zone}}]}
        }
        error = azure.refusal("PUT", f"{path}/privateDnsZoneGroups/default", body, version=NET)
        assert error["code"] == "InvalidResourceReference"
        azure.do("DELETE", path, version=NET)


class TestZones:
    def test_a_zone_is_global(self, azure: Azure, platform: Platform):
        zone = f"{platform.group}/providers/Microsoft.Network/privateDnsZones/here.example"
        error = azure.refusal("PUT", zone, {"location": LOCATION}, version=DNS)
        assert error["code"] == "LocationNotAvailableForResourceType"

    def test_a_linked_zone_cannot_be_deleted(self, azure: Azure, platform: Platform, network: str):
        zone = f"{platform.group}/providers/Microsoft.Network/privateDnsZones/linked.example"
        azure.do("PUT", zone, {"location": "global"}, version=DNS)
        link = f"{zone}/virtualNetworkLinks/vnet"
        properties = {"registrationEnabled": False, "virtualNetwork": {"id": network}}
        azure.do("PUT", link, {"location": "global", "properties": properties}, version=DNS)
        assert azure.refusal("DELETE", zone, version=DNS)["code"] == "CannotDeleteResource"
        azure.do("DELETE", link, version=DNS)
        azure.do("DELETE", zone, version=DNS)
