"""One GPU's memory, divided: weights, activation peak, other memory, graphs, KV cache; and the verdict.

Pure: facts, a GPU and vLLM's arguments in, numbers out. `fit.py` adds advice and the command line. The
verdict is cautious: "fits" only when the estimate fits with its own error to spare; a failed start is never
to be called a fit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from serving import support
from serving.activation import (
    Batch,
    activation_bytes,
    graph_bytes,
    graph_bytes_at_worst,
    non_torch_bytes,
)
from serving.defaults import batch as default_batch
from serving.errors import UnknownModelError
from serving.gpus import GIB, Gpu, gpus
from serving.kv_cache import BLOCK_TOKENS, Layout, layout
from serving.model_config import DTYPE_BYTES, ModelFacts
from serving.support import online_not_modelled
from serving.versions import LATEST_READ, Behaviour, behaviour
from serving.vllm_args import VllmArgs, check_parallelism
from serving.weights import Weights, weights

SHORTEST = 256  # tokens of a request below which nobody would call it served
FITS, BORDERLINE, NO, UNKNOWN = "fits", "borderline", "no", "unknown"

FP8_CACHE = {"fp8", "fp8_e4m3", "fp8_e5m2", "fp8_inc"}
# Arguments that change memory in ways that are not modelled, and why.
NOT_MODELLED = {
    "speculative_config": "a draft model or extra layers",
    "spec_model": "a draft model",
    "spec_method": "speculative decoding",
    "enable_lora": "adapters and their buffers",
    "cpu_offload_gb": "weights outside the GPU",
    "decode_context_parallel_size": "a KV cache divided by context",
    "prefill_context_parallel_size": "context parallelism",
    "kv_transfer_config": "a KV cache connector",
    "hf_overrides": "a changed model configuration",
    "model_class_overrides": "a changed model",
    "watermark_config": "watermarking",
    "diffusion_config": "diffusion decoding",
    "config": "arguments from a file inside the image",
    "quantization_config": "quantisation by layer",
    "num_gpu_blocks_override": "a number of KV cache blocks set by hand",
    "enable_eplb": "copies of experts",
    "offload_group_size": "weights outside the GPU",
    "cpu_offload_params": "weights outside the GPU",
    "kv_cache_dtype_skip_layers": "a KV cache of two types",
    "kv_sharing_fast_prefill": "layers that share one KV cache",
    "disable_sliding_window": "windows switched off",
    "kv_offloading_size": "a KV cache outside the GPU",
    "model_impl": "another implementation of the model",
    "runner": "another use than generating text",
    "convert": "another use than generating text",
}
# Values of those that change nothing.
NO_CHANGE = {"model_impl": {"auto", "vllm"}, "runner": {"auto", "generate"}, "convert": {"auto", "none"}}


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Per GPU. GiB are 2**30 bytes. Numbers are None where they are unknown."""

    verdict: str
    why: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    total_gib: float | None = None
    utilisation: float | None = None
    budget_gib: float | None = None
    weights_gib: float | None = None
    activation_gib: float | None = None
    non_torch_gib: float | None = None
    cudagraph_gib: float | None = None
    kv_gib: float | None = None
    margin_gib: float | None = None
    kv_needed_gib: float | None = None
    kv_tokens: int | None = None
    kv_bytes_per_token: float | None = None
    max_concurrency: float | None = None
    max_model_len: int | None = None
    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    tensor_parallel_size: int = 1
    pipeline_parallel_size: int = 1


def unknown(reason: str, *more: str) -> Estimate:
    """Nothing can be said, and why."""
    return Estimate(verdict=UNKNOWN, why=(reason, *more))


