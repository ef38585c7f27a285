"""What Resource Manager does for every resource: who may ask, in what words, and what is written down."""

from __future__ import annotations

import json

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.azure.harness import LOCATION, ML, Azure, Platform, endpoint_body

pytestmark = pytest.mark.emulator
GROUPS = "2024-03-01"


class TestAuthentication:
    def test_a_request_without_a_token_is_refused_with_a_challenge(self, azure: Azure):
        answer = azure.http.get(f"{azure.settings.arm_url}{azure.subscription}?api-version=2022-12-01")
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "AuthenticationFailed"
        assert azure.settings.login_url in answer.headers["www-authenticate"]

    def test_a_token_for_another_audience_is_refused(self, azure: Azure):
        wrong = azure.token("https://storage.azure.com")
        answer = azure.http.get(
            f"{azure.settings.arm_url}{azure.subscription}?api-version=2022-12-01",
            headers={"Authorization": f"Bearer {wrong}"},
        )
        assert answer.json()["error"]["code"] == "InvalidAuthenticationTokenAudience"

    @pytest.mark.parametrize(
        "audience", ["https://management.azure.com", "https://management.azure.com/", "own"]
    )
    def test_the_public_and_the_own_audience_are_accepted(self, azure: Azure, audience: str):
        token = azure.token(azure.settings.arm_url if audience == "own" else audience)
        answer = azure.http.get(
            f"{azure.settings.arm_url}{azure.subscription}?api-version=2022-12-01",
            headers={"Authorization": f"Bearer {token}"},
        )
        assert answer.status_code == 200

    def test_a_forged_token_is_refused(self, azure: Azure):
        """The same claims, signed by somebody else, by the public key as a password, or by nobody."""
        claims = jwt.decode(azure.token(), options={"verify_signature": False})
        other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        forged = [
            jwt.encode(claims, other, algorithm="RS256", headers=jwt.get_unverified_header(azure.token())),
            jwt.encode(claims, "the public key, or any other text of that length", algorithm="HS256"),
            jwt.encode(claims, None, algorithm="none"),
        ]
        for token in forged:
            answer = azure.http.get(
                f"{azure.settings.arm_url}{azure.subscription}?api-version=2022-12-01",
                headers={"Authorization": f"Bearer {token}"},
            )
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "InvalidAuthenticationToken")

    def test_an_unknown_identity_header_gets_no_token(self, azure: Azure):
        answer = azure.http.get(
            azure.settings.identity_endpoint,
            params={"api-version": "2019-08-01", "resource": "https://management.azure.com"},
            headers={"X-IDENTITY-HEADER": "somebody"},
        )
        assert answer.status_code == 401


class TestMetadata:
    def test_the_document_names_this_cloud_and_no_public_host(self, azure: Azure):
        document = azure.http.get(
            f"{azure.settings.arm_url}/metadata/endpoints?api-version=2022-09-01"
        ).json()
        assert document["resourceManager"] == azure.settings.arm_url + "/"
        assert document["authentication"]["loginEndpoint"] == azure.settings.login_url + "/"
        assert document["name"] not in {"AzureCloud", "AzureChinaCloud", "AzureUSGovernment"}
        assert all(value.endswith(".invalid") for value in document["suffixes"].values())

    def test_the_older_version_answers_a_list(self, azure: Azure):
        answer = azure.http.get(f"{azure.settings.arm_url}/metadata/endpoints?api-version=2019-05-01").json()
        assert [cloud["name"] for cloud in answer] == ["EmbeddedAzure"]


