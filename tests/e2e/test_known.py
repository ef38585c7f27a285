"""Know before you rent, on an embedded Azure: the lock, the preview without a hub, quota and names.

Each stack goes to a region of its own, so that quotas which a test changes are nobody else's.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import ROOT, Azure, Project, Result

pytestmark = pytest.mark.emulator

FAMILY = "standardNCADSA100v4Family"


@pytest.fixture
def project(requests_only: Azure, tmp_path: Path) -> Project:
    project = Project.copy(tmp_path / "program", requests_only, "local")
    project.edit(
        lambda config: config.update(
            {
                "vllm-azureml:resource_group": {"name": f"rg-{tmp_path.name}"},
                "azure-native:location": "northeurope",
            }
        )
    )
    return project


def command(
    project: Project, module: str, *arguments: str, principal: str = "deployer", **env: str
) -> Result:
    """A module of the program, in its folder, as the make targets run it."""
    done = subprocess.run(
        [sys.executable, "-m", module, *(arguments or (project.stack,))],
        cwd=project.folder,
        env=project.environment(principal) | {"PYTHONPATH": str(project.folder), "COLUMNS": "200"} | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stdout
    # The page's frames and line breaks are for people.
    return Result(done.returncode, " ".join(done.stdout.replace("│", " ").split()))


def pulumi_preview(project: Project, **env: str) -> Result:
    done = subprocess.run(
        [sys.executable, "-m", "emulator.engine", "preview", "--stack", project.stack],
        cwd=project.folder,
        env=project.environment() | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return Result(done.returncode, done.stdout)


@contextmanager
def hub_that_counts() -> Iterator[tuple[str, list[str]]]:
    """A hub that refuses every request and remembers it."""
    asked: list[str] = []

    class Hub(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


class TestLock:
    def test_a_preview_with_a_lock_asks_no_hub_and_knows_everything(self, project: Project) -> None:
        written = command(project, "stack.lock")
        assert written.code == 0
        assert "HuggingFaceTB/SmolLM2-135M-Instruct@main is" in written.text
        with hub_that_counts() as (address, asked):
            said = pulumi_preview(project, HF_ENDPOINT=address)
            assert said.code == 0, said.text
            assert asked == []
            # The same hub is asked by what does ask one, so the count can be believed.
            assert command(project, "stack.lock", HF_ENDPOINT=address).code == 1
            assert asked != []
        commit = next(
            iter(json.loads((project.folder / "models.local.lock.json").read_text())["models"].values())
        )
        assert f"commit {commit['commit']}" in said.text
        assert "time to ready:" in said.text
        assert "24 cores, 48 while deployments are replaced" in said.text

    def test_a_lock_without_the_entry_stops_up_and_not_the_preview(self, project: Project) -> None:
        (project.folder / "models.local.lock.json").write_text('{"version": 1, "models": {}, "unlocked": {}}')
        assert "make lock STACK=local" in project.preview().text
        before = len(project.azure.journal())
        stopped = project.up(check=False)
        assert stopped.code != 0
        assert "vllm-azureml:models.SmolLM2-135M-Instruct" in stopped.text
        assert "make lock STACK=local" in stopped.text
        assert "Traceback" not in stopped.text
        assert not [row for row in project.azure.journal()[before:] if row["method"] == "PUT"]

    def test_what_the_hub_has_not_is_one_sentence_and_no_file(self, project: Project) -> None:
        models = "vllm-azureml:models"
        for repository, words in (
            ("nobody/has-this", "the hub has no model 'nobody/has-this'"),
            ("embedded-azure/gated", "is gated: accept its licence"),
            ("embedded-azure/pickle-only", "pickle"),
        ):
            with project.edited(
                lambda c, name=repository: c[models]["SmolLM2-135M-Instruct"].update(huggingface=name)
            ):
                said = command(project, "stack.lock")
            assert said.code == 1
            assert words in said.text
            assert not (project.folder / "models.local.lock.json").exists()

    @pytest.mark.parametrize("stack", ["dev", "r1"])
    def test_sizes_that_cannot_be_the_models_are_unknown(
        self, requests_only: Azure, tmp_path: Path, stack: str
    ) -> None:
        """The embedded hub's stand-ins for large models have a few bytes of weights."""
        project = Project.copy(tmp_path / "program", requests_only, stack)
        assert command(project, "stack.lock").code == 0
        said = command(project, "stack.plan")
        assert said.code == 0
        assert "fit unknown:" in said.text
        assert "commit " in said.text


