"""ISO 8601 durations in the canonical form that isodate, and so az ml, writes: PT1M30S, PT0.5S, P1DT1H.

The canonical form matters: Azure stores durations in it, and any other spelling would show up as drift.
"""


def seconds(value: int | None) -> str | None:
    """Whole seconds; None stays None (az ml sends nothing)."""
    return None if value is None else _iso(value * 1000)


def milliseconds(value: int | None) -> str | None:
    """Milliseconds; None stays None."""
    return None if value is None else _iso(value)


def _iso(total_ms: int) -> str:
    rest, ms = divmod(total_ms, 1000)
    days, rest = divmod(rest, 86_400)
    hours, rest = divmod(rest, 3600)
    minutes, secs = divmod(rest, 60)
    fraction = f".{ms:03d}".rstrip("0") if ms else ""
    time = "".join(f"{n}{unit}" for n, unit in ((hours, "H"), (minutes, "M")) if n)
    if secs or ms:
        time += f"{secs}{fraction}S"
    if not days and not time:
        return "P0D"
    return f"P{f'{days}D' if days else ''}{f'T{time}' if time else ''}"
