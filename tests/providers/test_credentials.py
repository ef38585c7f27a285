"""One mapping from azure-native's settings to azure-identity: the same order, the same cloud."""

import pytest

from providers import credentials
from providers.errors import CredentialError

SP = {"ARM_TENANT_ID": "t", "ARM_CLIENT_ID": "c"}


@pytest.fixture
def settings(monkeypatch):
    def use(environment, configuration=()):
        for names in credentials.SETTINGS.values():
            for name in names:
                monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        credentials.use_configuration(dict(configuration))
        credentials._credential.cache_clear()

    yield use
    credentials.use_configuration({})
    credentials._credential.cache_clear()


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "AzureCliCredential"),
        ({"ARM_USE_MSI": "true"}, "ManagedIdentityCredential"),
        ({**SP, "ARM_CLIENT_SECRET": "x"}, "ClientSecretCredential"),
        ({**SP, "ARM_USE_OIDC": "true", "ARM_OIDC_TOKEN": "x"}, "ClientAssertionCredential"),
        ({**SP, "ARM_CLIENT_SECRET": "x", "ARM_USE_OIDC": "true"}, "ClientSecretCredential"),
        ({**SP, "ARM_USE_OIDC": "true", "ARM_USE_MSI": "true"}, "ClientAssertionCredential"),
        ({**SP, "ARM_CLIENT_SECRET": "x", "ARM_USE_DEFAULT_AZURE_CREDENTIAL": "1"}, "DefaultAzureCredential"),
        ({"ARM_USE_MSI": "false"}, "AzureCliCredential"),
    ],
)
def test_the_method_is_the_one_azure_native_would_use(settings, environment, expected):
    settings(environment)
    assert type(credentials.credential()).__name__ == expected


def test_configuration_wins_over_the_environment(settings):
    settings({"ARM_CLIENT_ID": "from-environment"}, {"clientId": "from-configuration"})
    assert credentials.setting("clientId") == "from-configuration"


def test_a_service_principal_without_a_tenant_is_named(settings):
    settings({"ARM_CLIENT_SECRET": "x", "ARM_CLIENT_ID": "c"})
    with pytest.raises(CredentialError, match="ARM_TENANT_ID"):
        credentials.credential()


def test_oidc_without_a_token_says_where_one_comes_from(settings):
    settings({**SP, "ARM_USE_OIDC": "true"})
    chosen = {key: credentials.setting(key) for key in credentials.SETTINGS}
    with pytest.raises(CredentialError, match="id-token: write"):
        credentials._assertion(chosen)


@pytest.mark.parametrize(
    ("environment", "manager"),
    [
        ({}, "https://management.azure.com"),
        ({"ARM_ENVIRONMENT": "usgovernment"}, "https://management.usgovcloudapi.net"),
        ({"AZURE_ENVIRONMENT": "AzureChinaCloud"}, "https://management.chinacloudapi.cn"),
        ({"ARM_ENVIRONMENT": "AzureCloud"}, "https://management.azure.com"),
    ],
)
def test_named_clouds(settings, environment, manager):
    settings(environment)
    assert credentials.cloud().resource_manager == manager


def test_a_cloud_that_does_not_exist_is_refused(settings):
    settings({"ARM_ENVIRONMENT": "moon"})
    with pytest.raises(CredentialError, match="'moon', which is no cloud known here"):
        credentials.cloud()


def test_a_metadata_host_decides_addresses_and_audience(azure):
    where = credentials.cloud()
    assert (where.resource_manager, where.audience, where.login_endpoint) == (
        "https://arm.test",
        "https://arm.test",
        "https://login.test",
    )


def test_nothing_of_a_credential_is_in_a_providers_pickle():
    from pulumi.dynamic.dynamic import serialize_provider

    from providers.smoke_test import SmokeTestProvider

    assert len(serialize_provider(SmokeTestProvider())) < 120
    assert not SmokeTestProvider.serialize_as_secret_always
