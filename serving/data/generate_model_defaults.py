"""Write the defaults that transformers leaves out of a nested language model's configuration.

Multimodal repositories nest the language model (`text_config`), and transformers writes of it only what
differs from the class's defaults (`PretrainedConfig.to_diff_dict`). Run it with an
interpreter that has transformers:

    path/to/vllm-env/bin/python serving/data/generate_model_defaults.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import transformers
from transformers import CONFIG_MAPPING

MODEL_TYPES = (
    "cohere",
    "cohere2",
    "deepseek_v2",
    "deepseek_v3",
    "ernie4_5",
    "ernie4_5_moe",
    "gemma",
    "gemma2",
    "gemma3_text",
    "glm4",
    "glm4_moe",
    "gpt_oss",
    "granite",
    "llama",
    "llama4_text",
    "mistral",
    "ministral3",
    "mixtral",
    "phi3",
    "qwen2",
    "qwen2_5_vl_text",
    "qwen2_moe",
    "qwen2_vl_text",
    "qwen3",
    "qwen3_moe",
    "qwen3_vl_moe_text",
    "qwen3_vl_text",
    "smollm3",
)
# What sizing reads and a class default can stand for; layer_types is left out: it follows from the others.
KEYS = (
    "attention_chunk_size",
    "first_k_dense_replace",
    "head_dim",
    "hidden_size",
    "intermediate_size",
    "kv_lora_rank",
    "max_position_embeddings",
    "moe_intermediate_size",
    "n_routed_experts",
    "n_shared_experts",
    "num_attention_heads",
    "num_experts",
    "num_experts_per_tok",
    "num_hidden_layers",
    "num_key_value_heads",
    "num_local_experts",
    "q_lora_rank",
    "qk_nope_head_dim",
    "qk_rope_head_dim",
    "sliding_window",
    "tie_word_embeddings",
    "use_sliding_window",
    "v_head_dim",
    "vocab_size",
)


def constants(config_class: Any) -> dict[str, Any]:
    """Defaults that stay what they are when the others change; what is computed from them is no default."""
    default = config_class().to_dict()
    found = {key: default[key] for key in KEYS if default.get(key) is not None}
    for changed in ("hidden_size", "num_attention_heads"):
        other = config_class(**{changed: 2 * default[changed]}).to_dict()
        found = {key: value for key, value in found.items() if key == changed or other.get(key) == value}
    return found


def main() -> None:
    table = {}
    for name in MODEL_TYPES:
        if name not in CONFIG_MAPPING:
            print(f"{name}: not in transformers {transformers.__version__}, left out")
            continue
        table[name] = constants(CONFIG_MAPPING[name])
    document = {"source": f"config classes of transformers {transformers.__version__}", "model_types": table}
    target = Path(__file__).parent / "model_defaults.json"
    target.write_text(json.dumps(document, indent=1) + "\n")
    print(f"{target}: {len(table)} model types")


if __name__ == "__main__":
    main()