class TestRefusals:
    def test_an_unknown_namespace(self, azure: Azure):
        error = azure.refusal(
            "GET", f"{azure.group('none')}/providers/Microsoft.Compute/disks/d", version="2024-03-02"
        )
        assert error["code"] == "InvalidResourceNamespace"

    def test_an_unknown_type(self, azure: Azure, platform: Platform):
        error = azure.refusal("GET", f"{platform.workspace}/batchEndpoints/b")
        assert error["code"] == "InvalidResourceType"

    def test_an_unknown_api_version_names_the_known_ones(self, azure: Azure, platform: Platform):
        error = azure.refusal("GET", platform.workspace, version="2031-01-01")
        assert error["code"] == "NoRegisteredProviderFound"
        assert ML in error["message"]

    def test_a_missing_api_version(self, azure: Azure, platform: Platform):
        assert azure.refusal("GET", platform.workspace, version="")["code"] == "MissingApiVersionParameter"

    def test_another_subscription(self, azure: Azure):
        error = azure.refusal(
            "GET", "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups", version=GROUPS
        )
        assert error["code"] == "SubscriptionNotFound"

    def test_paths_that_are_no_resources_are_as_strict(self, azure: Azure):
        """Quotas, name checks and lists: their api-version, subscription, location and body count, too."""
        ml = f"{azure.subscription}/providers/Microsoft.MachineLearningServices/locations"
        check = f"{azure.subscription}/providers/Microsoft.Storage/checkNameAvailability"
        wrong = [
            (("GET", f"{ml}/westeurope/usages"), {"version": "2031-01-01"}, "NoRegisteredProviderFound"),
            (("GET", f"{ml}/westeurope/usages"), {"version": ""}, "MissingApiVersionParameter"),
            (("GET", f"{ml}/westeuropa/usages"), {}, "LocationNotAvailableForResourceType"),
            (("GET", f"{ml}/westeurope/vmSizes".replace("-8000-", "-8001-")), {}, "SubscriptionNotFound"),
            (("GET", azure.subscription), {"version": "2031-01-01"}, "NoRegisteredProviderFound"),
            (("POST", check, {"name": "abc"}), {"version": "2024-01-01"}, "InvalidRequestContent"),
            (("POST", check, [1]), {"version": "2024-01-01"}, "InvalidRequestContent"),
            (("GET", f"{azure.group('nowhere')}/resources"), {"version": GROUPS}, "ResourceGroupNotFound"),
        ]
        for request, options, code in wrong:
            assert azure.refusal(*request, **options)["code"] == code, request

    def test_a_filter_that_is_not_understood_is_not_ignored(self, azure: Azure, platform: Platform):
        vaults = f"{platform.group}/resources?$filter=resourceType eq 'Microsoft.KeyVault/vaults'"
        found = azure.do("GET", vaults, version="2021-04-01")["value"]
        assert [item["id"] for item in found] == [platform.vault]
        roles = f"{azure.subscription}/providers/Microsoft.Authorization/roleDefinitions"
        for path, version in (
            (f"{platform.group}/resources?$filter=substringof('x', name)", "2021-04-01"),
            (f"{roles}?$filter=roleNam eq 'Reader'", "2022-04-01"),
        ):
            assert azure.refusal("GET", path, version=version)["code"] == "InvalidFilterInQueryString"

    def test_a_resource_in_a_group_that_is_not_there(self, azure: Azure):
        path = f"{azure.group('nowhere')}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/someone"
        error = azure.refusal("PUT", path, {"location": LOCATION}, version="2023-01-31")
        assert (error["status"], error["code"]) == (404, "ResourceGroupNotFound")

    def test_a_child_without_its_parent(self, azure: Azure, platform: Platform):
        path = f"{platform.workspace}/onlineEndpoints/nobody/deployments/current"
        error = azure.refusal(
            "PUT", path, {"location": LOCATION, "properties": {"endpointComputeType": "Managed"}}
        )
        assert error["code"] == "ParentResourceNotFound"

    def test_what_is_not_there(self, azure: Azure, platform: Platform):
        error = azure.refusal("GET", f"{platform.workspace}/onlineEndpoints/nobody")
        assert (error["status"], error["code"]) == (404, "ResourceNotFound")

    def test_an_unknown_action(self, azure: Azure, platform: Platform):
        assert azure.refusal("POST", f"{platform.workspace}/explode")["code"] == "InvalidAction"


BODIES = [
    # what is wrong, the body, the path that the answer names
    (
        "unknown property",
        {"location": LOCATION, "properties": {"authMode": "Key", "colour": "red"}},
        "properties.colour",
    ),
    (
        "unknown top-level property",
        {"location": LOCATION, "colour": "red", "properties": {"authMode": "Key"}},
        "colour",
    ),
    (
        "wrong enumeration",
        {"location": LOCATION, "properties": {"authMode": "Password"}},
        "properties.authMode",
    ),
    (
        "wrong type",
        {"location": LOCATION, "properties": {"authMode": "Key", "traffic": [1]}},
        "properties.traffic",
    ),
    (
        "text for a number",
        {"location": LOCATION, "properties": {"authMode": "Key", "traffic": {"a": "100"}}},
        "traffic.a",
    ),
    ("missing property", {"location": LOCATION, "properties": {}}, "properties.authMode"),
    ("missing location", {"properties": {"authMode": "Key"}}, "location"),
    ("snake case", {"location": LOCATION, "properties": {"auth_mode": "key"}}, "properties.auth_mode"),
    ("not an object", [], ""),
]


