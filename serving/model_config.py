"""The facts sizing needs, read from a Hugging Face `config.json`.

Reads text models, multimodal ones (the language model is nested as `text_config` or `llm_config`) and this
project's own shorter form of the same facts (the lock file's `config`). What is missing and cannot be
derived, and every architecture that is not modelled, raises `UnknownModelError`: no default stands in for a
fact that decides memory.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from serving.architectures import ATTENTION, LATENT, MULTIMODAL_KEYS, RECURRENT, UNGATED
from serving.errors import UnknownModelError
from serving.gpus import DATA
from serving.quantization import Quantization, read_quantization
from serving.versions import Behaviour

DTYPE_BYTES = {
    "float32": 4,
    "float": 4,
    "fp32": 4,
    "float16": 2,
    "half": 2,
    "fp16": 2,
    "bfloat16": 2,
    "bf16": 2,
}
MOST_LAYERS = 10_000
FULL, SLIDING, CHUNKED = "full", "sliding", "chunked"


@dataclass(frozen=True)
class Layer:
    """What one layer keeps of the past: everything, or the last `window` tokens."""

    kind: str
    window: int | None = None


@dataclass(frozen=True)
class Experts:
    """A mixture of experts: how many, how many a token visits, their width, how many layers have them.

    `top_k` is 0 where the configuration does not say.
    """

    count: int
    top_k: int
    width: int
    layers: int
    shared_width: int = 0


@dataclass(frozen=True)
class Lengths:
    """Tokens of a request. `stated` is max_position_embeddings, `scaled` what RoPE scaling makes of it.

    `short` is a LongRoPE model's original length. Which of them counts depends on vLLM's version.
    """

    stated: int | None
    scaled: int | None
    short: int | None = None
    yarn: bool = False

    def default(self, version: Behaviour) -> int | None:
        """What vLLM serves when not told."""
        if self.short and version.longrope_starts_short:
            return self.short
        return self.stated if self.yarn and version.yarn_is_stated else self.scaled

    def most(self, version: Behaviour) -> int | None:
        """What it accepts; for an unknown version the larger of what old and new ones do."""
        if self.yarn and version.yarn_is_stated:
            return self.stated
        known = [length for length in (self.stated, self.scaled) if length]
        return max(known) if known else None


@dataclass(frozen=True)
class ModelFacts:
    """Everything the estimate reads about a model. Sizes are counts, not bytes, unless the name says so."""

    architecture: str
    layers: tuple[Layer, ...]
    hidden: int
    intermediate: int | None
    vocab: int
    kv_heads: int
    heads: int | None
    head_dim: int | None
    latent_dim: int | None  # kv_lora_rank + qk_rope_head_dim: multi-head latent attention
    dtype: str
    tied: bool
    lengths: Lengths
    experts: Experts | None
    quantization: Quantization
    multimodal: bool
    parameters: int | None
    rope_dim: int
    multi_rope: bool
    kv_cache_fp8: bool
    latent_ranks: Mapping[str, int] = field(default_factory=dict)
    gated: bool = True  # three matrices in the feed-forward block, else two

    @property
    def dtype_bytes(self) -> int:
        return DTYPE_BYTES[self.dtype]

    @property
    def dense(self) -> int:
        """How many layers have a feed-forward block of their own and no experts."""
        return len(self.layers) - (self.experts.layers if self.experts else 0)


def read_config(path: Path | str) -> ModelFacts:
    """Facts from a file. Raises `UnknownModelError` when it is not there, not JSON, or no configuration."""
    try:
        raw = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UnknownModelError(
            f"{path} cannot be read ({error.strerror}); download the model's config.json."
        ) from error
    except (ValueError, RecursionError) as error:
        raise UnknownModelError(
            f"{path} is not valid JSON ({error}); download the model's config.json again."
        ) from error
    return facts(raw)


def facts(raw: Any) -> ModelFacts:
    """Facts from the parsed configuration."""
    if not isinstance(raw, Mapping):
        raise UnknownModelError("config.json is not a JSON object; download the model's config.json again.")
    text = _language_model(raw)
    architecture = _architecture(raw, text)
    _refuse_recurrent(architecture, text)
    hidden = _number(text, "hidden_size", "n_embd", "d_model")
    count = _number(text, "num_hidden_layers", "n_layer", "num_layers")
    if count > MOST_LAYERS:
        raise UnknownModelError(f"num_hidden_layers in config.json is {count}: no model has that many.")
    heads = _optional(text, "num_attention_heads", "n_head")
    latent = _latent_dim(text, architecture)
    head_dim = None if latent else _head_dim(text, hidden, heads)
    experts = _experts(text, architecture, count)
    return ModelFacts(
        architecture=architecture or "not named",
        layers=_layers(text, architecture, count),
        hidden=hidden,
        intermediate=_intermediate(text, architecture, hidden),
        vocab=_number(text, "vocab_size", fallback=raw),
        kv_heads=1 if latent else _kv_heads(text, heads),
        heads=heads,
        head_dim=head_dim,
        latent_dim=latent,
        dtype=_dtype(raw, text),
        tied=_tied(raw, text),
        lengths=_lengths(raw, text),
        experts=experts,
        quantization=read_quantization(raw, text),
        multimodal=bool(raw.get("multimodal")) or any(raw.get(key) for key in MULTIMODAL_KEYS),
        parameters=_optional(raw, "param_count"),
        rope_dim=_rope_dim(text, head_dim),
        multi_rope="mrope_section"
        in json.dumps(text.get("rope_scaling") or text.get("rope_parameters") or {}),
        kv_cache_fp8=_kv_cache_fp8(raw, text),
        latent_ranks=_latent_ranks(text) if latent else {},
        gated=architecture not in UNGATED,
    )


def _language_model(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """The nested language model of a multimodal configuration, with the outer values as defaults."""
    for key in ("text_config", "llm_config", "language_config"):
        nested = raw.get(key)
        if isinstance(nested, Mapping):
            outer = {name: value for name, value in raw.items() if not isinstance(value, Mapping)}
            # What is left out equals the class's default; outer values come before those.
            stated = {name: value for name, value in nested.items() if value is not None}
            unstated = {name: value for name, value in defaults_of(nested).items() if name not in nested}
            return {**unstated, **outer, **stated}
    return raw


def defaults_of(nested: Mapping[str, Any]) -> Mapping[str, Any]:
    """transformers' defaults for a nested model type; a configuration of its own is written in full."""
    found: Mapping[str, Any] = _model_defaults().get(str(nested.get("model_type")), {})
    return found


