"""The benchmark's page says what its runs say. No sockets, nothing measured."""

from __future__ import annotations

from benchmarks.transfer import page


def run(path: str, destination: str, kind: str, **figures) -> dict:
    defaults = {"wall": 1.0, "transfer": 0.5, "cpu": 1.0, "rss_mib": 100.0, "disk": 0, "load": 0.1}
    facts = {"path": path, "destination": destination, "kind": kind, "tls": False, "size": 1 << 30}
    return {**defaults, "received": None, "sent_twice": None, **facts, **figures}


def render(*runs: dict) -> str:
    return page.render({"machine": {"cpus": 2, "python": "3.11", "date": "today"}, "runs": list(runs)})


def test_ratios_are_medians_against_their_goals() -> None:
    two_step = [run("two-step", "sink", "first", wall=wall, cpu=3.0) for wall in (10.0, 12.0, 90.0)]
    text = render(*two_step, run("engine", "sink", "first", wall=2.0, cpu=1.0))
    assert "| sink | wall | 6.0 | 5: met |" in text
    assert "| sink | cpu | 3.0 | 5: missed |" in text


def test_memory_is_the_worst_of_the_engines_runs() -> None:
    runs = [
        run("engine", "sink", kind, rss_mib=rss) for kind, rss in (("first", 111.0), ("after-kill", 131.0))
    ]
    assert "131 MiB (goal: at most 130)" in render(*runs, run("two-step", "sink", "first", rss_mib=400.0))


def test_bytes_that_nobody_counted_are_a_dash() -> None:
    text = render(run("engine", "azurite", "no-change"), run("engine", "sink", "no-change", received=0))
    assert "| azurite | engine | no-change | 1.00 | 0.50 | - | - |" in text
    assert "| sink | engine | no-change | 1.00 | 0.50 | 0.0 MiB | - |" in text
