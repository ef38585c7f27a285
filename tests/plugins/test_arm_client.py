"""How requests to ARM are repeated, followed and refused: a server plays sequences of recorded answers.

The embedded Azure answers in one of ARM's ways only; the others (Location alone, provisioningState, too many
requests, an expired token) are played here.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from emulator.plugins.azure_native import arm as arm_module
from emulator.plugins.azure_native import shapes
from emulator.plugins.azure_native.arm import Arm, ArmError, Deadline, FailedOperationError
from emulator.plugins.azure_native.connection import Session, read_account
from emulator.plugins.azure_native.crud import Resource
from emulator.plugins.errors import PartialFailureError, PluginError

pytestmark = pytest.mark.engine
ID = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/sa"
INPUTS = {
    "resourceGroupName": "rg",
    "accountName": "sa",
    "location": "westeurope",
    "kind": "StorageV2",
    "sku": {"name": "Standard_LRS"},
}
GONE = (404, {}, {"error": {"code": "ResourceNotFound", "message": "gone"}})
LIVE = (200, {}, {"id": ID, "name": "sa", "type": "Microsoft.Storage/storageAccounts", "properties": {}})


class Play:
    """Answers in order per method; `seen` holds what was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, list[tuple[int, dict[str, str], Any]]] = {}
        self.seen: list[str] = []
        self.tokens = 0

    def answer(self, method: str, path: str) -> tuple[int, dict[str, str], Any]:
        if path.startswith("/metadata"):
            return 200, {}, {"resourceManager": self.url, "authentication": {"audiences": [self.url]}}
        if path.startswith("/token"):
            self.tokens += 1
            return 200, {}, {"access_token": f"t{self.tokens}", "expires_on": "4102444800"}
        self.seen.append(f"{method} {path.split('?')[0]}")
        return self.answers[method].pop(0)

    url = ""


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Iterator[Play]:
    monkeypatch.setattr(arm_module, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(arm_module, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(arm_module, "SHORTEST", 0.0)
    script = Play()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, headers, body = script.answer(self.command, self.path)
            content = b"" if body is None else json.dumps(body).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value.replace("HOST", script.url))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_POST = do_DELETE = answer

        def log_message(self, *_: object) -> None:
            """Nothing to standard error."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    script.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{script.url}/token")
    yield script
    server.shutdown()
    server.server_close()


@pytest.fixture
def account(play: Play) -> Resource:
    config = {"metadataHost": play.url, "useMsi": "true", "subscriptionId": "s"}
    row = shapes.row("azure-native:storage:StorageAccount")
    return Resource(row, Arm(Session(read_account(config))), "s")


@pytest.fixture
def soon() -> Deadline:
    return Deadline.after(5, threading.Event())


THROTTLED = (429, {"Retry-After": "0"}, {"error": {"code": "TooManyRequests", "message": "slow down"}})
BUSY = (409, {}, {"error": {"code": "AnotherOperationInProgress", "message": "wait"}})
OTHER_CONFLICT = (409, {}, {"error": {"code": "Conflict", "message": "no"}})


@pytest.mark.parametrize("first", [THROTTLED, (503, {}, None), BUSY])
def test_what_passes_is_tried_again(play: Play, account: Resource, soon: Deadline, first) -> None:
    play.answers = {"GET": [first, first, LIVE]}
    assert account.read(ID, soon) is not None
    assert len(play.seen) == 3


def test_three_retries_and_no_more(play: Play, account: Resource, soon: Deadline) -> None:
    play.answers = {"GET": [THROTTLED] * 9}
    with pytest.raises(ArmError, match="TooManyRequests"):
        account.read(ID, soon)
    assert len(play.seen) == 4


def test_another_conflict_is_final(play: Play, account: Resource, soon: Deadline) -> None:
    play.answers = {"GET": [GONE], "PUT": [OTHER_CONFLICT]}
    with pytest.raises(ArmError, match='Code="Conflict" Message="no"'):
        account.create(INPUTS, soon)


def test_an_expired_token_is_renewed_once(play: Play, account: Resource, soon: Deadline) -> None:
    expired = (401, {}, {"error": {"code": "ExpiredAuthenticationToken", "message": "expired"}})
    play.answers = {"GET": [expired, LIVE, expired, expired]}
    assert account.read(ID, soon) is not None
    assert play.tokens == 2
    with pytest.raises(ArmError, match="ExpiredAuthenticationToken"):
        account.read(ID, soon)


def test_a_location_is_followed(play: Play, account: Resource, soon: Deadline) -> None:
    waiting = (202, {"Location": "HOST/operations/1", "Retry-After": "0"}, None)
    play.answers = {"GET": [GONE, waiting, (200, {}, {}), LIVE], "PUT": [waiting]}
    id_, state = account.create(INPUTS, soon)
    assert (id_, state["name"]) == (ID, "sa")
    assert play.seen == [f"GET {ID}", f"PUT {ID}", "GET /operations/1", "GET /operations/1", f"GET {ID}"]


def test_a_state_is_followed_when_there_is_no_operation(
    play: Play, account: Resource, soon: Deadline
) -> None:
    creating = (200, {}, {"id": ID, "type": "t", "properties": {"provisioningState": "Creating"}})
    play.answers = {"GET": [GONE, creating, LIVE, LIVE], "PUT": [creating]}
    account.create(INPUTS, soon)
    failed = (200, {}, {"id": ID, "type": "t", "properties": {"provisioningState": "Failed"}})
    play.answers = {"GET": [GONE, failed, failed], "PUT": [creating]}
    with pytest.raises(PartialFailureError, match="provisioningState Failed"):
        account.create(INPUTS, soon)


def test_an_operation_that_fails_and_leaves_nothing_is_no_partial_failure(
    play: Play, account: Resource, soon: Deadline
) -> None:
    failed = (
        200,
        {},
        {"status": "Failed", "error": {"code": "Quota", "message": "none left", "details": [1]}},
    )
    started = (201, {"Azure-AsyncOperation": "HOST/operations/1"}, {"properties": {}})
    play.answers = {"GET": [GONE, failed, GONE], "PUT": [started]}
    with pytest.raises(PluginError, match="none left") as error:
        account.create(INPUTS, soon)
    assert not isinstance(error.value, PartialFailureError)
    assert "Details=[1]" in str(error.value)


def test_an_answer_that_is_not_json_is_passed_on(play: Play, account: Resource, soon: Deadline) -> None:
    play.answers = {"GET": [(400, {}, "plain text")]}
    with pytest.raises(ArmError, match="plain text"):
        account.read(ID, soon)


@pytest.mark.parametrize("answer", [GONE, (204, {}, None), (200, {}, None)])
def test_deletes_that_are_over_at_once(play: Play, account: Resource, soon: Deadline, answer) -> None:
    play.answers = {"DELETE": [answer]}
    account.delete(ID, soon)


def test_a_delete_is_followed_until_the_resource_is_gone(
    play: Play, account: Resource, soon: Deadline
) -> None:
    waiting = (202, {"Location": "HOST/operations/2"}, None)
    play.answers = {"DELETE": [waiting], "GET": [waiting, GONE]}
    account.delete(ID, soon)
    play.answers = {
        "DELETE": [(202, {"Azure-AsyncOperation": "HOST/operations/3"}, None)],
        "GET": [(200, {}, {"status": "Failed", "error": {"code": "InUse", "message": "still used"}})],
    }
    with pytest.raises(FailedOperationError, match="still used"):
        account.delete(ID, soon)


def test_an_operation_elsewhere_is_not_followed(play: Play, account: Resource, soon: Deadline) -> None:
    play.answers = {"DELETE": [(202, {"Azure-AsyncOperation": "https://8.8.8.8/operations/1"}, None)]}
    with pytest.raises(PluginError, match="neither loopback nor a private address"):
        account.delete(ID, soon)


def test_existence_that_cannot_be_checked_is_told(play: Play, account: Resource, soon: Deadline) -> None:
    play.answers = {"GET": [(403, {}, {"error": {"code": "AuthorizationFailed", "message": "no"}})]}
    with pytest.raises(PluginError, match=r"cannot check existence of resource .* status code 403"):
        account.create(INPUTS, soon)


def test_properties_that_are_left_out_go_back_to_their_default(
    play: Play, account: Resource, soon: Deadline, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = []
    call = account.arm.call

    def record(*args: Any, **kwargs: Any) -> Any:
        sent.append(args)
        return call(*args, **kwargs)

    monkeypatch.setattr(account.arm, "call", record)
    play.answers = {"PUT": [LIVE], "GET": [LIVE]}
    account.update(ID, INPUTS, {"networkRuleSet": {"defaultAction": "Deny"}}, soon)
    assert sent[0][4]["properties"]["networkAcls"]["defaultAction"] == "Allow"
