"""Which model architectures the estimate covers, by the names in config.json's `architectures`.

Only what was checked against vLLM's model registry (0.32.0) and has plain attention layers is listed as
covered. State-space and linear-attention hybrids are listed as not covered, so that the answer can say why.
Anything else is unknown: an architecture nobody looked at gets no number.
"""

from __future__ import annotations

# Grouped-query (or multi-head) attention on every layer; sliding windows are read from the config.
ATTENTION = frozenset(
    [
        "ApertusForCausalLM",
        "ArceeForCausalLM",
        "CohereForCausalLM",
        "Cohere2ForCausalLM",
        "DeepseekForCausalLM",
        "Dots1ForCausalLM",
        "Ernie4_5ForCausalLM",
        "Ernie4_5_MoeForCausalLM",
        "ExaoneForCausalLM",
        "Exaone4ForCausalLM",
        "GemmaForCausalLM",
        "Gemma2ForCausalLM",
        "Gemma3ForCausalLM",
        "Gemma3ForConditionalGeneration",
        "Glm4ForCausalLM",
        "GlmForCausalLM",
        "Glm4MoeForCausalLM",
        "GPT2LMHeadModel",
        "GPTNeoXForCausalLM",
        "GptOssForCausalLM",
        "GraniteForCausalLM",
        "GraniteMoeForCausalLM",
        "InternLM2ForCausalLM",
        "InternLM3ForCausalLM",
        "InternVLChatModel",
        "InternVLForConditionalGeneration",
        "LlamaForCausalLM",
        "LLaMAForCausalLM",
        "Llama4ForCausalLM",
        "Llama4ForConditionalGeneration",
        "LlavaForConditionalGeneration",
        "LlavaNextForConditionalGeneration",
        "MiniCPMForCausalLM",
        "MiniMaxM2ForCausalLM",
        "Ministral3ForCausalLM",
        "MistralForCausalLM",
        "Mistral3ForConditionalGeneration",
        "MixtralForCausalLM",
        "NemotronForCausalLM",
        "OlmoForCausalLM",
        "Olmo2ForCausalLM",
        "Olmo3ForCausalLM",
        "OlmoeForCausalLM",
        "OPTForCausalLM",
        "PhiForCausalLM",
        "Phi3ForCausalLM",
        "PhiMoEForCausalLM",
        "PixtralForConditionalGeneration",
        "Qwen2ForCausalLM",
        "Qwen2MoeForCausalLM",
        "Qwen2VLForConditionalGeneration",
        "Qwen2_5_VLForConditionalGeneration",
        "Qwen3ForCausalLM",
        "Qwen3MoeForCausalLM",
        "Qwen3VLForConditionalGeneration",
        "Qwen3VLMoeForConditionalGeneration",
        "SeedOssForCausalLM",
        "SmolLM3ForCausalLM",
        "SolarForCausalLM",
        "StableLmForCausalLM",
        "Starcoder2ForCausalLM",
        "TeleChat3ForCausalLM",
    ]
)

# Multi-head latent attention: one compressed vector per token and layer, not divided by tensor parallelism.
LATENT = frozenset(
    [
        "DeepseekV2ForCausalLM",
        "DeepseekV3ForCausalLM",
        "Glm4MoeLiteForCausalLM",
        "KimiVLForConditionalGeneration",
        "MistralLarge3ForCausalLM",
    ]
)

# Named so that the answer can say what is missing: a rule for the state that is not a KV cache.
RECURRENT = frozenset(
    [
        "BailingMoeV2_5ForCausalLM",
        "BambaForCausalLM",
        "FalconH1ForCausalLM",
        "FalconMambaForCausalLM",
        "GraniteMoeHybridForCausalLM",
        "JambaForCausalLM",
        "KimiLinearForCausalLM",
        "Lfm2ForCausalLM",
        "Lfm2MoeForCausalLM",
        "MambaForCausalLM",
        "Mamba2ForCausalLM",
        "MiniMaxText01ForCausalLM",
        "MiniMaxM1ForCausalLM",
        "NemotronHForCausalLM",
        "OlmoHybridForCausalLM",
        "Plamo2ForCausalLM",
        "Qwen3NextForCausalLM",
        "Qwen3_5ForCausalLM",
        "Qwen3_5ForConditionalGeneration",
        "Qwen3_5MoeForCausalLM",
        "Qwen3_5MoeForConditionalGeneration",
        "RecurrentGemmaForCausalLM",
        "Zamba2ForCausalLM",
    ]
)

# Two matrices in the feed-forward block (up and down), where the others have a gate beside them.
UNGATED = frozenset(
    [
        "GPT2LMHeadModel",
        "GPTNeoXForCausalLM",
        "NemotronForCausalLM",
        "OPTForCausalLM",
        "PhiForCausalLM",
        "Starcoder2ForCausalLM",
    ]
)

# The last release that had an architecture (`_PREVIOUSLY_SUPPORTED_MODELS` in vLLM 0.32.0's registry).
LAST_SEEN = {"Dots1ForCausalLM": (0, 23, 0)}

# The first release that had an architecture: from memory, unverified, and so a doubt and no refusal.
FIRST_SEEN = {
    "Gemma3ForCausalLM": (0, 8, 0),
    "Gemma3ForConditionalGeneration": (0, 8, 0),
    "Mistral3ForConditionalGeneration": (0, 8, 0),
    "Llama4ForCausalLM": (0, 8, 3),
    "Llama4ForConditionalGeneration": (0, 8, 3),
    "KimiVLForConditionalGeneration": (0, 8, 4),
    "Qwen3ForCausalLM": (0, 8, 4),
    "Qwen3MoeForCausalLM": (0, 8, 4),
    "Glm4ForCausalLM": (0, 8, 5),
    "Dots1ForCausalLM": (0, 9, 1),
    "Ernie4_5ForCausalLM": (0, 9, 2),
    "Ernie4_5_MoeForCausalLM": (0, 9, 2),
    "SmolLM3ForCausalLM": (0, 9, 2),
    "Exaone4ForCausalLM": (0, 10, 0),
    "Glm4MoeForCausalLM": (0, 10, 0),
    "GptOssForCausalLM": (0, 10, 1),
    "SeedOssForCausalLM": (0, 10, 1),
    "ApertusForCausalLM": (0, 11, 0),
    "Olmo3ForCausalLM": (0, 11, 0),
    "Qwen3VLForConditionalGeneration": (0, 11, 0),
    "Qwen3VLMoeForConditionalGeneration": (0, 11, 0),
    "MiniMaxM2ForCausalLM": (0, 11, 1),
    "Ministral3ForCausalLM": (0, 12, 0),
    "MistralLarge3ForCausalLM": (0, 12, 0),
}

MULTIMODAL_KEYS = ("vision_config", "audio_config", "vision_tower", "mm_vision_tower")
