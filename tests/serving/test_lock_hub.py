"""The lock's writer against the embedded hub, over the real huggingface_hub."""

import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from serving.lock import read

pytestmark = pytest.mark.emulator

ROOT = Path(__file__).parents[2]
MODEL = "Qwen/Qwen3-8B"  # a small synthetic repository there


def free_ports() -> int:
    """A port that is free together with the one after it, which the hub takes for large files."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    home, port = tmp_path_factory.mktemp("hub"), free_ports()
    environment = {**os.environ, "EMULATOR_HOME": str(home)}
    process = subprocess.Popen(
        [sys.executable, "-m", "emulator.hub", "--listen", f"127.0.0.1:{port}"], cwd=ROOT, env=environment
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            time.sleep(0.2)
    yield {**os.environ, "HF_ENDPOINT": f"http://127.0.0.1:{port}", "HF_HOME": str(home / "hf")}
    process.send_signal(signal.SIGTERM)
    process.wait(30)


def lock(hub, path, repository: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "serving.lock_writer", "--repo", repository, "--lock", str(path)]
    return subprocess.run(words, cwd=ROOT, env=hub, capture_output=True, text=True, check=False)


def test_a_revision_becomes_a_commit_and_digests(hub, tmp_path) -> None:
    path = tmp_path / "models.lock.json"
    run = lock(hub, path, MODEL)
    assert run.returncode == 0, run.stderr
    entry = read(path).find(MODEL)
    assert entry is not None
    assert f"{entry.key} is {entry.commit}" in run.stdout
    assert entry.weights_bytes == sum(f["size"] for p, f in entry.files.items() if p.endswith(".safetensors"))
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    assert "no change" in lock(hub, path, MODEL).stdout
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before


def test_what_the_hub_does_not_have_is_one_sentence(hub, tmp_path) -> None:
    run = lock(hub, tmp_path / "lock.json", "no/such")
    assert run.returncode == 1
    assert run.stderr.startswith("error: the hub has no model 'no/such'")
    assert "Traceback" not in run.stderr


def test_a_hub_that_is_not_there_is_one_sentence(hub, tmp_path) -> None:
    away = {**hub, "HF_ENDPOINT": "http://127.0.0.1:9"}
    run = lock(away, tmp_path / "lock.json", MODEL)
    assert run.returncode == 1
    assert "no hub could be reached" in run.stderr
    assert "Traceback" not in run.stderr
