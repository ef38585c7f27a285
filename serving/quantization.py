"""How the stored weights are quantised, read from config.json's `quantization_config`.

Bits per weight are used only to check that sizes add up and to size quantisation at load time; the memory
of a checkpoint that is already quantised follows its file size.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from serving.errors import UnknownModelError


@dataclass(frozen=True)
class Quantization:
    """`method` is vLLM's name for it (None: not quantised), `bits` per stored linear weight (None: unknown).

    `group`: how many neighbouring weights share a scale, which tensor parallelism must not cut.
    """

    method: str | None
    bits: float | None
    group: int | None = None


NONE = Quantization(None, None)

# Methods with a fixed width. The 4-bit formats keep a scale per group on top.
BITS = {
    "fp8": 8.0,
    "fbgemm_fp8": 8.0,
    "deepspeedfp": 8.0,
    "mxfp4": 4.25,  # one 8-bit scale for 32 values (OCP microscaling format)
    "awq": 4.0,
    "gptq": 4.0,
    "bitsandbytes": 4.0,
}


def read_quantization(raw: Mapping[str, Any], text: Mapping[str, Any]) -> Quantization:
    """From the outer or the nested configuration, or the short form (`quant: awq 4 bit`)."""
    short = raw.get("quant")
    if isinstance(short, str):
        return _from_words(short)
    config = (
        raw.get("quantization_config") or text.get("quantization_config") or raw.get("compression_config")
    )
    if config is None:
        return NONE
    if not isinstance(config, Mapping):
        raise UnknownModelError(
            "quantization_config in config.json is not an object; download config.json again."
        )
    return replace(_read(config), group=_group(config))


def _group(config: Mapping[str, Any]) -> int | None:
    """`group_size` (AWQ, GPTQ), the sides of FP8's blocks, or the groups of compressed-tensors."""
    blocks, parts = config.get("weight_block_size"), config.get("config_groups")
    found = [config.get("group_size"), *(blocks if isinstance(blocks, list) else [])]
    for part in parts.values() if isinstance(parts, Mapping) else []:
        weights = part.get("weights") if isinstance(part, Mapping) else None
        found.append(weights.get("group_size") if isinstance(weights, Mapping) else None)
    sizes = [size for size in found if isinstance(size, int) and not isinstance(size, bool) and size > 0]
    return max(sizes, default=None)


def _read(config: Mapping[str, Any]) -> Quantization:
    method = str(config.get("quant_method") or config.get("quant_algo") or "unknown").lower()
    bits = config.get("bits") or config.get("w_bit")
    if isinstance(bits, int | float) and not isinstance(bits, bool):
        return Quantization(method, float(bits))
    if method == "bitsandbytes":
        return Quantization(method, 8.0 if config.get("load_in_8bit") else 4.0)
    if method == "compressed-tensors":
        return Quantization(method, _compressed_bits(config))
    if method == "modelopt":
        return Quantization(method, 4.5 if "4" in str(config.get("quant_algo")) else 8.0)
    return Quantization(method, BITS.get(method))


def _compressed_bits(config: Mapping[str, Any]) -> float | None:
    groups = config.get("config_groups")
    widths = []
    for group in groups.values() if isinstance(groups, Mapping) else []:
        weights = group.get("weights") if isinstance(group, Mapping) else None
        bits = weights.get("num_bits") if isinstance(weights, Mapping) else None
        if isinstance(bits, int | float):
            widths.append(float(bits))
    return max(widths) if widths else None


def _from_words(words: str) -> Quantization:
    plain = words.lower()
    match = re.search(r"(\d+)[ -]?bit", plain)
    method = next((name for name in BITS if plain.startswith(name)), None)
    if method is None:
        method = "compressed-tensors"
    bits = float(match.group(1)) if match else BITS.get(method)
    if bits is None:
        bits = 8.0 if "w8" in plain else 4.0 if "w4" in plain else None
    return Quantization(method, bits)
