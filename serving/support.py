"""Whether a vLLM version can run a model on a GPU at all: architecture, quantisation, kernels.

`refusal` is what is sure, `doubts` what is not: a doubt keeps a verdict from being "fits". Minimum
capabilities are those of `get_min_capability` in vLLM 0.32.0.
"""

from __future__ import annotations

from serving.architectures import FIRST_SEEN, LAST_SEEN
from serving.gpus import Gpu
from serving.model_config import ModelFacts
from serving.versions import Behaviour
from serving.vllm_args import VllmArgs, quantizations
from serving.weights import LOAD_TIME_BITS

CAPABILITY = {
    "awq": 7.5,
    "compressed-tensors": 7.5,
    "experts_int8": 8.0,
    "fbgemm_fp8": 8.0,
    "fp8": 7.5,
    "gpt_oss_mxfp4": 8.0,
    "modelopt": 7.5,
    "mxfp4": 8.0,
    "torchao": 7.5,
}
# Below 8.0 only in 0.32 as far as was read.
TURING_IS_NEW = {"compressed-tensors", "fp8", "modelopt"}
# Several names of one method, by what a checkpoint calls it.
FAMILIES = {
    "awq": {"awq", "awq_marlin", "auto_awq", "moe_wna16", "humming"},
    "gptq": {"gptq", "gptq_marlin", "auto_gptq", "marlin", "moe_wna16", "humming"},
    "fp8": {"fp8"},
    "compressed-tensors": {"compressed-tensors"},
    "bitsandbytes": {"bitsandbytes"},
    "mxfp4": {"mxfp4", "gpt_oss_mxfp4"},
}
# Methods that load a checkpoint of their own kind and make none.
NEEDS_A_CHECKPOINT = {
    *(name for family in ("awq", "gptq", "mxfp4") for name in FAMILIES[family]),
    "compressed-tensors",
    "fbgemm_fp8",
    "gguf",
    "modelopt",
    "modelopt_fp4",
    "quark",
}
# Names in a checkpoint that vLLM maps to another method's (`override_quantization_method`).
MAPPED = {"auto-round", "auto_round", "unknown"}


def refusal(facts: ModelFacts, gpu: Gpu, args: VllmArgs, version: Behaviour) -> str | None:
    """Why vLLM would not start, or None."""
    last = LAST_SEEN.get(facts.architecture)
    if last and version.known and not version.version <= last:  # type: ignore[operator]
        return f"{facts.architecture} is not in vLLM {version.label}: the last that had it is {_dots(last)}"
    method, asked = facts.quantization.method, args.get("quantization")
    family = FAMILIES.get(method or "")
    if asked and family and asked not in family:
        return (
            f"--quantization {asked} does not go with a checkpoint that is quantised as {method}: remove it,"
            " vLLM reads the method from the checkpoint"
        )
    if asked and method is None and asked in NEEDS_A_CHECKPOINT:
        return (
            f"--quantization {asked} loads a checkpoint that is quantised so, and this one is not quantised"
        )
    least = CAPABILITY.get(method or "", 0.0)
    if gpu.capability < least:
        return f"{gpu.name} has no kernels for {method} in vLLM (compute capability {least:g})"
    if gpu.capability < 7.5 and version.since(0, 20):
        # vLLM pull request 39878: CUDA 13, which has no Volta.
        return f"{gpu.name} is older than what vLLM's images support since 0.20 (compute capability 7.5)"
    return _gone(asked or method, args, version) if version.known else None


def _gone(method: str | None, args: VllmArgs, version: Behaviour) -> str | None:
    lists = quantizations(version.label)
    if method is None or lists is None or method in MAPPED:
        return None
    if method not in lists[0]:
        return f"vLLM {version.label} has no quantisation method {method!r}"
    if method in lists[1] and not args.get("allow_deprecated_quantization"):
        return f"vLLM {version.label} wants --allow-deprecated-quantization for {method}"
    return None


def doubts(facts: ModelFacts, gpu: Gpu, args: VllmArgs, version: Behaviour) -> list[str]:
    """What may keep vLLM from starting."""
    found = []
    first, last = FIRST_SEEN.get(facts.architecture), LAST_SEEN.get(facts.architecture)
    if first and version.known and version.version < first:  # type: ignore[operator]
        found.append(f"{facts.architecture} came with vLLM {_dots(first)}, as far as is known")
    if last and not version.known:
        found.append(f"{facts.architecture} is not in vLLM after {_dots(last)}")
    if gpu.capability < 7.5 and (not version.known or version.since(0, 9)):
        # vLLM issue 19185: PyTorch for CUDA 12.8 starts at 7.5.
        found.append(
            f"{gpu.name} (compute capability {gpu.capability:g}) does not run with every vLLM image since 0.9"
        )
    method = facts.quantization.method
    if gpu.capability < 8.0 and method in TURING_IS_NEW and not version.since(0, 32):
        found.append(f"kernels for {method} on {gpu.name} were seen in vLLM 0.32 only")
    if not version.known:
        lists = quantizations(None)
        named = args.get("quantization") or method
        if named and lists and named not in lists[0] | MAPPED:
            found.append(f"recent versions of vLLM have no quantisation method {named!r}")
    return [*found, *_cut_groups(facts, args)]


def _cut_groups(facts: ModelFacts, args: VllmArgs) -> list[str]:
    """Weights that share a scale must stay on one GPU (`validate_fp8_block_shape` and the like)."""
    tp, group = int(args.get("tensor_parallel_size", 1)), facts.quantization.group
    if tp == 1 or not group:
        return []
    experts = facts.experts
    whole_experts = experts is None or args.get("enable_expert_parallel")
    widths = [facts.intermediate, None if whole_experts or experts is None else experts.width]
    cut = [width for width in widths if width and width % tp == 0 and (width // tp) % group]
    return [
        f"--tensor-parallel-size {tp} leaves {width // tp} of {width} columns a GPU, no multiple of the"
        f" quantisation's {group}: vLLM refuses that for most methods"
        for width in cut
    ]


def online_not_modelled(facts: ModelFacts, args: VllmArgs) -> list[str]:
    """Quantisation while loading whose size nobody worked out."""
    asked = args.get("quantization")
    known = facts.quantization.method or asked in LOAD_TIME_BITS or asked in NEEDS_A_CHECKPOINT
    if not asked or known:
        return []
    return [f"--quantization {asked} while loading is not modelled: memory unknown"]


def _dots(version: tuple[int, int, int]) -> str:
    return ".".join(str(part) for part in version)
