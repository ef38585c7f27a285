"""What holds for every test: order, sockets, and that nothing is skipped.

Unmarked tests are unit tests: they may open no socket. Marked ones run after them, cheapest first, so that
a broken function is reported before a container is started.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
import pytest_socket

ORDER = ("engine", "emulator", "e2e", "vllm")


def _rank(item: pytest.Item) -> int:
    return max((ORDER.index(mark.name) + 1 for mark in item.iter_markers() if mark.name in ORDER), default=0)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_rank)


@pytest.fixture(autouse=True)
def _sockets(request: pytest.FixtureRequest):
    """A unit test that reaches for the network fails: it would pass or fail by where it runs."""
    if _rank(request.node):
        pytest_socket.enable_socket()
    else:
        pytest_socket.disable_socket(allow_unix_socket=True)
    yield
    pytest_socket.enable_socket()


@pytest.fixture(autouse=True)
def _event_loop(_sockets: None) -> None:
    """Pulumi's mocks want a current event loop; a test of a coroutine before them leaves none behind."""
    try:
        asyncio.get_event_loop_policy().get_event_loop()
    except RuntimeError:
        asyncio.set_event_loop(asyncio.new_event_loop())


@pytest.fixture(scope="session")
def docker_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """DOCKER_HOST of an engine that tests share: the machine's, or one of our own until the tests end."""
    from emulator.host import engine
    from emulator.host.process import Supervisor
    from emulator.settings import Settings

    running = engine.find()
    if running:
        yield running
        return
    folder = tmp_path_factory.mktemp("engine")
    settings = Settings(home=folder, cache=folder)
    supervisor = Supervisor(settings.pids, settings.logs)
    service = engine.own_service(settings)
    supervisor.spawn(service)
    try:
        supervisor.wait_ready(service)
        yield engine.own_address(settings)
    finally:
        supervisor.stop(service.name, service.grace)
        engine.tidy(settings)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for report in terminalreporter.stats.get("skipped", []):
        terminalreporter.write_line(f"not run, which counts as a failure here: {report.nodeid}", red=True)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if exitstatus == 0 and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = 1
