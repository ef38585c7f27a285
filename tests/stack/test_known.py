"""What a preview says before anything is rented, with and without a lock; no sockets."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pulumi
import pytest

from serving.lock import Lock, dumps, parse, read_if_there
from settings import load
from stack import asked, known, plan
from stack.lock import main as lock_command
from tests.stack.mocks import ROOT, config, deployment, run

QWEN3 = "Qwen/Qwen3-8B@main"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
SIZES = {"model.safetensors": 16_381_516_776}
CONFIG = {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "hidden_size": 4096,
    "intermediate_size": 12288,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "max_position_embeddings": 40960,
    "vocab_size": 151936,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}


def entry(name: str = QWEN3, **changes: Any) -> dict[str, Any]:
    """An entry as the lock has it. Commit and digests are made up, as is everything in this file."""
    repository, _, revision = name.partition("@")
    files = {path: {"size": size, "sha256": "0" * 64} for path, size in SIZES.items()}
    return {
        "repository": repository,
        "revision": revision,
        "commit": COMMIT,
        "gated": False,
        "allow_patterns": None,
        "ignore_patterns": None,
        "files": files,
        "weights_bytes": sum(SIZES.values()),
        "config": CONFIG,
    } | changes


def locked(*entries: dict[str, Any], unlocked: dict[str, str] | None = None) -> Lock:
    models = {f"{one['repository']}@{one['revision']}": one for one in entries}
    return parse({"version": 1, "models": models, "unlocked": unlocked or {}})


@pytest.fixture
def dev(tmp_path: Path) -> dict[str, Any]:
    """The stack dev with a lock file of the test's own."""
    return config("dev") | {"vllm-azureml:lock": str(tmp_path / "models.lock.json")}


def write(values: dict[str, Any], lock: Lock) -> None:
    Path(values["vllm-azureml:lock"]).write_text(dumps(lock))


def said(caplog: pytest.LogCaptureFixture, level: int) -> str:
    return "\n".join(record.getMessage() for record in caplog.records if record.levelno == level)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO)
    return caplog


class TestPreview:
    def test_the_page_is_in_its_output(self, dev: dict[str, Any], log: pytest.LogCaptureFixture) -> None:
        write(dev, locked(entry()))
        run(dev, preview=True)
        text = said(log, logging.INFO)
        for words in (
            f"model: {QWEN3}, commit {COMMIT}, 16.38 GB",
            "runs on: 1 x Standard_NC24ads_A100_v4 (1 x A100 80GB each)",
            "fit: fits: one request of 40960 tokens needs",
            "GiB to use = weights 15.3 + activation peak 1.4 + other 0.5 + KV cache 55.7",
            "time to ready: 202 to 344 s",
            "24 cores, 48 while deployments are replaced",
            "what the subscription has was not checked",
            "no price of Standard_NC24ads_A100_v4 in westeurope",
        ):
            assert words in text
        warnings = said(log, logging.WARNING)
        assert "liveness_probe gives up after 310 s, possibly before vLLM listens" in warnings
        assert "fit:" not in warnings

    def test_an_up_says_nothing_of_it(self, dev: dict[str, Any], log: pytest.LogCaptureFixture) -> None:
        write(dev, locked(entry()))
        run(dev)
        assert "runs on" not in said(log, logging.INFO)

    def test_without_a_lock_file(self, dev: dict[str, Any], log: pytest.LogCaptureFixture) -> None:
        run(dev, preview=True, stack="dev")
        text = said(log, logging.INFO)
        assert "fit: unknown, there is no " in text
        assert "make lock STACK=dev asks the hub" in text

    def test_a_model_that_does_not_fit_is_a_warning_with_the_way_out(
        self, dev: dict[str, Any], log: pytest.LogCaptureFixture
    ) -> None:
        deployment(dev)["instance_type"] = "Standard_NV36ads_A10_v5"
        write(dev, locked(entry()))
        run(dev, preview=True)
        warnings = said(log, logging.WARNING)
        assert "vllm-private/current: fit: no" in warnings
        assert "fits with --max-model-len" in warnings

    def test_gated_models_and_code_of_their_own_are_warnings(
        self, dev: dict[str, Any], log: pytest.LogCaptureFixture
    ) -> None:
        write(dev, locked(entry(gated=True, config=CONFIG | {"remote_code": True})))
        run(dev, preview=True)
        assert "is gated: accept its licence" in said(log, logging.WARNING)
        assert "--trust-remote-code" in said(log, logging.WARNING)

    def test_a_price_table_that_cannot_be_read_stops_nothing(
        self, dev: dict[str, Any], log: pytest.LogCaptureFixture, tmp_path: Path, monkeypatch
    ) -> None:
        (tmp_path / "prices.json").write_text("{")
        monkeypatch.setattr(known, "PRICES", tmp_path / "prices.json")
        run(dev, preview=True)
        assert "prices.json cannot be read" in said(log, logging.WARNING)


