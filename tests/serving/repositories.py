"""Well-known repositories: what of their config.json decides memory, and the bytes of their weights.

From public model cards, from memory. What counts is that each is of the shape its repository has: names of
keys, nesting, what is left out. `per_token` is the KV cache of one token in bytes on one GPU, 16 bits an
element, worked out by hand; None for hybrids with windows, whose share depends on the length; UNKNOWN for
what the estimate has to refuse.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

UNKNOWN = -1


@dataclass(frozen=True)
class Repository:
    """One repository."""

    name: str
    config: dict[str, Any]
    gigabytes: float
    per_token: int | None = None

    @property
    def stored(self) -> int:
        return int(self.gigabytes * 1e9)


def _text(architecture: str, sizes: str, **more: Any) -> dict[str, Any]:
    """`sizes`: hidden, intermediate, layers, heads, key and value heads, vocabulary, length."""
    names = (
        "hidden_size intermediate_size num_hidden_layers num_attention_heads num_key_value_heads vocab_size"
    )
    pairs = zip([*names.split(), "max_position_embeddings"], map(int, sizes.split()), strict=True)
    plain = {"architectures": [architecture], "torch_dtype": "bfloat16", "tie_word_embeddings": False}
    return plain | dict(pairs) | more


def _vision(architecture: str, text: dict[str, Any], **more: Any) -> dict[str, Any]:
    nested = {
        key: value for key, value in text.items() if key not in ("architectures", "tie_word_embeddings")
    }
    outer = {
        "architectures": [architecture],
        "torch_dtype": "bfloat16",
        "vision_config": {"hidden_size": 1152},
    }
    return outer | {"text_config": nested} | more


def _quantised(config: dict[str, Any], **quantization: Any) -> dict[str, Any]:
    return {**config, "quantization_config": quantization}


def _without(config: dict[str, Any], *names: str) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in names}


WINDOW_OFF = {"use_sliding_window": False, "sliding_window": 32768, "max_window_layers": 21}
LATENT = {"kv_lora_rank": 512, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128, "v_head_dim": 128}
YARN = {"rope_scaling": {"type": "yarn", "factor": 40, "original_max_position_embeddings": 4096}}
LONGROPE = {
    "original_max_position_embeddings": 4096,
    "rope_scaling": {"type": "longrope", "long_factor": [1.0], "short_factor": [1.0]},
}
BLOCKS = {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [128, 128]}
FP8_TENSORS = {
    "quant_method": "compressed-tensors",
    "config_groups": {"group_0": {"weights": {"num_bits": 8, "type": "float", "group_size": None}}},
}
INT4_TENSORS = {
    "quant_method": "compressed-tensors",
    "config_groups": {"group_0": {"weights": {"num_bits": 4, "type": "int", "group_size": 128}}},
}
MROPE = {"rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]}, "vision_config": {"depth": 32}}

LLAMA_31 = _text("LlamaForCausalLM", "4096 14336 32 32 8 128256 131072")
QWEN_7B = _text("Qwen2ForCausalLM", "3584 18944 28 28 4 152064 32768", **WINDOW_OFF)
QWEN3_MOE = _text(
    "Qwen3MoeForCausalLM",
    "2048 6144 48 32 4 151936 40960",
    head_dim=128,
    moe_intermediate_size=768,
    num_experts=128,
    num_experts_per_tok=8,
    decoder_sparse_step=1,
    mlp_only_layers=[],
)
MIXTRAL = _text(
    "MixtralForCausalLM",
    "4096 14336 32 32 8 32000 32768",
    num_local_experts=8,
    num_experts_per_tok=2,
    sliding_window=None,
)
DEEPSEEK_V3 = _text(
    "DeepseekV3ForCausalLM",
    "7168 18432 61 128 128 129280 163840",
    first_k_dense_replace=3,
    moe_intermediate_size=2048,
    n_routed_experts=256,
    n_shared_experts=1,
    num_experts_per_tok=8,
    moe_layer_freq=1,
    q_lora_rank=1536,
    **LATENT,
    **YARN,
)
GPT_OSS = _without(
    _quantised(
        _text(
            "GptOssForCausalLM",
            "2880 2880 24 64 8 201088 131072",
            head_dim=64,
            num_local_experts=32,
            num_experts_per_tok=4,
            sliding_window=128,
            layer_types=["sliding_attention", "full_attention"] * 12,
        ),
        quant_method="mxfp4",
    ),
    "torch_dtype",
)
LLAMA4 = _vision(
    "Llama4ForConditionalGeneration",
    _text(
        "",
        "5120 8192 48 40 8 202048 1048576",
        head_dim=128,
        attention_chunk_size=8192,
        interleave_moe_layer_step=1,
        intermediate_size_mlp=16384,
        no_rope_layers=[],
        num_local_experts=16,
        num_experts_per_tok=1,
    ),
)
GEMMA3_27B = {
    "head_dim": 128,
    "hidden_size": 5376,
    "intermediate_size": 21504,
    "model_type": "gemma3_text",
    "num_hidden_layers": 62,
    "num_attention_heads": 32,
    "num_key_value_heads": 16,
    "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
    "sliding_window": 1024,
}

DENSE = [
    Repository("llama-2-7b", _text("LlamaForCausalLM", "4096 11008 32 32 32 32000 4096"), 13.48, 524288),
    Repository("llama-3-8b", _text("LlamaForCausalLM", "4096 14336 32 32 8 128256 8192"), 16.06, 131072),
    Repository("llama-3-70b", _text("LlamaForCausalLM", "8192 28672 80 64 8 128256 8192"), 141.1, 327680),
    Repository("llama-3.1-8b", LLAMA_31, 16.06, 131072),
    Repository(
        "llama-3.2-1b",
        _text("LlamaForCausalLM", "2048 8192 16 32 8 128256 131072", head_dim=64, tie_word_embeddings=True),
        2.47,
        32768,
    ),
    Repository(
        "qwen2.5-0.5b",
        _text("Qwen2ForCausalLM", "896 4864 24 14 2 151936 32768", tie_word_embeddings=True, **WINDOW_OFF),
        0.988,
        12288,
    ),
    Repository("qwen2.5-7b", QWEN_7B, 15.23, 57344),
    Repository(
        "qwen2.5-72b",
        _text("Qwen2ForCausalLM", "8192 29568 80 64 8 152064 32768", **WINDOW_OFF),
        145.4,
        327680,
    ),
    Repository(
        "qwen3-4b",
        _text("Qwen3ForCausalLM", "2560 9728 36 32 8 151936 40960", head_dim=128, tie_word_embeddings=True),
        8.04,
        147456,
    ),
    Repository(
        "mistral-7b-v0.1",
        _text("MistralForCausalLM", "4096 14336 32 32 8 32000 32768", sliding_window=4096),
        14.48,
        131072,
    ),
    Repository(
        "mistral-7b-v0.3",
        _text("MistralForCausalLM", "4096 14336 32 32 8 32768 32768", sliding_window=None),
        14.5,
        131072,
    ),
    Repository(
        "mistral-nemo",
        _text("MistralForCausalLM", "5120 14336 40 32 8 131072 1024000", head_dim=128, sliding_window=None),
        24.5,
        163840,
    ),
    Repository(
        "gemma-2b",
        _without(
            _text("GemmaForCausalLM", "2048 16384 18 8 1 256000 8192", head_dim=256), "tie_word_embeddings"
        ),
        5.01,
        18432,
    ),
    Repository(
        "phi-2",
        _text("PhiForCausalLM", "2560 10240 32 32 32 51200 2048", partial_rotary_factor=0.4),
        5.56,
        327680,
    ),
    Repository(
        "phi-3-mini-4k",
        _text("Phi3ForCausalLM", "3072 8192 32 32 32 32064 4096", sliding_window=2047),
        7.64,
        393216,
    ),
    Repository(
        "phi-3-mini-128k",
        _text("Phi3ForCausalLM", "3072 8192 32 32 32 32064 131072", sliding_window=262144, **LONGROPE),
        7.64,
        393216,
    ),
    Repository("phi-4", _text("Phi3ForCausalLM", "5120 17920 40 40 10 100352 16384"), 29.3, 204800),
    Repository(
        "phi-4-mini",
        _text(
            "Phi3ForCausalLM",
            "3072 8192 32 24 8 200064 131072",
            tie_word_embeddings=True,
            partial_rotary_factor=0.75,
            sliding_window=262144,
            **LONGROPE,
        ),
        7.67,
        131072,
    ),
    Repository(
        "command-r",
        _without(
            _text("CohereForCausalLM", "8192 22528 40 64 64 256000 8192", model_max_length=131072),
            "tie_word_embeddings",
        ),
        70.0,
        1310720,
    ),
    Repository(
        "olmo-2-7b",
        _text("Olmo2ForCausalLM", "4096 11008 32 32 32 100352 4096", torch_dtype="float32"),
        29.2,
        524288,
    ),
    Repository(
        "smollm3-3b",
        _text(
            "SmolLM3ForCausalLM",
            "2048 11008 36 16 4 128256 65536",
            tie_word_embeddings=True,
            layer_types=["full_attention"] * 36,
            no_rope_layers=[1, 1, 1, 0] * 9,
            no_rope_layer_interval=4,
        ),
        6.15,
        73728,
    ),
    Repository(
        "granite-3-8b",
        _text("GraniteForCausalLM", "4096 12800 40 32 8 49155 131072", tie_word_embeddings=True),
        16.34,
        163840,
    ),
    Repository(
        "starcoder2-15b",
        _text(
            "Starcoder2ForCausalLM",
            "6144 24576 40 48 4 49152 16384",
            sliding_window=4096,
            torch_dtype="float32",
        ),
        63.9,
        81920,
    ),
    Repository(
        "glm-4-9b",
        _text("Glm4ForCausalLM", "4096 13696 40 32 2 151552 32768", head_dim=128, partial_rotary_factor=0.5),
        18.8,
        40960,
    ),
    Repository(
        "minitron-8b",
        _text("NemotronForCausalLM", "4096 16384 32 48 8 256000 4096", head_dim=128),
        15.5,
        131072,
    ),
    Repository(
        "exaone-3.5-2.4b",
        {
            "architectures": ["ExaoneForCausalLM"],
            "head_dim": 80,
            "hidden_size": 2560,
            "intermediate_size": 7168,
            "max_position_embeddings": 32768,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "num_layers": 30,
            "tie_word_embeddings": True,
            "torch_dtype": "bfloat16",
            "vocab_size": 102400,
        },
        4.81,
        76800,
    ),
    Repository(
        "opt-125m",
        {
            "architectures": ["OPTForCausalLM"],
            "ffn_dim": 3072,
            "hidden_size": 768,
            "max_position_embeddings": 2048,
            "num_attention_heads": 12,
            "num_hidden_layers": 12,
            "torch_dtype": "float16",
            "vocab_size": 50272,
        },
        0.25,
        36864,
    ),
    Repository(
        "gpt2",
        {
            "architectures": ["GPT2LMHeadModel"],
            "n_embd": 768,
            "n_head": 12,
            "n_inner": None,
            "n_layer": 12,
            "n_positions": 1024,
            "vocab_size": 50257,
        },
        0.548,
        36864,
    ),
]
MIXTURES = [
    Repository("qwen3-30b-a3b", QWEN3_MOE, 61.06, 98304),
    Repository(
        "qwen1.5-moe",
        _text(
            "Qwen2MoeForCausalLM",
            "2048 5632 24 16 16 151936 8192",
            moe_intermediate_size=1408,
            shared_expert_intermediate_size=5632,
            num_experts=60,
            num_experts_per_tok=4,
            decoder_sparse_step=1,
            **WINDOW_OFF,
        ),
        28.6,
        196608,
    ),
    Repository("mixtral-8x7b", MIXTRAL, 93.4, 131072),
    Repository(
        "phi-3.5-moe",
        _text(
            "PhiMoEForCausalLM",
            "4096 6400 32 32 8 32064 131072",
            num_local_experts=16,
            num_experts_per_tok=2,
            sliding_window=131072,
            **LONGROPE,
        ),
        83.7,
        131072,
    ),
    Repository(
        "deepseek-v2-lite",
        _text(
            "DeepseekV2ForCausalLM",
            "2048 10944 27 16 16 102400 163840",
            first_k_dense_replace=1,
            moe_intermediate_size=1408,
            n_routed_experts=64,
            n_shared_experts=2,
            num_experts_per_tok=6,
            q_lora_rank=None,
            **LATENT,
            **YARN,
        ),
        31.4,
        31104,
    ),
    Repository("deepseek-r1", _quantised(DEEPSEEK_V3, **BLOCKS), 688.6, 70272),
    Repository(
        "glm-4.5-air",
        _text(
            "Glm4MoeForCausalLM",
            "4096 10944 46 96 8 151552 131072",
            head_dim=128,
            moe_intermediate_size=1408,
            n_routed_experts=128,
            n_shared_experts=1,
            num_experts_per_tok=8,
            first_k_dense_replace=1,
        ),
        220.9,
        188416,
    ),
    Repository(
        "ernie-4.5-21b",
        _text(
            "Ernie4_5_MoeForCausalLM",
            "2560 12288 28 20 4 103424 131072",
            head_dim=128,
            moe_num_experts=64,
            moe_k=6,
            moe_intermediate_size=1536,
            moe_num_shared_experts=2,
            moe_layer_start_index=1,
            moe_layer_interval=1,
            tie_word_embeddings=True,
        ),
        43.7,
        57344,
    ),
    Repository("llama-4-scout", LLAMA4, 217.3),
    Repository(
        "llama-4-maverick",
        {
            **LLAMA4,
            "text_config": {
                **LLAMA4["text_config"],
                "num_local_experts": 128,
                "interleave_moe_layer_step": 2,
            },
        },
        801.5,
    ),
]
QUANTISED = [
    Repository(
        "qwen2.5-7b-awq", _quantised(QWEN_7B, quant_method="awq", bits=4, group_size=128), 5.58, 57344
    ),
    Repository(
        "qwen2.5-7b-gptq", _quantised(QWEN_7B, quant_method="gptq", bits=4, group_size=128), 5.59, 57344
    ),
    Repository("llama-3.1-8b-fp8", _quantised(LLAMA_31, **FP8_TENSORS), 9.08, 131072),
    Repository("llama-3.1-8b-w4a16", _quantised(LLAMA_31, **INT4_TENSORS), 5.74, 131072),
    Repository("qwen3-30b-a3b-fp8", _quantised(QWEN3_MOE, **BLOCKS), 31.18, 98304),
    Repository(
        "mixtral-8x7b-gptq", _quantised(MIXTRAL, quant_method="gptq", bits=4, group_size=128), 23.8, 131072
    ),
    Repository(
        "llama-3.1-8b-nvfp4",
        _quantised(LLAMA_31, quant_method="modelopt", quant_algo="NVFP4", kv_cache_quant_algo="FP8"),
        6.0,
        65536,
    ),
    Repository("gpt-oss-20b", GPT_OSS, 13.76),
    Repository(
        "gpt-oss-120b",
        {
            **GPT_OSS,
            "num_hidden_layers": 36,
            "num_local_experts": 128,
            "layer_types": ["sliding_attention", "full_attention"] * 18,
        },
        65.25,
    ),
]
WINDOWS = [
    Repository(
        "gemma-2-9b",
        _without(
            _text("Gemma2ForCausalLM", "3584 14336 42 16 8 256000 8192", head_dim=256, sliding_window=4096),
            "tie_word_embeddings",
        ),
        18.48,
    ),
    Repository("gemma-3-27b", _vision("Gemma3ForConditionalGeneration", GEMMA3_27B), 54.86),
    Repository(
        "command-r7b",
        _without(
            _text(
                "Cohere2ForCausalLM",
                "4096 14336 32 32 8 256000 8192",
                head_dim=128,
                sliding_window=4096,
                sliding_window_pattern=4,
            ),
            "tie_word_embeddings",
        ),
        16.06,
    ),
    Repository(
        "olmo-3-7b",
        _text(
            "Olmo3ForCausalLM",
            "4096 11008 32 32 32 100278 65536",
            sliding_window=4096,
            layer_types=[*["sliding_attention"] * 3, "full_attention"] * 8,
        ),
        14.6,
    ),
    Repository(
        "exaone-4-32b",
        _text(
            "Exaone4ForCausalLM",
            "5120 27392 64 40 8 102400 131072",
            head_dim=128,
            sliding_window=4096,
            sliding_window_pattern="LLLG",
            layer_types=[*["sliding_attention"] * 3, "full_attention"] * 16,
        ),
        64.0,
    ),
]
VISION = [
    Repository(
        "llava-1.5-7b",
        _vision(
            "LlavaForConditionalGeneration",
            {"max_position_embeddings": 4096, "model_type": "llama", "vocab_size": 32064},
            torch_dtype="float16",
        ),
        14.1,
        524288,
    ),
    Repository(
        "qwen2-vl-7b",
        {**QWEN_7B, "architectures": ["Qwen2VLForConditionalGeneration"], **MROPE},
        16.58,
        57344,
    ),
    Repository(
        "mistral-small-3.1",
        _vision(
            "Mistral3ForConditionalGeneration",
            _text(
                "",
                "5120 32768 40 32 8 131072 131072",
                head_dim=128,
                model_type="mistral",
                sliding_window=None,
            ),
        ),
        48.0,
        163840,
    ),
    Repository(
        "internvl3-8b",
        {
            "architectures": ["InternVLChatModel"],
            "llm_config": {**QWEN_7B, "vocab_size": 151674},
            "torch_dtype": "bfloat16",
            "vision_config": {"hidden_size": 1024},
        },
        15.9,
        57344,
    ),
]
REFUSED = [
    Repository(
        "nemotron-h-8b",
        _text("NemotronHForCausalLM", "4096 21504 52 32 8 131072 8192", hybrid_override_pattern="M-M*"),
        16.2,
        UNKNOWN,
    ),
    Repository(
        "qwen3-next-80b",
        _text("Qwen3NextForCausalLM", "2048 5120 48 16 2 151936 262144", full_attention_interval=4),
        162.7,
        UNKNOWN,
    ),
    Repository(
        "mamba-2.8b",
        {
            "architectures": ["MambaForCausalLM"],
            "hidden_size": 2560,
            "num_hidden_layers": 64,
            "vocab_size": 50280,
        },
        5.5,
        UNKNOWN,
    ),
    Repository("jamba", _text("JambaForCausalLM", "4096 14336 32 32 8 65536 262144"), 103.0, UNKNOWN),
    Repository("falcon-h1", _text("FalconH1ForCausalLM", "1024 2048 36 8 2 32784 16384"), 1.0, UNKNOWN),
    Repository(
        "deepseek-v3.2",
        {
            **_quantised(DEEPSEEK_V3, **BLOCKS),
            "architectures": ["DeepseekV32ForCausalLM"],
            "index_topk": 2048,
        },
        690.0,
        UNKNOWN,
    ),
    Repository(
        "llama-3.2-11b-vision",
        _vision(
            "MllamaForConditionalGeneration",
            _text("", "4096 14336 40 32 8 128256 131072", cross_attention_layers=[3, 8, 13]),
        ),
        21.3,
        UNKNOWN,
    ),
    Repository(
        "gemma-3n",
        _vision(
            "Gemma3nForConditionalGeneration",
            _text("", "2048 8192 30 8 2 262400 32768", num_kv_shared_layers=15),
        ),
        10.9,
        UNKNOWN,
    ),
    Repository(
        "bert-base",
        {"architectures": ["BertModel"], "hidden_size": 768, "num_hidden_layers": 12, "vocab_size": 30522},
        0.44,
        UNKNOWN,
    ),
    Repository(
        "bge-reranker",
        _text("XLMRobertaForSequenceClassification", "1024 4096 24 16 16 250002 8194"),
        2.27,
        UNKNOWN,
    ),
    Repository(
        "whisper",
        {"architectures": ["WhisperForConditionalGeneration"], "d_model": 1280, "num_hidden_layers": 32},
        3.1,
        UNKNOWN,
    ),
    Repository(
        "t5-small",
        {
            "architectures": ["T5ForConditionalGeneration"],
            "d_model": 512,
            "num_layers": 6,
            "vocab_size": 32128,
        },
        0.24,
        UNKNOWN,
    ),
    Repository(
        "nemotron-49b",
        _without(
            _text("DeciLMForCausalLM", "8192 1 80 64 1 128256 131072", block_configs=[{}]),
            "num_key_value_heads",
        ),
        99.7,
        UNKNOWN,
    ),
]
KNOWN = [*DENSE, *MIXTURES, *QUANTISED, *WINDOWS, *VISION]
EVERY = [*KNOWN, *REFUSED]
