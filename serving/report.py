"""One page for a person: will it fit, will it start, is there quota, what will it cost.

`report` takes plain data and answers plain data; `show` prints it. The input of one deployment (all but the
first three may be left out, and what is left out is reported as unknown):

    {"endpoint": "vllm-private", "deployment": "current", "instance_type": "Standard_NC24ads_A100_v4",
     "instances": 1, "maximum_instances": None, "rollout": "blue_green" | "recreate",
     "model": "Qwen/Qwen3-8B@main",           # what to call the model; a key of the lock, or any other name
     "config": {...}, "weights_bytes": 16381470720,   # the lock's, or None when nothing is locked
     "notices": ["..."],                      # for example lock.notices(entry)
     "vllm_args": "--max-model-len 32768", "vllm_version": "0.32.0",
     "liveness_probe": {"initial_delay": 10, ...}, "readiness_probe": {...},   # seconds, az ml's names
     "max_concurrent_requests_per_instance": 16, "downloads_at_start": False, "mb_per_second": None}

The stack: {"stack": "dev", "region": "westeurope", "deployments": [...], "checks": [...]}, where `checks`
are sentences about what was asked of Azure (names free, SKU offered), each {"what", "answer": True | False
| None, "detail"}; None means not checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from serving import probes
from serving.concurrency import Concurrency, concurrency
from serving.cost import PriceTable, Total, cost
from serving.defaults import default_batch
from serving.errors import BadArgumentsError, UnknownHardwareError
from serving.fit import Answer, check
from serving.probes import ProbeAdvice
from serving.quota import FamilyNeed, Fleet, Shortfall, compare, needs
from serving.skus import find_sku
from serving.versions import behaviour
from serving.vllm_args import VllmArgs, parse


@dataclass(frozen=True)
class DeploymentReport:
    """What is known about one deployment.

    `answer`, `startup` and `limits` are None where they cannot be known.
    """

    name: str
    instance_type: str
    model: str
    arguments: str
    problems: tuple[str, ...]
    answer: Answer | None
    startup: ProbeAdvice | None
    windows: tuple[int, int]  # seconds after which liveness and readiness give up
    limits: Concurrency | None
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class StackReport:
    """The page."""

    stack: str
    region: str
    deployments: tuple[DeploymentReport, ...]
    families: tuple[FamilyNeed, ...]
    shortfalls: tuple[Shortfall, ...]
    unknown_sizes: tuple[str, ...]
    total: Total
    prices_read: str | None
    currency: str | None
    checks: tuple[Mapping[str, Any], ...]

    @property
    def warnings(self) -> list[str]:
        """Everything worth a line in the preview, deployment first."""
        return [f"{d.name}: {text}" for d in self.deployments for text in (*d.problems, *d.warnings)]


def report(
    stack: Mapping[str, Any],
    *,
    prices: PriceTable | None = None,
    available_cores: Mapping[str, int] | None = None,
) -> StackReport:
    """The page's facts. `available_cores`: quota left by family, None when nobody could ask."""
    table, region = prices or PriceTable(), str(stack.get("region") or "")
    deployments = stack.get("deployments") or []
    fleets = [_fleet(one) for one in deployments]
    families, unknown_sizes = needs(fleets)
    offered_prices = table.in_region(region)
    return StackReport(
        stack=str(stack.get("stack") or ""),
        region=region,
        deployments=tuple(_deployment(one, offered_prices) for one in deployments),
        families=tuple(families),
        shortfalls=tuple(compare(families, available_cores)),
        unknown_sizes=tuple(unknown_sizes),
        total=cost(fleets, table, region),
        prices_read=table.read,
        currency=table.currency,
        checks=tuple(stack.get("checks") or ()),
    )


def _name(one: Mapping[str, Any]) -> str:
    return f"{one['endpoint']}/{one['deployment']}"


def _fleet(one: Mapping[str, Any]) -> Fleet:
    instances = int(one.get("instances") or 1)
    return Fleet(
        _name(one),
        one["instance_type"],
        instances,
        maximum=one.get("maximum_instances"),
        blue_green=one.get("rollout", "blue_green") == "blue_green",
    )