@dataclass(frozen=True)
class Case:
    """What one estimate is about.

    `stored` is the weights' bytes on disk; `gpus` is how many the machine has.
    """

    facts: ModelFacts
    stored: int
    gpu: Gpu
    args: VllmArgs
    version: Behaviour
    gpus: int | None = None

    @property
    def tp(self) -> int:
        return int(self.args.get("tensor_parallel_size", 1))

    @property
    def pp(self) -> int:
        return int(self.args.get("pipeline_parallel_size", 1))

    def with_args(self, **changes: Any) -> Case:
        return replace(self, args=replace(self.args, values={**self.args.values, **changes}))

    @property
    def length(self) -> int | None:
        """The request length vLLM will promise: the argument, else what the model was made for."""
        asked = self.args.get("max_model_len")
        if isinstance(asked, int) and asked > 0:
            return asked
        return self.facts.lengths.default(self.version)

    @property
    def finds_its_length(self) -> bool:
        """`--max-model-len auto`: vLLM lowers the length to what its cache holds."""
        return self.args.get("max_model_len") == -1

    @property
    def cache_bytes(self) -> int:
        """Bytes of one element in the KV cache."""
        asked = self.args.get("kv_cache_dtype", "auto")
        if asked in FP8_CACHE:
            return 1
        if asked == "auto" and self.facts.kv_cache_fp8 and self.version.follows_checkpoint_cache:
            return 1
        if asked in {"bfloat16", "float16"}:
            return 2
        return DTYPE_BYTES.get(str(self.args.get("dtype", "auto")), 2)

    @property
    def batch(self) -> Batch:
        return default_batch(
            self.gpu,
            self.version,
            max_length=self.length,
            sequences=self.args.get("max_num_seqs"),
            tokens=self.args.get("max_num_batched_tokens"),
            chunked_prefill=self.args.get("enable_chunked_prefill") is not False,
            throughput_mode=self.args.get("performance_mode") == "throughput",
        )

    def layout(self, tokens: int) -> Layout:
        return layout(
            self.facts,
            behaviour=self.version,
            batched_tokens=tokens,
            tp=self.tp,
            pp=self.pp,
            element_bytes=self.cache_bytes,
            block_tokens=int(self.args.get("block_size", BLOCK_TOKENS)),
            hybrid=not self.args.get("disable_hybrid_kv_cache_manager"),
        )


@dataclass(frozen=True)
class Parts:
    """Bytes on one GPU. `kv` can be negative; `margin` is how far off the whole may be."""

    budget: float
    weights: Weights
    activation: float
    non_torch: float
    graphs: float
    graphs_if_new: float
    margin: float

    @property
    def kv(self) -> float:
        return self.budget - self.weights.bytes - self.activation - self.non_torch - self.graphs

    @property
    def kv_for_sure(self) -> float:
        """With the error against us, and under both accountings of the graphs when the version is unknown."""
        return self.kv - self.margin - max(0.0, self.graphs_if_new - self.graphs)


def estimate(case: Case) -> Estimate:
    """The whole answer for one case. Raises BadSnapshotError when the sizes cannot be the model's, and
    UnknownModelError for a fact that is missing.
    """
    missing = _missing(case.facts)
    if missing:
        raise UnknownModelError(f"config.json has no {missing}: the memory cannot be worked out without it.")
    refusals = refused(case)
    if refusals:
        return Estimate(verdict=NO, why=tuple(refusals))
    odd = not_modelled(case)
    if odd:
        return unknown(*odd)
    parts = divide(case)
    return _answer(case, parts)


def _missing(facts: ModelFacts) -> str | None:
    """A fact that only the KV cache can do without."""
    if facts.intermediate is None and facts.dense:
        return "intermediate_size"
    return "num_experts_per_tok" if facts.experts and not facts.experts.top_k else None


def refused(case: Case) -> list[str]:
    """Parallelism that the model or the machine cannot do."""
    facts = case.facts
    return check_parallelism(
        case.args,
        heads=facts.heads,
        kv_heads=None if facts.latent_dim else facts.kv_heads,
        layers=len(facts.layers),
        gpus=case.gpus,
    )


def not_modelled(case: Case) -> list[str]:
    found = [
        f"--{name.replace('_', '-')} brings {what}, which is not modelled: memory unknown"
        for name, what in NOT_MODELLED.items()
        if _asked(case.args.get(name)) and str(case.args.get(name)) not in NO_CHANGE.get(name, ())
    ]
    asked = str(case.args.get("kv_cache_dtype", "auto"))
    if asked not in FP8_CACHE | {"auto", "bfloat16", "float16"}:
        found.append(f"--kv-cache-dtype {asked} is not modelled: memory unknown")
    return [*found, *online_not_modelled(case.facts, case.args)]


def _asked(value: Any) -> bool:
    """Whether an argument changes anything: sizes of one and amounts of zero do not."""
    return value is True or (value not in (None, False, 0, 1))


def utilisation(case: Case) -> float:
    return float(case.args.get("gpu_memory_utilization", case.version.default_utilisation))


def divide(case: Case) -> Parts:
    """The parts of one GPU's budget, in bytes."""
    facts, args, step = case.facts, case.args, case.batch
    world = case.tp * case.pp
    loaded = weights(
        facts,
        case.stored,
        case.gpu,
        tp=case.tp,
        pp=case.pp,
        dtype=args.get("dtype"),
        load_quantization=args.get("quantization"),
    )
    activation = activation_bytes(facts, step, case.version, tp=case.tp, length=case.length)
    eager = bool(args.get("enforce_eager"))
    graphs = 0.0 if eager else graph_bytes(facts, step, pp=case.pp)
    return Parts(
        budget=case.gpu.total_gib * GIB * utilisation(case),
        weights=loaded,
        activation=activation,
        non_torch=non_torch_bytes(case.version, world=world),
        graphs=graphs if case.version.graphs_in_budget else 0.0,
        graphs_if_new=graphs if not case.version.known or case.version.graphs_in_budget else 0.0,
        margin=margin_bytes(facts, loaded, activation, case.gpu, world),
    )