@cache
def _model_defaults() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads((DATA / "model_defaults.json").read_text())["model_types"]
    return found


def _architecture(raw: Mapping[str, Any], text: Mapping[str, Any]) -> str | None:
    """The name in `architectures`, refused when it is not modelled; None when the facts name none."""
    named = raw.get("architectures") or text.get("architectures")
    if not named:
        if raw.get("model_type") and "num_hidden_layers" not in text:
            raise UnknownModelError(f"config.json names no architecture (model_type {raw['model_type']!r}).")
        return None
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        raise UnknownModelError("`architectures` in config.json is not a list of names.")
    name = named[0]
    if name in RECURRENT:
        raise UnknownModelError(
            f"{name} mixes attention with linear attention or a state space; how much its state takes is not"
            " modelled, so the memory is unknown. Try it with a small --max-num-seqs and read vLLM's log."
        )
    if name not in ATTENTION | LATENT:
        raise UnknownModelError(
            f"architecture {name!r} is not one this estimate was made for, so the memory is unknown."
            " vLLM may still serve it: its start-up log says what it takes."
        )
    return name


RECURRENT_KEYS = (
    "linear_num_value_heads",
    "full_attention_interval",
    "mamba_d_state",
    "mamba_num_heads",
    "ssm_cfg",
)
OTHER_MEMORY_KEYS = {
    "index_topk": "sparse attention with an index cache of its own",
    "num_kv_shared_layers": "layers that share one KV cache",
    "global_head_dim": "layers of different head sizes",
    "block_configs": "layers of different shapes",
    "cross_attention_layers": "cross-attention layers",
}


