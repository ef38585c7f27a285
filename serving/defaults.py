"""vLLM's defaults that depend on the GPU, the model and the version, for the API server.

`EngineArgs.get_batch_defaults` and `_set_default_max_num_seqs_and_batched_tokens_args` of 0.32.0; V0's from
the memory reports and its documentation.
"""

from __future__ import annotations

from serving.activation import Batch
from serving.gpus import Gpu
from serving.versions import Behaviour


def default_batch(gpu: Gpu, behaviour: Behaviour, *, max_length: int | None) -> Batch:
    if not behaviour.v1_engine:
        # V0: without chunked prefill a batch must hold one whole request; long ones turn chunked prefill on.
        length = max_length or 2048
        chunk = 2048 if behaviour.since(0, 7, 3) else 512
        return Batch(256, max(2048, length) if length <= 32768 else chunk)
    large = gpu.total_gib >= 70 and not (gpu.is_a100 and behaviour.a100_small_batches)
    if gpu.total_gib >= 160 and behaviour.largest_batches:
        return Batch(1024, 16384)
    return Batch(1024, 8192) if large else Batch(256, 2048)


def batch(
    gpu: Gpu,
    behaviour: Behaviour,
    *,
    max_length: int | None,
    sequences: int | None,
    tokens: int | None,
    chunked_prefill: bool = True,
    throughput_mode: bool = False,
) -> Batch:
    """What is not given is vLLM's default, with its mutual limits."""
    default = default_batch(gpu, behaviour, max_length=max_length)
    scale = 2 if throughput_mode else 1
    seqs = sequences or default.sequences * scale
    if tokens is not None:
        return Batch(min(seqs, tokens), tokens)
    found = default.tokens * scale
    if max_length:
        if not chunked_prefill:
            found = max(found, max_length)
        found = min(found, seqs * max_length)
    return Batch(min(seqs, found), found)