def _deployment(one: Mapping[str, Any], prices: Mapping[str, float]) -> DeploymentReport:
    text, version = one.get("vllm_args") or "", one.get("vllm_version")
    problems: tuple[str, ...] = ()
    args: VllmArgs | None = None
    try:
        args = parse(text, version=version)
    except BadArgumentsError as error:
        problems = tuple(error.problems)
    answer = None if problems else _fit(one, prices)
    startup = probes.advise(
        one.get("weights_bytes"),
        liveness=one.get("liveness_probe"),
        readiness=one.get("readiness_probe"),
        mb_per_second=one.get("mb_per_second"),
        downloads=bool(one.get("downloads_at_start")),
        enforce_eager=bool(args and args.get("enforce_eager")),
    )
    limits = _limits(one, answer, args)
    warnings = [*(one.get("notices") or ()), *(startup.warnings if startup else ())]
    warnings += limits.warnings if limits else ()
    return DeploymentReport(
        _name(one),
        one["instance_type"],
        str(one.get("model") or "unknown model"),
        args.command_line() if args else "(cannot be read, see the problems)",
        problems,
        answer,
        startup,
        (
            probes.window(one.get("liveness_probe")).gives_up_after,
            probes.window(one.get("readiness_probe")).gives_up_after,
        ),
        limits,
        tuple(warnings),
    )


def _fit(one: Mapping[str, Any], prices: Mapping[str, float]) -> Answer | None:
    """None without a configuration and sizes: the caller shows what is missing."""
    if not one.get("config") or one.get("weights_bytes") is None:
        return None
    return check(
        one["config"],
        int(one["weights_bytes"]),
        sku=one["instance_type"],
        vllm_args=one.get("vllm_args") or "",
        version=one.get("vllm_version"),
        prices=prices or None,
    )


def _limits(one: Mapping[str, Any], answer: Answer | None, args: VllmArgs | None) -> Concurrency | None:
    sequences = answer.estimate.max_num_seqs if answer else None
    if sequences is None:
        sequences = _sequences(one, args)
    if sequences is None:
        return None
    configured = one.get("max_concurrent_requests_per_instance")
    return concurrency(sequences, configured=configured, instances=int(one.get("instances") or 1))


def _sequences(one: Mapping[str, Any], args: VllmArgs | None) -> int | None:
    """--max-num-seqs, given or vLLM's default on this GPU: known without the model."""
    if args is None:
        return None
    said = args.get("max_num_seqs")
    if isinstance(said, int):
        return said
    try:
        gpu = find_sku(one["instance_type"]).gpu
    except UnknownHardwareError:
        return None
    return default_batch(gpu, behaviour(one.get("vllm_version")), max_length=None).sequences if gpu else None


def lines(found: StackReport) -> Iterable[str]:
    """The page as plain lines, for a preview's output."""
    for one in found.deployments:
        yield f"{one.name}: {one.model} on {one.instance_type}"
        yield from (f"  {line}" for line in _deployment_lines(one))
    yield "quota"
    yield from (f"  {line}" for line in quota_lines(found))
    yield "cost"
    yield from (f"  {line}" for line in cost_lines(found))
    if found.checks:
        yield "asked of Azure"
        yield from (f"  {line}" for line in check_lines(found))


def _deployment_lines(one: DeploymentReport) -> Iterable[str]:
    yield f"vLLM arguments: {one.arguments or '(none)'}"
    yield from (f"problem: {text}" for text in one.problems)
    yield fit_line(one)
    if one.answer is not None:
        from serving.fit_table import advice_lines

        yield from advice_lines(one.answer)
    yield startup_line(one)
    if one.limits is not None:
        yield (
            f"requests: {one.limits.configured} at a time per instance, 429 beyond {one.limits.budget} in"
            " flight"
            f" (2 x {one.limits.configured} x {one.limits.instances})"
        )
    yield from (f"warning: {text}" for text in one.warnings)