class TestBodies:
    @pytest.mark.parametrize(("body", "where"), [row[1:] for row in BODIES], ids=[row[0] for row in BODIES])
    def test_a_wrong_body_is_refused_and_the_place_named(self, azure: Azure, platform: Platform, body, where):
        error = azure.refusal("PUT", f"{platform.workspace}/onlineEndpoints/wrong-body", body)
        assert (error["status"], error["code"]) == (400, "InvalidRequestContent")
        assert where in error["message"]

    @pytest.mark.parametrize(
        "raw",
        [b"", b"null", b"{", b"\xff", b'{"location": NaN}', b'{"tags": {"a": "\\ud800"}}', b"[" * 10**5],
        ids=["empty", "null", "half", "not UTF-8", "not a number", "half a character", "bottomless"],
    )
    def test_what_is_not_json_is_refused_and_stored_nowhere(self, azure: Azure, platform: Platform, raw):
        path = f"{azure.settings.arm_url}{platform.account}/blobServices/default?api-version=2024-01-01"
        headers = {"Authorization": f"Bearer {azure.token()}", "Content-Type": "application/json"}
        before = azure.http.get(path, headers=headers).json()
        answer = azure.http.put(path, content=raw, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "InvalidRequestContent")
        assert azure.http.get(path, headers=headers).json() == before

    def test_what_the_sdk_marks_as_set_at_creation_cannot_be_changed(self, azure: Azure, platform: Platform):
        path = f"{platform.workspace}/datastores/fixed"
        account = platform.account.rsplit("/", 1)[1]
        blob = {"datastoreType": "AzureBlob", "accountName": account, "containerName": "one"}
        blob["credentials"] = {"credentialsType": "None"}
        azure.do("PUT", path, {"properties": blob})
        error = azure.refusal("PUT", path, {"properties": {**blob, "containerName": "two"}})
        assert (error["code"], error["target"]) == ("PropertyChangeNotAllowed", "properties.containerName")
        azure.do("PUT", path, {"properties": {**blob, "description": "this can"}})

    def test_an_enumeration_takes_any_letter_case_and_is_stored_in_the_sdks(
        self, azure: Azure, platform: Platform
    ):
        path = f"{platform.workspace}/onlineEndpoints/any-case"
        made = azure.do("PUT", path, endpoint_body(authMode="key", publicNetworkAccess="disabled"))
        assert made["properties"]["authMode"] == "Key"
        assert made["properties"]["publicNetworkAccess"] == "Disabled"
        azure.do("DELETE", path)

    def test_an_answer_can_be_put_back(self, azure: Azure, platform: Platform):
        path = f"{platform.workspace}/onlineEndpoints/round-trip"
        made = azure.do("PUT", path, endpoint_body())
        assert azure.do("PUT", path, made)["properties"] == made["properties"]
        azure.do("DELETE", path)

    def test_a_duration_must_be_iso_8601(self, azure: Azure, platform: Platform):
        settings = {"endpointComputeType": "Managed", "requestSettings": {"requestTimeout": "60"}}
        path = f"{platform.workspace}/onlineEndpoints/nobody/deployments/current"
        body = {"location": LOCATION, "properties": settings}
        platform.endpoint("durations")
        error = azure.refusal("PUT", path.replace("nobody", "durations"), body)
        assert "ISO 8601" in error["message"]


class TestOperations:
    def test_a_creation_answers_201_and_is_polled(self, azure: Azure, platform: Platform):
        path = f"{platform.workspace}/onlineEndpoints/polled"
        answer = azure.request("PUT", path, endpoint_body())
        assert answer.status_code == 201
        assert answer.json()["properties"]["provisioningState"] == "Creating"
        assert int(answer.headers["retry-after"]) >= 1
        first = azure.request("GET", answer.headers["azure-asyncoperation"], version="").json()
        assert first["status"] == "InProgress"
        assert azure.request("GET", answer.headers["location"], version="").status_code == 202
        assert azure.wait(answer)["status"] == "Succeeded"
        assert azure.request("GET", answer.headers["location"], version="").status_code == 200
        assert azure.request("GET", path).json()["properties"]["provisioningState"] == "Succeeded"

    def test_a_deletion_answers_202_and_the_resource_stays_until_it_has_ended(
        self, azure: Azure, platform: Platform
    ):
        path = platform.endpoint("going")
        answer = azure.request("DELETE", path)
        assert answer.status_code == 202
        assert azure.request("GET", path).json()["properties"]["provisioningState"] == "Deleting"
        assert azure.wait(answer)["status"] == "Succeeded"
        assert azure.request("GET", path).status_code == 404
        assert azure.request("GET", answer.headers["location"], version="").status_code == 204

    def test_a_second_change_while_one_is_under_way_is_refused(self, azure: Azure, platform: Platform):
        path = f"{platform.workspace}/onlineEndpoints/busy"
        first = azure.request("PUT", path, endpoint_body())
        error = azure.refusal("PUT", path, endpoint_body())
        assert (error["status"], error["code"]) == (409, "AnotherOperationInProgress")
        azure.wait(first)

    def test_deleting_what_is_not_there_answers_204(self, azure: Azure, platform: Platform):
        assert azure.request("DELETE", f"{platform.workspace}/onlineEndpoints/nobody").status_code == 204