def _refuse_recurrent(architecture: str | None, text: Mapping[str, Any]) -> None:
    kinds = text.get("layer_types")
    listed = kinds if isinstance(kinds, list) else []
    odd = [kind for kind in listed if not re.fullmatch(r"(full|sliding|chunked)_attention", str(kind))]
    if odd or isinstance(text.get("hybrid"), Mapping) or any(text.get(key) for key in RECURRENT_KEYS):
        what = f"layers of kind {odd[0]!r}" if odd else "linear-attention or state-space layers"
        raise UnknownModelError(
            f"{architecture or 'the model'} has {what}, which are not modelled: memory unknown."
        )
    for key, meaning in OTHER_MEMORY_KEYS.items():
        if text.get(key):
            raise UnknownModelError(
                f"{architecture or 'the model'} has {meaning} ({key}), not modelled: memory unknown."
            )


def _number(text: Mapping[str, Any], *names: str, fallback: Mapping[str, Any] | None = None) -> int:
    found = _optional(text, *names)
    if found is None and fallback is not None:
        found = _optional(fallback, *names)
    if found is None:
        raise UnknownModelError(f"config.json has no {names[0]}: the memory cannot be worked out without it.")
    return found


def _optional(text: Mapping[str, Any], *names: str) -> int | None:
    for name in names:
        value = text.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**40:
            raise UnknownModelError(f"{name} in config.json is {value!r}, not a positive whole number.")
        return value
    return None


def _share(value: Any, name: str, most: float) -> float | None:
    """A positive number up to a bound; None when it is not there."""
    if value is None or isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not 0 < value <= most:
        raise UnknownModelError(f"{name} in config.json is {value!r}, not above 0 and at most {most:g}.")
    return float(value)


def _latent_dim(text: Mapping[str, Any], architecture: str | None) -> int | None:
    rank, rope = _optional(text, "kv_lora_rank"), _optional(text, "qk_rope_head_dim")
    if rank is None:
        if architecture in LATENT:
            raise UnknownModelError(f"{architecture} without kv_lora_rank in config.json: memory unknown.")
        return None
    if rope is None:
        raise UnknownModelError("config.json has kv_lora_rank but no qk_rope_head_dim: memory unknown.")
    return rank + rope


def _latent_ranks(text: Mapping[str, Any]) -> dict[str, int]:
    names = ("kv_lora_rank", "q_lora_rank", "qk_rope_head_dim", "qk_nope_head_dim", "v_head_dim")
    return {name: value for name in names if (value := _optional(text, name))}


def _head_dim(text: Mapping[str, Any], hidden: int, heads: int | None) -> int:
    head_dim = _optional(text, "head_dim")
    if head_dim is not None:
        return head_dim
    if heads is None or hidden % heads:
        raise UnknownModelError(
            "config.json has neither head_dim nor num_attention_heads that divide hidden_size."
        )
    return hidden // heads


def _kv_heads(text: Mapping[str, Any], heads: int | None) -> int:
    found = _optional(text, "num_key_value_heads", "num_kv_heads", "multi_query_group_num") or heads
    if found is None:
        raise UnknownModelError("config.json has neither num_key_value_heads nor num_attention_heads.")
    return found


def _dtype(raw: Mapping[str, Any], text: Mapping[str, Any]) -> str:
    name = text.get("dtype") or text.get("torch_dtype") or raw.get("dtype") or raw.get("torch_dtype")
    if name is None:
        return "float16"  # vLLM's `_find_dtype` takes float32 here and then serves it as 16 bit
    name = str(name).removeprefix("torch.")
    if name not in DTYPE_BYTES:
        raise UnknownModelError(f"torch_dtype {name!r} in config.json is not one vLLM serves.")
    return name


def _tied(raw: Mapping[str, Any], text: Mapping[str, Any]) -> bool:
    value = text.get("tie_word_embeddings", raw.get("tie_word_embeddings"))
    if value is None:
        # transformers' default is True; Llama, Mistral, Qwen and most others set False in their own classes.
        names = str(raw.get("architectures")) + str(raw.get("model_type"))
        return any(part in names for part in ("emma", "ohere", "GPT2", "OPTFor"))
    if not isinstance(value, bool):
        raise UnknownModelError(f"tie_word_embeddings in config.json is {value!r}, not true or false.")
    return value


