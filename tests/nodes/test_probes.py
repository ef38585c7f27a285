"""Probes run when Kubernetes would run them, and pass and fail when it would say so. No real time passes."""

import pytest

from emulator.nodes.interface import Probe
from emulator.nodes.probes import Counter, probing


class VirtualClock:
    def __init__(self):
        self.now = 0.0

    async def sleep(self, seconds):
        self.now += seconds


def results(*values):
    """A check that answers these, then the last one for ever."""
    left = list(values)

    async def check(probe):
        return left.pop(0) if len(left) > 1 else left[0]

    return check


async def run(probe, check, seen):
    clock, times = VirtualClock(), []

    async def timed(probe):
        times.append(clock.now)
        return await check(probe)

    await probing(probe, timed, clock, seen)
    return clock.now, times


async def test_the_first_probe_waits_for_the_initial_delay_and_the_rest_for_the_period():
    probe = Probe(8000, "/health", initial_delay=120, period=10, failure_threshold=3)
    _, times = await run(probe, results("no"), lambda counter: counter.failing)
    assert times == [120, 130, 140]


async def test_azures_default_liveness_gives_a_server_300_seconds():
    """10 s, then 30 failures 10 s apart: what kills a large model that is still loading."""
    end, _ = await run(Probe(8000, "/ping"), results("no"), lambda counter: counter.failing)
    assert end == 10 + 29 * 10


async def test_one_success_starts_the_count_of_failures_anew():
    probe = Probe(8000, "/health", initial_delay=0, period=1, failure_threshold=3)
    end, _ = await run(probe, results("no", "no", None, "no"), lambda counter: counter.failing)
    assert end == 5


async def test_passing_needs_the_success_threshold_in_a_row():
    probe = Probe(8000, "/health", initial_delay=0, period=1, success_threshold=2)
    end, _ = await run(probe, results(None, "no", None, None), lambda counter: counter.passing)
    assert end == 3


def test_a_passing_probe_stays_passing_until_the_failure_threshold():
    counter = Counter(Probe(8000, "/health", success_threshold=1, failure_threshold=2))
    states = []
    for failure in (None, "slow", None, "slow", "slow"):
        counter.record(failure)
        states.append(counter.passing)
    assert states == [True, True, True, True, False]
    assert counter.last_failure == "slow"


@pytest.mark.emulator
class TestHttp:
    """Against a real server on loopback."""

    @pytest.mark.parametrize(
        ("path", "failure"),
        [
            ("/ok", None),
            ("/moved", None),
            ("/absent", "statuscode: 404"),
            ("/sick", "statuscode: 503"),
            ("/slow", "within 0.2 s"),
        ],
    )
    async def test_what_counts_as_success(self, path, failure, unused_tcp_port):
        import asyncio

        import aiohttp
        from aiohttp import web

        from emulator.nodes.probes import http_check

        async def slow(request):
            await asyncio.sleep(2)
            return web.Response()

        async def answer(request):
            status = {"/ok": 200, "/moved": 302, "/absent": 404, "/sick": 503}[request.path]
            return web.Response(status=status, headers={"Location": "/nowhere"})

        app = web.Application()
        app.router.add_get("/slow", slow)
        app.router.add_get("/{rest}", answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", unused_tcp_port).start()
        try:
            async with aiohttp.ClientSession() as session:
                check = http_check(session, lambda: "127.0.0.1")
                said = await check(Probe(unused_tcp_port, path, timeout=0.2))
        finally:
            await runner.cleanup()
        assert said is None if failure is None else failure in said
