"""The whole embedded Azure without containers: start, stop, a killed process, a busy port. Real processes."""

import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

pytestmark = pytest.mark.emulator
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home") / ".emulator"
    yield folder
    emulator(folder, "reset")


def emulator(home, *arguments, stdout=subprocess.PIPE, **variables):
    environment = {
        k: v for k, v in os.environ.items() if not k.startswith("EMULATOR_") or k == "EMULATOR_CACHE"
    }
    environment |= {"EMULATOR_HOME": str(home), "EMULATOR_NETWORK": "127.79", "EMULATOR_PORT": "9643"}
    environment |= variables
    command = [sys.executable, "-m", "emulator", *arguments]
    output = {"stdout": stdout, "stderr": subprocess.PIPE, "text": True}
    return subprocess.run(command, cwd=ROOT, env=environment, timeout=120, **output)


def start(home):
    done = emulator(home, "start", "--nodes", "none")
    assert done.returncode == 0, done.stderr


def pids(home):
    lines = [line.split() for line in emulator(home, "status").stdout.splitlines()]
    return {words[0]: int(words[2]) for words in lines if words[1:2] == ["pid"]}


def exports(home):
    lines = emulator(home, "env").stdout.splitlines()
    return dict(line.removeprefix("export ").split("=", 1) for line in lines)


def answers(home):
    environment = exports(home)
    context = ssl.create_default_context(cafile=environment["SSL_CERT_FILE"])
    url = f"https://{environment['ARM_METADATA_HOSTNAME']}/metadata/endpoints?api-version=2022-09-01"
    with urllib.request.urlopen(url, context=context, timeout=10) as answer:
        return answer.status == 200


def test_start_status_and_a_second_start_that_changes_nothing(home):
    start(home)
    assert set(pids(home)) == {"azurite", "registry", "hub", "azure"}
    assert answers(home)
    before = pids(home)
    start(home)
    assert pids(home) == before
    assert emulator(home, "status", "--quiet").returncode == 0


@pytest.mark.parametrize("name", ["azurite", "registry", "hub", "azure"])
def test_a_killed_process_is_shown_and_brought_back_alone(home, name):
    start(home)
    before = pids(home)
    os.kill(before[name], signal.SIGKILL)
    deadline = time.monotonic() + 10
    while name in pids(home):
        assert time.monotonic() < deadline
    shown = emulator(home, "status")
    assert shown.returncode == 3
    assert "NOT RUNNING" in shown.stdout
    start(home)
    after = pids(home)
    assert {n for n in after if after[n] != before[n]} == {name}
    assert answers(home)


def test_the_authority_survives_a_restart(home):
    start(home)
    before = (home / "ca.pem").read_bytes()
    assert emulator(home, "stop").returncode == 0
    assert pids(home) == {}
    assert emulator(home, "status", "--quiet").returncode == 3
    start(home)
    assert (home / "ca.pem").read_bytes() == before
    assert answers(home)


def test_a_busy_port_is_one_error_that_names_the_holder_and_the_setting_and_leaves_nothing_running(home):
    emulator(home, "stop")
    with socket.socket() as taken:
        taken.bind(("127.79.0.5", 9643))
        taken.listen()
        done = emulator(home, "start", "--nodes", "none")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert f"(pid {os.getpid()})" in done.stderr
    assert "127.79.0.5:9643" in done.stderr
    assert "EMULATOR_PORT" in done.stderr
    assert pids(home) == {}


def test_missing_parts_are_named_with_the_command_that_installs_them(tmp_path):
    environment = {
        **os.environ,
        "EMULATOR_HOME": str(tmp_path / "h"),
        "EMULATOR_CACHE": str(tmp_path / "empty"),
    }
    command = [sys.executable, "-m", "emulator", "start", "--nodes", "none"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "Azurite" in done.stderr
    assert "scripts/bootstrap" in done.stderr


def test_a_start_on_another_port_moves_everything(home):
    """Not a server that goes on listening where nobody looks for it."""
    start(home)
    done = emulator(home, "start", EMULATOR_PORT="9653")
    assert (done.returncode, "another EMULATOR_PORT" in done.stderr) == (0, True), done.stderr
    ports = [
        line for line in emulator(home, "env", EMULATOR_PORT="9653").stdout.splitlines() if "9653" in line
    ]
    assert ports
    with socket.create_connection(("127.79.0.1", 9653), timeout=5):
        pass
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.79.0.1", 9643), timeout=5)
    start(home)
    assert answers(home)


def test_a_start_with_other_settings_says_that_they_do_not_count_yet(home):
    start(home)
    before = pids(home)
    for _ in range(2):
        done = emulator(home, "start", EMULATOR_DELAY_OPERATION="3")
        assert "another EMULATOR_DELAY_OPERATION; stop it first" in done.stderr
    assert pids(home) == before


def test_whoever_stops_reading_is_no_error(home):
    """`python -m emulator status | head -1`."""
    start(home)
    reading, writing = os.pipe()
    os.close(reading)
    done = emulator(home, "status", stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_env_before_any_start_says_what_to_do(tmp_path):
    done = emulator(tmp_path / "never", "env")
    assert done.returncode == 1
    assert "python -m emulator start" in done.stderr


def test_a_wrong_setting_is_named(tmp_path):
    environment = {**os.environ, "EMULATOR_NETWORK": "10.0"}
    command = [sys.executable, "-m", "emulator", "status"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "EMULATOR_NETWORK" in done.stderr
    assert "Traceback" not in done.stderr


def test_reset_removes_only_a_folder_that_is_ours(tmp_path):
    (tmp_path / "precious").mkdir()
    done = emulator(tmp_path / "precious", "reset")
    assert done.returncode == 1
    assert (tmp_path / "precious").exists()
