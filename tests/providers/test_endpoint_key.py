"""The key goes from Azure to Key Vault and is nowhere else."""

import json

import httpx
import pytest
from pulumi.output import Unknown

from providers.endpoint_key import EndpointKeyProvider

ENDPOINT = "/subscriptions/s/e"
VAULT = "/subscriptions/s/v"
SECRET = f"{VAULT}/secrets/e-key"
KEY = "a-key-that-must-not-be-seen"
PROPS = {
    "endpoint_id": ENDPOINT,
    "endpoint_generation": "monday",
    "vault_id": VAULT,
    "secret_name": "e-key",
    "key": "primary",
}
STORED = {
    "properties": {
        "secretUri": "https://v.test/secrets/e-key",
        "secretUriWithVersion": "https://v.test/secrets/e-key/1",
        "attributes": {"enabled": True},
    }
}
provider = EndpointKeyProvider()


@pytest.fixture
def vault(azure):
    azure.on(
        "POST", f"{ENDPOINT}/listKeys", httpx.Response(200, json={"primaryKey": KEY, "secondaryKey": "other"})
    )
    azure.on("PUT", SECRET, httpx.Response(200, json=STORED))
    return azure


def test_the_key_is_written_and_not_returned(vault, capsys):
    made = provider.create(dict(PROPS))
    assert vault.sent("PUT", SECRET)[0]["properties"]["value"] == KEY
    assert made.outs["secret_uri"] == "https://v.test/secrets/e-key"
    assert KEY not in json.dumps(made.outs) + made.id + "".join(capsys.readouterr())


def test_the_secondary_key_can_be_chosen(vault):
    provider.update("id", dict(PROPS), {**PROPS, "key": "secondary"})
    assert vault.sent("PUT", SECRET)[0]["properties"]["value"] == "other"


@pytest.mark.parametrize(
    ("news", "changes", "replaces"),
    [
        ({}, False, []),
        ({"key": "secondary"}, True, []),
        ({"endpoint_generation": "tuesday"}, True, ["endpoint_generation"]),
        ({"endpoint_id": Unknown()}, True, ["endpoint_id"]),
        ({"vault_id": "/other"}, True, ["vault_id"]),
    ],
)
def test_an_endpoint_made_anew_has_a_new_key(news, changes, replaces):
    result = provider.diff("id", PROPS, {**PROPS, **news})
    assert (bool(result.changes), result.replaces) == (changes, replaces)


def test_read_needs_no_more_than_reader_and_lists_no_key(azure):
    azure.on("GET", SECRET, httpx.Response(200, json=STORED))
    assert provider.read("id", dict(PROPS)).outs["secret_uri"].endswith("/secrets/e-key")
    assert [request.method for request in azure.requests] == ["GET"]


def test_a_disabled_secret_is_gone(azure):
    disabled = {"properties": {**STORED["properties"], "attributes": {"enabled": False}}}
    azure.on("GET", SECRET, httpx.Response(200, json=disabled))
    assert provider.read("id", dict(PROPS)).id == ""


def test_delete_overwrites_and_disables(azure):
    azure.on("GET", SECRET, httpx.Response(200, json=STORED))
    azure.on("PUT", SECRET, httpx.Response(200, json=STORED))
    provider.delete("id", dict(PROPS))
    sent = azure.sent("PUT", SECRET)[0]["properties"]
    assert sent["attributes"] == {"enabled": False}
    assert sent["value"] != KEY


def test_delete_forgives_a_vault_that_is_gone(azure):
    azure.on("GET", SECRET, httpx.Response(404, json={}))
    provider.delete("id", dict(PROPS))
