"""The part of a config.json that the lock keeps: what sizing reads, nothing else.

The subset is itself a configuration: `model_config.facts` reads it and comes to the same facts as from the
whole file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serving.architectures import MULTIMODAL_KEYS
from serving.model_config import OTHER_MEMORY_KEYS, RECURRENT_KEYS


def _names(*lines: str) -> frozenset[str]:
    return frozenset(name for line in lines for name in line.split())


KEPT = _names(
    "architectures attention_chunk_size d_model dtype expert_ffn_hidden_size ffn_dim ffn_hidden_size",
    "first_k_dense_replace decoder_sparse_step head_dim hidden_size hybrid intermediate_size kv_lora_rank",
    "model_max_length original_max_position_embeddings layer_types max_position_embeddings",
    "max_sequence_length model_type moe moe_intermediate_size moe_k moe_layer_freq moe_num_experts",
    "interleave_moe_layer_step intermediate_size_mlp max_window_layers mlp_only_layers",
    "moe_layer_interval moe_layer_start_index",
    "moe_top_k multi_query_group_num multimodal n_embd n_head n_inner n_layer n_positions no_rope_layers",
    "n_routed_experts n_shared_experts no_rope_layer_interval num_attention_heads num_experts",
    "num_experts_per_tok num_experts_per_token num_hidden_layers num_key_value_heads num_kv_heads",
    "num_layers num_local_experts param_count partial_rotary_factor q_lora_rank qk_nope_head_dim",
    "qk_rope_head_dim quant rope_parameters rope_scaling seq_length shared_expert_intermediate_size",
    "sliding_window sliding_window_pattern tie_word_embeddings torch_dtype use_sliding_window v_head_dim",
    "vocab_size",
) | {*RECURRENT_KEYS, *OTHER_MEMORY_KEYS}
QUANTIZATION_KEPT = _names(
    "quant_method quant_algo bits w_bit load_in_8bit kv_cache_quant_algo kv_cache_scheme config_groups",
    "group_size weight_block_size",
)
NESTED = ("text_config", "llm_config", "language_config")


def config_facts(config: Mapping[str, Any]) -> dict[str, Any]:
    """The subset, sorted by name."""
    kept = {key: value for key, value in config.items() if key in KEPT}
    for key in NESTED:
        if isinstance(config.get(key), Mapping):
            kept[key] = config_facts(config[key])
    for key in ("quantization_config", "compression_config"):
        if isinstance(config.get(key), Mapping):
            kept[key] = {k: v for k, v in sorted(config[key].items()) if k in QUANTIZATION_KEPT}
    for key in MULTIMODAL_KEYS:
        if config.get(key):
            kept[key] = {"present": True}
    if config.get("auto_map"):
        kept["remote_code"] = True
    return dict(sorted(kept.items()))