class TestJournal:
    def test_each_request_is_a_line_with_what_was_asked_and_answered(self, azure: Azure, platform: Platform):
        path = f"{platform.workspace}/onlineEndpoints/journaled"
        azure.do("PUT", path, endpoint_body(authMode="key", traffic={}))
        lines = [json.loads(line) for line in azure.settings.journal.read_text().splitlines()]
        mine = [line for line in lines if line["path"] == path and line["method"] == "PUT"]
        assert len(mine) == 1
        line = mine[0]
        assert line["body"] == endpoint_body(authMode="key", traffic={})
        assert (line["api-version"], line["principal"], line["status"]) == (ML, "deployer", 201)

    def test_secrets_are_redacted(self, azure: Azure, platform: Platform):
        keys = {"primaryKey": "a-very-secret-key-1", "secondaryKey": "a-very-secret-key-2"}
        platform.endpoint("with-keys", keys=keys)
        secret = f"{platform.vault}/secrets/journaled"
        azure.do("PUT", secret, {"properties": {"value": "a-very-secret-value"}}, version="2024-11-01")
        assert "a-very-secret" not in azure.settings.journal.read_text()

    def test_a_refused_request_is_written_with_its_code(self, azure: Azure):
        azure.request("GET", f"{azure.group('absent')}", version=GROUPS)
        last = json.loads(azure.settings.journal.read_text().splitlines()[-1])
        assert (last["status"], last["error"]) == (404, "ResourceGroupNotFound")


def assignment(scope: str, name: str) -> str:
    return f"{scope}/providers/Microsoft.Authorization/roleAssignments/{name}"


# "Azure built-in roles".
ROLE_IDS = {
    "Owner": "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
    "Contributor": "b24988ac-6180-42a0-ab88-20f7382dd24c",
    "Reader": "acdd72a7-3385-48ef-bd42-f606fba81ae7",
    "User Access Administrator": "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",
    "AcrPull": "7f951dda-4ed3-4680-a7ca-43fe172d538d",
    "AcrPush": "8311e382-0749-4cb8-b61a-304f252e45ec",
    "Storage Blob Data Reader": "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
    "Storage Blob Data Contributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "Storage Blob Data Owner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "Key Vault Administrator": "00482a5a-887f-4fb3-b363-3b7fe8e74483",
    "Key Vault Secrets Officer": "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
    "Key Vault Secrets User": "4633458b-17de-408a-b874-0445c86b69e6",
    "Key Vault Reader": "21090545-7ca7-4776-b22c-e363652d74d2",
    "AzureML Data Scientist": "f6c7c914-8db3-469d-8ca1-694a8f32e121",
}


