"""What is read from config.json where repositories differ: nesting, lengths, windows, quantisation."""

import pytest
from configs import DEEPSEEK_LITE, GEMMA3_1B, QWEN3_8B, QWEN3_VL

from serving.errors import UnknownModelError
from serving.fit import check
from serving.model_config import Layer, facts
from serving.parameters import count_parameters
from serving.versions import behaviour

# As google/gemma-3-4b-it has it: the nested part leaves out what equals transformers' defaults.
GEMMA3_4B = {
    "architectures": ["Gemma3ForConditionalGeneration"],
    "model_type": "gemma3",
    "text_config": {
        "hidden_size": 2560,
        "intermediate_size": 10240,
        "model_type": "gemma3_text",
        "num_hidden_layers": 34,
        "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
        "sliding_window": 1024,
    },
    "torch_dtype": "bfloat16",
    "vision_config": {"hidden_size": 1152},
}
# As llava-hf/llava-v1.6-mistral-7b-hf has it.
LLAVA = {
    "architectures": ["LlavaNextForConditionalGeneration"],
    "text_config": {
        "intermediate_size": 14336,
        "max_position_embeddings": 32768,
        "model_type": "mistral",
        "num_key_value_heads": 8,
        "sliding_window": None,
        "vocab_size": 32064,
    },
    "tie_word_embeddings": False,
    "torch_dtype": "float16",
    "vision_config": {"hidden_size": 1024},
}


class TestNesting:
    def test_what_a_nested_model_leaves_out_is_its_class_default(self) -> None:
        found = facts(GEMMA3_4B)
        assert (found.heads, found.kv_heads, found.head_dim, found.vocab) == (8, 4, 256, 262208)
        assert found.tied
        assert found.multimodal
        assert sum(layer == Layer("full") for layer in found.layers) == 5

    def test_a_null_is_a_statement_and_no_default(self) -> None:
        found = facts(LLAVA)
        assert set(found.layers) == {Layer("full")}
        assert (found.hidden, len(found.layers), found.head_dim) == (4096, 32, 128)

    def test_a_configuration_of_its_own_gets_no_defaults(self) -> None:
        with pytest.raises(UnknownModelError, match="hidden_size"):
            facts({"architectures": ["MistralForCausalLM"], "model_type": "mistral", "vocab_size": 32000})

    def test_values_beside_the_nested_model_count(self) -> None:
        assert facts({**QWEN3_VL, "tie_word_embeddings": True}).tied
        assert facts(QWEN3_VL).multi_rope


class TestLength:
    @pytest.mark.parametrize(
        ("scaling", "default", "most"),
        [
            (None, 40960, 40960),
            ({"rope_type": "llama3", "factor": 8.0}, 40960, 40960),
            ({"rope_type": "linear", "factor": 4.0}, 163840, 163840),
            ({"type": "dynamic", "factor": 2.0}, 81920, 81920),
            ({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}, 40960, 131072),
            ({"full_attention": {"rope_type": "linear", "factor": 2.0}}, 81920, 81920),
            ({"mrope_section": [16, 24, 24], "type": "mrope"}, 40960, 40960),
        ],
    )
    def test_rope_scaling(self, scaling, default, most) -> None:
        lengths = facts({**QWEN3_8B, "rope_scaling": scaling}).lengths
        assert (lengths.default(behaviour("0.32.0")), lengths.most(behaviour(None))) == (default, most)

    def test_yarn_by_version(self) -> None:
        scaling = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}
        lengths = facts({**QWEN3_8B, "rope_scaling": scaling}).lengths
        assert [lengths.default(behaviour(v)) for v in ("0.28.0", "0.31.0")] == [131072, 40960]
        assert lengths.most(behaviour("0.31.0")) == 40960

    def test_longrope_starts_short_unless_told(self) -> None:
        config = {
            **QWEN3_8B,
            "max_position_embeddings": 131072,
            "original_max_position_embeddings": 4096,
            "rope_scaling": {"type": "longrope", "long_factor": [1.0]},
        }

        def length(version, args="") -> int:
            answer = check(config, 16_381_470_720, gpu="A100 80GB", version=version, vllm_args=args)
            return answer.estimate.max_model_len

        assert length("0.32.0") == 4096
        assert length("0.32.0", "--max-model-len 131072") == 131072
        assert length("0.8.5") == 131072

    def test_gemma3_states_the_scaled_length(self) -> None:
        assert facts(GEMMA3_4B).lengths.default(behaviour(None)) == 131072

    def test_a_length_the_model_does_not_have_is_refused(self) -> None:
        found = check(QWEN3_8B, 16_381_470_720, gpu="A100 80GB", vllm_args="--max-model-len 65536").estimate
        assert found.verdict == "no"
        assert "more than the model's 40960 tokens" in found.why[0]

    def test_auto_lowers_the_length(self) -> None:
        found = check(QWEN3_8B, 16_381_470_720, gpu="A10 24GB", vllm_args="--max-model-len auto").estimate
        assert found.verdict == "fits"
        assert "lowers the length" in found.why[0]
        none = check(QWEN3_8B, 16_381_470_720, gpu="T4 16GB", vllm_args="--max-model-len auto").estimate
        assert none.verdict == "no"


