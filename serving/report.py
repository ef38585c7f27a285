"""One page for a person: will it fit, will it start, is there quota, what will it cost.

`report` takes plain data and answers plain data; `show` prints it. The input of one deployment (all but the
first three may be left out, and what is left out is reported as unknown):

    {"endpoint": "vllm-private", "deployment": "current", "instance_type": "Standard_NC24ads_A100_v4",
     "instances": 1, "maximum_instances": None, "rollout": "blue_green" | "recreate",
     "model": "Qwen/Qwen3-8B@main",           # what to call the model; a key of the lock, or any other name
     "pinned": "commit 0123...",              # a sentence on what the lock says of it
     "unknown_because": "...",                # why there is no config, when there is none
     "config": {...}, "weights_bytes": 16381470720,   # the lock's, or None when nothing is locked
     "notices": ["..."],                      # for example lock.notices(entry)
     "vllm_args": "--max-model-len 32768", "vllm_version": "0.32.0",
     "liveness_probe": {"initial_delay": 10, ...}, "readiness_probe": {...},   # seconds, az ml's names
     "max_concurrent_requests_per_instance": 16, "downloads_at_start": False, "mb_per_second": None}

The stack: {"stack": "dev", "region": "westeurope", "deployments": [...], "checks": [...], "offered": [...]},
where `checks` are sentences about what was asked of Azure (names free, SKU offered), each {"what", "answer":
True | False | None, "detail"}, None meaning not checked, and `offered` is what SKUs the region has, None when
nobody asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from serving import probes
from serving.answer import Answer
from serving.concurrency import Concurrency, concurrency
from serving.cost import Cost, PriceTable, Total, cost
from serving.defaults import default_batch
from serving.errors import BadArgumentsError, UnknownHardwareError
from serving.estimate import BORDERLINE, NO
from serving.fit import check
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
    hardware: str
    model: str
    pinned: str
    unknown_because: str
    arguments: str
    problems: tuple[str, ...]
    answer: Answer | None
    startup: ProbeAdvice | None
    windows: tuple[int, int]  # seconds after which liveness and readiness give up
    limits: Concurrency | None
    warnings: tuple[str, ...]

    @property
    def concerns(self) -> tuple[str, ...]:
        """What a preview warns about: arguments that vLLM refuses, a model that does not (surely) fit, the
        rest.
        """
        verdict = self.answer.estimate.verdict if self.answer else None
        fit = (". ".join((fit_line(self), *_advice(self))),) if verdict in (NO, BORDERLINE) else ()
        return (*self.problems, *fit, *self.warnings)


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
        found = [f"{d.name}: {text}" for d in self.deployments for text in d.concerns]
        short = any(one.enough is False for one in self.shortfalls)
        found += [f"quota: {line}" for line in quota_lines(self)] if short else []
        return found + [
            f"{one['what']}: NO: {one.get('detail', '')}" for one in self.checks if one["answer"] is False
        ]


def report(
    stack: Mapping[str, Any],
    *,
    prices: PriceTable | None = None,
    available_cores: Mapping[str, int] | None = None,
    used_cores: Mapping[str, int] | None = None,
) -> StackReport:
    """The page's facts. `available_cores`: quota left by family, None when nobody could ask; `used_cores`:
    what this stack's deployments hold already.
    """
    table, region = prices or PriceTable(), str(stack.get("region") or "")
    deployments = stack.get("deployments") or []
    fleets = [_fleet(one) for one in deployments]
    families, unknown_sizes = needs(fleets)
    offered_prices, offered = table.in_region(region), stack.get("offered")
    return StackReport(
        stack=str(stack.get("stack") or ""),
        region=region,
        deployments=tuple(_deployment(one, offered_prices, offered) for one in deployments),
        families=tuple(families),
        shortfalls=tuple(compare(families, available_cores, used_by_this_stack=used_cores)),
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


def _deployment(
    one: Mapping[str, Any], prices: Mapping[str, float], offered: Iterable[str] | None
) -> DeploymentReport:
    text, version = one.get("vllm_args") or "", one.get("vllm_version")
    problems: tuple[str, ...] = ()
    args: VllmArgs | None = None
    try:
        args = parse(text, version=version)
    except BadArgumentsError as error:
        problems = tuple(error.problems)
    answer = None if problems else _fit(one, prices, offered)
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
        _hardware(one),
        str(one.get("model") or "unknown model"),
        str(one.get("pinned") or ""),
        str(one.get("unknown_because") or "nothing is locked for this model (make lock STACK=NAME)"),
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


def _hardware(one: Mapping[str, Any]) -> str:
    """`2 x Standard_NC24ads_A100_v4 (1 x A100 80GB each)`."""
    name, instances = one["instance_type"], int(one.get("instances") or 1)
    try:
        sku = find_sku(name)
    except UnknownHardwareError:
        return f"{instances} x {name}"
    return f"{instances} x {name} ({sku.gpus} x {sku.gpu.name if sku.gpu else sku.gpu_text} each)"


def _fit(one: Mapping[str, Any], prices: Mapping[str, float], offered: Iterable[str] | None) -> Answer | None:
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
        offered=offered,
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
    """The page as plain lines, for a preview's output; `StackReport.warnings` are said beside it."""
    yield summary(found)
    for one in found.deployments:
        yield one.name
        yield from (f"  {line}" for line in deployment_lines(one))
    for name, rows in sections(found):
        yield name
        yield from (f"  {line}" for line in rows)