def margin_bytes(facts: ModelFacts, loaded: Weights, activation: float, gpu: Gpu, world: int) -> float:
    """How far off the estimate may be: what the reports scatter, by cause."""
    share = 0.05 if loaded.loose else 0.02 if facts.quantization.method else 0.004
    spread = (gpu.high_gib - gpu.low_gib) / 2 * GIB
    several = 1.2 * GIB if world > 1 else 0.0
    tower = 0.5 * GIB if facts.multimodal else 0.0
    return 0.25 * GIB + spread + share * loaded.bytes + 0.1 * activation + several + tower


def _answer(case: Case, parts: Parts) -> Estimate:
    step, length = case.batch, case.length
    cache = case.layout(step.tokens)
    fixed = case.args.get("kv_cache_memory_bytes")
    kv = float(fixed) if fixed else parts.kv
    shown_length = length or 16 * BLOCK_TOKENS
    tokens = cache.tokens(kv, shown_length) if kv > 0 else 0
    verdict, why = judge(case, parts, cache)
    return Estimate(
        verdict=verdict,
        why=tuple(why),
        warnings=tuple(cautions(case, parts)),
        total_gib=case.gpu.total_gib,
        utilisation=utilisation(case),
        budget_gib=parts.budget / GIB,
        weights_gib=parts.weights.bytes / GIB,
        activation_gib=parts.activation / GIB,
        non_torch_gib=parts.non_torch / GIB,
        cudagraph_gib=parts.graphs / GIB,
        kv_gib=kv / GIB,
        margin_gib=parts.margin / GIB,
        kv_needed_gib=cache.bytes_for(length) / GIB if length else None,
        kv_tokens=tokens,
        kv_bytes_per_token=cache.bytes_per_token(shown_length),
        max_concurrency=cache.concurrency(kv, length) if length and kv > 0 else (0.0 if length else None),
        max_model_len=length,
        max_num_seqs=step.sequences,
        max_num_batched_tokens=step.tokens,
        tensor_parallel_size=case.tp,
        pipeline_parallel_size=case.pp,
    )


def judge(case: Case, parts: Parts, cache: Layout) -> tuple[str, list[str]]:
    """fits, borderline or no, and the sentences that say why."""
    length = case.length
    low, kv, high = parts.kv_for_sure, parts.kv, parts.kv + 0.5 * parts.margin
    fixed = case.args.get("kv_cache_memory_bytes")
    if fixed:
        if parts.kv + parts.margin < float(fixed) - (1 - utilisation(case)) * case.gpu.total_gib * GIB:
            return NO, [f"--kv-cache-memory-bytes asks for {_gib(float(fixed))}, more than the GPU has left"]
        low, kv, high = _sure(case, parts), float(fixed), float(fixed)
    blocker = _cannot_run(case)
    if blocker:
        return NO, [blocker]
    if kv <= 0:
        verdict = BORDERLINE if high > cache.bytes_for(min(length or 1024, 1024)) else NO
        return verdict, [
            f"weights, activations and the rest leave {_gib(kv)} of {_gib(parts.budget)} for the KV cache"
        ]
    if length is None:
        return BORDERLINE, [
            "the model's length is unknown (no max_position_embeddings, no --max-model-len):"
            f" it starts for lengths up to about {cache.tokens(max(low, 0.0), 16 * BLOCK_TOKENS)} tokens"
        ]
    if case.finds_its_length:
        length = min(length, cache.tokens(max(low, 0.0), length))
        if length < SHORTEST:
            return BORDERLINE, [f"--max-model-len auto would leave {length} tokens"]
        lowered = f"--max-model-len auto: vLLM lowers the length to what fits, about {length} tokens"
        doubts = _doubts(case, parts)
        return (BORDERLINE, doubts) if doubts else (FITS, [lowered])
    need = cache.bytes_for(length)
    have = f"one request of {length} tokens needs {_gib(need)} of KV cache, {_gib(kv)} are left"
    if high < need:
        return NO, [have]
    doubts = _doubts(case, parts)
    if low < need:
        doubts.insert(0, f"{have}, give or take {_gib(parts.margin)}")
    return (BORDERLINE, doubts) if doubts else (FITS, [have])


def holds(case: Case) -> bool:
    """Whether the KV cache holds one request of the case's length with the estimate's error against it."""
    length = case.length
    if length is None or refused(case) or not_modelled(case):
        return False
    return case.layout(case.batch.tokens).bytes_for(length) <= _sure(case, divide(case))


