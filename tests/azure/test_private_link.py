"""Data planes that are closed to the public: reached by private link, by services, and by nobody else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.azure.harness import LOCATION, Azure, Platform, make_platform, storage_body, vault_body

pytestmark = pytest.mark.emulator
NET, DNS = "2024-05-01", "2024-06-01"
DENIED = {"networkAcls": {"defaultAction": "Deny", "bypass": "AzureServices"}}


@dataclass(frozen=True)
class Service:
    """A data plane: how it is closed, how it is asked, and the code with which it shuts out."""

    group: str
    zone: str
    version: str
    body: Callable[[Azure, dict[str, Any]], dict[str, Any]]
    ask: Callable[[Azure, dict[str, Any]], httpx.Response]
    shut: str


def _registry_body(azure: Azure, properties: dict[str, Any]) -> dict[str, Any]:
    closed = {"networkRuleSet": {"defaultAction": "Deny"}} if properties == DENIED else properties
    return {"location": LOCATION, "sku": {"name": "Premium"}, "properties": closed}


def _ask_blobs(azure: Azure, shown: dict[str, Any]) -> httpx.Response:
    token = azure.token("https://storage.azure.com")
    headers = {"Authorization": f"Bearer {token}", "x-ms-version": "2023-11-03"}
    return azure.http.get(f"{shown['primaryEndpoints']['blob']}?comp=list", headers=headers)


def _ask_vault(azure: Azure, shown: dict[str, Any]) -> httpx.Response:
    headers = {"Authorization": f"Bearer {azure.token('https://vault.azure.net')}"}
    return azure.http.get(f"{shown['vaultUri']}secrets/none?api-version=7.4", headers=headers)


def _ask_registry(azure: Azure, shown: dict[str, Any]) -> httpx.Response:
    server = shown["loginServer"]
    form = {"grant_type": "access_token", "service": server, "access_token": azure.token()}
    return azure.http.post(f"https://{server}/oauth2/exchange", data=form)


SERVICES = {
    "account": Service(
        "blob",
        "privatelink.blob.core.windows.net",
        "2024-01-01",
        lambda azure, properties: storage_body(**properties),
        _ask_blobs,
        "AuthorizationFailure",
    ),
    "vault": Service(
        "vault",
        "privatelink.vaultcore.azure.net",
        "2024-11-01",
        lambda azure, properties: vault_body(azure, **properties),
        _ask_vault,
        "ForbiddenByConnection",
    ),
    "registry": Service(
        "registry",
        "privatelink.azurecr.io",
        "2023-01-01-preview",
        _registry_body,
        _ask_registry,
        "DENIED",
    ),
}


@pytest.fixture(scope="module")
def own(azure: Azure) -> Platform:
    platform = make_platform(azure, "linked1")
    network = f"{platform.group}/providers/Microsoft.Network/virtualNetworks/vnet"
    space = {"addressSpace": {"addressPrefixes": ["10.30.0.0/16"]}}
    subnets = [{"name": "pe", "properties": {"addressPrefix": "10.30.1.0/24"}}]
    body = {"location": LOCATION, "properties": {**space, "subnets": subnets}}
    azure.do("PUT", network, body, version=NET)
    return platform


def connect(azure: Azure, own: Platform, target: str, service: Service) -> Callable[[], None]:
    """Make endpoint, records and zone; answers what links the zone to the network."""
    base = f"{own.group}/providers/Microsoft.Network"
    network, zone = f"{base}/virtualNetworks/vnet", f"{base}/privateDnsZones/{service.zone}"
    endpoint = f"{base}/privateEndpoints/pe-{service.group}"
    connection = {"privateLinkServiceId": target, "groupIds": [service.group]}
    links = {"privateLinkServiceConnections": [{"name": "it", "properties": connection}]}
    body = {"location": LOCATION, "properties": {"subnet": {"id": f"{network}/subnets/pe"}, **links}}
    azure.do("PUT", endpoint, body, version=NET)
    azure.do("PUT", zone, {"location": "global"}, version=DNS)
    configs = {"privateDnsZoneConfigs": [{"name": "z", "properties": {"privateDnsZoneId": zone}}]}
    azure.do("PUT", f"{endpoint}/privateDnsZoneGroups/default", {"properties": configs}, version=NET)

    def link() -> None:
        properties = {"registrationEnabled": False, "virtualNetwork": {"id": network}}
        made = {"location": "global", "properties": properties}
        azure.do("PUT", f"{zone}/virtualNetworkLinks/vnet", made, version=DNS)

    return link


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_closed_is_reached_by_private_link_only(azure: Azure, own: Platform, name: str):
    service, target = SERVICES[name], getattr(own, name)

    def put(properties: dict[str, Any]) -> dict[str, Any]:
        body = service.body(azure, properties)
        return azure.do("PUT", target, body, version=service.version)["properties"]

    def is_shut(shown: dict[str, Any]) -> bool:
        answer = service.ask(azure, shown)
        return answer.status_code == 403 and service.shut in answer.text

    assert not is_shut(put({"publicNetworkAccess": "Enabled"}))
    assert is_shut(put(DENIED))
    shown = put({"publicNetworkAccess": "Disabled"})
    assert is_shut(shown)
    link = connect(azure, own, target, service)
    assert is_shut(shown), "the zone is linked to no network: its names lead to the public address"
    link()
    assert not is_shut(shown)