class TestQuota:
    def limit(self, project: Project, cores: int) -> None:
        subscription = project.environment()["ARM_SUBSCRIPTION_ID"]
        region = f"/subscriptions/{subscription}/providers/Microsoft.MachineLearningServices/locations"
        body = {
            "value": [{"id": f"{region}/northeurope/quotas/{FAMILY}", "limit": cores, "unit": "Count"}],
            "location": "northeurope",
        }
        project.azure.arm("POST", f"{region}/northeurope/updateQuotas", "2025-12-01", body)

    def test_a_reader_learns_what_is_left(self, project: Project) -> None:
        before = len(project.azure.journal())
        said = command(project, "stack.plan", principal="reader")
        assert said.code == 0
        assert "are left" in said.text
        assert "Standard_NC24ads_A100_v4 in northeurope yes" in said.text
        assert "no other endpoint of this subscription has it" in said.text
        methods = {row["method"] for row in project.azure.journal()[before:]}
        assert methods == {"GET"}

    def test_a_preview_says_the_same(self, project: Project) -> None:
        before = len(project.azure.journal())
        said = project.preview(principal="reader").text
        for words in (
            "48 while deployments are replaced, no reserve; 240 are left",
            "Standard_NC24ads_A100_v4 in northeurope: yes",
            "endpoint name vllm-local is free: yes: no other endpoint of this subscription has it",
        ):
            assert words in said
        assert {row["method"] for row in project.azure.journal()[before:]} <= {"GET", "HEAD"}

    def test_too_little_is_not_enough(self, project: Project) -> None:
        try:
            self.limit(project, 24)
            assert "warning: quota: standardNCADSA100v4Family" in project.preview().text
            assert "NOT ENOUGH to replace deployments, 24 are left" in command(project, "stack.plan").text
            self.limit(project, 0)
            assert "NOT ENOUGH, 0 are left: ask for quota" in command(project, "stack.plan").text
        finally:
            self.limit(project, 240)

    def test_what_the_stack_holds_is_not_needed_again(self, project: Project) -> None:
        """After `up` the name and the cores are the stack's own, and another workspace's problem."""
        try:
            self.limit(project, 48)
            before = len(project.azure.journal())
            project.up()
            asked = [row["path"] for row in project.azure.journal()[before:]]
            assert not [path for path in asked if path.endswith(("/usages", "/vmSizes"))], "its preview asked"
            said = command(project, "stack.plan", principal="reader").text
            assert "24 are left beside the 24 this stack holds" in said
            assert "NOT ENOUGH" not in said
            assert "yes: it is this stack's own" in said
            with project.edited(lambda c: c["vllm-azureml:workspace"].update(name="mlw-another")):
                other = command(project, "stack.plan", principal="reader").text
            assert "NO: /subscriptions/" in other
            assert "NOT ENOUGH to replace deployments, 24 are left" in other
        finally:
            self.limit(project, 240)
            project.destroy()


class TestReader:
    """What a preview asks with: a server of the test's own stands for Azure Resource Manager."""

    @pytest.fixture
    def reader(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
        from stack.reader import Reader

        class Arm(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                status, body = {
                    "/metadata/endpoints": (200, {"resourceManager": address + "/"}),
                    "/pages": (200, {"value": [{"name": "one"}], "nextLink": f"{address}/more"}),
                    "/more": (200, {"value": [{"authorization": self.headers["Authorization"]}]}),
                    "/elsewhere": (200, {"value": [], "nextLink": "https://elsewhere.test/more"}),
                    "/refused": (403, {"error": {"code": "AuthorizationFailed", "message": "no"}}),
                    "/moved": (302, {}),
                    "/odd": (200, [1]),
                }.get(path, (404, {"error": {"code": "NotFound", "message": "no"}}))
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", f"{address}/pages")
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Arm)
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("ARM_METADATA_HOSTNAME", address)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Reader("the-token", 5)
        server.shutdown()
        server.server_close()

    def test_pages_are_followed_with_the_token(self, reader: Any) -> None:
        from stack.asked import _rows

        rows = list(_rows(reader, "/pages", "2025-12-01"))
        assert rows == [{"name": "one"}, {"authorization": "Bearer the-token"}]

    def test_what_is_not_there_is_empty(self, reader: Any) -> None:
        assert reader("/nothing", "2025-12-01") == {}

    @pytest.mark.parametrize(
        ("path", "words"),
        [
            ("/refused", "AuthorizationFailed: no"),
            ("/moved", "HTTP 302"),
            ("https://elsewhere.test/x", "points to elsewhere.test"),
        ],
    )
    def test_a_refusal_is_a_sentence_and_the_token_goes_nowhere_else(
        self, reader: Any, path: str, words: str
    ) -> None:
        from providers.errors import ProviderError

        with pytest.raises(ProviderError, match=words):
            reader(path, "")


def test_a_preview_waits_for_a_silent_azure_for_seconds_only(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    import yaml

    from settings import load
    from stack.asked import begin

    raw = yaml.safe_load((ROOT / "Pulumi.dev.yaml").read_text())["config"]
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("ARM_METADATA_HOSTNAME", f"http://127.0.0.1:{silent.getsockname()[1]}")
        started = time.monotonic()
        asking = begin(load(raw), "00000000-0000-0000-0000-000000000000", "token", seconds=1)
        assert time.monotonic() - started < 0.5, "the program goes on meanwhile"
        found = asking.answer()
    assert time.monotonic() - started < 3
    assert (found.available, found.offered) == (None, None)
    assert {check["answer"] for check in found.checks} == {None}


def test_an_azure_that_does_not_answer_holds_the_page_for_seconds_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import socket

    import yaml

    from settings import load
    from stack.asked import ask

    raw = yaml.safe_load((ROOT / "Pulumi.dev.yaml").read_text())["config"]
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("ARM_METADATA_HOSTNAME", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("ARM_SUBSCRIPTION_ID", "00000000-0000-0000-0000-000000000000")
        started = time.monotonic()
        found = ask(load(raw), raw, seconds=1)
    assert time.monotonic() - started < 5
    assert found.available is None
    assert {check["answer"] for check in found.checks} == {None}
    assert "has not answered within 1 s" in found.checks[0]["detail"]