def sections(found: StackReport) -> Iterable[tuple[str, list[str]]]:
    """What is about the whole stack; sections that say nothing are left out."""
    every = (("quota", quota_lines(found)), ("cost", cost_lines(found)), ("Azure", check_lines(found)))
    return ((name, rows) for name, rows in ((name, list(rows)) for name, rows in every) if rows)


def deployment_lines(one: DeploymentReport) -> Iterable[str]:
    yield f"model: {one.model}{f', {one.pinned}' if one.pinned else ''}"
    yield f"runs on: {one.hardware}"
    yield f"vLLM arguments: {one.arguments or '(none)'}"
    yield fit_line(one)
    yield from memory_lines(one)
    yield from (f"advice: {line}" for line in _advice(one))
    yield startup_line(one)
    if one.limits is not None:
        yield (
            f"requests: {one.limits.configured} at a time per instance, 429 beyond {one.limits.budget} in"
            " flight"
            f" (2 x {one.limits.configured} x {one.limits.instances})"
        )


def _advice(one: DeploymentReport) -> list[str]:
    from serving.fit_table import advice_lines

    return advice_lines(one.answer) if one.answer is not None else []


def fit_line(one: DeploymentReport) -> str:
    if one.problems:
        return "fit: not looked at, vLLM would not start with these arguments"
    if one.answer is None:
        return f"fit: unknown, {one.unknown_because}"
    return f"fit: {one.answer.estimate.verdict}: {'; '.join(one.answer.estimate.why)}"


def memory_lines(one: DeploymentReport) -> Iterable[str]:
    """What takes a GPU's memory, and what the cache then holds; nothing where that is unknown."""
    found = one.answer.estimate if one.answer is not None and not one.problems else None
    if found is None or found.kv_gib is None:
        return
    other = (found.non_torch_gib or 0.0) + (found.cudagraph_gib or 0.0)
    yield (
        f"memory of a GPU: {found.budget_gib:.1f} of {found.total_gib:.1f} GiB to use = weights"
        f" {found.weights_gib:.1f} + activation peak {found.activation_gib:.1f} + other {other:.1f}"
        f" + KV cache {found.kv_gib:.1f}"
    )
    if found.kv_tokens:
        requests = f", {found.max_concurrency:.1f} requests of {found.max_model_len:,} at once"
        yield f"KV cache: {found.kv_tokens:,} tokens{requests if found.max_concurrency else ''}"


