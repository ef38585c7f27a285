"""The answer of `serving.fit` as a table for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serving.answer import Answer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

COLOURS = {"fits": "green", "borderline": "yellow", "no": "red", "unknown": "magenta"}


def show(answer: Answer, console: Console | None = None) -> None:
    from rich.console import Console

    console = console or Console()
    found = answer.estimate
    console.print(f"[bold {COLOURS[found.verdict]}]{found.verdict}[/] on {answer.gpu or 'unknown hardware'}")
    for reason in found.why:
        console.print(f"  {reason}", highlight=False, soft_wrap=True)
    if found.weights_gib is not None:
        console.print(_parts(answer))
    for line in advice_lines(answer):
        console.print(f"  {line}", highlight=False, soft_wrap=True)
    for warning in found.warnings:
        console.print(f"  note: {warning}", style="dim", highlight=False, soft_wrap=True)


def _parts(answer: Answer) -> Table:
    from rich.table import Table

    found = answer.estimate
    table = Table("per GPU", "GiB", box=None, header_style="bold")
    table.columns[1].justify = "right"
    rows = [
        (f"budget ({found.utilisation:g} of {found.total_gib:.2f})", found.budget_gib),
        ("weights", found.weights_gib),
        ("activation peak", found.activation_gib),
        ("CUDA, NCCL and other", found.non_torch_gib),
        ("CUDA graphs inside the budget", found.cudagraph_gib),
        ("KV cache", found.kv_gib),
    ]
    for name, value in rows:
        table.add_row(name, f"{value:.2f}")
    table.add_row("KV cache, tokens", f"{found.kv_tokens:,}")
    if found.max_concurrency is not None:
        table.add_row(f"requests of {found.max_model_len:,} tokens at once", f"{found.max_concurrency:.2f}")
    return table


def advice_lines(answer: Answer) -> list[str]:
    advice = answer.advice
    if advice is None or answer.estimate.verdict == "fits":
        return []
    lines = []
    if advice.max_model_len:
        lines.append(f"fits with --max-model-len {advice.max_model_len}")
    if advice.tensor_parallel_size and advice.tensor_parallel_size != answer.estimate.tensor_parallel_size:
        lines.append(f"fits with --tensor-parallel-size {advice.tensor_parallel_size}")
    if advice.sku:
        order = "cheapest" if advice.sku.hourly is not None else "smallest (prices unknown)"
        size = advice.sku.tensor_parallel_size
        lines.append(f"{order} SKU that fits: {advice.sku.sku.name} with --tensor-parallel-size {size}")
    return lines or ["nothing in the table of SKUs makes it fit"]
