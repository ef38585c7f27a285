"""`python -m transfer` as a person sees it, against Azurite over TLS: what it prints, and how it ends."""

from __future__ import annotations

import json
import os
import pty
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from azurite import ACCOUNT, KEY, Azurite
from management import FakeArm
from servers import FakeHub, Handler

from transfer import KeyAccess, Request, plan

pytestmark = pytest.mark.emulator

WEIGHTS = "model.safetensors"
CONTENT = {WEIGHTS: random.Random(1).randbytes(1_500_000), "config.json": b"{}", "sub/vocab.txt": b""}
PROGRAM = [sys.executable, "-m", "transfer"]


@pytest.fixture
def hub(monkeypatch) -> Iterator[FakeHub]:
    served = FakeHub(CONTENT)
    for name, value in {"HF_ENDPOINT": served.url, "AZURE_STORAGE_KEY": KEY, "HF_TOKEN": ""}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")
    yield served
    served.close()


@pytest.fixture(scope="module")
def url(azurite: Azurite) -> str:
    return azurite.container("commands")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_plan_copy_verify(url: str, hub: FakeHub) -> None:
    planned = run("plan", "org/model@main", url)
    assert (planned.returncode, "3 of 3 files to copy" in planned.stdout) == (0, True)
    copied = run("copy", "org/model", url)
    assert copied.returncode == 0, copied.stderr
    assert f"org/model@{hub.commit} is at models/org/model/{hub.commit}/" in copied.stdout
    assert "0 of 3 files to copy" in run("plan", "org/model", url).stdout
    verified = run("verify", "org/model", url)
    assert "all 3 files are whole" in verified.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["plan", "org/nothing", "URL"],
            ["org/nothing@main", "no such repository", "HF_TOKEN", "Check the name"],
        ),
        (["copy", "org/model@nope", "URL"], ["org/model@nope", "Check the revision"]),
        (["copy", "org/model@", "URL"], ["no revision behind the @"]),
        (["copy", "odd name", "URL"], ["'odd name' is no source", "owner/name"]),
        (["copy", "./nothing", "URL"], ["nothing is no folder"]),
        (["copy", "azureml://jobs/1", "URL"], ["azureml://jobs/1", "datastores/D/paths/P"]),
        (["copy", "org/model", "nowhere"], ["'nowhere' is no container", "https://"]),
        (["copy", "org/model", "URL/folder"], ["is no container", "--root"]),
        (["plan", "org/model", "URL-nothing"], ["ContainerNotFound", "Make the container"]),
        (["copy", "org/model", "URL", "--in-flight", "0"], ["0 blocks", "at least one"]),
        (["copy", "org/model", "URL", "--lock", "/nothing"], ["--lock /nothing", "No such file"]),
        (["copy", "org/model", "URL", "--lock", "/dev/null"], ["--lock /dev/null", "make lock"]),
        (["copy", "org/model", "URL", "--token", "env:NOT_SET"], ["env:NOT_SET", "is empty"]),
        (["copy", "org/model", "URL", "--allow", "*.zip"], ["none of its 3 files", "allow_patterns"]),
        (["copy", "org/model", "URL", "--report", "/no/x"], ["the copy is done", "--report /no/x"]),
        (["verify", "org/model", "URL", "--root", "empty"], ["3 of 3 files", WEIGHTS, "Run the copy"]),
    ],
)
def test_what_is_wrong_is_one_line_that_says_what_to_do(
    url: str, hub: FakeHub, arguments: list[str], words: list[str]
) -> None:
    ended = run(*(argument.replace("URL", url) for argument in arguments))
    (said,) = [line for line in ended.stderr.splitlines() if not line.startswith(f"{arguments[1]}: ")]
    assert ended.returncode == 1
    assert said.startswith("error: ")
    assert [word for word in words if word not in said] == []


def test_a_gated_repository_and_a_token_that_is_none(url: str, hub: FakeHub, monkeypatch) -> None:
    hub.token = "hf_granted"
    gated = run("copy", "org/model", url)
    assert gated.returncode == 1
    assert "gated" in gated.stderr
    assert "HF_TOKEN" in gated.stderr
    monkeypatch.setenv("HF_TOKEN", "hf_granted")
    assert run("copy", "org/model", url, "--root", "gated").returncode == 0


def test_who_is_not_signed_in_is_told_once(url: str, hub: FakeHub, monkeypatch) -> None:
    monkeypatch.delenv("AZURE_STORAGE_KEY")
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    ended = run("plan", "org/model", url)
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1
    assert ended.stderr.startswith("error: no token for the blob service")
    assert "az login" in ended.stderr


