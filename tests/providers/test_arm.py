"""The ARM client follows operations to their end, retries what may be retried and says what was refused."""

import httpx
import pytest

from providers.arm import request
from providers.errors import ArmError, ProviderError

ID = "/subscriptions/s/resourceGroups/g/providers/P/things/t"
OPERATION = "https://arm.test/operations/1"


def json(status: int, body: object = None, **headers: str) -> httpx.Response:
    return httpx.Response(
        status, json=body or {}, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


class TestOperations:
    def test_a_put_is_polled_by_azure_asyncoperation_and_read_again(self, azure):
        azure.on("PUT", ID, json(201, Azure_AsyncOperation=OPERATION, Retry_After="7"))
        azure.on(
            "GET", "/operations/1", json(200, {"status": "InProgress"}), json(200, {"status": "Succeeded"})
        )
        azure.on("GET", ID, json(200, {"name": "t"}))
        assert request("PUT", ID, "v1", {"a": 1}) == {"name": "t"}
        assert azure.waited[0] == 7
        assert azure.requests[-1].url.params["api-version"] == "v1"

    def test_a_post_is_polled_by_location_until_it_is_no_longer_202(self, azure):
        azure.on("POST", ID, json(202, Location=OPERATION))
        azure.on("GET", "/operations/1", json(202), json(202), json(200))
        assert request("POST", ID, "v1") == {}
        assert len(azure.sent("GET", "/operations/1")) == 3

    def test_a_failed_operation_is_an_error_with_azures_words(self, azure):
        azure.on("PUT", ID, json(202, Azure_AsyncOperation=OPERATION))
        failed = {"status": "Failed", "error": {"code": "ResourceNotReady", "message": "LivenessProbeFailed"}}
        azure.on("GET", "/operations/1", json(200, failed))
        with pytest.raises(ArmError, match=r"PUT .*ResourceNotReady: LivenessProbeFailed"):
            request("PUT", ID, "v1", {})

    def test_waiting_has_an_end(self, azure):
        azure.on("PUT", ID, json(202, Azure_AsyncOperation=OPERATION))
        azure.on("GET", "/operations/1", json(200, {"status": "InProgress"}))
        with pytest.raises(ProviderError, match="not finished in time"):
            request("PUT", ID, "v1", {}, timeout=0)


class TestRefusals:
    def test_what_may_pass_is_tried_again_after_the_time_azure_names(self, azure):
        azure.on("GET", ID, json(429, Retry_After="3"), json(503), json(200, {"ok": True}))
        assert request("GET", ID, "v1") == {"ok": True}
        assert azure.waited[0] == 3

    def test_it_is_not_tried_forever(self, azure):
        azure.on("GET", ID, json(503))
        with pytest.raises(ArmError, match="503"):
            request("GET", ID, "v1")
        assert len(azure.requests) == 5

    def test_a_refusal_names_code_message_and_request_id(self, azure):
        body = {"error": {"code": "AuthorizationFailed", "message": "does not have authorization"}}
        azure.on("GET", ID, json(403, body, x_ms_request_id="r-1"))
        with pytest.raises(ArmError) as caught:
            request("GET", ID, "v1")
        assert "AuthorizationFailed: does not have authorization (request id r-1)" in str(caught.value)
        assert len(azure.requests) == 1

    def test_missing_can_be_an_answer(self, azure):
        azure.on("GET", ID, json(404))
        assert request("GET", ID, "v1", missing_ok=True) == {}

    def test_tokens_are_for_the_cloud_of_the_metadata(self, azure):
        azure.on("GET", ID, json(200))
        request("GET", ID, "v1")
        assert azure.requests[0].headers["authorization"] == "Bearer token for https://arm.test/.default"
