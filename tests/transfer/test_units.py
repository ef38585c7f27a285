"""The small parts without sockets: names, selections, locks, waits, throttle, references to tokens,
datastore paths.
"""

from __future__ import annotations

import threading
from email.utils import formatdate

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError

from transfer import FileEntry, Selection, TransferError, snapshot_of_lock
from transfer.access import KeyAccess, TokenAccess
from transfer.cancel import Cancellation
from transfer.container import Blob
from transfer.datastore import DatastoreId, lookup, parse, stored_access
from transfer.errors import AccessDenied, Cancelled, DestinationFull, Retryable
from transfer.model import Report
from transfer.progress import BarWatcher, LogWatcher, duration, size, summary
from transfer.refusals import refusal
from transfer.retry import Policy, retry_after, retrying
from transfer.throttle import Throttle
from transfer.tokens import hub_token
from transfer.wire import Wire

SHA = "a" * 64


class TestNames:
    @pytest.mark.parametrize("path", ["a.json", "deep/er/x", "ü ß/漢字", "...", "a..b", " x ", "%41"])
    def test_usable(self, path: str) -> None:
        assert FileEntry(path, 1, sha256=SHA).path == path

    @pytest.mark.parametrize(
        "path", ["", "/a", "a/", "a//b", "../a", "a/./b", "a\\b", "a\nb", "\x7f", "\ud800", "x" * 901]
    )
    def test_refused_because_the_service_would_rename_it(self, path: str) -> None:
        with pytest.raises(TransferError):
            FileEntry(path, 1, sha256=SHA)

    def test_a_file_without_a_digest_is_refused(self) -> None:
        with pytest.raises(TransferError, match="make lock"):
            FileEntry("a", 1)


class TestSelection:
    FILES = (
        "model.safetensors",
        "pytorch_model.bin",
        "config.json",
        "tokenizer.model",
        "original/x.safetensors",
        "chat_template.jinja",
        "README.md",
        "figures/a.png",
        "model.gguf",
        "x.onnx",
        "modeling.py",
    )

    def taken(self, selection: Selection) -> set[str]:
        return {path for path in self.FILES if selection.takes(path)}

    def test_default_is_what_a_server_needs(self) -> None:
        assert self.taken(Selection()) == {
            "model.safetensors",
            "config.json",
            "tokenizer.model",
            "chat_template.jinja",
            "README.md",
            "modeling.py",
        }

    def test_pickle_only_when_asked_for(self) -> None:
        assert self.taken(Selection(allow=("*",), ignore=())) == set(self.FILES) - {"pytorch_model.bin"}
        assert "pytorch_model.bin" in self.taken(Selection(include_pickle=True))

    def test_patterns_replace_the_defaults(self) -> None:
        assert self.taken(Selection(allow=("*.gguf", "figures/"))) == {"model.gguf", "figures/a.png"}
        assert "README.md" not in self.taken(Selection(ignore=("*.md",)))

    def test_selecting_nothing_is_an_error_that_names_pickles(self) -> None:
        with pytest.raises(TransferError, match="1 pickle files are left out"):
            Selection().apply([FileEntry("pytorch_model.bin", 1, sha256=SHA)], "org/model")

    def test_other_selections_have_other_folders(self) -> None:
        names = {Selection().name, Selection(allow=("*",)).name, Selection(include_pickle=True).name}
        assert len(names) == 3
        assert Selection().name == ""


class TestLock:
    def test_numbers_may_be_floats(self) -> None:
        lock = {
            "commit": "c",
            "files": {"a": {"size": 3.0, "sha256": SHA}, "b": {"size": 1, "git_blob": "b" * 40}},
        }
        found = snapshot_of_lock("org/model", lock)
        assert [(e.path, e.size, e.kind) for e in found.files] == [
            ("a", 3, "SHA-256"),
            ("b", 1, "git blob id"),
        ]
        assert found.as_lock() == {**lock, "files": {**lock["files"], "a": {"size": 3, "sha256": SHA}}}

    @pytest.mark.parametrize(
        "lock", [{}, {"commit": "c"}, {"commit": "c", "files": {"a": {}}}, {"commit": "c", "files": 3}]
    )
    def test_an_unreadable_one_names_the_command(self, lock: dict) -> None:
        with pytest.raises(TransferError, match="make lock"):
            snapshot_of_lock("org/model", lock)


