"""The KV cache's layout, by hand from vLLM's rules."""

import pytest
from configs import DEEPSEEK_LITE, GEMMA3_1B, GPT_OSS_20B, QWEN3_8B, QWEN3_VL, SMOLLM2

from serving.kv_cache import group_size, kv_bytes_per_token, layout, stage_layers
from serving.model_config import facts
from serving.versions import behaviour

OLD, NEW = behaviour("0.11.0"), behaviour("0.32.0")


@pytest.mark.parametrize(
    ("config", "tp", "expected"),
    [
        (SMOLLM2, 1, 2 * 30 * 3 * 64 * 2),
        (QWEN3_8B, 1, 2 * 36 * 8 * 128 * 2),
        (QWEN3_8B, 4, 2 * 36 * 2 * 128 * 2),
        (QWEN3_8B, 16, 2 * 36 * 1 * 128 * 2),  # more GPUs than heads: each keeps one, replicated
        (DEEPSEEK_LITE, 1, 27 * (512 + 64) * 2),
        (DEEPSEEK_LITE, 8, 27 * (512 + 64) * 2),  # latent attention is not divided
        (GPT_OSS_20B, 1, 2 * 24 * 8 * 64 * 2),
        (QWEN3_VL, 2, 2 * 48 * 2 * 128 * 2),
    ],
)
def test_bytes_per_token(config, tp, expected) -> None:
    assert kv_bytes_per_token(facts(config), tp=tp) == expected


def test_an_fp8_cache_takes_half() -> None:
    assert kv_bytes_per_token(facts(QWEN3_8B), element_bytes=1) == 36 * 2 * 8 * 128


def test_equal_layers_are_one_group() -> None:
    cache = layout(facts(QWEN3_8B), behaviour=NEW, batched_tokens=2048)
    assert cache.groups == (("full", None),)
    assert cache.bytes_per_block == 16 * kv_bytes_per_token(facts(QWEN3_8B))
    assert cache.blocks_for(40960) == 2560
    assert cache.blocks_for(17) == 2


def test_sliding_layers_are_packed_into_groups_of_equal_size() -> None:
    cache = layout(facts(GEMMA3_1B), behaviour=OLD, batched_tokens=2048)
    # 4 full and 22 sliding layers: groups of 4, the 22 padded to 24.
    assert [kind for kind, _ in cache.groups].count("sliding") == 6
    assert len(cache.groups) == 7
    assert cache.bytes_per_block == 4 * 16 * (2 * 1 * 256 * 2)
    # Full layers hold all, sliding ones the window and a batch, plus a block.
    assert cache.blocks_for(32768) == 2048 + 6 * (160 + 1)
    # Asynchronous scheduling keeps two batches in flight.
    newer = layout(facts(GEMMA3_1B), behaviour=NEW, batched_tokens=2048)
    assert newer.blocks_for(32768) == 2048 + 6 * (288 + 1)


def test_a_request_shorter_than_the_window_pays_in_full() -> None:
    cache = layout(facts(GPT_OSS_20B), behaviour=OLD, batched_tokens=8192)
    assert cache.blocks_for(160) == 10 + (10 + 1)


def test_what_is_printed_depends_on_the_version() -> None:
    old = layout(facts(GPT_OSS_20B), behaviour=OLD, batched_tokens=8192)
    new = layout(facts(GPT_OSS_20B), behaviour=NEW, batched_tokens=8192)
    available = 1000 * old.bytes_per_block
    assert old.tokens(available, 131072) == 1000 // 2 * 16
    assert new.tokens(available, 131072) == int(1000 / new.blocks_for(131072) * 131072)
    assert new.bytes_per_token(131072) == new.bytes_for(131072) / 131072


def test_the_hybrid_manager_can_be_off() -> None:
    cache = layout(facts(GPT_OSS_20B), behaviour=NEW, batched_tokens=8192, hybrid=False)
    assert cache.groups == (("full", None),)
    assert (
        layout(facts(GPT_OSS_20B), behaviour=behaviour("0.8.5"), batched_tokens=8192).groups == cache.groups
    )


def test_a_pipeline_is_bound_by_its_longest_stage() -> None:
    assert stage_layers(36, 4) == [9, 9, 9, 9]
    assert stage_layers(61, 4) == [15, 15, 16, 15]
    assert stage_layers(62, 4) == [15, 16, 16, 15]
    cache = layout(facts(QWEN3_8B), behaviour=NEW, batched_tokens=2048, pp=2)
    assert cache.bytes_per_block == 16 * kv_bytes_per_token(facts(QWEN3_8B)) // 2


def test_group_size_is_the_rarest_kind_unless_they_are_close() -> None:
    assert group_size([10, 52]) == 10
    assert group_size([12, 13]) == 13
    assert group_size([36]) == 36
    assert group_size([12, 13], OLD.padded_group_bound) == 12
    assert group_size([12, 17], behaviour("0.15.1").padded_group_bound) == 12
