"""The answer as a whole: the public shape, the verdicts, the advice, and bad input that stays an answer."""

import json
import subprocess
import sys

import pytest
from configs import (
    DEEPSEEK_LITE,
    DEEPSEEK_LITE_BYTES,
    GEMMA3_1B,
    GEMMA3_1B_BYTES,
    GPT_OSS_20B,
    GPT_OSS_20B_BYTES,
    LLAMA_8B,
    LLAMA_8B_BYTES,
    QWEN3_8B,
    QWEN3_8B_BYTES,
    QWEN3_VL,
    QWEN3_VL_BYTES,
    SMOLLM2,
    SMOLLM2_BYTES,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.advice import cheapest_sku
from serving.config_facts import KEPT
from serving.estimate import make_case
from serving.fit import check, main
from serving.gpus import find_gpu
from serving.model_config import facts
from serving.vllm_args import parse

ODD = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2**40) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)
NUMBERS = (
    "weights_gib",
    "activation_gib",
    "kv_gib",
    "kv_tokens",
    "max_concurrency",
    "max_model_len_that_fits",
    "margin_gib",
)


def ask(config=QWEN3_8B, size=QWEN3_8B_BYTES, *, gpu="A100 80GB", version="0.32.0", **more):
    return check(config, size, gpu=None if "sku" in more else gpu, version=version, **more)


class TestShape:
    def test_the_command_line_prints_the_promised_object(self, tmp_path) -> None:
        config = tmp_path / "config.json"
        config.write_text(json.dumps(QWEN3_8B))
        words = [
            "--config",
            str(config),
            "--weights-bytes",
            str(QWEN3_8B_BYTES),
            "--gpu",
            "A100 80GB",
            "--json",
        ]
        words += ["--vllm-args", "--max-model-len 32K --kv-cache-dtype fp8", "--vllm-version", "v0.32.0"]
        run = subprocess.run(
            [sys.executable, "-m", "serving.fit", *words], capture_output=True, text=True, check=True
        )
        found = json.loads(run.stdout)
        assert found["verdict"] == "fits"
        assert found["max_model_len"] == 32768
        assert found["kv_bytes_per_token"] == 36 * 2 * 8 * 128
        assert found["weights_gib"] == pytest.approx(15.27, abs=0.02)
        assert isinstance(found["why"], str)
        for name in (*NUMBERS, "kv_bytes_per_token"):
            assert isinstance(found[name], int | float)

    def test_a_person_gets_a_table(self, tmp_path, capsys) -> None:
        config = tmp_path / "config.json"
        config.write_text(json.dumps(QWEN3_8B))
        size = str(QWEN3_8B_BYTES)
        assert main(["--config", str(config), "--weights-bytes", size, "--sku", "Standard_NC4as_T4_v3"]) == 0
        shown = capsys.readouterr().out
        assert "no on T4 16GB" in shown
        assert "KV cache, tokens" in shown
        assert "SKU that fits: Standard_N" in shown

    def test_the_parts_add_up_to_the_budget(self) -> None:
        found = ask().estimate
        parts = (
            found.weights_gib,
            found.activation_gib,
            found.non_torch_gib,
            found.cudagraph_gib,
            found.kv_gib,
        )
        assert sum(parts) == pytest.approx(found.budget_gib)


