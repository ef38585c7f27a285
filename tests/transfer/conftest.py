"""Fixtures of the transfer tests: the servers beside this file, and one Azurite a module."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # servers.py and azurite.py are helpers, not a package

from azurite import Azurite, running


@pytest.fixture(scope="module")  # a longer life would leave its CA to the tests of other folders
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """Azurite 3.35 over TLS with OAuth; its CA is what this process trusts meanwhile."""
    with (
        pytest.MonkeyPatch.context() as patch,
        running(tmp_path_factory.mktemp("azurite"), tls=True) as service,
    ):
        patch.setenv("SSL_CERT_FILE", service.bundle)
        patch.setenv("REQUESTS_CA_BUNDLE", service.bundle)
        yield service


@pytest.fixture
def no_leaked_threads() -> Iterator[None]:
    """Fails a test after which a thread of a copy is alive."""
    yield
    deadline = time.monotonic() + 2
    while alive := [t.name for t in threading.enumerate() if t.name.startswith("transfer-")]:
        assert time.monotonic() < deadline, f"still running: {alive}"
        time.sleep(0.01)