class TestLock:
    def test_a_preview_without_the_entry_works_and_names_the_command(
        self, dev: dict[str, Any], log: pytest.LogCaptureFixture
    ) -> None:
        write(dev, locked(unlocked={QWEN3: "the hub answered 503"}))
        run(dev, preview=True, stack="dev")
        assert "make lock STACK=dev" in said(log, logging.WARNING)
        assert "the hub answered 503" in said(log, logging.INFO)

    def test_an_up_without_the_entry_stops_and_names_the_command(self, dev: dict[str, Any]) -> None:
        write(dev, locked())
        with pytest.raises(pulumi.RunError, match=r"models\.Qwen3-8B.*Run make lock STACK=dev"):
            run(dev, stack="dev")

    @pytest.mark.parametrize("preview", [True, False])
    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"allow_patterns": ["*.json"]}, r"allow_patterns is \['\*\.json'\] in the stack"),
            ({"ignore_patterns": ["*.md"]}, r"ignore_patterns is \['\*\.md'\] in the stack"),
        ],
    )
    def test_a_contradiction_stops_both(
        self, dev: dict[str, Any], preview: bool, change: dict[str, Any], words: str
    ) -> None:
        write(dev, locked(entry()))
        dev["vllm-azureml:models"]["Qwen3-8B"] |= change
        with pytest.raises(pulumi.RunError, match=f"models.Qwen3-8B: {words}.*make lock STACK=dev"):
            run(dev, preview=preview, stack="dev")

    def test_another_commit_under_a_pinned_revision_stops_both(self, dev: dict[str, Any]) -> None:
        pinned = "f" * 40
        dev["vllm-azureml:models"]["Qwen3-8B"]["revision"] = pinned
        write(dev, locked(entry(f"Qwen/Qwen3-8B@{pinned}")))
        with pytest.raises(pulumi.RunError, match="pins commit"):
            run(dev, preview=True)

    def test_a_lock_that_is_none_stops_both(self, dev: dict[str, Any]) -> None:
        Path(dev["vllm-azureml:lock"]).write_text("<<<<<<< HEAD")
        with pytest.raises(pulumi.RunError, match=r"vllm-azureml:lock: .* is not JSON"):
            run(dev, preview=True)

    def test_a_missing_file_is_another_thing_than_an_empty_lock(self, tmp_path: Path) -> None:
        assert read_if_there(str(tmp_path / "none.json")) is None


class TestModelsThatTheContainerDownloads:
    R1 = "deepseek-ai/DeepSeek-R1-Distill-Llama-8B"

    def test_they_are_locked_for_sizing(self) -> None:
        (model,) = known.hub_models(load(config("r1")))
        assert (model.huggingface, model.revision) == (self.R1, "main")

    def test_the_page_sizes_them_and_says_that_nothing_pins_them(self) -> None:
        found = known.page(load(config("r1")), locked(entry(f"{self.R1}@main")), "r1")
        assert found.deployments[0].answer.estimate.verdict == "fits"
        assert found.deployments[0].startup.startup.loading == pytest.approx(
            16.38e9 / 1e8 + 16.38e9 / 2e8, 1e-2
        )
        assert any(f"add --revision {COMMIT} to VLLM_ARGS" in text for text in found.warnings)

    def test_a_revision_among_the_arguments_counts(self) -> None:
        values = config("r1")
        deployment(values)["environment_variables"]["VLLM_ARGS"] += f" --revision {COMMIT}"
        settings = load(values)
        assert known.hub_models(settings)[0].revision == COMMIT
        found = known.page(settings, locked(entry(f"{self.R1}@{COMMIT}")), "r1")
        assert not any("--revision" in text for text in found.warnings)

    def test_a_folder_is_no_repository(self) -> None:
        values = config("r1")
        deployment(values)["environment_variables"]["MODEL"] = "/models/inside-the-image"
        assert known.hub_models(load(values)) == []

    def test_an_up_does_not_insist_on_an_entry(self, tmp_path: Path) -> None:
        """Nothing is copied, so there is nothing that the lock could pin."""
        values = config("r1") | {"vllm-azureml:lock": str(tmp_path / "lock.json")}
        write(values, locked())
        run(values)