def fit_line(one: DeploymentReport) -> str:
    if one.problems:
        return "fit: not looked at, vLLM would not start with these arguments"
    if one.answer is None:
        return "fit: unknown, nothing is locked for this model (make lock STACK=NAME)"
    found = one.answer.estimate
    if found.kv_gib is None:
        return f"fit: {found.verdict}: {'; '.join(found.why)}"
    return (
        f"fit: {found.verdict}: weights {found.weights_gib:.1f} + activations {found.activation_gib:.1f} of"
        f" {found.budget_gib:.1f} GiB, KV cache {found.kv_gib:.1f} GiB = {found.kv_tokens:,} tokens"
        + (
            f", {found.max_concurrency:.1f} requests of {found.max_model_len:,}"
            if found.max_concurrency
            else ""
        )
        + ("" if found.verdict == "fits" else f". {'; '.join(found.why)}")
    )


def startup_line(one: DeploymentReport) -> str:
    live, ready = one.windows
    windows = f"liveness gives up after {live} s, readiness after {ready} s"
    if one.startup is None:
        return f"time to ready: unknown, the size of the weights is not known; {windows}"
    time = one.startup.startup
    loading = f"loading at {time.mb_per_second:.0f} MB/s, {time.source}"
    return f"time to ready: {time.expected:.0f} to {time.slow:.0f} s ({loading}); {windows}"


def quota_lines(found: StackReport) -> Iterable[str]:
    for need, left in zip(found.families, found.shortfalls, strict=True):
        reserve = ", 20 % reserve included" if need.reserve else ", no reserve"
        text = f"{need.family}: {need.steady} cores, {need.peak} while deployments are replaced{reserve}"
        if left.enough is None:
            yield f"{text}; what the subscription has was not checked"
        elif left.enough:
            yield f"{text}; {left.available} are left"
        else:
            yield f"{text}; NOT ENOUGH, {left.available} are left: ask for quota or choose rollout: recreate"
    yield from (f"unknown: {text}" for text in found.unknown_sizes)


def cost_lines(found: StackReport) -> Iterable[str]:
    money = found.currency or ""
    for one in found.total.costs:
        if one.hourly is None:
            yield f"{one.name}: unknown, no price of {one.sku} in {found.region} (python -m serving.prices)"
        else:
            yield f"{one.name}: {one.hourly:.2f} {money} an hour, {one.monthly:,.0f} a month"
    if found.total.hourly is not None and found.total.monthly is not None:
        yield f"stack: {found.total.hourly:.2f} {money} an hour, {found.total.monthly:,.0f} a month"
    else:
        yield "stack: unknown, a price is missing"
    if found.prices_read:
        yield f"prices of {found.prices_read}; virtual machines only"


def check_lines(found: StackReport) -> Iterable[str]:
    words = {True: "yes", False: "NO", None: "not checked"}
    for one in found.checks:
        detail = f": {one['detail']}" if one.get("detail") else ""
        yield f"{one['what']}: {words[one.get('answer')]}{detail}"


def show(found: StackReport) -> None:
    """The page on the terminal."""
    from rich.console import Console
    from rich.panel import Panel
    from rich.text import Text

    from serving.fit_table import COLOURS

    console = Console()
    for one in found.deployments:
        verdict = one.answer.estimate.verdict if one.answer else "no" if one.problems else "unknown"
        body = Text("\n".join(_deployment_lines(one)))
        body.highlight_regex(r"(?m)^(warning|problem):.*$", "yellow")
        title = f"{one.name}  {one.model} on {one.instance_type}"
        console.print(Panel(body, title=title, title_align="left", border_style=COLOURS[verdict]))
    for name, rows in (
        ("Quota", quota_lines(found)),
        ("Cost", cost_lines(found)),
        ("Azure", check_lines(found)),
    ):
        text = "\n".join(rows)
        if text:
            console.print(Panel(Text(text), title=name, title_align="left", border_style="dim"))