class TestRoles:
    def test_a_reader_reads_and_changes_nothing(self, azure: Azure, platform: Platform):
        assert azure.request("GET", platform.workspace, who="reader").status_code == 200
        path = f"{platform.workspace}/onlineEndpoints/by-reader"
        error = azure.refusal("PUT", path, endpoint_body(), who="reader")
        assert (error["status"], error["code"]) == (403, "AuthorizationFailed")
        assert azure.refusal("DELETE", platform.workspace, who="reader")["code"] == "AuthorizationFailed"

    def test_a_reader_may_not_list_keys(self, azure: Azure, platform: Platform):
        endpoint = platform.endpoint("reader-keys")
        assert azure.refusal("POST", f"{endpoint}/listKeys", who="reader")["status"] == 403

    def test_the_role_of_an_action_is_looked_up_by_name(self, azure: Azure):
        for name, role in ROLE_IDS.items():
            assert azure.role(name).endswith(f"/{role}"), name

    def test_an_unknown_role_is_refused(self, azure: Azure, platform: Platform):
        path = assignment(platform.group, "aaaaaaaa-0000-4000-8000-000000000001")
        role = f"{azure.subscription}/providers/Microsoft.Authorization/roleDefinitions/"
        role += "aaaaaaaa-0000-4000-8000-000000000009"
        body = {"properties": {"roleDefinitionId": role, "principalId": azure.object_id()}}
        assert azure.refusal("PUT", path, body, version="2022-04-01")["code"] == "RoleDefinitionDoesNotExist"

    def test_a_second_assignment_of_the_same_is_refused(self, azure: Azure, platform: Platform):
        azure.assign(
            platform.registry, "AcrPull", azure.object_id("reader"), "aaaaaaaa-0000-4000-8000-000000000002"
        )
        path = assignment(platform.registry, "aaaaaaaa-0000-4000-8000-000000000003")
        properties = {"roleDefinitionId": azure.role("AcrPull"), "principalId": azure.object_id("reader")}
        error = azure.refusal("PUT", path, {"properties": properties}, version="2022-04-01")
        assert (error["status"], error["code"]) == (409, "RoleAssignmentExists")

    def test_a_name_that_is_no_guid_is_refused(self, azure: Azure, platform: Platform):
        path = assignment(platform.group, "my-assignment")
        body = {"properties": {"roleDefinitionId": azure.role("Reader"), "principalId": azure.object_id()}}
        assert azure.refusal("PUT", path, body, version="2022-04-01")["code"] == "InvalidRoleAssignmentId"

    def test_a_principal_that_is_not_there_is_refused_without_its_type(
        self, azure: Azure, platform: Platform
    ):
        path = assignment(platform.group, "aaaaaaaa-0000-4000-8000-000000000004")
        stranger = "aaaaaaaa-0000-4000-8000-00000000000f"
        body = {"properties": {"roleDefinitionId": azure.role("Reader"), "principalId": stranger}}
        assert azure.refusal("PUT", path, body, version="2022-04-01")["code"] == "PrincipalNotFound"
        body["properties"]["principalType"] = "ServicePrincipal"
        assert azure.request("PUT", path, body, version="2022-04-01").status_code == 201


class TestLocks:
    def test_a_locked_group_cannot_be_deleted_until_the_lock_is_gone(self, azure: Azure):
        group = azure.group("rg-locked")
        azure.do("PUT", group, {"location": LOCATION}, version=GROUPS)
        lock = f"{group}/providers/Microsoft.Authorization/locks/keep"
        azure.do("PUT", lock, {"properties": {"level": "CanNotDelete"}}, version="2020-05-01")
        error = azure.refusal("DELETE", group, version=GROUPS)
        assert (error["status"], error["code"]) == (409, "ScopeLocked")
        azure.do("PUT", group, {"location": LOCATION, "tags": {"a": "b"}}, version=GROUPS)
        azure.do("PUT", lock, {"properties": {"level": "ReadOnly"}}, version="2020-05-01")
        for method, body in (("PUT", {"location": LOCATION}), ("DELETE", None)):
            assert azure.refusal(method, group, body, version=GROUPS)["code"] == "ScopeLocked"
        azure.do("DELETE", lock, version="2020-05-01")
        azure.do("DELETE", group, version=GROUPS)
        assert azure.request("GET", group, version=GROUPS).status_code == 404


def test_a_group_takes_what_is_in_it_along(azure: Azure):
    group = azure.group("rg-full")
    azure.do("PUT", group, {"location": LOCATION}, version=GROUPS)
    identity = f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/someone"
    azure.do("PUT", identity, {"location": LOCATION}, version="2023-01-31")
    azure.do("DELETE", group, version=GROUPS)
    answer: httpx.Response = azure.request("GET", identity, version="2023-01-31")
    assert answer.json()["error"]["code"] == "ResourceGroupNotFound"


def test_a_location_that_does_not_exist(azure: Azure):
    error = azure.refusal("PUT", azure.group("rg-nowhere"), {"location": "westeurop"}, version=GROUPS)
    assert error["code"] == "LocationNotAvailableForResourceType"
    azure.do("PUT", azure.group("rg-spelt-out"), {"location": "West Europe"}, version=GROUPS)


def test_a_location_cannot_be_changed(azure: Azure, platform: Platform):
    path = platform.endpoint("stays")
    body = {**endpoint_body(), "location": "northeurope"}
    assert azure.refusal("PUT", path, body)["code"] == "InvalidResourceLocation"