def _whole(case: Case) -> float:
    """A GPU's share of the files as they are."""
    return case.stored / (case.tp * case.pp)


def _sure(case: Case, parts: Parts) -> float:
    fixed = case.args.get("kv_cache_memory_bytes")
    return min(parts.kv_for_sure, float(fixed)) if fixed else parts.kv_for_sure


def _cannot_run(case: Case) -> str | None:
    asked = case.args.get("dtype", "auto")
    most, length = case.facts.lengths.most(case.version), case.length
    if most and length and length > most:
        return f"--max-model-len {length} is more than the model's {most} tokens: vLLM refuses to start"
    if case.gpu.capability < 7.0:
        return f"{case.gpu.name} is older than what vLLM's images support (compute capability 7.0)"
    if case.gpu.capability < 8.0 and asked == "bfloat16":
        return f"{case.gpu.name} has no bfloat16: use --dtype half"
    return support.refusal(case.facts, case.gpu, case.args, case.version)


def _doubts(case: Case, parts: Parts) -> list[str]:
    """Reasons why a case that fits on paper may not start."""
    found = support.doubts(case.facts, case.gpu, case.args, case.version)
    if parts.weights.loose and not case.version.since(0, 32) and _whole(case) > parts.budget:
        found.append(
            f"the files hold {_gib(_whole(case))} a GPU: versions before 0.32 may load all of it before they"
            f" quantise it"
        )
    outside = case.gpu.total_gib * GIB - parts.budget
    if not case.args.get("enforce_eager") and not case.version.graphs_in_budget:
        worst = graph_bytes_at_worst(case.facts, case.version, pp=case.pp, world=case.tp * case.pp)
        if outside < worst:
            found.append(
                f"CUDA graphs may take {_gib(worst)} and only {_gib(outside)} lie outside"
                " --gpu-memory-utilization (this version does not count them inside): lower it,"
                " or give --enforce-eager"
            )
    if outside < 0.6 * GIB:
        found.append(
            f"only {_gib(outside)} of the GPU stay free: the driver's own share may make vLLM refuse to start"
        )
    bf16 = case.facts.dtype in {"bfloat16", "bf16"} and case.args.get("dtype", "auto") == "auto"
    if case.gpu.capability < 8.0 and bf16 and not case.version.bf16_falls_back:
        found.append(
            f"{case.gpu.name} has no bfloat16 and this version does not fall back by itself:"
            " give --dtype half"
        )
    return found


def cautions(case: Case, parts: Parts) -> list[str]:
    """What a person should know beside the verdict."""
    found = [*case.args.warnings, *parts.weights.notes]
    if case.version.newer_than_read:
        found.append(
            f"vLLM {case.version.label} is newer than what this estimate was made for"
            f" ({'.'.join(str(part) for part in LATEST_READ)}): taken to behave like it"
        )
    if not case.version.known:
        found.append(
            f"vLLM version {case.version.label}: the numbers leave CUDA graphs outside the budget"
            " as before 0.20, the verdict holds for both"
        )
    if case.facts.multimodal:
        found.append("the vision or audio tower's own peak is not modelled beyond its cache")
    if case.gpus and case.gpus > case.tp * case.pp:
        idle = case.gpus - case.tp * case.pp
        found.append(f"{idle} of {case.gpus} GPUs stay unused (--tensor-parallel-size {case.tp})")
    if case.args.get("kv_cache_dtype") in FP8_CACHE and case.gpu.capability < 8.9:
        found.append(
            f"an fp8 KV cache on {case.gpu.name} needs an attention backend that can convert it;"
            " check the log"
        )
    if case.facts.architecture == "not named":
        found.append(
            "the configuration names no architecture: taken as plain attention as its facts describe"
        )
    return found


def make_case(
    facts: ModelFacts,
    stored: int,
    gpu: Gpu,
    args: VllmArgs,
    *,
    version: str | None = None,
    count: int | None = None,
) -> Case:
    """`count`: how many GPUs the machine has; None: as many as the arguments ask for."""
    return Case(facts, stored, gpu, args, behaviour(version), count)


def layout_of(facts: ModelFacts, args: VllmArgs, version: str | None) -> float:
    """Bytes of KV cache a token takes on one GPU, where nothing else is known."""
    # The GPU decides only the default batch, which a sliding window's share depends on a little.
    case = Case(facts, 0, next(iter(gpus().values())), args, behaviour(version))
    return case.layout(case.batch.tokens).bytes_per_token(case.length or 16 * BLOCK_TOKENS)


def _gib(size: float) -> str:
    return f"{size / GIB:.2f} GiB"