# The stated length is the scaled one already (`_get_and_verify_max_len`).
SCALED_ALREADY = {None, "default", "su", "longrope", "llama3", "deepseek_yarn", "mrope"}


def _lengths(raw: Mapping[str, Any], text: Mapping[str, Any]) -> Lengths:
    names = (
        "model_max_length",
        "max_position_embeddings",
        "n_positions",
        "max_sequence_length",
        "seq_length",
    )
    length = _optional(text, *names)
    if length is None or "gemma3" in str(raw.get("model_type")):  # Gemma 3 states the scaled length too
        return Lengths(length, length)
    scaled, short, yarn = length, None, False
    for scaling in _rope_settings(text):
        kind, factor = scaling.get("rope_type") or scaling.get("type"), scaling.get("factor")
        if kind is not None and not isinstance(kind, str):
            raise UnknownModelError(f"the type of RoPE scaling in config.json is {kind!r}, not a name.")
        times = _share(factor, "the factor of RoPE scaling", 10_000.0)
        if times is None and kind in {"yarn", "linear", "dynamic"}:
            raise UnknownModelError(
                f"RoPE scaling of type {kind} in config.json has no factor: length unknown."
            )
        if kind in {"longrope", "su"}:
            short = _optional(text, "original_max_position_embeddings")
        elif kind == "yarn" and times:
            yarn = True
            scaled = int((_optional(scaling, "original_max_position_embeddings") or length) * times)
        elif kind not in SCALED_ALREADY and times:
            scaled = int(length * times)
    return Lengths(length, scaled, short, yarn)


