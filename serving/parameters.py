"""Parameter counts worked out from the configuration.

Used where the file sizes alone do not tell: an embedding that is tied but stored twice, weights quantised
while loading, the share of the experts, the stages of a pipeline, and whether the given sizes can be right
at all. Norms and biases are left out: they are far below a percent.
"""

from __future__ import annotations

from dataclasses import dataclass

from serving.model_config import ModelFacts


@dataclass(frozen=True)
class Parameters:
    """Counts. `exact` is False when a fact was missing (the number of query heads) and the total is a lower
    bound.
    """

    embedding: int  # one side: vocabulary x hidden
    layers: int
    experts: int  # part of `layers`
    exact: bool

    def total(self, *, tied: bool) -> int:
        return self.embedding * (1 if tied else 2) + self.layers


def count_parameters(facts: ModelFacts) -> Parameters:
    layers = len(facts.layers)
    matrices = 3 if facts.gated else 2
    routed = dense = 0
    if facts.experts:
        experts = facts.experts
        routed = experts.layers * experts.count * 3 * facts.hidden * experts.width
        dense += experts.layers * (3 * facts.hidden * experts.shared_width + facts.hidden * experts.count)
        dense += facts.dense * matrices * facts.hidden * (facts.intermediate or 0)
    else:
        dense += layers * matrices * facts.hidden * (facts.intermediate or 4 * facts.hidden)
    exact = facts.heads is not None and facts.intermediate is not None
    return Parameters(
        embedding=facts.vocab * facts.hidden,
        layers=layers * _attention(facts) + dense + routed,
        experts=routed,
        exact=exact,
    )


def _attention(facts: ModelFacts) -> int:
    if facts.latent_dim:
        return _latent_attention(facts)
    assert facts.head_dim is not None
    heads = facts.heads or max(facts.kv_heads, facts.hidden // facts.head_dim)
    return facts.hidden * facts.head_dim * (2 * heads + 2 * facts.kv_heads)


def _latent_attention(facts: ModelFacts) -> int:
    ranks, heads = facts.latent_ranks, facts.heads or 0
    nope, rope, value = (ranks.get(k, 0) for k in ("qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim"))
    q_rank, kv_rank = ranks.get("q_lora_rank"), ranks.get("kv_lora_rank", 0)
    query = heads * (nope + rope)
    queries = facts.hidden * query if q_rank is None else q_rank * (facts.hidden + query)
    keys = facts.hidden * (kv_rank + rope) + kv_rank * heads * (nope + value)
    return queries + keys + heads * value * facts.hidden
