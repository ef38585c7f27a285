"""The KV cache: bytes per token, how vLLM packs layers into blocks, and what a request of a length needs.

Follows v1/kv_cache_interface.py and v1/core/kv_cache_utils.py of vLLM 0.32.0 (read for the rules, not
copied). Sizes are bytes on one GPU. Left out: context parallelism, caches of draft models, state of linear-
attention layers.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import ceil

from serving.model_config import CHUNKED, FULL, ModelFacts
from serving.versions import Behaviour

BLOCK_TOKENS = 16  # vLLM's default block on CUDA; kernels that use larger ones change only the rounding


def kv_bytes_per_token(facts: ModelFacts, *, tp: int = 1, element_bytes: int | None = None) -> int:
    """Bytes one token takes in the KV cache of one GPU, all layers (no pipeline parallelism).

    GQA: keys and values of the GPU's share of the heads; heads are replicated when TP exceeds them. MLA: one
    compressed vector, which every GPU keeps whole.
    """
    return len(facts.layers) * layer_bytes_per_token(facts, tp=tp, element_bytes=element_bytes)


def layer_bytes_per_token(facts: ModelFacts, *, tp: int = 1, element_bytes: int | None = None) -> int:
    """The same for one layer."""
    size = element_bytes or min(facts.dtype_bytes, 2)
    if facts.latent_dim:
        return facts.latent_dim * size
    assert facts.head_dim is not None
    return 2 * max(1, facts.kv_heads // tp) * facts.head_dim * size


def stage_layers(count: int, pp: int) -> list[int]:
    """Layers per pipeline stage, as vLLM's `get_pp_indices`.

    What is left over goes to the later middle stages.
    """
    stages = [count // pp] * pp
    for i in range(2, count % pp + 2):
        stages[-i] += 1
    return stages


@dataclass(frozen=True)
class Layout:
    """How one GPU's cache is divided: `groups` block tables of equal layers, all drawing from one pool."""

    bytes_per_block: int
    groups: tuple[tuple[str, int | None], ...]  # (kind, window) of each group
    behaviour: Behaviour
    block_tokens: int
    batched_tokens: int

    def blocks(self, available: float) -> int:
        return max(0, int(available // self.bytes_per_block))

    def blocks_for(self, length: int) -> int:
        """Blocks a request of that many tokens holds at most."""
        return sum(self._group_blocks(kind, window, length) for kind, window in self.groups)

    def _group_blocks(self, kind: str, window: int | None, length: int) -> int:
        if kind == FULL or window is None:
            return ceil(length / self.block_tokens)
        in_flight = self.batched_tokens * self.behaviour.batches_in_flight
        if kind == CHUNKED:  # chunks begin at the edge of a block
            return ceil(min(window + in_flight, length) / self.block_tokens)
        held = min(window - 1 + in_flight, length)
        # One more: the window need not start at the edge of a block.
        return ceil(held / self.block_tokens) + 1

    def bytes_for(self, length: int) -> int:
        return self.blocks_for(length) * self.bytes_per_block

    def tokens(self, available: float, length: int) -> int:
        """The count that vLLM prints as `GPU KV cache size`."""
        blocks = self.blocks(available)
        if self.behaviour.tokens_from_concurrency:
            return int(self.concurrency(available, length) * length)
        return blocks // len(self.groups) * self.block_tokens

    def concurrency(self, available: float, length: int) -> float:
        """`Maximum concurrency`: how many requests of that length the cache holds."""
        return self.blocks(available) / self.blocks_for(length)

    def bytes_per_token(self, length: int) -> float:
        """Bytes behind each token that vLLM prints."""
        if self.behaviour.tokens_from_concurrency and len(self.groups) > 1:
            return self.bytes_for(length) / length
        return self.bytes_per_block * len(self.groups) / self.block_tokens


def layout(
    facts: ModelFacts,
    *,
    behaviour: Behaviour,
    batched_tokens: int,
    tp: int = 1,
    pp: int = 1,
    element_bytes: int | None = None,
    block_tokens: int = BLOCK_TOKENS,
    hybrid: bool = True,
) -> Layout:
    """The layout of the stage with the most layers: every stage gets as many blocks as the poorest has."""
    per_layer = layer_bytes_per_token(facts, tp=tp, element_bytes=element_bytes) * block_tokens
    kinds = Counter((layer.kind, layer.window) for layer in facts.layers)
    if (not hybrid or not behaviour.hybrid_groups) and len(kinds) > 1:
        kinds = Counter({(FULL, None): len(facts.layers)})
    size = group_size(list(kinds.values()), behaviour.padded_group_bound)
    groups = tuple(key for key, count in kinds.items() for _ in range(ceil(count / size)))
    share = max(stage_layers(len(facts.layers), pp)) / len(facts.layers)
    return Layout(ceil(size * share) * per_layer, groups, behaviour, block_tokens, batched_tokens)


def group_size(counts: list[int], bound: float = 1.5) -> int:
    """Layers per group: the rarest kind's count, or the commonest's when they are close.

    `_get_kv_cache_groups_uniform_page_size`: groups are padded to equal size, `bound` is
    what counts as close.
    """
    low, high = min(counts), max(counts)
    return high if high < low * bound else low