class Clock:
    """Time that passes only when told; stands for the cancellation's wait."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.cancel = Cancellation()
        self.cancel.wait = self.slept.append  # type: ignore[method-assign]


class TestRetry:
    def test_waits_double_and_end(self) -> None:
        clock = Clock()

        def fails() -> None:
            raise Retryable("no")

        with pytest.raises(TransferError, match="given up after 4 attempts"):
            retrying(fails, Policy(attempts=4, first_wait=1.0), clock.cancel)
        assert len(clock.slept) == 3
        assert all(2**n / 2 <= wait <= 2**n for n, wait in enumerate(clock.slept))

    def test_what_the_other_side_asks_for_wins(self) -> None:
        clock, left = Clock(), [7.0, 0.0]

        def fails() -> str:
            if left:
                raise Retryable("busy", after=left.pop(0))
            return "done"

        assert retrying(fails, Policy(), clock.cancel) == "done"
        assert clock.slept == [7.0, 0.0]

    def test_progress_starts_the_count_anew_but_a_trickle_does_not(self) -> None:
        for step, expected in ((1 << 20, 50), (10, 3)):
            clock, calls = Clock(), [0]

            def fails(calls: list[int] = calls) -> None:
                calls[0] += 1
                if calls[0] < 50:
                    raise Retryable("reset")

            def run(clock=clock, calls=calls, step=step, fails=fails) -> None:
                retrying(fails, Policy(attempts=3), clock.cancel, progress=lambda: calls[0] * step)

            if expected == 50:
                run()
            else:
                with pytest.raises(TransferError):
                    run()
            assert calls[0] == expected

    @pytest.mark.parametrize(("value", "least", "most"), [("3", 3, 3), ("0.5", 0.5, 0.5), ("-1", 0, 0)])
    def test_retry_after_in_seconds(self, value: str, least: float, most: float) -> None:
        assert least <= (retry_after(value) or 0) <= most

    def test_retry_after_as_a_date_or_rubbish(self) -> None:
        import time

        assert 8 <= (retry_after(formatdate(time.time() + 10, usegmt=True)) or 0) <= 10
        assert retry_after("soon") is None
        assert retry_after(None) is None


class TestThrottle:
    def test_half_when_busy_and_back_one_by_one(self) -> None:
        now = [0.0]
        throttle = Throttle(8, cooldown=1, clock=lambda: now[0])
        throttle.busy()
        throttle.busy()  # refused together with the first: counts once
        assert throttle.limit == 4
        now[0] = 2
        throttle.busy()
        assert throttle.limit == 2
        for n in range(100):
            now[0] = 10 + n * 10
            throttle.busy()
        assert throttle.limit == 1  # never nothing
        for _ in range(60):
            throttle.went_well()
        assert throttle.limit == 8

    def test_a_waiter_wakes_when_the_run_is_cancelled(self) -> None:
        throttle, cancel, ended = Throttle(1), Cancellation(), []

        def wait() -> None:
            try:
                with throttle.slot(cancel):
                    ended.append("got in")
            except Cancelled:
                ended.append("cancelled")

        with throttle.slot(Cancellation()):
            thread = threading.Thread(target=wait)
            thread.start()
            cancel.cancel()
            thread.join(2)
        assert ended == ["cancelled"]


class TestTokens:
    def test_a_token_in_place_of_a_reference_is_refused_and_not_repeated(self) -> None:
        with pytest.raises(TransferError) as caught:
            hub_token("hf_abcdef", Wire(Cancellation()))
        assert "hf_abcdef" not in str(caught.value)

    def test_an_empty_variable_is_named(self, monkeypatch) -> None:
        monkeypatch.delenv("NO_SUCH", raising=False)
        with pytest.raises(TransferError, match="NO_SUCH"):
            hub_token("env:NO_SUCH", Wire(Cancellation()))()

    def test_hf_token_then_the_file_of_the_login(self, monkeypatch, tmp_path) -> None:
        (tmp_path / "token").write_text("from-file\n")
        monkeypatch.setenv("HF_HOME", str(tmp_path))
        monkeypatch.delenv("HF_TOKEN_PATH", raising=False)
        monkeypatch.setenv("HF_TOKEN", "from-env")
        token = hub_token("", Wire(Cancellation()))
        assert token() == "from-env"
        monkeypatch.delenv("HF_TOKEN")
        assert token() == "from-file"  # taken when used, not when made


class Credential:
    """Tokens of an hour, until it fails."""

    def __init__(self) -> None:
        self.asked: list[dict] = []
        self.problem: Exception | None = None

    def get_token(self, *scopes: str, **options):
        self.asked.append(options)
        if self.problem:
            raise self.problem
        return AccessToken(f"token-{len(self.asked)}", 3600 * len(self.asked))


class TestTokenAccess:
    def test_azure_core_and_the_blocks_share_one_token(self) -> None:
        credential = Credential()
        access = TokenAccess(credential, clock=lambda: 0)
        given = access.sdk().get_token("https://storage.azure.com/.default", enable_cae=True)
        assert access.headers() == {"Authorization": f"Bearer {given.token}"}
        assert len(credential.asked) == 1
        challenged = access.sdk().get_token("https://storage.azure.com/.default", claims="more")
        assert (challenged.token, credential.asked[1]) == ("token-2", {"claims": "more"})

    def test_trouble_with_the_next_token_does_not_end_a_copy_while_this_one_lives(self) -> None:
        credential, now = Credential(), [0.0]
        access = TokenAccess(credential, clock=lambda: now[0])
        access.headers()
        credential.problem = ServiceRequestError("the identity endpoint does not answer")
        now[0] = 3590  # ten seconds of it are left
        assert access.headers() == {"Authorization": "Bearer token-1"}
        now[0] = 3600
        with pytest.raises(Retryable, match="does not answer"):
            access.headers()
        credential.problem = ClientAuthenticationError("signed out\nand more lines")
        with pytest.raises(AccessDenied, match=r"signed out Sign in \(az login\)"):
            access.headers()
        credential.problem = None
        assert access.headers()["Authorization"].startswith("Bearer token-")

    def test_a_key_that_is_none_is_named(self) -> None:
        with pytest.raises(TransferError, match="AZURE_STORAGE_KEY"):
            KeyAccess("https://account.invalid/box", "account", "not base64!")


class TestBlobs:
    def test_only_size_and_digest_together_make_a_blob_whole(self) -> None:
        known = FileEntry("a", 3, sha256=SHA)
        assert Blob("a", 3, "1", {"transfer_sha256": SHA}).holds(known)
        assert not Blob("a", 4, "1", {"transfer_sha256": SHA}).holds(known)
        assert not Blob("a", 3, "1", {"transfer_sha256": "b" * 64}).holds(known)
        assert not Blob("a", 3, "1", {}).holds(known)
        assert not Blob("a", 3, "1", {"transfer_git_blob": SHA}).holds(known)
        empty = FileEntry("a", 0, git_blob="e69de29bb2d1d6434b8b29ae775ad8c2e48c5391")
        assert not Blob("a", 0, "1", {}, uncommitted=True).holds(empty)

    @pytest.mark.parametrize(
        ("status", "code", "kind"),
        [
            (403, "AuthorizationPermissionMismatch", AccessDenied),
            (401, "NoAuthenticationInformation", AccessDenied),
            (409, "AccountQuotaExceeded", DestinationFull),
            (507, "", DestinationFull),
        ],
    )
    def test_refusals_have_a_kind_and_a_way_out(self, status: int, code: str, kind: type) -> None:
        problem = refusal("write x", status, code, "why")
        assert isinstance(problem, kind)
        assert code in str(problem)

    def test_the_way_out_is_that_of_the_refusal(self) -> None:
        keyless = refusal("list", 403, "KeyBasedAuthenticationNotPermitted", "Keys are not permitted.")
        assert "use an identity" in str(keyless)
        assert "Storage Blob Data Contributor" not in str(keyless)
        assert ".." not in str(keyless)


class TestDatastore:
    HERE = DatastoreId("s", "g", "w", "d")

    def test_long_and_short_paths(self) -> None:
        long = "azureml://subscriptions/s/resourcegroups/g/workspaces/w/datastores/other/paths/a/b/"
        assert parse(long) == (DatastoreId("s", "g", "w", "other"), "a/b/")
        assert parse("azureml://datastores/other/paths/a", self.HERE) == (
            DatastoreId("s", "g", "w", "other"),
            "a",
        )
        assert parse(self.HERE.uri("x/y/")) == (self.HERE, "x/y")
        for wrong in ("azureml://datastores/d/paths/a", "azureml:model:1", "azureml://jobs/1"):
            with pytest.raises(TransferError):
                parse(wrong)

    def arm(self, datastore: dict):
        def ask(method: str, path: str, _: str) -> dict:
            if path.endswith("/listSecrets"):
                return {"secretsType": "AccountKey", "key": "a2V5"}
            if "/storageAccounts/" in path:
                assert path.startswith("/subscriptions/s/resourceGroups/g")
                return {"properties": {"primaryEndpoints": {"blob": "https://blob.example.invalid/"}}}
            if path.endswith("/datastores/d"):
                return {"properties": datastore}
            return {
                "properties": {
                    "storageAccount": "/subscriptions/s/resourceGroups/g/providers/x/storageAccounts/acc"
                }
            }

        return ask

    def test_the_blob_endpoint_is_the_accounts_own(self) -> None:
        blob = {"datastoreType": "AzureBlob", "accountName": "acc", "containerName": "box"}
        found = lookup(self.HERE, self.arm(blob))
        assert found.container_url == "https://blob.example.invalid/box"
        named = {**blob, "accountName": "other", "subscriptionId": "s", "resourceGroup": "g2"}
        assert lookup(self.HERE, self.arm(named)).account == "other"
        with pytest.raises(TransferError, match="not the workspace's own"):
            lookup(self.HERE, self.arm({**blob, "accountName": "other"}))

    def test_other_kinds_are_refused(self) -> None:
        with pytest.raises(TransferError, match="AzureDataLakeGen2"):
            lookup(self.HERE, self.arm({"datastoreType": "AzureDataLakeGen2"}))

    def test_a_stored_key_signs_for_the_container(self) -> None:
        blob = {"datastoreType": "AzureBlob", "accountName": "acc", "containerName": "box"}
        access = stored_access(lookup(self.HERE, self.arm(blob)), self.arm(blob))
        assert "sig=" in access.query()
        assert "sr=c" in access.query()
        assert access.headers() == {}


class TestProgress:
    def test_a_log_gets_a_line_now_and_then_with_rate_and_time_left(self) -> None:
        now, lines = [0.0], []
        watcher = LogWatcher("m", lines.append, every=10, clock=lambda: now[0])
        watcher.begin("copy", [FileEntry("a", 100 << 20, sha256=SHA)], 0)
        for _ in range(50):
            now[0] += 0.5
            watcher.moved("a", 1 << 20)
        assert lines == [
            "m: copy 1 files, 100 MiB",
            "m: 20 % (20 MiB of 100 MiB, 0 of 1 files), 2 MiB/s, 0:40 left",
            "m: 40 % (40 MiB of 100 MiB, 0 of 1 files), 2 MiB/s, 0:30 left",
        ]

    def test_bars_show_names_with_brackets_as_they_are(self) -> None:
        from io import StringIO

        names = ["a[/b].json", "[red]c.json"]
        files = [FileEntry(name, 1 << 20, sha256=SHA) for name in names]
        screen = StringIO()
        with BarWatcher(screen) as bars:
            bars.begin("copy", files, 0)
            for name in names:
                bars.moved(name, 1 << 19)
            bars.note("[/] is no markup either")
        assert [name for name in [*names, "[/] is no markup"] if name not in screen.getvalue()] == []

    def test_a_run_that_moved_nothing_has_no_rate(self) -> None:
        assert summary(Report(files=2, size=5, bytes_present=5, seconds=0.2)).endswith("0 B sent, 0.2 s")
        assert summary(Report(bytes_read=1 << 20, seconds=0.5)).endswith("0.5 s (2 MiB/s)")

    def test_numbers_for_people(self) -> None:
        assert [size(0), size(1536), size(5 << 30)] == ["0 B", "2 KiB", "5.00 GiB"]
        assert [duration(61), duration(3661)] == ["1:01", "1:01:01"]