class TestVerdict:
    @pytest.mark.parametrize(
        ("config", "size", "gpu", "args", "verdict"),
        [
            (QWEN3_8B, QWEN3_8B_BYTES, "A100 80GB", "", "fits"),
            (QWEN3_8B, QWEN3_8B_BYTES, "T4 16GB", "--dtype half", "no"),
            (QWEN3_8B, QWEN3_8B_BYTES, "A10 24GB", "", "no"),
            (QWEN3_8B, QWEN3_8B_BYTES, "A10 24GB", "--max-model-len 8192", "fits"),
            (QWEN3_8B, QWEN3_8B_BYTES, "A100 80GB", "--gpu-memory-utilization 0.29", "borderline"),
            (SMOLLM2, SMOLLM2_BYTES, "T4 16GB", "--dtype half", "fits"),
            (DEEPSEEK_LITE, DEEPSEEK_LITE_BYTES, "A100 80GB", "", "fits"),
            (DEEPSEEK_LITE, DEEPSEEK_LITE_BYTES, "L40S 48GB", "", "fits"),
            (GEMMA3_1B, GEMMA3_1B_BYTES, "L4 24GB", "", "fits"),
            (GPT_OSS_20B, GPT_OSS_20B_BYTES, "A10 24GB", "", "fits"),
            (QWEN3_VL, QWEN3_VL_BYTES, "H100 NVL 94GB", "--max-model-len 8192", "fits"),
            (QWEN3_VL, QWEN3_VL_BYTES, "H100 NVL 94GB", "", "no"),
        ],
    )
    def test_known_cases(self, config, size, gpu, args, verdict) -> None:
        assert ask(config, size, gpu=gpu, vllm_args=args).estimate.verdict == verdict

    def test_graphs_outside_the_budget_are_a_doubt_before_020(self) -> None:
        tight = "--gpu-memory-utilization 0.98 --max-model-len 4096"
        answer = ask(gpu="A100 40GB", version="0.9.2", vllm_args=tight)
        assert answer.estimate.verdict == "borderline"
        assert "CUDA graphs" in answer.estimate.why[0]
        eager = ask(gpu="A100 40GB", version="0.9.2", vllm_args=tight + " --enforce-eager").estimate
        assert eager.verdict == "fits"

    def test_an_unknown_version_must_hold_under_both_accountings(self) -> None:
        known, unknown = ask(version="0.11.0").estimate, ask(version=None).estimate
        assert unknown.kv_gib == known.kv_gib
        assert "not given" in " ".join(unknown.warnings)

    def test_tensor_parallelism_beyond_the_gpus_is_refused(self) -> None:
        answer = ask(sku="Standard_NC24ads_A100_v4", vllm_args="--tensor-parallel-size 2")
        assert answer.estimate.verdict == "no"
        assert "need 2 GPUs and the instance has 1" in answer.estimate.why[0]

    def test_tensor_parallelism_that_does_not_divide_the_heads_is_refused(self) -> None:
        answer = ask(SMOLLM2, SMOLLM2_BYTES, gpus=2, vllm_args="-tp 2")
        assert "does not divide the model's 9 attention heads" in answer.estimate.why[0]

    def test_bad_arguments_are_a_no_with_every_reason(self) -> None:
        answer = ask(vllm_args="--max-modle-len 4096 --model x --port 9000")
        assert answer.estimate.verdict == "no"
        assert len(answer.estimate.why) == 3

    @pytest.mark.parametrize(
        "args",
        [
            "--speculative-config.method ngram",
            "--enable-lora",
            "--cpu-offload-gb 10",
            "--kv-cache-dtype nvfp4",
        ],
    )
    def test_what_is_not_modelled_is_unknown(self, args) -> None:
        found = ask(vllm_args=args).estimate
        assert (found.verdict, found.kv_gib) == ("unknown", None)


