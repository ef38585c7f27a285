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
        "DbrxForCausalLM",
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
        "OlmoForCausalLM",
        "Olmo2ForCausalLM",
        "Olmo3ForCausalLM",
        "OlmoeForCausalLM",
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

MULTIMODAL_KEYS = ("vision_config", "audio_config", "vision_tower", "mm_vision_tower")
