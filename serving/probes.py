"""Time to ready: when vLLM starts to listen, and whether the probes wait that long.

vLLM opens its port only after the weights are loaded, the model is compiled and the graphs are captured. A
liveness probe that gives up before that restarts the container, which starts to load again: the deployment
never gets ready. Seconds and bytes throughout. Throughput and start-up times are assumptions with names;
measure and pass your own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

# What Azure fills in for a probe that leaves a field out (azure-ai-ml's ProbeSettings, Azure's YAML
# reference).
AZURE_DEFAULTS = {
    "initial_delay": 10,
    "period": 10,
    "timeout": 2,
    "success_threshold": 1,
    "failure_threshold": 30,
}

# Assumptions, not measurements on Azure: a network disk or a mount gives 100 to 500 MB/s to one reader.
DISK_MB_PER_SECOND = 200.0
DOWNLOAD_MB_PER_SECOND = 100.0
# Imports, engine start, torch.compile, graph capture. On two CPU cores with a tiny model 49 to 63 s were
# measured.
START_SECONDS = 60.0
COMPILE_SECONDS = 60.0
SAFETY = 2.0  # the slow end is this much slower than the expectation


@dataclass(frozen=True)
class Startup:
    """How long the container needs until it answers: expected, and at the slow end."""

    loading: float
    expected: float
    slow: float
    mb_per_second: float
    source: str


@dataclass(frozen=True)
class Window:
    """What a probe allows: first look, and the time after which a container that does not answer is given
    up.
    """

    initial_delay: int
    gives_up_after: int


@dataclass(frozen=True)
class ProbeAdvice:
    """Warnings with numbers, and probe settings that wait long enough (az ml's names, seconds)."""

    startup: Startup
    liveness: Window
    readiness: Window
    warnings: tuple[str, ...]
    suggested_liveness: Mapping[str, int]
    suggested_readiness: Mapping[str, int]


def startup(
    weights_bytes: int,
    *,
    mb_per_second: float | None = None,
    downloads: bool = False,
    enforce_eager: bool = False,
) -> Startup:
    """`downloads`: the container fetches the model itself at start, and then reads it again from its disk."""
    disk = mb_per_second or DISK_MB_PER_SECOND
    loading = weights_bytes / 1e6 / disk
    if downloads:
        loading += weights_bytes / 1e6 / DOWNLOAD_MB_PER_SECOND
    fixed = START_SECONDS + (0 if enforce_eager else COMPILE_SECONDS)
    source = "given" if mb_per_second else "assumed"
    return Startup(loading, loading + fixed, loading * SAFETY + fixed * 1.5, disk, source)


def window(probe: Mapping[str, int | None] | None) -> Window:
    """The probe with Azure's defaults filled in."""
    given = {name: value for name, value in (probe or {}).items() if value is not None}
    full = {**AZURE_DEFAULTS, **given}
    return Window(full["initial_delay"], full["initial_delay"] + full["period"] * full["failure_threshold"])


def advise(
    weights_bytes: int | None,
    *,
    liveness: Mapping[str, int | None] | None = None,
    readiness: Mapping[str, int | None] | None = None,
    mb_per_second: float | None = None,
    downloads: bool = False,
    enforce_eager: bool = False,
) -> ProbeAdvice | None:
    """None when the size of the weights is unknown: there is nothing to compare the windows with."""
    if weights_bytes is None:
        return None
    time = startup(
        weights_bytes, mb_per_second=mb_per_second, downloads=downloads, enforce_eager=enforce_eager
    )
    live, ready = window(liveness), window(readiness)
    warnings = [
        text
        for text in (
            _warning(
                "liveness_probe", live, time, weights_bytes, "Azure restarts the container while it loads"
            ),
            _warning(
                "readiness_probe", ready, time, weights_bytes, "Azure gives the deployment up as not ready"
            ),
        )
        if text
    ]
    return ProbeAdvice(time, live, ready, tuple(warnings), *suggestions(time))


def _warning(name: str, window_: Window, time: Startup, size: int, consequence: str) -> str | None:
    limit = window_.gives_up_after
    if limit >= time.slow:
        return None
    sure = "before" if limit < time.expected else "possibly before"
    return (
        f"{name} gives up after {limit} s, {sure} vLLM listens: {size / 1e9:.1f} GB at"
        f" {time.mb_per_second:.0f} MB/s"
        f" ({time.source}) take {time.loading:.0f} s, with start-up {time.expected:.0f} to {time.slow:.0f} s."
        f" {consequence}. Set {name}.initial_delay to {_round_up(time.slow)}."
    )


def suggestions(time: Startup) -> tuple[dict[str, int], dict[str, int]]:
    """Liveness waits out the slow end before it looks; readiness looks early and gives up late."""
    slow = _round_up(time.slow)
    liveness = {**AZURE_DEFAULTS, "initial_delay": slow}
    early = max(10, min(_round_up(time.expected / 2), slow))
    readiness = {
        **AZURE_DEFAULTS,
        "initial_delay": early,
        "failure_threshold": max(30, ceil((slow + 300 - early) / AZURE_DEFAULTS["period"])),
    }
    return liveness, readiness


def _round_up(seconds: float) -> int:
    return ceil(seconds / 30) * 30