class TestAnswersOfAzure:
    def test_cores_left_are_the_dedicated_ones_of_the_subscription(self) -> None:
        def row(name: str, limit: int, used: int = 0, **more: Any) -> dict[str, Any]:
            kind = "Microsoft.MachineLearningServices/vmFamily/dedicatedCores/usages"
            return {"name": {"value": name}, "limit": limit, "currentValue": used, "type": kind} | more

        low = "Microsoft.MachineLearningServices/vmFamily/lowPriorityCores/usages"
        rows = [
            row("standardNCADSA100v4Family", 48, 24),
            row("standardNCADSA100v4Family", 100, type=low),
            row("standardNCADSA100v4Family", 10, amlWorkspaceLocation="westeurope"),
            row("standardNCadsH100v5Family", -1),
            row("standardNVADSA10v5Family", 12, 36),
        ]
        assert asked.cores_left(rows) == {"standardNCADSA100v4Family": 24, "standardNVADSA10v5Family": 0}

    def test_a_name_elsewhere_is_no_obstacle(self) -> None:
        rows = [
            {
                "id": "/a/onlineEndpoints/one",
                "name": "ws/one",
                "location": "westeurope",
                "type": asked.ENDPOINTS,
            },
            {"id": "/b/onlineEndpoints/two", "name": "ws/two", "location": "eastus", "type": asked.ENDPOINTS},
            {"id": "/c/three", "name": "three", "location": "westeurope", "type": "Microsoft.X/y"},
        ]
        assert asked.names_taken(rows, "West Europe") == {"one": "/a/onlineEndpoints/one"}

    def test_without_a_credential_it_says_so_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("ARM_SUBSCRIPTION_ID", raising=False)
        monkeypatch.setenv("PATH", "/nowhere")
        found = asked.ask(load(config("dev")), config("dev"))
        assert found.available is None
        assert found.checks[0]["answer"] is None
        assert "az login" in found.checks[0]["detail"]


class TestCommands:
    @pytest.fixture(autouse=True)
    def _in_a_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.delenv("ARM_SUBSCRIPTION_ID", raising=False)
        monkeypatch.setenv("PATH", "/nowhere")

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            (None, "there is no Pulumi.dev.yaml here"),
            ("config: [", "Pulumi.dev.yaml is not YAML"),
            ("- 1", "has no `config`"),
            ("config: {'vllm-azureml:endpoint': {}}", "vllm-azureml:endpoint"),
        ],
    )
    @pytest.mark.parametrize("command", [plan.main, lock_command])
    def test_a_stack_file_that_cannot_be_read(self, command, text, words, tmp_path: Path, capsys) -> None:
        if text is not None:
            (tmp_path / "Pulumi.dev.yaml").write_text(text)
        assert command(["dev"]) == 1
        assert words in capsys.readouterr().err

    @pytest.mark.parametrize("columns", ["80", "120"])
    @pytest.mark.parametrize("stack", ["dev", "r1", "local"])
    def test_the_page_of_every_stack(
        self, stack: str, columns: str, tmp_path: Path, monkeypatch, capsys
    ) -> None:
        (tmp_path / f"Pulumi.{stack}.yaml").write_text((ROOT / f"Pulumi.{stack}.yaml").read_text())
        monkeypatch.setenv("COLUMNS", columns)
        assert plan.main([stack]) == 0
        text = capsys.readouterr().out
        assert max(len(line) for line in text.splitlines()) <= int(columns)
        assert "not checked" in text
        assert f"make lock STACK={stack}" in " ".join(text.replace("│", " ").split())

    def test_a_corrupt_lock_is_an_error_and_no_page(self, tmp_path: Path, capsys) -> None:
        (tmp_path / "Pulumi.dev.yaml").write_text((ROOT / "Pulumi.dev.yaml").read_text())
        (tmp_path / "models.lock.json").write_text(json.dumps({"version": 7}))
        assert plan.main(["dev"]) == 1
        assert "make lock" in capsys.readouterr().err