def _rope_settings(text: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """One entry, or one a kind of layer (transformers 5)."""
    found = text.get("rope_scaling") or text.get("rope_parameters")
    if not isinstance(found, Mapping):
        return []
    nested = [part for part in found.values() if isinstance(part, Mapping)]
    return nested or [found]


def _rope_dim(text: Mapping[str, Any], head_dim: int | None) -> int:
    if head_dim is None:
        return _optional(text, "qk_rope_head_dim") or 0
    part = _share(text.get("partial_rotary_factor"), "partial_rotary_factor", 1.0)
    return int(head_dim * part) if part else head_dim


def _kv_cache_fp8(raw: Mapping[str, Any], text: Mapping[str, Any]) -> bool:
    """ModelOpt checkpoints say that their KV cache is FP8; `--kv-cache-dtype auto` then follows them."""
    config = raw.get("quantization_config") or text.get("quantization_config")
    if not isinstance(config, Mapping):
        return False
    return str(config.get("kv_cache_quant_algo") or "").upper() == "FP8"


def _intermediate(text: Mapping[str, Any], architecture: str | None, hidden: int) -> int | None:
    """The width of the dense feed-forward blocks; None where it is not said."""
    names = ("intermediate_size_mlp", "intermediate_size", "ffn_hidden_size", "ffn_dim", "n_inner")
    found = _optional(text, *names)
    if found is None and architecture == "GPT2LMHeadModel":
        return 4 * hidden  # what its class makes of `n_inner: null`
    return found


def _experts(text: Mapping[str, Any], architecture: str | None, layers: int) -> Experts | None:
    short = text.get("moe")
    if isinstance(short, Mapping):
        width = _optional(short, "moe_intermediate") or _number(text, "intermediate_size")
        return Experts(_number(short, "experts"), _number(short, "top_k"), width, layers)
    count = _optional(text, "num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")
    if not count or count == 1:
        return None
    top_k = _optional(text, "num_experts_per_tok", "num_experts_per_token", "moe_top_k", "moe_k") or 0
    width = _optional(text, "moe_intermediate_size", "expert_ffn_hidden_size") or _number(
        text, "intermediate_size"
    )
    dense = text.get("first_k_dense_replace") or text.get("moe_layer_start_index") or 0
    step = _optional(text, *STEPS) or 1
    sparse = (layers - min(int(dense), layers)) // step if isinstance(dense, int) else layers
    only_dense = text.get("mlp_only_layers")
    sparse = max(1, sparse - len(only_dense)) if isinstance(only_dense, list) else max(1, sparse)
    shared = _optional(text, "shared_expert_intermediate_size")
    if shared is None:
        number = text.get("n_shared_experts") or text.get("moe_num_shared_experts") or 0
        if str(architecture).startswith("Llama4"):
            number = 1  # Llama4MoE always has one beside those that are chosen
        shared = width * number if isinstance(number, int) and 0 <= number < 2**20 else 0
    return Experts(count, top_k, width, sparse, shared)


# Every how manyth layer has experts.
STEPS = ("decoder_sparse_step", "moe_layer_freq", "interleave_moe_layer_step", "moe_layer_interval")


def _layers(text: Mapping[str, Any], architecture: str | None, count: int) -> tuple[Layer, ...]:
    """One entry a layer, in order. The rules are those of the model classes in transformers and vLLM."""
    window = text.get("sliding_window")
    # Qwen's classes switch the window off unless they are told; the others have no such key.
    if not text.get("use_sliding_window", not str(architecture).startswith("Qwen")):
        window = None
    chunk = _optional(text, "attention_chunk_size")
    kinds = text.get("layer_types")
    if isinstance(kinds, str):
        return _layers_from_words(kinds, _number(text, "sliding_window"), count)
    if isinstance(kinds, list):
        if len(kinds) != count:
            raise UnknownModelError(
                f"layer_types lists {len(kinds)} layers but num_hidden_layers is {count}."
            )
        return tuple(_layer(str(kind), window, chunk) for kind in kinds)
    if chunk:
        marks = text.get("no_rope_layers")
        if isinstance(marks, list) and len(marks) == count:
            return tuple(Layer(CHUNKED, chunk) if mark else Layer(FULL) for mark in marks)
        interval = _optional(text, "no_rope_layer_interval") or 4
        return tuple(Layer(FULL) if (i + 1) % interval == 0 else Layer(CHUNKED, chunk) for i in range(count))
    if not isinstance(window, int) or isinstance(window, bool) or window <= 0:
        return (Layer(FULL),) * count
    if str(architecture).startswith("Qwen"):
        whole = text.get("max_window_layers")
        if whole == 0 or (isinstance(whole, int) and whole >= count):
            return (Layer(FULL) if whole else Layer(SLIDING, window),) * count
        raise UnknownModelError(
            f"max_window_layers is {whole!r} for {count} layers: vLLM does not serve Qwen with a window"
            " on some of the layers, so the memory is unknown."
        )
    pattern = _optional(text, "sliding_window_pattern")
    if pattern is None and architecture in {"Gemma3ForCausalLM", "Gemma3ForConditionalGeneration"}:
        pattern = 6
    if pattern is None and architecture == "Cohere2ForCausalLM":
        pattern = 4
    if architecture in {"Gemma2ForCausalLM", "GptOssForCausalLM"}:
        pattern = 2
    if pattern:
        return tuple(Layer(FULL) if (i + 1) % pattern == 0 else Layer(SLIDING, window) for i in range(count))
    return (Layer(SLIDING, window),) * count


def _layer(kind: str, window: Any, chunk: int | None) -> Layer:
    if kind == "full_attention":
        return Layer(FULL)
    size = chunk if kind == "chunked_attention" else window
    if not isinstance(size, int) or size <= 0:
        raise UnknownModelError(f"layer_types names {kind!r} but config.json gives no size for it.")
    return Layer(CHUNKED if kind == "chunked_attention" else SLIDING, size)


def _layers_from_words(words: str, window: int, count: int) -> tuple[Layer, ...]:
    """The lock's short form, `5 sliding : 1 full (22+4)`: sliding layers first, then full ones."""
    match = re.search(r"\((\d+)\+(\d+)\)", words)
    if match is None or sum(map(int, match.groups())) != count:
        raise UnknownModelError(f"layer_types {words!r} does not say how the {count} layers divide.")
    sliding, full = (int(part) for part in match.groups())
    # Spread the full layers evenly, the last of each run, as these models do.
    marks = {(i + 1) * count // full - 1 for i in range(full)} if full else set()
    return tuple(Layer(FULL) if i in marks else Layer(SLIDING, window) for i in range(sliding + full))