class TestMechanisms:
    def test_a_tied_embedding_stored_twice_counts_once(self) -> None:
        once = ask(SMOLLM2, SMOLLM2_BYTES).estimate.weights_gib
        twice = ask(SMOLLM2, SMOLLM2_BYTES + 49152 * 576 * 2).estimate.weights_gib
        assert twice == pytest.approx(once, rel=1e-6)

    def test_float32_files_are_served_with_16_bits(self) -> None:
        config = {**SMOLLM2, "torch_dtype": "float32"}
        assert ask(config, 2 * SMOLLM2_BYTES).estimate.weights_gib == pytest.approx(0.25, abs=0.01)
        full = ask(config, 2 * SMOLLM2_BYTES, vllm_args="--dtype float32").estimate
        assert full.weights_gib == pytest.approx(0.5, abs=0.01)
        assert full.kv_bytes_per_token == 2 * 23040

    def test_weights_are_divided_by_both_parallel_sizes(self) -> None:
        two = ask(gpus=2, vllm_args="-tp 2").estimate
        assert two.weights_gib == pytest.approx(15.26 / 2, rel=0.01)
        staged = ask(gpus=2, vllm_args="-pp 2").estimate
        # The head or the embedding comes on top of half the layers.
        assert 15.26 / 2 < staged.weights_gib < 15.26 / 2 + 0.1
        assert staged.kv_bytes_per_token == two.kv_bytes_per_token

    def test_mxfp4_is_padded_more_without_hopper(self) -> None:
        hopper = ask(GPT_OSS_20B, GPT_OSS_20B_BYTES, gpu="H100 80GB").estimate.weights_gib
        ampere = ask(GPT_OSS_20B, GPT_OSS_20B_BYTES).estimate.weights_gib
        stored = GPT_OSS_20B_BYTES / 2**30
        assert 1.04 < hopper / stored < 1.06 < ampere / stored < 1.09

    def test_quantisation_while_loading(self) -> None:
        found = ask(vllm_args="--quantization fp8").estimate
        assert 8 < found.weights_gib < 9
        assert "quantised to fp8 while loading" in found.warnings

    def test_defaults_by_gpu(self) -> None:
        small, large = ask().estimate, ask(gpu="H100 80GB").estimate
        assert (small.max_num_seqs, small.max_num_batched_tokens) == (256, 2048)
        assert (large.max_num_seqs, large.max_num_batched_tokens) == (1024, 8192)
        assert large.utilisation == 0.92
        assert ask(version="0.11.0").estimate.utilisation == 0.90

    def test_chunked_prefill_in_06_sampled_nothing(self) -> None:
        # Llama-3.1-8B, 35000 tokens: 15.05 GiB at the peak, 14.99 of it weights (vLLM issue 10517).
        args = "--max-model-len 35000 --gpu-memory-utilization 0.9"
        where = {"gpu": "RTX 3090 24GB", "version": "0.6.4"}
        found = ask(LLAMA_8B, LLAMA_8B_BYTES, **where, vllm_args=args).estimate
        assert found.max_num_batched_tokens == 512
        assert found.activation_gib < 0.1

    def test_the_forward_pass_of_a_long_batch(self) -> None:
        # The same with 40000 tokens at once on two V100: 2.53 GiB (vLLM issue 11251).
        args = "--max-model-len 40000 --max-num-batched-tokens 40000 -tp 2 --gpu-memory-utilization 0.95"
        where = {"gpu": "V100 16GB", "version": "0.6.4"}
        found = ask(LLAMA_8B, LLAMA_8B_BYTES, **where, vllm_args=args).estimate
        assert found.activation_gib == pytest.approx(2.53, rel=0.01)
        assert found.weights_gib == pytest.approx(7.51, rel=0.01)

    def test_a_short_length_bounds_the_batch(self) -> None:
        found = ask(gpu="H100 80GB", vllm_args="--max-model-len 16 --max-num-seqs 4").estimate
        assert found.max_num_batched_tokens == 64


class TestAdvice:
    def test_the_length_that_fits_fits(self) -> None:
        answer = ask(gpu="A10 24GB")
        length = answer.advice.max_model_len
        assert 256 < length < 40960
        again = ask(gpu="A10 24GB", vllm_args=f"--max-model-len {length}").estimate
        assert again.verdict == "fits"
        more = ask(gpu="A10 24GB", vllm_args=f"--max-model-len {length + 64}").estimate
        assert more.verdict != "fits"

    def test_the_tensor_parallel_size(self) -> None:
        answer = check(QWEN3_8B, QWEN3_8B_BYTES, sku="Standard_NV72ads_A10_v5", version="0.32.0")
        assert answer.estimate.verdict == "no"
        assert answer.advice.tensor_parallel_size == 2

    def test_the_cheapest_sku_needs_prices(self) -> None:
        prices = {
            "Standard_NC24ads_A100_v4": 4.0,
            "Standard_NV72ads_A10_v5": 7.0,
            "Standard_NC64as_T4_v3": 5.0,
        }
        answer = ask(gpu="A10 24GB", prices=prices)
        assert answer.advice.sku.sku.name == "Standard_NC24ads_A100_v4"
        assert answer.advice.by_price
        offered = ask(gpu="A10 24GB", prices=prices, offered=["standard_nv72ads_a10_v5"])
        assert offered.advice.sku.sku.name == "Standard_NV72ads_A10_v5"

    def test_a_retired_sku_is_not_advised(self) -> None:
        prices = {"Standard_NC6s_v3": 0.1, "Standard_NC4as_T4_v3": 0.5}
        case = make_case(facts(SMOLLM2), SMOLLM2_BYTES, find_gpu("T4 16GB"), parse(""), version="0.32.0")
        assert cheapest_sku(case, prices=prices).sku.name == "Standard_NC4as_T4_v3"

    def test_nothing_helps_a_model_larger_than_every_sku(self) -> None:
        big = {**QWEN3_8B, "hidden_size": 65536, "intermediate_size": 262144, "num_attention_heads": 512}
        answer = ask(big, 4_200_000_000_000)
        assert answer.estimate.verdict == "no"
        assert (answer.advice.max_model_len, answer.advice.sku) == (None, None)


