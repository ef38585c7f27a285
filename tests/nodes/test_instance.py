"""One instance: restarts as a kubelet, gives up as its patience says. A container of Python, no real time."""

import asyncio

import pytest

from emulator.nodes.instance import Instance, Patience, StartError
from emulator.nodes.interface import DeploymentSpec, Probe, Reason


class Container:
    """Implements the container protocol in memory."""

    name, address = "c", "10.0.0.1"

    def __init__(self, exits=(), refuses=False):
        self.exits, self.refuses = list(exits), refuses
        self.events = []

    async def start(self):
        self.events.append("start")
        if self.refuses:
            raise StartError("exec: python3: not found")

    async def exited(self):
        if not self.exits:
            await asyncio.Event().wait()
        return self.exits.pop(0)

    async def kill(self):
        self.events.append("kill")

    async def logs(self, tail):
        return "last words"

    async def remove(self):
        self.events.append("remove")


class Clock:
    def __init__(self):
        self.slept = []

    async def sleep(self, seconds):
        self.slept.append(seconds)
        await asyncio.sleep(0)


def instance(container, check, *, liveness=None, readiness=None, startup=None, restarts=2, clock=None):
    probes = {"liveness": liveness, "readiness": readiness, "startup": startup}
    spec = DeploymentSpec("e", "d", "/id", "image", **probes)
    patience = Patience(restarts=restarts, backoff=1, most=3)
    return Instance(spec, container, check, clock or Clock(), patience, lambda text: None)


async def healthy(probe):
    return None


async def sick(probe):
    return "statuscode: 503"


async def settle(under_test):
    under_test.begin()
    return await asyncio.wait_for(under_test.settled, 5)


async def test_ready_when_the_readiness_probe_passes():
    under_test = instance(Container(), healthy, readiness=Probe(8000, "/health"))
    assert (await settle(under_test)).ok
    assert under_test.ready
    await under_test.close()
    assert under_test.container.events[-1] == "remove"


async def test_a_container_that_ends_is_restarted_with_a_growing_back_off_and_then_given_up():
    clock, container = Clock(), Container(exits=[1, 1, 78])
    outcome = await settle(
        instance(container, sick, clock=clock, readiness=Probe(8000, "/h", initial_delay=99, period=99))
    )
    assert (outcome.reason, outcome.log) == (Reason.CONTAINER_CRASHED, "last words")
    assert "exit code 78" in outcome.text
    assert container.events.count("start") == 3
    assert [s for s in clock.slept if s != 99] == [1, 2]


async def test_a_container_that_cannot_start_is_a_crash_with_the_engines_words():
    outcome = await settle(instance(Container(refuses=True), sick))
    assert outcome.reason is Reason.CONTAINER_CRASHED
    assert "python3: not found" in outcome.text


async def test_failing_liveness_restarts_and_then_fails_the_deployment_by_name():
    container = Container()
    slow_readiness = Probe(8000, "/health", failure_threshold=1000)
    liveness = Probe(8000, "/ping", failure_threshold=3)
    outcome = await settle(instance(container, sick, liveness=liveness, readiness=slow_readiness))
    assert outcome.reason is Reason.LIVENESS_PROBE_FAILED
    assert "failed 3 times" in outcome.text
    assert "statuscode: 503" in outcome.text
    assert container.events.count("start") == 3


async def test_readiness_that_never_passes_fails_without_a_restart():
    container = Container()
    outcome = await settle(instance(container, sick, readiness=Probe(8000, "/health", failure_threshold=5)))
    assert outcome.reason is Reason.READINESS_PROBE_FAILED
    assert container.events.count("start") == 1


