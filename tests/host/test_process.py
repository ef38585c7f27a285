"""Processes are known by pid and start time:

nobody else's is ever ended, and one that was killed is seen to be gone.
"""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from emulator.host.errors import HostError
from emulator.host.process import Service, Supervisor, start_time, write_atomically


@pytest.fixture
def supervisor(tmp_path):
    made = Supervisor(tmp_path / "pids", tmp_path / "logs")
    yield made
    made.stop("s", grace=0.1)


def service(program="import time; time.sleep(60)", **named):
    return Service(name="s", argv=[sys.executable, "-c", program], **{"ready": lambda: True} | named)


def test_a_process_is_seen_running_and_is_ended(supervisor):
    pid = supervisor.spawn(service())
    assert supervisor.pid("s") == pid
    assert supervisor.stop("s")
    assert supervisor.pid("s") is None
    assert not supervisor.stop("s")


def test_a_killed_process_is_seen_to_be_gone(supervisor):
    pid = supervisor.spawn(service())
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while supervisor.pid("s") is not None:
        assert time.monotonic() < deadline


def test_a_pid_that_was_given_to_another_process_is_left_alone(supervisor):
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as other:
        record = {"pid": other.pid, "start_time": start_time(other.pid) - 1, "argv": []}
        write_atomically(supervisor.pids / "s.json", json.dumps(record))
        assert supervisor.pid("s") is None
        assert not supervisor.stop("s")
        assert other.poll() is None
        other.kill()


def test_a_process_that_ignores_sigterm_is_killed_after_the_grace(supervisor):
    program = (
        "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    )
    supervisor.spawn(service(program))
    while "up" not in (supervisor.logs / "s.log").read_text():
        time.sleep(0.01)
    began = time.monotonic()
    assert supervisor.stop("s", grace=0.3)
    assert 0.3 <= time.monotonic() - began < 5


def test_one_that_ends_while_starting_is_an_error_with_its_last_words(supervisor):
    under_test = service("print('no such thing'); raise SystemExit(1)", ready=lambda: False)
    supervisor.spawn(under_test)
    with pytest.raises(HostError, match=r"(?s)s ended while starting.*no such thing"):
        supervisor.wait_ready(under_test)


def test_one_that_never_gets_ready_is_an_error(supervisor):
    under_test = service(ready=lambda: False, patience=0.2)
    supervisor.spawn(under_test)
    with pytest.raises(HostError, match="not ready after"):
        supervisor.wait_ready(under_test)


def test_a_program_that_is_not_installed_is_named(supervisor):
    with pytest.raises(HostError, match=r"no-such-program is not installed. Run scripts/bootstrap"):
        supervisor.spawn(Service(name="s", argv=["no-such-program"], ready=lambda: True))


def test_half_a_pid_file_means_not_running(supervisor):
    supervisor.pids.mkdir()
    (supervisor.pids / "s.json").write_text('{"pid": 1')
    assert supervisor.pid("s") is None


def test_files_are_written_whole_and_private(tmp_path):
    write_atomically(tmp_path / "deep" / "f", "text")
    assert (tmp_path / "deep" / "f").read_text() == "text"
    assert (tmp_path / "deep" / "f").stat().st_mode & 0o777 == 0o600
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["f"]