class TestBadInput:
    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ('{"hidden_size": 4096', "not valid JSON"),
            ("[]", "not a JSON object"),
            ("{}", "no hidden_size"),
            ('{"architectures": ["SomethingNewForCausalLM"], "hidden_size": 1}', "SomethingNewForCausalLM"),
            ('{"architectures": ["Qwen3NextForCausalLM"], "hidden_size": 1}', "linear attention"),
            ('{"architectures": "Llama", "hidden_size": 1}', "not a list"),
        ],
    )
    def test_a_configuration_that_says_too_little(self, tmp_path, text, words) -> None:
        path = tmp_path / "config.json"
        path.write_text(text)
        found = check(path, QWEN3_8B_BYTES, gpu="A100 80GB").as_json()
        assert found["verdict"] == "unknown"
        assert words in found["why"]
        assert all(found[name] is None for name in NUMBERS)

    @pytest.mark.parametrize(
        "name", ["hidden_size", "num_hidden_layers", "vocab_size", "num_key_value_heads"]
    )
    @pytest.mark.parametrize("value", [None, -1, 0, "32", 1.5, True, [], 10**12])
    def test_a_fact_that_is_no_number(self, name, value) -> None:
        found = ask({**QWEN3_8B, name: value}).as_json()
        if name == "num_key_value_heads" and value is None:
            assert found["kv_bytes_per_token"] == 36 * 2 * 32 * 128 * 2  # then every query head has its own
        else:
            assert found["verdict"] == "unknown"
            assert all(found[n] is None for n in NUMBERS)

    def test_a_file_that_is_not_there(self, tmp_path) -> None:
        assert "cannot be read" in check(tmp_path / "no.json", 1, gpu="A100 80GB").as_json()["why"]

    @pytest.mark.parametrize("size", [0, -5, 16_381, QWEN3_8B_BYTES // 4, QWEN3_8B_BYTES * 8])
    def test_sizes_that_are_another_models(self, size) -> None:
        found = ask(size=size).as_json()
        assert found["verdict"] == "unknown"
        assert found["kv_bytes_per_token"] == 147456  # the layout needs no sizes
        assert all(found[name] is None for name in NUMBERS)

    def test_hardware_that_is_in_no_table(self) -> None:
        found = ask(gpu="B200 192GB").as_json()
        assert found["verdict"] == "unknown"
        assert "A100 80GB" in found["why"]
        assert "Standard_NC24ads_A100_v4" in check(QWEN3_8B, 1, sku="Standard_NC25ads").as_json()["why"]
        assert "a sixth" in check(QWEN3_8B, 1, sku="Standard_NV6ads_A10_v5").as_json()["why"]

    @pytest.mark.parametrize(
        "change",
        [
            {"layer_types": ["full_attention", "linear_attention"] * 18},
            {"layer_types": ["full_attention"] * 3},
            {"mamba_d_state": 128},
            {"index_topk": 2048},
            {"kv_lora_rank": 512},
        ],
    )
    def test_layers_that_are_not_modelled(self, change) -> None:
        assert ask({**QWEN3_8B, **change}).estimate.verdict == "unknown"

    @settings(max_examples=150, deadline=None)
    @given(
        st.dictionaries(
            st.sampled_from(sorted(KEPT | {"quantization_config", "text_config"})), ODD, max_size=4
        )
    )
    def test_no_configuration_makes_it_fall_over(self, change) -> None:
        found = ask({**QWEN3_8B, **change}).as_json()
        assert found["verdict"] in {"fits", "borderline", "no", "unknown"}
        json.dumps(found, allow_nan=False)

    def test_a_length_nobody_knows_is_no_fit(self) -> None:
        config = {name: value for name, value in QWEN3_8B.items() if name != "max_position_embeddings"}
        found = ask(config).estimate
        assert found.verdict == "borderline"
        assert "length is unknown" in found.why[0]
        assert found.max_concurrency is None
