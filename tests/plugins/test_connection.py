"""The stand-in refuses to talk to anything that is not local, and says what to set."""

from __future__ import annotations

import pytest

from emulator.plugins.azure_native.connection import read_account
from emulator.plugins.errors import PluginError
from emulator.plugins.transport import require_private

GOOD = {"metadataHost": "127.66.0.1:8443", "useMsi": "true", "subscriptionId": "s", "tenantId": "t"}


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "ARM_METADATA_HOSTNAME",
        "ARM_USE_MSI",
        "ARM_SUBSCRIPTION_ID",
        "ARM_USE_OIDC",
        "ARM_CLIENT_SECRET",
    ):
        monkeypatch.delenv(name, raising=False)


def test_configuration_comes_from_the_provider_or_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_account(GOOD).metadata_host == "https://127.66.0.1:8443"
    monkeypatch.setenv("ARM_SUBSCRIPTION_ID", "from-environment")
    assert read_account({**GOOD, "subscriptionId": ""}).subscription == "from-environment"


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"metadataHost": ""}, "ARM_METADATA_HOSTNAME"),
        ({"metadataHost": "8.8.8.8"}, "neither loopback nor a private address"),
        ({"useMsi": ""}, "ARM_USE_MSI=true"),
        ({"useOidc": "true"}, "ARM_USE_OIDC"),
        ({"clientSecret": "x"}, "ARM_CLIENT_SECRET"),
        ({"subscriptionId": ""}, "ARM_SUBSCRIPTION_ID"),
    ],
)
def test_what_cannot_work_is_refused_by_name(changed: dict[str, str], named: str) -> None:
    with pytest.raises(PluginError, match=named):
        read_account({**GOOD, **changed})


@pytest.mark.parametrize(
    "url", ["https://127.66.0.1:8443", "http://172.29.66.1", "10.0.0.1", "https://[::1]:1"]
)
def test_private_hosts_pass(url: str) -> None:
    require_private(url, "x")


def test_public_addresses_do_not() -> None:
    with pytest.raises(PluginError, match=r"20\.0\.0\.1"):
        require_private("https://20.0.0.1", "x")
