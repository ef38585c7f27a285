"""The examples work on the outputs as they are."""

import runpy

import httpx
import pulumi
import pytest

from examples.client import chat, connection
from tests.stack.mocks import ROOT

ENDPOINT = {
    "openai_base_url": "https://e.test/v1",
    "served_model_names": ["short", "/models/short"],
    "key_secret_uri": "https://v.test/secrets/key",
    "public_network_access": "Disabled",
}


class _Serving(pulumi.runtime.Mocks):
    def new_resource(self, args):
        assert args.typ == "pulumi:pulumi:StackReference"
        outputs = {"endpoints": {"chat": ENDPOINT}}
        return args.name, {"name": args.name, "outputs": outputs, "secretOutputNames": []}

    def call(self, args):
        raise AssertionError(args.token)


def test_a_consumer_gets_what_an_application_needs_and_no_secret(monkeypatch):
    seen = {}
    monkeypatch.setattr(pulumi, "export", seen.__setitem__)
    pulumi.runtime.set_all_config({"vllm-consumer:serving": "organization/vllm-azureml/dev"}, [])
    pulumi.runtime.set_mocks(_Serving(), project="vllm-consumer", stack="test")

    @pulumi.runtime.test
    def go():
        runpy.run_path(str(ROOT / "examples" / "consumer" / "__main__.py"))
        return pulumi.Output.from_input(seen["environment"]).apply(lambda found: seen.update(found))

    go()
    assert seen["OPENAI_BASE_URL"] == "https://e.test/v1"
    assert seen["OPENAI_MODEL"] == "short"
    assert seen["OPENAI_KEY_SECRET_URI"] == "https://v.test/secrets/key"


class TestClient:
    def test_the_only_endpoint_needs_no_name(self):
        assert connection.pick({"endpoints": {"chat": ENDPOINT}}, None) == ENDPOINT

    @pytest.mark.parametrize("name", [None, "other"])
    def test_of_several_one_must_be_named(self, name):
        with pytest.raises(connection.ConnectionFailed, match="--endpoint: a, b"):
            connection.pick({"endpoints": {"a": {}, "b": {}}}, name)

    def test_an_answer_is_printed_as_it_is_streamed(self, capsys):
        def answer(request):
            assert request.headers["authorization"] == "Bearer k"
            lines = ['data: {"choices": [{"delta": {"content": "Hel"}}]}', "", 'data: {"choices": []}', ""]
            lines += ['data: {"choices": [{"delta": {"content": "lo"}}]}', "", "data: [DONE]", ""]
            return httpx.Response(200, text="\n".join(lines))

        http = httpx.Client(transport=httpx.MockTransport(answer))
        chat.ask(connection.Connection("https://e.test/v1", "short", http, "k"), "Hello", None, 16)
        assert capsys.readouterr().out == "Hello\n"

    def test_a_refusal_is_a_sentence(self):
        http = httpx.Client(transport=httpx.MockTransport(lambda _request: httpx.Response(401, text="no")))
        with pytest.raises(
            connection.ConnectionFailed, match=r"401 from https://e\.test/v1/chat/completions: no"
        ):
            chat.ask(connection.Connection("https://e.test/v1", "short", http, "k"), "Hello", None, 16)

    def test_the_way_in_changes_the_address_and_keeps_the_name(self, monkeypatch):
        seen = []

        def handle(self, request):
            seen.append(request)
            return httpx.Response(200)

        monkeypatch.setattr(httpx.HTTPTransport, "handle_request", handle)
        connection.client("10.0.0.4:9000").get("https://e.test:8443/v1/models")
        assert (seen[0].url.host, seen[0].url.port) == ("10.0.0.4", 9000)
        assert seen[0].headers["host"] == "e.test:8443"
        assert seen[0].extensions["sni_hostname"] == "e.test"
