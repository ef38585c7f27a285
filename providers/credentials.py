"""One mapping from `ARM_*` and `azure-native:*` to azure-identity, for every dynamic provider.

The dynamic providers must reach Azure as whoever azure-native reaches it, in the cloud azure-native talks to.
So the same settings are read in the same order (configuration before environment): `ARM_*` variables and the
keys of the `azure-native` configuration namespace.
https://www.pulumi.com/registry/packages/azure-native/installation-configuration/

Credentials are made when they are used and never serialised: a token in a provider's attributes would be in
the state. What is left out on purpose: password and device-code flows, which no unattended run can use.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from providers.errors import CredentialError

if TYPE_CHECKING:
    import ssl

    from azure.core.credentials import TokenCredential

# azure-native's configuration key -> the environment variables it falls back to, in order.
SETTINGS: dict[str, tuple[str, ...]] = {
    "auxiliaryTenantIds": ("ARM_AUXILIARY_TENANT_IDS",),
    "clientCertificatePassword": ("ARM_CLIENT_CERTIFICATE_PASSWORD",),
    "clientCertificatePath": ("ARM_CLIENT_CERTIFICATE_PATH",),
    "clientId": ("ARM_CLIENT_ID",),
    "clientSecret": ("ARM_CLIENT_SECRET",),
    "disableInstanceDiscovery": ("ARM_DISABLE_INSTANCE_DISCOVERY",),
    "environment": ("ARM_ENVIRONMENT", "AZURE_ENVIRONMENT"),
    "metadataHost": ("ARM_METADATA_HOSTNAME",),
    "oidcAudience": ("ARM_OIDC_AUDIENCE",),
    "oidcRequestToken": ("ARM_OIDC_REQUEST_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"),
    "oidcRequestUrl": ("ARM_OIDC_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_URL"),
    "oidcToken": ("ARM_OIDC_TOKEN",),
    "oidcTokenFilePath": ("ARM_OIDC_TOKEN_FILE_PATH",),
    "subscriptionId": ("ARM_SUBSCRIPTION_ID",),
    "tenantId": ("ARM_TENANT_ID",),
    "useDefaultAzureCredential": ("ARM_USE_DEFAULT_AZURE_CREDENTIAL",),
    "useMsi": ("ARM_USE_MSI",),
    "useOidc": ("ARM_USE_OIDC",),
}

# What `configure` of a dynamic provider got from the stack's configuration; empty outside that process.
_configured: dict[str, str] = {}


@dataclass(frozen=True)
class Cloud:
    """One Azure cloud, as its metadata document describes it. No host name is ever built from parts."""

    name: str
    resource_manager: str  # https://..., without a trailing slash
    audience: str  # what tokens for resource_manager are issued for
    login_endpoint: str
    storage_audience: str = "https://storage.azure.com"
    vault_audience: str = "https://vault.azure.net"
    ml_audience: str = "https://ml.azure.com"
    login_from_metadata: bool = False  # a cloud that the public discovery does not know


# https://learn.microsoft.com/azure/azure-government/compare-azure-government-global-azure and
# https://learn.microsoft.com/azure/china/resources-developer-guide
_KNOWN = {
    "public": Cloud(
        "AzureCloud",
        "https://management.azure.com",
        "https://management.azure.com",
        "https://login.microsoftonline.com",
    ),
    "usgovernment": Cloud(
        "AzureUSGovernment",
        "https://management.usgovcloudapi.net",
        "https://management.usgovcloudapi.net",
        "https://login.microsoftonline.us",
        vault_audience="https://vault.usgovcloudapi.net",
        ml_audience="https://ml.azure.us",
    ),
    "china": Cloud(
        "AzureChinaCloud",
        "https://management.chinacloudapi.cn",
        "https://management.chinacloudapi.cn",
        "https://login.chinacloudapi.cn",
        vault_audience="https://vault.azure.cn",
        ml_audience="https://ml.azure.cn",
    ),
}


def use_configuration(values: Mapping[str, str | None]) -> None:
    """Take the `azure-native:*` values of the stack (what `ResourceProvider.configure` receives)."""
    _configured.clear()
    _configured.update({key: value for key, value in values.items() if value})


def setting(key: str) -> str:
    """The value of one azure-native setting, or "" when it is set nowhere."""
    if key in _configured:
        return _configured[key]
    return next((os.environ[name] for name in SETTINGS[key] if os.environ.get(name)), "")


def cloud() -> Cloud:
    """The cloud that azure-native talks to: the metadata host's, else the named one, else the public one."""
    host = setting("metadataHost")
    if host:
        return _from_metadata(host)
    name = (setting("environment") or "public").lower().removeprefix("azure")
    name = {"cloud": "public", "chinacloud": "china"}.get(name, name)
    if name not in _KNOWN:
        raise CredentialError(
            f"azure-native:environment is {name!r}, which is no cloud known here. Use one of "
            f"{', '.join(_KNOWN)}, or set azure-native:metadataHost (ARM_METADATA_HOSTNAME) for any other."
        )
    return _KNOWN[name]


def subscription_id() -> str:
    """The subscription that azure-native works in."""
    return setting("subscriptionId")


def credential() -> TokenCredential:
    """The credential azure-native would use, chosen in its order; a configured one never falls through."""
    return _credential(tuple(setting(key) for key in SETTINGS), cloud())


def token(audience: str) -> str:
    """A bearer token for `audience` (a URL, without `/.default`)."""
    from azure.core.exceptions import ClientAuthenticationError

    try:
        return credential().get_token(f"{audience.rstrip('/')}/.default").token
    except ClientAuthenticationError as problem:
        raise CredentialError(
            f"no token for {audience}: {_first_line(problem)} "
            "Sign in (`az login`) or set the ARM_* variables that azure-native reads."
        ) from None