class TestLayers:
    def test_windows_by_pattern(self) -> None:
        kinds = [layer.kind for layer in facts(GEMMA3_1B).layers]
        assert kinds[:6] == ["sliding"] * 5 + ["full"]
        assert kinds.count("full") == 4

    def test_the_short_form_of_the_same(self) -> None:
        words = {**GEMMA3_1B, "layer_types": "5 sliding : 1 full (22+4)"}
        kinds = [layer.kind for layer in facts(words).layers]
        assert (kinds.count("sliding"), kinds.count("full")) == (22, 4)
        with pytest.raises(UnknownModelError, match="26 layers"):
            facts({**GEMMA3_1B, "layer_types": "(20+4)"})

    def test_a_window_that_is_switched_off(self) -> None:
        config = {**QWEN3_8B, "sliding_window": 4096}
        assert set(facts({**config, "use_sliding_window": False}).layers) == {Layer("full")}
        assert set(facts(config).layers) == {Layer("full")}  # Qwen's classes want to be told
        told = {**config, "use_sliding_window": True}
        assert set(facts({**told, "max_window_layers": 0}).layers) == {Layer("sliding", 4096)}
        assert set(facts({**told, "max_window_layers": 36}).layers) == {Layer("full")}
        with pytest.raises(UnknownModelError, match="some of the layers"):
            facts({**told, "max_window_layers": 28})
        mistral = {**config, "architectures": ["MistralForCausalLM"]}
        assert set(facts(mistral).layers) == {Layer("sliding", 4096)}

    def test_chunked_attention(self) -> None:
        found = facts({**QWEN3_8B, "attention_chunk_size": 8192}).layers
        assert [layer.kind for layer in found[:4]] == ["chunked"] * 3 + ["full"]
        marks = facts({**QWEN3_8B, "attention_chunk_size": 8192, "no_rope_layers": [1, 0] * 18}).layers
        assert [layer.kind for layer in marks[:2]] == ["chunked", "full"]


class TestQuantisation:
    @pytest.mark.parametrize(
        ("config", "method", "bits"),
        [
            ({"quant_method": "awq", "bits": 4}, "awq", 4),
            ({"quant_method": "gptq", "bits": 8}, "gptq", 8),
            ({"quant_method": "fp8"}, "fp8", 8),
            ({"quant_method": "mxfp4"}, "mxfp4", 4.25),
            ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "bitsandbytes", 4),
            ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "bitsandbytes", 8),
            ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, "modelopt", 4.5),
            (
                {"quant_method": "compressed-tensors", "config_groups": {"g": {"weights": {"num_bits": 8}}}},
                "compressed-tensors",
                8,
            ),
            ({"quant_method": "something_new"}, "something_new", None),
        ],
    )
    def test_methods(self, config, method, bits) -> None:
        found = facts({**QWEN3_8B, "quantization_config": config}).quantization
        assert (found.method, found.bits) == (method, bits)

    def test_a_checkpoint_with_an_fp8_cache(self) -> None:
        config = {"quant_method": "modelopt", "quant_algo": "FP8", "kv_cache_quant_algo": "FP8"}
        assert facts({**QWEN3_8B, "quantization_config": config}).kv_cache_fp8

    def test_an_odd_one_is_unknown(self) -> None:
        with pytest.raises(UnknownModelError):
            facts({**QWEN3_8B, "quantization_config": "fp8"})


@pytest.mark.parametrize(
    ("config", "billions"),
    [(QWEN3_8B, 8.19), (DEEPSEEK_LITE, 15.7), (QWEN3_VL, 30.5)],
)
def test_parameters_are_counted(config, billions) -> None:
    found = facts(config)
    assert count_parameters(found).total(tied=found.tied) / 1e9 == pytest.approx(billions, rel=0.01)
