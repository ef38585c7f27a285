"""Well-known repositories through the command line's code: right layout, right size, no false "fits"."""

from __future__ import annotations

import json
import random
import shlex
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from repositories import EVERY, GPT_OSS, KNOWN, QUANTISED, REFUSED, VISION, Repository

from docs.sizing.observations import observations
from serving.fit import check, main
from serving.gpus import gpus
from serving.model_config import facts
from serving.vllm_args import arguments

VERDICTS = {"fits", "borderline", "no", "unknown"}
GIB = 1 << 30
NUMBERS = (
    "weights_gib",
    "activation_gib",
    "kv_gib",
    "kv_tokens",
    "max_concurrency",
    "max_model_len_that_fits",
)
named = {repository.name: repository for repository in EVERY}


def ask(
    repository: Repository, gpu: str = "H200 141GB", version: str | None = "0.32.0", **more: Any
) -> dict[str, Any]:
    return check(repository.config, repository.stored, gpu=gpu, version=version, **more).as_json()


def command(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("repository", KNOWN, ids=lambda r: r.name)
class TestKnown:
    def test_bytes_of_a_token(self, repository: Repository) -> None:
        found = ask(repository)
        assert found["verdict"] in VERDICTS - {"unknown"}, found["why"]
        if repository.per_token is not None:
            assert found["kv_bytes_per_token"] == repository.per_token

    def test_weights_follow_the_files(self, repository: Repository) -> None:
        stored = repository.stored / GIB
        stored /= 2 if repository.config.get("torch_dtype") == "float32" else 1
        most = 1.09 if "gpt-oss" in repository.name else 1.015  # padding of mxfp4
        assert stored <= ask(repository)["weights_gib"] * 1.0001 <= stored * most + 0.3

    def test_a_gpu_smaller_than_the_weights_is_no(self, repository: Repository) -> None:
        for name, gpu in gpus().items():
            found = ask(repository, name)
            if found["weights_gib"] and found["weights_gib"] > gpu.high_gib:
                assert found["verdict"] == "no"

    def test_a_fit_stays_one_with_more_room(self, repository: Repository) -> None:
        """Shorter requests, a smaller cache element: nothing turns a fit into less."""
        for gpu in ("A100 40GB", "A100 80GB", "H200 141GB"):
            found = ask(repository, gpu)
            if found["verdict"] == "fits":
                half = f"--max-model-len {found['max_model_len'] // 2}"
                assert ask(repository, gpu, vllm_args=half)["verdict"] == "fits"

    def test_the_length_it_says_fits_fits(self, repository: Repository) -> None:
        for gpu in ("L4 24GB", "A100 80GB", "H100 80GB"):
            length = ask(repository, gpu)["max_model_len_that_fits"]
            if length:
                found = ask(repository, gpu, vllm_args=f"--max-model-len {length}")
                assert found["verdict"] == "fits", found["why"]

    def test_a_fact_that_is_missing_is_no_fit(self, repository: Repository) -> None:
        nested = next((key for key in ("text_config", "llm_config") if key in repository.config), None)
        text = repository.config[nested] if nested else repository.config
        for key in text:
            if key not in DECISIVE or (key == "intermediate_size" and not facts(repository.config).dense):
                continue
            less = {name: value for name, value in text.items() if name != key}
            config = {**repository.config, nested: less} if nested else less
            if nested and "model_type" in text:
                continue  # its class has defaults, which transformers fills in
            found = ask(Repository("less", config, repository.gigabytes))
            assert found["verdict"] == "unknown", key
            assert found["weights_gib"] is None


DECISIVE = {
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_layers",
    "vocab_size",
    "num_experts_per_tok",
    "qk_rope_head_dim",
    "ffn_dim",
    "n_embd",
    "n_layer",
    "moe_k",
}


@pytest.mark.parametrize("repository", REFUSED, ids=lambda r: r.name)
def test_what_is_not_modelled_gets_no_number(repository: Repository) -> None:
    found = ask(repository)
    assert found["verdict"] == "unknown"
    assert found["why"]
    assert [found[name] for name in NUMBERS] == [None] * len(NUMBERS)


class TestVersions:
    """What memory alone would call a fit and what does not start all the same."""

    @pytest.mark.parametrize(
        ("name", "gpu", "version", "args", "verdict", "words"),
        [
            ("qwen2.5-7b", "A100 80GB", "0.32.0", "--quantization awq", "no", "not quantised"),
            ("qwen2.5-7b-awq", "A100 80GB", "0.32.0", "--quantization gptq", "no", "does not go with"),
            ("qwen2.5-7b-awq", "A100 80GB", "0.32.0", "--quantization awq_marlin", "fits", ""),
            ("qwen2.5-7b", "A100 80GB", "0.32.0", "--quantization bitsandbytes", "no", "has no quantisation"),
            ("qwen2.5-7b", "A100 80GB", "0.11.0", "--quantization bitsandbytes", "fits", ""),
            ("qwen2.5-7b", "A100 80GB", None, "--quantization bitsandbytes", "borderline", "recent versions"),
            ("qwen2.5-7b", "A100 80GB", "0.32.0", "--quantization mxfp8", "unknown", "not modelled"),
            ("llama-3-8b", "V100 32GB", "0.32.0", "--dtype half", "no", "7.5"),
            ("llama-3-8b", "V100 32GB", "0.10.0", "--dtype half", "borderline", "every vLLM image"),
            ("llama-3-8b", "V100 32GB", "0.8.5", "--dtype half --enforce-eager", "fits", ""),
            ("gpt-oss-20b", "T4 16GB", "0.32.0", "", "no", "no kernels for mxfp4"),
            ("gpt-oss-20b", "H100 80GB", "0.9.2", "--max-model-len auto", "borderline", "came with"),
            ("gpt-oss-20b", "H100 80GB", "0.9.2", "", "borderline", "came with vLLM 0.10.1"),
            ("llama-3.1-8b-fp8", "T4 16GB", "0.11.0", "--max-model-len 2048", "borderline", "0.32 only"),
            ("qwen2.5-7b", "A100 80GB", "0.32.0", "--num-gpu-blocks-override 10", "unknown", "by hand"),
            ("qwen2.5-7b", "A100 80GB", "0.32.0", "--runner pooling", "unknown", "generating text"),
            ("qwen2.5-7b", "A100 80GB", "0.32.0", "--runner generate", "fits", ""),
            ("qwen2.5-7b", "A100 80GB", "0.40.0", "", "fits", ""),
        ],
    )
    def test_what_starts_where(self, name, gpu, version, args, verdict, words) -> None:
        found = ask(named[name], gpu, version, vllm_args=args)
        assert found["verdict"] == verdict, found["why"]
        assert words in found["why"]

    def test_a_newer_version_than_was_read_is_said(self) -> None:
        assert "newer than what" in " ".join(ask(named["qwen2.5-7b"], version="0.40.0")["warnings"])

    def test_an_architecture_that_vllm_dropped(self) -> None:
        config = {**named["qwen3-30b-a3b"].config, "architectures": ["Dots1ForCausalLM"]}
        dots = Repository("dots", config, 61.06)
        assert "the last that had it is 0.23.0" in ask(dots)["why"]
        assert ask(dots, version=None)["verdict"] == "borderline"
        assert ask(dots, version="0.18.0", vllm_args="--enforce-eager")["verdict"] == "fits"

    def test_quantising_while_loading_needed_room_for_all_of_it(self) -> None:
        big = named["phi-4"]
        args = "--quantization fp8 --max-model-len 4096 --enforce-eager"
        assert ask(big, "L4 24GB", "0.32.0", vllm_args=args)["verdict"] == "fits"
        assert "before they" in ask(big, "L4 24GB", "0.11.0", vllm_args=args)["why"]


class TestParallel:
    def test_key_and_value_heads_that_do_not_divide(self) -> None:
        found = ask(named["qwen2.5-7b"], gpus=8, vllm_args="-tp 7")
        assert (found["verdict"], "key and value heads" in found["why"]) == ("no", True)

    def test_more_stages_than_layers(self) -> None:
        found = ask(named["qwen2.5-7b"], vllm_args="-pp 29")
        assert (found["verdict"], "29 is more stages" in found["why"]) == ("no", True)

    @pytest.mark.parametrize(("name", "tp"), [("qwen3-30b-a3b-fp8", 4), ("qwen2.5-7b-awq", 4)])
    def test_a_quantisation_group_that_is_cut_is_a_doubt(self, name: str, tp: int) -> None:
        config = named[name].config
        if name == "qwen2.5-7b-awq":  # as the 72B model has it: 29568 columns over 8 GPUs
            config = {**config, "intermediate_size": 18944 + 128}
        found = ask(Repository(name, config, named[name].gigabytes), gpus=4, vllm_args=f"-tp {tp}")
        assert (found["verdict"], "no multiple of the quantisation's 128" in found["why"]) == (
            "borderline",
            True,
        )

    def test_whole_experts_are_not_cut(self) -> None:
        found = ask(named["qwen3-30b-a3b-fp8"], gpus=4, vllm_args="-tp 4 --enable-expert-parallel")
        assert "no multiple" not in found["why"]


class TestCommandLine:
    @pytest.mark.parametrize("row", observations(), ids=lambda row: row.id)
    def test_every_observation(self, row, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """As somebody asks who has the data's names only; the same answer as the accuracy table's."""
        path = tmp_path / "config.json"
        path.write_text(json.dumps(row.config))
        words = ["--config", str(path), "--weights-bytes", str(row.stored), "--gpu", row.raw["gpu"]]
        words += ["--gpus", str(row.raw["gpus"]), "--vllm-args", shlex.join(row.arguments)]
        words += ["--vllm-version", row.raw["vllm_version"]] if row.raw["vllm_version"] else []
        found = command(capsys, *words)
        assert found == json.loads(json.dumps(row.estimate().as_json()))
        if not row.started:
            assert found["verdict"] in {"no", "borderline"}

    @pytest.mark.parametrize(
        ("change", "verdict", "words"),
        [
            ({"--weights-bytes": "-5"}, "unknown", "-5 bytes"),
            ({"--weights-bytes": "0"}, "unknown", "0 bytes"),
            ({"--weights-bytes": "16e9"}, "unknown", "whole number"),
            ({"--weights-bytes": ""}, "unknown", "whole number"),
            ({"--weights-bytes": "9" * 30}, "unknown", "do not go with"),
            ({"--gpus": "0"}, "unknown", "at least one"),
            ({"--gpus": "-1"}, "unknown", "at least one"),
            ({"--gpus": "two"}, "unknown", "whole number"),
            ({"--gpu": "A100 81GB"}, "unknown", "Known: A100 80GB"),
            ({"--sku": "Standard_NC24ads_A100_v9"}, "unknown", "Offered: Standard_NC24ads_A100_v4"),
            ({"--sku": "Standard_NC4as_T4_v3"}, "unknown", "not both"),
            ({"--sku": "Standard_NC24ads_A100_v4"}, "fits", "one request"),
            ({"--sku": "Standard_NC24ads_A100_v4", "--gpus": "2"}, "unknown", "leave --gpus out"),
            ({"--vllm-version": "nonsense"}, "fits", "one request"),
            ({"--vllm-args": "--block-size 0"}, "no", "at least 1"),
            ({"--vllm-args": "--max-model-len -5"}, "no", "at least 1"),
            ({"--vllm-args": "--max-model-len infk"}, "no", "whole number"),
            ({"--vllm-args": "--max-num-batched-tokens 0"}, "no", "at least 1"),
            ({"--vllm-args": "--kv-cache-memory-bytes -5"}, "no", "at least 1"),
        ],
    )
    def test_what_a_person_may_get_wrong(
        self,
        change: dict[str, str],
        verdict: str,
        words: str,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        path = tmp_path / "config.json"
        path.write_text(json.dumps(named["llama-3-8b"].config))
        asked = {"--config": str(path), "--weights-bytes": "16060000000", "--gpu": "A100 80GB", **change}
        found = command(capsys, *(f"{name}={value}" for name, value in asked.items()))
        assert found["verdict"] == verdict
        assert words in found["why"]

    @pytest.mark.parametrize(
        "text", ["", "{", "null", "[]", '"x"', "7", '{"a": NaN}', "\x00", '{"architectures": {}}']
    )
    def test_a_file_that_is_no_configuration(
        self, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = tmp_path / "config.json"
        path.write_text(text)
        found = command(capsys, "--config", str(path), "--weights-bytes", "1000", "--gpu", "A100 80GB")
        assert found["verdict"] == "unknown"
        assert found["why"]


VALUES = st.one_of(
    st.integers(-3, 2**33).map(str),
    st.floats(allow_nan=True).map(str),
    st.sampled_from(
        ["auto", "32k", "1.5k", "infk", "fp8", "true", "{}", '{"a": 1}', "", "half", "1", "2", "8"]
    ),
    st.text(max_size=6),
)
FLAGS = st.sampled_from(sorted(flag for argument in arguments("0.32.0").values() for flag in argument.flags))
GONE = st.sampled_from([None, 0, -1, 1, 3, 2**39, 1.5, "7", "", [], {}, True, [1], {"a": 1}])


class TestAnything:
    """Random damage: an answer every time, and no fit where a fact is gone."""

    @settings(max_examples=300, deadline=None)
    @given(
        st.lists(st.tuples(FLAGS, VALUES, st.booleans()), max_size=4),
        st.sampled_from(["0.32.0", "0.11.0", "0.6.4", None, "x"]),
    )
    def test_arguments(self, pairs: list[tuple[str, str, bool]], version: str | None) -> None:
        words = [
            word
            for flag, value, joined in pairs
            for word in ([f"{flag}={value}"] if joined else [flag, value])
        ]
        found = ask(named["llama-3-8b"], "A100 80GB", version, vllm_args=words)
        assert found["verdict"] in VERDICTS
        json.dumps(found, allow_nan=False)

    @settings(max_examples=400, deadline=None)
    @given(st.sampled_from(KNOWN), st.integers(0, 2**32), GONE, st.sampled_from(sorted(gpus())))
    def test_configurations(self, repository: Repository, seed: int, value: Any, gpu: str) -> None:
        config = json.loads(json.dumps(repository.config))
        spot, key = random.Random(seed).choice(_spots(config))
        spot[key] = value
        found = ask(Repository("damaged", config, repository.gigabytes), gpu)
        assert found["verdict"] in VERDICTS
        json.dumps(found, allow_nan=False)
        if found["weights_gib"] and found["verdict"] == "fits":
            # A fit has the files' bytes on the GPU: halved (float32), less an embedding that is stored twice.
            assert found["weights_gib"] >= repository.stored / GIB / 2.6
            assert found["kv_gib"] >= found["kv_needed_gib"]

    @settings(max_examples=100, deadline=None)
    @given(st.sampled_from(KNOWN), st.integers(-(2**70), 2**70))
    def test_sizes(self, repository: Repository, size: int) -> None:
        found = check(repository.config, size, gpu="H100 80GB", version="0.32.0").as_json()
        assert found["verdict"] in VERDICTS
        if size <= 0 or size < repository.stored / 4:
            assert found["verdict"] == "unknown"


def _spots(config: Any) -> list[tuple[Any, Any]]:
    """Every place in a configuration where a value could be another one."""
    pairs = config.items() if isinstance(config, dict) else enumerate(config)
    here = [(config, key) for key, _ in pairs]
    inner = list(config.values() if isinstance(config, dict) else config)
    return here + [spot for value in inner if isinstance(value, dict | list) for spot in _spots(value)]


def test_every_kind_is_there() -> None:
    assert len(KNOWN) > 50
    assert {"mxfp4", "awq", "gptq", "fp8", "compressed-tensors", "modelopt"} == {
        r.config["quantization_config"]["quant_method"] for r in QUANTISED
    }
    assert len(VISION) >= 4
    assert GPT_OSS["sliding_window"] == 128