def test_wrong_usage_is_exit_code_2() -> None:
    for arguments in ([], ["plan"], ["move", "a", "b"], ["copy", "a", "b", "--in-flight", "many"]):
        ended = run(*arguments)
        assert (ended.returncode, "usage:" in ended.stderr) == (2, True)


def test_help_explains_sources_and_credentials() -> None:
    said = run("copy", "--help").stdout
    words = ["owner/name@revision", "azureml://", "AZURE_STORAGE_KEY", "az login", "--server-side-copy"]
    assert [word for word in words if word not in said] == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("where", ["hub", "cdn"])
def test_interrupted_it_says_how_to_go_on(url: str, hub: FakeHub, how: signal.Signals, where: str) -> None:
    reached, free = threading.Event(), threading.Event()

    def hang(_: Handler) -> bool:
        reached.set()
        free.wait(20)
        return False

    (hub if where == "hub" else hub.cdn).faults.append(hang)
    command = [*PROGRAM, "copy", "org/model", url, "--root", f"stop{where}{int(how)}"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert reached.wait(30)
    process.send_signal(how)
    said = process.communicate(timeout=10)[1]
    free.set()
    assert process.returncode == 130
    assert "goes on from there" in said
    assert "Traceback" not in said


def test_a_reader_that_has_enough_is_no_error(url: str, hub: FakeHub) -> None:
    process = subprocess.Popen(
        [*PROGRAM, "plan", "org/model", url], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(30) == 1
    process.stderr.close()


@pytest.mark.parametrize("plain", [False, True])
def test_bars_on_a_terminal_and_lines_where_asked_for(
    url: str, hub: FakeHub, plain: bool, monkeypatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    master, slave = pty.openpty()
    command = [*PROGRAM, "copy", "org/model", url, "--root", f"tty{plain}", *(["--plain"] if plain else [])]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=slave, text=True)
    os.close(slave)
    screen = b""
    try:
        while data := os.read(master, 65536):
            screen += data
    except OSError:  # the terminal's end
        pass
    said, shown = process.communicate(timeout=30)[0], screen.decode()
    os.close(master)
    assert process.returncode == 0
    assert "1 MiB sent" in said  # the result goes to the output, the progress does not
    assert ("org/model: copy 3 files" in shown) is plain
    assert ("1.4/1.4 MiB" in shown) is not plain
    assert ("\x1b[" in shown) is not plain


def test_the_figures_of_a_copy_as_json(url: str, hub: FakeHub, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    run("copy", "org/model", url, "--root", "report", "--report", str(report))
    figures = json.loads(report.read_text())
    assert (figures["files"], figures["bytes_sent"]) == (3, sum(map(len, CONTENT.values())))


def test_a_folder_by_its_content(url: str, hub: FakeHub, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    first = run("copy", str(tmp_path), url)
    (tmp_path / "config.json").write_text("{ }")
    second = run("copy", str(tmp_path), url)
    assert first.returncode == second.returncode == 0
    assert first.stdout.splitlines()[-1] != second.stdout.splitlines()[-1]


def test_a_lock_file_stands_for_the_hub(url: str, hub: FakeHub, tmp_path: Path) -> None:
    access = KeyAccess(url, ACCOUNT, KEY)
    found = plan(Request(source="org/model", container_url=url, access=access, root="locked"))
    lock = tmp_path / "models.lock.json"
    lock.write_text(json.dumps({"models": {"org/model@main": found.snapshot.as_lock()}}))
    hub.requests.clear()
    assert (
        "3 of 3 files to copy"
        in run("plan", "org/model", url, "--root", "locked", "--lock", str(lock)).stdout
    )
    assert hub.requests == []


def test_what_is_in_blob_storage_already_by_each_of_its_names(
    url: str, hub: FakeHub, azurite: Azurite, monkeypatch
) -> None:
    other = azurite.container("others")
    prefix = run("copy", "org/model", other).stdout.split(" is at ")[1].strip()
    arm = FakeArm(azurite.url + "/", "others")
    for name, value in arm.environment().items():
        monkeypatch.setenv(name, value)
    path = "azureml://subscriptions/sub/resourcegroups/rg/workspaces/ws/datastores/workspaceblobstore/paths/"
    for root, source in {"from-url": f"{other}/{prefix}", "from-path": path + prefix}.items():
        copied = run("copy", source, url, "--root", root)
        assert copied.returncode == 0, copied.stderr
        assert "3 files, 1 MiB, 0 B were there, 1 MiB sent" in copied.stdout
    gone = run("plan", path.replace("workspaceblobstore", "gone") + prefix, url)
    arm.close()
    assert gone.returncode == 1
    assert "404 ResourceNotFound" in gone.stderr
