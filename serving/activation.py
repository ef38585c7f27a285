"""Memory vLLM finds taken at the peak of its profiling run, besides the weights, on one GPU.

The run is one forward pass of `max_num_batched_tokens` tokens, then sampling for `max_num_seqs` sequences
(`profile_run` in gpu_model_runner.py). Either step can be the peak; the hidden states live through both.
"""

from __future__ import annotations

from dataclasses import dataclass

from serving.model_config import ModelFacts
from serving.versions import Behaviour

# Per sequence and vocabulary entry in PyTorch's sampler: logits, their copy in float32, sorted values,
# 64-bit indices, masks, probabilities. 38.0 to 38.6 over the reports with V x S large enough to tell.
SAMPLER_BYTES = 38.4
SAMPLER_BYTES_08 = 24.0  # V1 in 0.8 profiled less of the sampler: about 1 GiB where later versions take 1.4


@dataclass(frozen=True)
class Batch:
    """The two limits of a step: sequences and tokens."""

    sequences: int
    tokens: int


def activation_bytes(
    facts: ModelFacts, batch: Batch, behaviour: Behaviour, *, tp: int = 1, length: int | None = None
) -> float:
    """Bytes at the peak of the profiling run. `length`: the longest request."""
    hidden_states = 2.0 * batch.tokens * facts.hidden
    entry = SAMPLER_BYTES_08 if behaviour.since(0, 8) and not behaviour.since(0, 9) else SAMPLER_BYTES
    sampler = entry * min(batch.sequences, batch.tokens) * facts.vocab + hidden_states
    if not behaviour.v1_engine and not behaviour.since(0, 7) and length and batch.tokens < length:
        # Chunked prefill in 0.6 profiled a piece of a prompt, which is not sampled (vLLM issue 10517).
        sampler = hidden_states
    peak = max(sampler, forward_bytes(facts, batch, tp=tp))
    return peak + (encoder_cache_bytes(facts, batch) if facts.multimodal else 0.0)


def forward_bytes(facts: ModelFacts, batch: Batch, *, tp: int = 1) -> float:
    """The widest point of a layer: residual, hidden states, gate and up, their product (16 bits each)."""
    dense = 3 * facts.hidden + 3 * (facts.intermediate or 4 * facts.hidden) / tp
    if facts.experts is None:
        return 2.0 * batch.tokens * dense
    experts = facts.experts
    # fused_experts: one buffer for gate-and-up or the down result, one for the product, a row per chosen
    # expert. Chunks of 32768 tokens (VLLM_FUSED_MOE_CHUNK_SIZE) bound it.
    rows = min(batch.tokens, 32768) * experts.top_k
    buffers = 2.0 * rows * (max(2 * experts.width / tp, facts.hidden) + experts.width / tp)
    return 2.0 * batch.tokens * 4 * facts.hidden + buffers


def encoder_cache_bytes(facts: ModelFacts, batch: Batch) -> float:
    """Encoder outputs of a full batch are held while the language model is profiled (`MultiModalBudget`)."""
    return 2.0 * batch.tokens * facts.hidden


def non_torch_bytes(behaviour: Behaviour, *, world: int) -> float:
    """CUDA context, NCCL and kernel workspaces.

    0.05 to 0.35 GiB on one GPU, 0.2 to 0.6 typical with several.
    """
    if world > 1:
        return 0.45 * 2**30
    return (0.25 if behaviour.graphs_in_budget else 0.13) * 2**30


def graph_bytes(facts: ModelFacts, batch: Batch, *, pp: int = 1) -> float:
    """vLLM's own estimate of its CUDA graphs, which is inside the budget since 0.20.

    `profile_cudagraph_memory`: a first capture plus at least 1 MiB for every further graph. One report to
    fit it to (0.25 GiB for 32 layers and sizes up to 512), others of 0.17 to 0.36 GiB.
    """
    captured = min(2 * batch.sequences, 512)
    sizes = 3 + min(captured, 255) // 8 + max(0, captured - 240) // 16
    layers = len(facts.layers) / pp
    return (0.05 + 0.2 * layers / 32 * sizes / 51) * 2**30


def graph_bytes_at_worst(facts: ModelFacts, behaviour: Behaviour, *, pp: int = 1, world: int = 1) -> float:
    """What graphs may take outside the budget before 0.20: the largest seen per layer and a quarter more.

    0.062 GiB a layer up to 0.9 (2.24 GiB for 36 layers), 0.037 later (3.45 GiB for 94); several GPUs add
    buffers.
    """
    per_layer = 0.062 if behaviour.known and not behaviour.since(0, 10) else 0.037
    return (1.25 * per_layer * len(facts.layers) / pp + (0.5 if world > 1 else 0.0)) * 2**30