async def test_nothing_else_is_probed_until_the_startup_probe_has_succeeded():
    """A server that loads for long: its impatient liveness probe would have ended it."""
    asked = []

    async def check(probe):
        asked.append(probe.path)
        return None if asked.count("/start") > 40 else "connection refused"

    container = Container()
    impatient = Probe(8000, "/live", initial_delay=0, failure_threshold=1)
    probes = {"liveness": impatient, "readiness": Probe(8000, "/ready", failure_threshold=1)}
    under_test = instance(container, check, startup=Probe(8000, "/start", failure_threshold=60), **probes)
    assert (await settle(under_test)).ok
    assert asked[:41] == ["/start"] * 41
    await wait_until(lambda: asked.count("/live") > 2)
    assert asked.count("/start") == 41, "asked on after it had succeeded"
    assert container.events == ["start"]
    await under_test.close()


async def test_a_failing_startup_probe_restarts_and_then_fails_the_deployment_by_name():
    container, patient = Container(), Probe(8000, "/health", failure_threshold=1000)
    startup = Probe(8000, "/start", failure_threshold=4)
    outcome = await settle(instance(container, sick, startup=startup, liveness=patient, readiness=patient))
    assert outcome.reason is Reason.STARTUP_PROBE_FAILED
    assert "GET :8000/start) failed 4 times" in outcome.text
    assert container.events.count("start") == 3


async def test_without_a_readiness_probe_it_is_ready_when_it_has_started_up():
    state = {"up": False}

    async def check(probe):
        return None if state["up"] else "not yet"

    under_test = instance(Container(), check, startup=Probe(8000, "/start", failure_threshold=10**6))
    under_test.begin()
    for _ in range(50):
        await asyncio.sleep(0)
    assert not under_test.ready
    state["up"] = True
    await wait_until(lambda: under_test.ready)
    await under_test.close()


async def test_after_the_first_readiness_a_crash_is_restarted_for_ever():
    class Crashing(Container):
        async def exited(self):
            await asyncio.sleep(0.01)
            return 1

    container = Crashing()
    under_test = instance(container, healthy, readiness=Probe(8000, "/h", initial_delay=0), restarts=0)
    assert (await settle(under_test)).ok
    await wait_until(lambda: container.events.count("start") > 4, pause=0.01)
    assert under_test.settled.result().ok
    await under_test.close()


async def test_readiness_lost_later_takes_the_instance_out_and_back_in():
    state = {"sick": False}

    async def check(probe):
        await asyncio.sleep(0)
        return "sick" if state["sick"] else None

    under_test = instance(Container(), check, readiness=Probe(8000, "/health", failure_threshold=2))
    await settle(under_test)
    state["sick"] = True
    await wait_until(lambda: not under_test.ready)
    state["sick"] = False
    await wait_until(lambda: under_test.ready)
    assert under_test.container.events == ["start"], "readiness never restarts a container"
    await under_test.close()


async def test_the_engines_failure_is_told_to_whoever_waits():
    class Broken(Container):
        async def start(self):
            raise OSError("engine gone")

    outcome = await settle(instance(Broken(), healthy))
    assert outcome.reason is Reason.NODES_UNAVAILABLE
    assert "engine gone" in outcome.text


async def wait_until(condition, pause=0):
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(pause)
    pytest.fail("it did not happen")


async def test_a_deployment_that_had_succeeded_before_is_never_given_up():
    """After a restart of the server:

    the machine may be slow to come back, and nobody waits for an outcome.
    """
    container = Container(exits=[1] * 20)
    under_test = instance(container, sick, readiness=Probe(8000, "/health", failure_threshold=1), restarts=0)
    under_test.begin(proven=True)
    await wait_until(lambda: container.events.count("start") > 10)
    assert under_test.settled.result().ok
    await under_test.close()


async def test_a_container_that_runs_already_is_probed_at_once():
    clock = Clock()
    slow = Probe(8000, "/health", initial_delay=99)
    under_test = instance(Container(), healthy, readiness=slow, startup=slow, clock=clock)
    under_test.begin(running=True)
    assert (await asyncio.wait_for(under_test.settled, 5)).ok
    assert under_test.container.events == []
    assert 99 not in clock.slept
    await under_test.close()
