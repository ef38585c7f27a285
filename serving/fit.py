"""Does this model fit on that GPU? From config.json, the size of the weights, the GPU and vLLM's arguments.

    python -m serving.fit --config CONFIG_JSON --weights-bytes N --gpu "A100 80GB" [--gpus K] [--sku NAME]
                          [--vllm-args "..."] [--vllm-version V] [--json]

`check` is the function behind it. The answer is one object; whatever cannot be known is null with a reason,
and bad input is an answer too ("unknown", why), not a traceback.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from serving.advice import Advice, advise
from serving.answer import Answer
from serving.errors import BadArgumentsError, ServingError
from serving.estimate import (
    FITS,
    NO,
    UNKNOWN,
    Case,
    Estimate,
    estimate,
    layout_of,
    make_case,
    unknown,
)
from serving.gpus import Gpu, find_gpu
from serving.model_config import facts, read_config
from serving.skus import Sku, find_sku
from serving.vllm_args import parse


def check(
    config: Mapping[str, Any] | Path | str,
    weights_bytes: int,
    *,
    gpu: str | None = None,
    sku: str | None = None,
    gpus: int | None = None,
    vllm_args: str | list[str] = "",
    version: str | None = None,
    prices: Mapping[str, float] | None = None,
    offered: Iterable[str] | None = None,
) -> Answer:
    """Never raises for bad input: an unknown fact is the verdict `unknown` with the reason."""
    model = args = None
    try:
        model = facts(config) if isinstance(config, Mapping) else read_config(config)
        args = parse(vllm_args, version=version)
        where, size, count = _hardware(gpu, sku, gpus)
        case = make_case(model, weights_bytes, where, args, version=version, count=count)
        found = estimate(case)
        return Answer(found, _advice(case, found, prices, offered), size)
    except BadArgumentsError as error:
        return Answer(Estimate(verdict=NO, why=tuple(error.problems)), None, gpu or sku)
    except ServingError as error:
        found = unknown(str(error))
        if model is not None and args is not None:
            # The cache's layout needs neither the GPU nor the size of the weights.
            found = replace(found, kv_bytes_per_token=layout_of(model, args, version))
        return Answer(found, None, gpu or sku)


def _hardware(gpu: str | None, sku: str | None, gpus: int | None) -> tuple[Gpu, str, int | None]:
    if sku is None and gpu is None:
        raise ServingError("name the hardware: --gpu or --sku")
    if gpus is not None and gpus < 1:
        raise ServingError(f"--gpus is {gpus}: at least one GPU is needed")
    if sku is None:
        assert gpu is not None
        found = find_gpu(gpu)
        return found, found.name, gpus
    size: Sku = find_sku(sku)
    if size.gpu is None:
        raise ServingError(f"{size.name}: {size.gpu_text}. {size.note or ''}".strip())
    if gpu is not None and find_gpu(gpu) != size.gpu:
        raise ServingError(f"{size.name} has {size.gpu.name}, not {gpu}: give --gpu or --sku, not both")
    if gpus is not None and gpus > size.gpus:
        raise ServingError(f"{size.name} has {size.gpus} x {size.gpu.name}, not {gpus}: leave --gpus out")
    return size.gpu, size.gpu.name, gpus or size.gpus


def _advice(
    case: Case, found: Estimate, prices: Mapping[str, float] | None, offered: Iterable[str] | None
) -> Advice | None:
    if found.verdict == UNKNOWN or found.weights_gib is None:
        return None
    if found.verdict == FITS:
        from serving.advice import longest_length

        return Advice(longest_length(case), case.tp, None, bool(prices))
    return advise(case, prices=prices, offered=offered)


def main(argv: list[str] | None = None) -> int:
    options = _parser().parse_args(argv)
    try:
        count = None if options.gpus is None else _whole("--gpus", options.gpus)
        size = _whole("--weights-bytes", options.weights_bytes)
    except ServingError as error:
        answer = Answer(unknown(str(error)), None, options.gpu or options.sku)
    else:
        answer = check(
            options.config,
            size,
            gpu=options.gpu,
            sku=options.sku,
            gpus=count,
            vllm_args=options.vllm_args,
            version=options.vllm_version,
        )
    if options.json:
        print(json.dumps(answer.as_json(), indent=1))
    else:
        from serving.fit_table import show

        show(answer)
    return 0


def _whole(name: str, word: str) -> int:
    """Checked here and not by argparse, whose answer would be no JSON."""
    try:
        return int(word)
    except ValueError:
        raise ServingError(f"{name} is {word!r}: give a whole number.") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m serving.fit", description="Does a model fit on a GPU under vLLM?"
    )
    parser.add_argument("--config", required=True, help="the model's config.json")
    parser.add_argument("--weights-bytes", required=True, help="sum of the safetensors files, in bytes")
    parser.add_argument("--gpu", help='a GPU by name, for example "A100 80GB"')
    parser.add_argument("--sku", help="an Azure instance type, for example Standard_NC24ads_A100_v4")
    parser.add_argument("--gpus", help="how many GPUs there are (default: the SKU's, or as many as needed)")
    parser.add_argument(
        "--vllm-args", default="", help="vLLM's arguments in one string, as VLLM_ARGS has them"
    )
    parser.add_argument(
        "--vllm-version", help="for example 0.32.0; without it the answer covers old and new accounting"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


if __name__ == "__main__":
    sys.exit(main())
