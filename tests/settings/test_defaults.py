"""What is chosen for a deployment that leaves things out: explained, never over the stack's own word."""

from typing import Any

from settings import load
from settings.defaults import Fitted, fitted

BASE: dict[str, Any] = {"resource_group": {"name": "rg"}, "workspace": {"name": "mlw"}}
SERVER = {
    "instance_type": "Standard_NC24ads_A100_v4",
    "image": "acr.azurecr.io/vllm:1",
    "model": "azureml:m:1",
}
QWEN3_8B = 16_381_470_720


def choose(server: dict[str, Any] | None = None, weights: int | None = None, **stack: Any) -> Fitted:
    endpoints = {"chat": {"deployments": {"blue": {**SERVER, **(server or {})}}}}
    return fitted(load({**BASE, **stack, "endpoints": endpoints}), "chat", "blue", weights_bytes=weights)


def keys(found: Fitted) -> list[str]:
    return [
        choice.key.removeprefix("vllm-azureml:endpoints.chat.deployments.blue.") for choice in found.choices
    ]


class TestAzml:
    def test_chooses_nothing(self) -> None:
        found = choose(weights=QWEN3_8B, defaults="azml")
        assert found.choices == ()
        assert found.deployment.request_settings is None
        assert found.deployment.liveness_probe is None


class TestFitted:
    def test_an_unknown_model_gets_no_probes(self) -> None:
        found = choose()
        assert keys(found) == ["request_settings.request_timeout_ms"]
        assert found.deployment.liveness_probe is None

    def test_a_known_model_gets_windows_longer_than_its_loading(self) -> None:
        found = choose(weights=QWEN3_8B)
        live, ready = found.deployment.liveness_probe, found.deployment.readiness_probe
        assert ready is not None
        assert (live.initial_delay if live and live.initial_delay else 0) >= QWEN3_8B / 200e6
        assert keys(found)[-2:] == ["liveness_probe", "readiness_probe"]
        assert "16.4 GB at 200 MB/s (assumed)" in found.choices[-1].why

    def test_the_stacks_own_probe_stays(self) -> None:
        found = choose({"liveness_probe": {"period": 7}}, weights=QWEN3_8B)
        assert found.deployment.liveness_probe is not None
        assert found.deployment.liveness_probe.initial_delay is None
        assert "liveness_probe" not in keys(found)

    def test_the_stacks_own_requests_stay(self) -> None:
        own = {"request_timeout_ms": 10000, "max_concurrent_requests_per_instance": 1}
        found = choose({"request_settings": own, "vllm": {"args": "--max-num-seqs 16"}})
        assert found.choices == ()

    def test_concurrency_follows_the_argument(self) -> None:
        for server in (
            {"environment_variables": {"VLLM_ARGS": "--max-num-seqs 16 --enforce-eager"}},
            {"vllm": {"args": ["--max_num_seqs=16"]}},
        ):
            found = choose(server)
            assert found.deployment.request_settings is not None
            assert found.deployment.request_settings.max_concurrent_requests_per_instance == 16
            assert "--max-num-seqs is 16" in found.choices[1].why

    def test_concurrency_follows_the_release_where_nothing_is_said(self) -> None:
        found = choose({"vllm": {"version": "0.11.0"}})
        assert found.deployment.request_settings is not None
        assert found.deployment.request_settings.max_concurrent_requests_per_instance == 256
        assert "vLLM 0.11.0 batches 256 requests" in found.choices[1].why

    def test_an_image_built_here_says_its_release(self) -> None:
        images = {"vllm": {"build": {"args": {"BASE_TAG": "v0.11.0"}}}}
        found = choose({"image": "vllm"}, images=images)
        assert "request_settings.max_concurrent_requests_per_instance" in keys(found)

    def test_a_deployment_is_not_changed_in_place(self) -> None:
        stack = load({**BASE, "endpoints": {"chat": {"deployments": {"blue": SERVER}}}})
        fitted(stack, "chat", "blue", weights_bytes=QWEN3_8B)
        assert stack.endpoints["chat"].deployments["blue"].liveness_probe is None
