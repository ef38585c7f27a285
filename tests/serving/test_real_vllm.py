"""The tables against the vLLM that `make bootstrap` installs: its own parser, its own rules."""

import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest

from serving.gpus import DATA
from serving.vllm_args import parse

pytestmark = pytest.mark.vllm

ROOT = Path(__file__).parents[2]
PYTHON = Path(os.environ.get("EMULATOR_CACHE", ROOT / ".cache")) / "vllm" / "bin" / "python"
# Spellings whose meaning must survive reading them and writing them in the normal form.
SPELLINGS = [
    "--max_model_len=32K -tp=2 --no-enable-prefix-caching",
    "--max-model-len auto --seed -1 -O3",
    "--speculative-config.method ngram -cc.mode 3",
    "-cc.cudagraph_capture_sizes+ 1 -cc.cudagraph_capture_sizes+ 2",
    "--allowed-origins '[\"*\"]' --chat-template 'a b' --kv-cache-memory-bytes 2G",
    "--limit-mm-per-prompt.image 2 --cudagraph-capture-sizes 1 2 4 --gpu-memory-utilization .5",
]
SCRIPT = """
import json, sys
from vllm.utils.argparse_utils import FlexibleArgumentParser
from vllm.entrypoints.launchers.cli_args import make_arg_parser
parser = make_arg_parser(FlexibleArgumentParser())
for words in json.loads(sys.argv[1]):
    print(json.dumps({k: str(v) for k, v in vars(parser.parse_args(words)).items()}))
"""


def run(*words: str) -> str:
    return subprocess.run(
        [str(PYTHON), *words],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_LOGGING_LEVEL": "ERROR"},
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