@lru_cache(maxsize=1)
def tls() -> ssl.SSLContext:
    """httpx's own TLS settings, made once: reading the authorities takes longer than a request."""
    import httpx

    return httpx.create_ssl_context()


@lru_cache(maxsize=4)
def _from_metadata(host: str) -> Cloud:
    import httpx

    url = f"{host if '://' in host else 'https://' + host}/metadata/endpoints?api-version=2022-09-01"
    try:
        answer = httpx.get(url, timeout=30, verify=tls())
        answer.raise_for_status()
        document = answer.json()
        authentication = document["authentication"]
        return Cloud(
            name=document["name"],
            resource_manager=document["resourceManager"].rstrip("/"),
            audience=authentication["audiences"][0].rstrip("/"),
            login_endpoint=authentication["loginEndpoint"].rstrip("/"),
            login_from_metadata=True,
        )
    except (httpx.HTTPError, ValueError, KeyError, IndexError) as problem:
        raise CredentialError(
            f"the cloud's metadata document at {url} cannot be read ({_first_line(problem)}). It names "
            "this cloud's addresses. Check azure-native:metadataHost (ARM_METADATA_HOSTNAME), SSL_CERT_FILE."
        ) from None


@lru_cache(maxsize=4)
def _credential(values: tuple[str, ...], where: Cloud) -> TokenCredential:
    chosen = dict(zip(SETTINGS, values, strict=True))
    authority: dict[str, Any] = {"authority": where.login_endpoint}
    if where.login_from_metadata or _true(chosen["disableInstanceDiscovery"]):
        authority["disable_instance_discovery"] = True
    for wanted, make in _METHODS:
        if wanted(chosen):
            return make(chosen, authority)
    return _cli(chosen)


def _default(chosen: dict[str, str], authority: dict[str, Any]) -> TokenCredential:
    from azure.identity import DefaultAzureCredential

    return DefaultAzureCredential(**{key: value for key, value in authority.items() if key == "authority"})


def _certificate(chosen: dict[str, str], authority: dict[str, Any]) -> TokenCredential:
    from azure.identity import CertificateCredential

    password = chosen["clientCertificatePassword"] or None
    return CertificateCredential(
        *_tenant_and_client(chosen), chosen["clientCertificatePath"], password=password, **authority
    )


def _secret(chosen: dict[str, str], authority: dict[str, Any]) -> TokenCredential:
    from azure.identity import ClientSecretCredential

    return ClientSecretCredential(*_tenant_and_client(chosen), chosen["clientSecret"], **authority)


def _oidc(chosen: dict[str, str], authority: dict[str, Any]) -> TokenCredential:
    from azure.identity import ClientAssertionCredential

    return ClientAssertionCredential(*_tenant_and_client(chosen), lambda: _assertion(chosen), **authority)


def _msi(chosen: dict[str, str], authority: dict[str, Any]) -> TokenCredential:
    from azure.identity import ManagedIdentityCredential

    return ManagedIdentityCredential(client_id=chosen["clientId"] or None)


def _cli(chosen: dict[str, str]) -> TokenCredential:
    from azure.identity import AzureCliCredential

    return AzureCliCredential(tenant_id=chosen["tenantId"])


def _assertion(chosen: dict[str, str]) -> str:
    """The federated token, read anew each time: GitHub's lives for minutes, a deployment for longer."""
    if chosen["oidcToken"]:
        return chosen["oidcToken"]
    if chosen["oidcTokenFilePath"]:
        return Path(chosen["oidcTokenFilePath"]).read_text().strip()
    import httpx

    if not (chosen["oidcRequestUrl"] and chosen["oidcRequestToken"]):
        raise CredentialError(
            "azure-native:useOidc (ARM_USE_OIDC) is set but there is no token: give ARM_OIDC_TOKEN or "
            "ARM_OIDC_TOKEN_FILE_PATH, or `permissions: id-token: write` in a GitHub workflow."
        )
    audience = chosen["oidcAudience"] or "api://AzureADTokenExchange"
    answer = httpx.get(
        chosen["oidcRequestUrl"],
        params={"audience": audience},
        headers={"Authorization": f"Bearer {chosen['oidcRequestToken']}"},
        timeout=30,
    )
    answer.raise_for_status()
    return answer.json()["value"]


def _tenant_and_client(chosen: dict[str, str]) -> tuple[str, str]:
    if not (chosen["tenantId"] and chosen["clientId"]):
        raise CredentialError(
            "a service principal needs azure-native:tenantId (ARM_TENANT_ID) and azure-native:clientId "
            "(ARM_CLIENT_ID); one of them is not set."
        )
    return chosen["tenantId"], chosen["clientId"]


def _true(value: str) -> bool:
    return value.strip().lower() in {"1", "true", "yes"}


def _first_line(problem: Exception) -> str:
    return (str(problem) or type(problem).__name__).splitlines()[0]


_METHODS: list[
    tuple[Callable[[dict[str, str]], bool], Callable[[dict[str, str], dict[str, Any]], TokenCredential]]
] = [
    (lambda chosen: _true(chosen["useDefaultAzureCredential"]), _default),
    (lambda chosen: bool(chosen["clientCertificatePath"]), _certificate),
    (lambda chosen: bool(chosen["clientSecret"]), _secret),
    (lambda chosen: _true(chosen["useOidc"]), _oidc),
    (lambda chosen: _true(chosen["useMsi"]), _msi),
]