def summary(found: StackReport) -> str:
    """The page in one line: what a person wants to know first."""
    fits = [
        one.answer.estimate.verdict if one.answer else "no" if one.problems else "unknown"
        for one in found.deployments
    ]
    worst = next((verdict for verdict in (NO, BORDERLINE, "unknown", "fits") if verdict in fits), "unknown")
    left = [one.enough for one in found.shortfalls]
    quota = "NOT ENOUGH" if False in left else "enough" if left and None not in left else "not checked"
    answers = [one.get("answer") for one in found.checks]
    asked = "NO" if False in answers else "yes" if answers and None not in answers else "not checked"
    monthly = found.total.monthly
    price = "unknown" if monthly is None else f"{monthly:,.0f} {found.currency or ''} a month".strip()
    model = {NO: "does not fit", BORDERLINE: "is borderline", "unknown": "may fit or not"}.get(worst, "fits")
    return f"the model {model}, quota {quota}, SKUs there and names free {asked}, cost {price}"


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
        yield (
            f"{need.family}: {need.steady} cores, {need.peak} while deployments are replaced{reserve};"
            f" {_quota_left(need, left)}"
        )
    yield from (f"unknown: {text}" for text in found.unknown_sizes)


def _quota_left(need: FamilyNeed, left: Shortfall) -> str:
    if left.available is None:
        return "what the subscription has was not checked"
    have = f"{left.available} are left" + (f" beside the {left.used} this stack holds" if left.used else "")
    if left.enough:
        return f"{have}, enough"
    if left.available + left.used >= need.maximum:
        return (
            f"NOT ENOUGH to replace deployments, {have}: ask for quota, or set rollout: recreate, which"
            " is an outage at each change"
        )
    return f"NOT ENOUGH, {have}: ask for quota"


def cost_lines(found: StackReport) -> Iterable[str]:
    money = found.currency or ""
    for one in found.total.costs:
        if one.hourly is None:
            yield (
                f"{one.name}: unknown, no price of {one.sku} in {found.region}"
                f" (python -m serving.prices --region {found.region or 'REGION'})"
            )
        else:
            yield f"{one.name}: {one.hourly:.2f} {money} an hour, {one.monthly:,.0f} a month"
    endpoints: dict[str, list[Cost]] = {}
    for one in found.total.costs:
        endpoints.setdefault(one.name.rpartition("/")[0], []).append(one)
    for name, parts in endpoints.items():
        if len(parts) > 1 and all(part.hourly is not None for part in parts):
            hourly, monthly = (sum(getattr(part, what) for part in parts) for what in ("hourly", "monthly"))
            yield f"{name}: {hourly:.2f} {money} an hour, {monthly:,.0f} a month"
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

    from serving.fit_table import COLOURS

    console = Console()
    console.print(
        f"[bold]{found.stack}[/] in {found.region or 'no region'}: {summary(found)}", highlight=False
    )
    for one in found.deployments:
        verdict = one.answer.estimate.verdict if one.answer else "no" if one.problems else "unknown"
        told = [*(f"problem: {text}" for text in one.problems), *(f"warning: {t}" for t in one.warnings)]
        body = _rows([*deployment_lines(one), *told])
        console.print(Panel(body, title=one.name, title_align="left", border_style=COLOURS[verdict]))
    for name, rows in sections(found):
        console.print(Panel(_rows(rows), title=name.capitalize(), title_align="left", border_style="dim"))


def _rows(texts: Iterable[str]) -> Any:
    """`label: text` as two columns, so that long texts keep their indent in a narrow terminal."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for text in texts:
        label, colon, rest = text.partition(": ")
        style = "yellow" if label in ("warning", "problem", "advice") else ""
        cell = Text(rest if colon else text, style=style)
        cell.highlight_regex(r"NOT ENOUGH|^NO\b", "bold red")
        table.add_row(Text(label if colon else "", style=style), cell)
    return table
