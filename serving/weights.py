"""Memory of the weights on one GPU, from the bytes of the safetensors files.

Start-up reports put it at 1.000 to 1.014 of file bytes / TP / PP; the differences that have a cause are
modelled here: a tied embedding stored twice, the table of rotary positions, padding of mxfp4 experts,
layers that tensor parallelism does not divide, a dtype other than the stored one, quantisation while
loading.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from serving.errors import BadSnapshotError
from serving.gpus import Gpu
from serving.kv_cache import stage_layers
from serving.model_config import DTYPE_BYTES, ModelFacts
from serving.parameters import Parameters, count_parameters

# 4.5: 4 bits and an fp32 scale per 64 values.
LOAD_TIME_BITS = {
    "bitsandbytes": 4.5,
    "fp8": 8.0,
    "fp8_per_block": 8.0,
    "fp8_per_channel": 8.0,
    "fp8_per_tensor": 8.0,
    "int8_per_channel_weight_only": 8.0,
}


@dataclass(frozen=True)
class Weights:
    """Bytes on the fullest GPU, and notes for the reader.

    `loose` marks an estimate that is not from file sizes.
    """

    bytes: float
    notes: tuple[str, ...] = ()
    loose: bool = False


def weights(
    facts: ModelFacts,
    stored: int,
    gpu: Gpu,
    *,
    tp: int = 1,
    pp: int = 1,
    dtype: str | None = None,
    load_quantization: str | None = None,
) -> Weights:
    """`stored` is the sum of the safetensors files in bytes.

    `dtype` and `load_quantization` are vLLM's arguments.
    """
    counts = count_parameters(facts)
    check_size(facts, stored, counts)
    notes: list[str] = []
    resident = float(stored)
    if _stored_twice(facts, stored, counts):
        resident -= counts.embedding * facts.dtype_bytes
        notes.append("the tied embedding is stored twice and loaded once")
    method = _quantised_while_loading(facts, stored, counts, load_quantization)
    if method:
        resident = _quantised_on_load(counts, facts, method)
        notes.append(f"quantised to {method} while loading")
    elif facts.quantization.method is None:
        factor = _served_bytes(facts, dtype) / _stored_bytes(facts, stored, counts)
        if factor != 1:
            resident *= factor
            notes.append(f"stored as {facts.dtype}, served with {_served_bytes(facts, dtype)} bytes a weight")
    elif facts.quantization.method == "mxfp4":
        padding = _mxfp4_padding(facts, counts, gpu, tp)
        resident += padding
        notes.append(f"{padding / 2**30:.2f} GiB of padding in the mxfp4 experts")
    beside = _rope_table(facts) + _replicated(facts, tp) + _latent_copies(facts, tp, pp)
    return Weights(_largest_share(facts, resident, counts, tp, pp) + beside, tuple(notes), method is not None)


def _quantised_while_loading(
    facts: ModelFacts, stored: int, counts: Parameters, asked: str | None
) -> str | None:
    """The method, when the files hold 16 bits a weight and vLLM is to shrink them."""
    method = asked if asked in LOAD_TIME_BITS else None
    if facts.quantization.method == "bitsandbytes":
        method = "bitsandbytes"
    return method if stored > 1.6 * _total(facts, counts) else None


def _total(facts: ModelFacts, counts: Parameters) -> int:
    return facts.parameters or counts.total(tied=facts.tied)


def _stored_twice(facts: ModelFacts, stored: int, counts: Parameters) -> bool:
    """Tied, but the file is as large as two embeddings make it (0.75 of one: norms are not counted)."""
    if not facts.tied or facts.multimodal or facts.quantization.method:
        return False
    once = facts.parameters or counts.total(tied=True)
    least, most = once + 0.75 * counts.embedding, 1.1 * (once + counts.embedding)
    return least * facts.dtype_bytes <= stored <= most * facts.dtype_bytes


def _stored_bytes(facts: ModelFacts, stored: int, counts: Parameters) -> int:
    """float32 in the configuration is sometimes only said: then the files have 2 bytes a weight."""
    if facts.dtype_bytes == 4 and stored < 3 * _total(facts, counts):
        return 2
    return facts.dtype_bytes


def _served_bytes(facts: ModelFacts, dtype: str | None) -> int:
    """`auto` serves float32 checkpoints with 16 bits (`_resolve_auto_dtype`)."""
    return DTYPE_BYTES.get(dtype or "auto", 2)


def _quantised_on_load(counts: Parameters, facts: ModelFacts, method: str) -> float:
    sides = 1 if facts.tied else 2
    return counts.layers * LOAD_TIME_BITS[method] / 8 + sides * counts.embedding * 2


def _mxfp4_padding(facts: ModelFacts, counts: Parameters, gpu: Gpu, tp: int) -> float:
    """Expert matrices are padded to the kernel's tiles: on Hopper one side to 256, elsewhere Marlin's 128
    and 256.

    Rules from `mxfp4_round_up_hidden_size_and_intermediate_size`; the Hopper one is what reports of 2025 show
    (blocks padded, scales not).
    """
    if not facts.experts:
        return 0.0
    width = facts.experts.width / tp
    grown_width = ceil(width / 128) * 128 / width
    grown_hidden = ceil(facts.hidden / 256) * 256 / facts.hidden
    if gpu.capability == 9.0:
        return counts.experts * 0.5 * (ceil(width / 256) * 256 / width - 1)
    return counts.experts * (4.25 / 8) * (grown_width * grown_hidden - 1)


def _largest_share(facts: ModelFacts, resident: float, counts: Parameters, tp: int, pp: int) -> float:
    """Divided by TP; with a pipeline the fullest stage.

    Its layers and an embedding (first) or the head (last).
    """
    if pp == 1:
        return resident / tp
    sides = 1 if facts.tied else 2
    embedding = counts.embedding * 2.0
    body = max(0.0, resident - sides * embedding)
    stages = stage_layers(len(facts.layers), pp)
    loads = [body * n / len(facts.layers) for n in stages]
    loads[0] += embedding
    loads[-1] += embedding
    return max(loads) / tp


def _rope_table(facts: ModelFacts) -> float:
    """cos and sin of every position, kept on each GPU (MRotaryEmbedding keeps four times the positions)."""
    positions = (facts.lengths.stated or 0) * (4 if facts.multi_rope else 1)
    return positions * facts.rope_dim * 2


def _latent_copies(facts: ModelFacts, tp: int, pp: int) -> float:
    """MLA keeps the up projection a second time, split and in 16 bits, for decoding (MLACommonImpl)."""
    if not facts.latent_dim or not facts.heads:
        return 0.0
    ranks = facts.latent_ranks
    width = ranks.get("qk_nope_head_dim", 0) + ranks.get("v_head_dim", 0)
    return 2.0 * len(facts.layers) / pp * ranks.get("kv_lora_rank", 0) * facts.heads / tp * width


def _replicated(facts: ModelFacts, tp: int) -> float:
    """What TP does not divide.

    MLA's down projections, key and value heads beyond the KV heads, the router.
    """
    if tp == 1:
        return 0.0
    element = (facts.quantization.bits or 8.0 * min(facts.dtype_bytes, 2)) / 8
    whole = 0
    if facts.latent_dim:
        whole = facts.hidden * (facts.latent_dim + facts.latent_ranks.get("q_lora_rank", 0))
    elif facts.head_dim and tp > facts.kv_heads:
        extra = tp / facts.kv_heads - 1
        whole = int(2 * facts.hidden * facts.head_dim * facts.kv_heads * extra / (1 + extra))
    router = facts.hidden * facts.experts.count if facts.experts else 0
    return len(facts.layers) * (whole * element + router * 2) * (1 - 1 / tp)


def check_size(facts: ModelFacts, stored: int, counts: Parameters) -> None:
    """Refuse sizes that cannot belong to the configuration.

    Wide bounds, to catch a missing shard or a wrong unit.
    """
    if stored <= 0:
        raise BadSnapshotError(
            f"the weights have {stored} bytes: give the sum of the safetensors files in bytes."
        )
    total = facts.parameters or counts.total(tied=True)
    if facts.quantization.method is None:
        width = 2.0
        low, high = (0.9 if counts.exact or facts.parameters else 0.7), 2.6
    else:
        width = (facts.quantization.bits or 4.0) / 8
        low, high = 0.6, 6.0
    if facts.multimodal or facts.parameters is None:
        high *= 1.5
    if not counts.exact and facts.parameters is None:
        high = float("inf")  # widths are missing: only what is too small can be told
    if not low * total * width <= stored <= high * total * width + 2**30:
        raise BadSnapshotError(
            f"{stored / 2**30:.2f} GiB of weights do not go with a configuration of {total / 1e9:.2f} billion"
            f" parameters at {width:g} bytes each: a shard is missing, or the sizes are another model's."
        )
