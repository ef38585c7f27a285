"""The tables against the vLLM that `make bootstrap` installs: its own parser, its own plan of a KV cache."""

import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest
from repositories import KNOWN

from serving.gpus import DATA
from serving.kv_cache import kv_bytes_per_token, layout
from serving.model_config import ModelFacts, facts
from serving.versions import behaviour
from serving.vllm_args import parse

pytestmark = pytest.mark.vllm

ROOT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("EMULATOR_CACHE", ROOT / ".cache"))
PYTHON = CACHE / "vllm" / "bin" / "python"
# Spellings whose meaning must survive reading them and writing them in the normal form.
SPELLINGS = [
    "--max_model_len=32K -tp=2 --no-enable-prefix-caching",
    "--max-model-len auto --seed -1 -O3",
    "--speculative-config.method ngram -cc.mode 3",
    "-cc.cudagraph_capture_sizes+ 1 -cc.cudagraph_capture_sizes+ 2",
    "--allowed-origins '[\"*\"]' --chat-template 'a b' --kv-cache-memory-bytes 2G",
    "--limit-mm-per-prompt.image 2 --cudagraph-capture-sizes 1 2 4 --gpu-memory-utilization .5",
    "--tensor-par 2 --no-enable-prefix-cach --max-model 99",
]
SCRIPT = """
import json, sys
from vllm.utils.argparse_utils import FlexibleArgumentParser
from vllm.entrypoints.launchers.cli_args import make_arg_parser
parser = make_arg_parser(FlexibleArgumentParser())
for words in json.loads(sys.argv[1]):
    print(json.dumps({k: str(v) for k, v in vars(parser.parse_args(words)).items()}))
"""


def run(*words: str, stdin: str = "") -> str:
    return subprocess.run(
        [str(PYTHON), *words],
        capture_output=True,
        text=True,
        check=True,
        input=stdin,
        env={
            **os.environ,
            "VLLM_CPU_KVCACHE_SPACE": "1",
            "VLLM_LOGGING_LEVEL": "ERROR",
            "HF_HUB_OFFLINE": "1",
        },
    ).stdout


def test_the_table_is_that_of_the_installed_parser(tmp_path) -> None:
    run(str(ROOT / "serving/data/generate_vllm_args.py"), "--out", str(tmp_path))
    (made,) = tmp_path.glob("*.json")
    committed = json.loads((DATA / "vllm_args" / made.name).read_text())
    assert json.loads(made.read_text()) == committed, (
        "run serving/data/generate_vllm_args.py with vLLM's interpreter"
    )


def test_vllm_reads_the_normal_form_as_what_was_written() -> None:
    written = [shlex.split(text) for text in SPELLINGS]
    normal = [parse(text, version="0.32.0").normalised() for text in SPELLINGS]
    lines = run("-c", SCRIPT, json.dumps([*written, *normal])).splitlines()
    assert lines[: len(SPELLINGS)] == lines[len(SPELLINGS) :]


MODEL = CACHE / "models/HuggingFaceTB/SmolLM2-135M-Instruct"  # any: only its place in vLLM's config counts
PLAN = """
import json, sys, torch
from vllm.engine.arg_utils import EngineArgs
from vllm.v1.core.kv_cache_utils import (
    generate_scheduler_kv_cache_config, get_kv_cache_capacity, get_kv_cache_configs
)
from vllm.v1.kv_cache_interface import (
    ChunkedLocalAttentionSpec, FullAttentionSpec, MLAAttentionSpec, SlidingWindowSpec
)
config = EngineArgs(model=sys.argv[1], skip_tokenizer_init=True, max_model_len=2048).create_engine_config()
config.cache_config.block_size, config.cache_config.kv_cache_layout = 16, "LBNHC"  # FlashAttention's
type(config).max_concurrent_batches = property(lambda self: 2)  # asynchronous scheduling, the default on CUDA

def spec(case, kind, window):
    sizes = {"block_size": 16, "head_size": case["size"], "num_kv_heads": case["heads"]}
    sizes["dtype"] = torch.bfloat16
    if kind == "sliding":
        return SlidingWindowSpec(**sizes, sliding_window=window)
    if kind == "chunked":
        return ChunkedLocalAttentionSpec(**sizes, attention_chunk_size=window)
    return (MLAAttentionSpec if case["latent"] else FullAttentionSpec)(**sizes)

for case in json.load(sys.stdin):
    config.model_config.max_model_len = case["length"]
    config.scheduler_config.max_num_batched_tokens = case["tokens"]
    config.scheduler_config.disable_hybrid_kv_cache_manager = not case["hybrid"]
    layers = {f"layers.{i}.attn": spec(case, *layer) for i, layer in enumerate(case["layers"])}
    plan = generate_scheduler_kv_cache_config(get_kv_cache_configs(config, [layers], [case["bytes"]]))
    print(json.dumps([plan.num_blocks, *get_kv_cache_capacity(config, plan)]))
"""


def test_vllm_plans_the_same_cache_for_every_known_repository() -> None:
    """Blocks, tokens and requests at once exactly as vLLM's planner has them: GQA, MLA, windows, chunks."""
    version = behaviour("0.32.0")
    cases, expected = [], []
    for repository in KNOWN:
        model = facts(repository.config)
        longest = model.lengths.default(version) or 4096
        for length, tokens, hybrid in (
            (longest, 2048, True),
            (longest // 3, 8192, True),
            (longest, 8192, False),
        ):
            ours = layout(model, behaviour=version, batched_tokens=tokens, hybrid=hybrid)
            size = 3 * ours.bytes_for(length) + 12_345_678
            cases.append(_case(model, length, tokens, hybrid) | {"bytes": size})
            expected.append([ours.blocks(size), ours.tokens(size, length), ours.concurrency(size, length)])
    lines = run("-c", PLAN, str(MODEL), stdin=json.dumps(cases)).splitlines()
    found = [json.loads(line) for line in lines if line.startswith("[")]
    differ = [
        (cases[i]["layers"][:6], mine, theirs)
        for i, (mine, theirs) in enumerate(zip(expected, found, strict=True))
        if mine != theirs
    ]
    assert differ == []


def _case(model: ModelFacts, length: int, tokens: int, hybrid: bool) -> dict[str, object]:
    return {
        "length": length,
        "tokens": tokens,
        "hybrid": hybrid,
        "latent": bool(model.latent_dim),
        "size": model.latent_dim or model.head_dim,
        "heads": model.kv_heads,
        "layers": [[layer.kind, layer.window] for layer in model.layers],
    }


TOKEN = """
import sys
from vllm.engine.arg_utils import EngineArgs
from vllm.v1.kv_cache_interface import FullAttentionSpec
config = EngineArgs(model=sys.argv[1], skip_tokenizer_init=True).create_engine_config()
model, parallel = config.model_config, config.parallel_config
spec = FullAttentionSpec(
    block_size=1,
    num_kv_heads=model.get_num_kv_heads(parallel),
    head_size=model.get_head_size(),
    dtype=model.dtype,
)
print("bytes", spec.page_size_bytes * model.get_num_layers(parallel), model.max_model_len)
"""


def test_vllm_reads_the_served_model_as_this_does() -> None:
    """Bytes of a token and the length, as vLLM reads them from the config.json that the endpoint serves."""
    served = facts(json.loads((MODEL / "config.json").read_text()))
    line = next(line for line in run("-c", TOKEN, str(MODEL)).splitlines() if line.startswith("bytes "))
    expected = (kv_bytes_per_token(served), served.lengths.default(behaviour("0.32.0")))
    assert tuple(map(int, line.split()[1:])) == expected
