"""The lock: its text, what it refuses, what contradicts it, and how an entry is made from a hub's answers."""

import importlib
import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from configs import GPT_OSS_20B, QWEN3_8B, QWEN3_VL, SMOLLM2, SMOLLM2_BYTES

from serving import lock_writer
from serving.config_facts import config_facts
from serving.errors import BadSnapshotError, LockError
from serving.lock import Entry, Lock, contradictions, dumps, notices, parse, read, require, write
from serving.model_config import facts

COMMIT = "1" * 40
ENTRY = Entry(
    repository="org/model",
    revision="main",
    commit=COMMIT,
    files={
        "model.safetensors": {"size": SMOLLM2_BYTES, "sha256": "a" * 64},
        "config.json": {"size": 700, "git_blob": "b" * 40},
    },
    weights_bytes=SMOLLM2_BYTES,
    config=config_facts(SMOLLM2),
)


class TestText:
    def test_written_and_read_it_is_the_same(self, tmp_path) -> None:
        path = tmp_path / "models.lock.json"
        lock = Lock({ENTRY.key: ENTRY}, {"big/model@main": "no hub could be reached"})
        assert write(path, lock)
        assert read(path) == lock
        assert not write(path, lock)

    def test_the_order_of_what_went_in_does_not_show(self) -> None:
        other = replace(ENTRY, repository="a/b")
        turned = replace(ENTRY, files=dict(reversed(ENTRY.files.items())))
        assert dumps(Lock().with_entry(ENTRY).with_entry(other)) == dumps(
            Lock().with_entry(other).with_entry(turned)
        )

    def test_a_changed_revision_is_a_small_difference(self) -> None:
        before = dumps(Lock().with_entry(ENTRY)).splitlines()
        after = dumps(Lock().with_entry(replace(ENTRY, commit="2" * 40))).splitlines()
        assert len(before) == len(after)
        assert sum(a != b for a, b in zip(before, after, strict=True)) == 1

    def test_the_files_are_what_the_copy_takes(self) -> None:
        from transfer import snapshot_of_lock

        found = snapshot_of_lock(ENTRY.repository, ENTRY.as_json())
        assert found.commit == COMMIT
        assert {entry.path: entry.size for entry in found.files} == {
            "config.json": 700,
            "model.safetensors": SMOLLM2_BYTES,
        }

    @pytest.mark.parametrize("config", [SMOLLM2, QWEN3_8B, GPT_OSS_20B, QWEN3_VL])
    def test_the_kept_facts_are_the_facts(self, config) -> None:
        kept = config_facts(
            {**config, "some_long_list": [1] * 100, "vision_config": config.get("vision_config")}
        )
        assert facts(json.loads(json.dumps(kept))) == facts(config)
        assert "some_long_list" not in kept


class TestReading:
    def test_no_file_is_an_empty_lock(self, tmp_path) -> None:
        assert read(tmp_path / "none.json") == Lock()
        with pytest.raises(LockError, match="make lock"):
            read(tmp_path / "none.json", missing_ok=False)

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"commit": "main"}, "is not 40 hexadecimal digits"),
            ({"commit": None}, "is not 40 hexadecimal digits"),
            ({"config": None}, "has no config facts"),
            ({"files": {}}, "has no files"),
            ({"files": {"a": {"size": "1"}}}, "no size in bytes"),
            ({"files": {"a": {"size": 1}}}, "neither a sha256 nor a git_blob"),
            ({"weights_bytes": 1}, "is not the sum of its safetensors files"),
            ({"revision": "v2"}, "its name is not"),
            ({"allow_patterns": 5}, "allow_patterns is 5, not a list of patterns"),
            ({"ignore_patterns": ["*.md", None]}, "ignore_patterns is ['*.md', None], not a list"),
        ],
    )
    def test_an_entry_that_says_too_little(self, tmp_path, change, words) -> None:
        path = tmp_path / "lock.json"
        path.write_text(json.dumps({"version": 1, "models": {ENTRY.key: {**ENTRY.as_json(), **change}}}))
        with pytest.raises(LockError) as caught:
            read(path)
        assert words in str(caught.value)
        assert "make lock" in str(caught.value)

    @pytest.mark.parametrize("text", ["{", "[]", '{"version": 2}', '{"version": 1, "models": []}', "null"])
    def test_a_file_that_is_no_lock(self, tmp_path, text) -> None:
        path = tmp_path / "lock.json"
        path.write_text(text)
        with pytest.raises(LockError):
            read(path)

    def test_all_problems_at_once(self) -> None:
        with pytest.raises(LockError) as caught:
            parse({"version": 1, "models": {"x@main": {"commit": "c"}, "y@main": []}})
        assert "x@main: has no files" in str(caught.value)
        assert "x@main: commit 'c'" in str(caught.value)
        assert "y@main: is not an object" in str(caught.value)


class TestAgainstAStack:
    def test_an_entry_that_is_there(self) -> None:
        assert require(Lock().with_entry(ENTRY), "org/model", "main") is ENTRY

    def test_without_an_entry_the_command_is_named(self) -> None:
        lock = Lock().without("org/model", "main", "no hub could be reached")
        with pytest.raises(LockError) as caught:
            require(lock, "org/model", "main", stack="dev")
        assert "make lock STACK=dev" in str(caught.value)
        assert "no hub could be reached" in str(caught.value)

    def test_locking_it_removes_the_reason(self) -> None:
        assert Lock().without("org/model", "main", "why").with_entry(ENTRY).unlocked == {}

    @pytest.mark.parametrize(
        ("stack", "words"),
        [
            ({"repository": "other/model"}, "other/model"),
            ({"revision": "v2"}, "revision 'v2'"),
            ({"allow_patterns": ["*.safetensors"]}, "allow_patterns"),
            ({"ignore_patterns": []}, "ignore_patterns"),
        ],
    )
    def test_what_contradicts_it(self, stack, words) -> None:
        same = {"repository": "org/model", "revision": "main"}
        assert contradictions(ENTRY, **same) == []
        found = contradictions(ENTRY, **{**same, **stack})
        assert words in found[0]
        assert "make lock" in found[0]

    def test_a_commit_that_is_another(self) -> None:
        pinned = replace(ENTRY, revision="3" * 40)
        found = contradictions(pinned, repository="org/model", revision="3" * 40)
        assert found[0].startswith(f"the stack pins commit {'3' * 40}")

    def test_gated_models_and_remote_code_are_named(self) -> None:
        entry = replace(
            ENTRY, gated=True, config=config_facts({**SMOLLM2, "auto_map": {"AutoModel": "x.py"}})
        )
        found = notices(entry)
        assert "accept its licence" in found[0]
        assert "--trust-remote-code" in found[1]
        assert notices(ENTRY) == []


class Hub:
    """The part of HfApi that is asked, answering from memory."""

    def __init__(self, folder, files, *, gated=False, error=None) -> None:
        self.folder, self.files, self.gated, self.error = folder, files, gated, error

    def model_info(self, _repository, *, revision):
        if self.error:
            raise self.error
        return SimpleNamespace(sha=COMMIT, gated=self.gated, revision=revision)

    def list_repo_tree(self, _repository, *, recursive, revision):
        assert recursive
        assert revision == COMMIT
        for path, content in self.files.items():
            size = content if isinstance(content, int) else len(content)
            lfs = (
                SimpleNamespace(size=size, sha256="a" * 64)
                if path.endswith((".safetensors", ".bin"))
                else None
            )
            yield SimpleNamespace(path=path, size=size, blob_id="b" * 40, lfs=lfs)

    def hf_hub_download(self, _repository, name, *, revision):
        assert revision == COMMIT
        path = self.folder / name
        path.write_text(self.files[name])
        return str(path)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    def make(files, **more) -> None:
        import huggingface_hub

        monkeypatch.setattr(huggingface_hub, "HfApi", lambda **_: Hub(tmp_path, files, **more))

    return make


def refused() -> Exception:
    """What the library that huggingface_hub sends with raises when nobody listens."""
    return importlib.import_module(lock_writer.transport_error().__module__.split(".")[0]).ConnectError(
        "refused"
    )


class TestWriter:
    def test_an_entry_from_the_hubs_answers(self, hub) -> None:
        hub({"model.safetensors": SMOLLM2_BYTES, "config.json": json.dumps(SMOLLM2), "a.bin": 5, "x.png": 9})
        entry = lock_writer.resolve("org/model")
        assert entry.commit == COMMIT
        assert set(entry.files) == {"model.safetensors", "config.json"}
        assert entry.files["config.json"]["git_blob"] == "b" * 40
        assert entry.weights_bytes == SMOLLM2_BYTES
        assert entry.facts() == facts(SMOLLM2)
        assert parse(json.loads(dumps(Lock().with_entry(entry)))).models[entry.key] == entry

    def test_patterns_are_kept(self, hub) -> None:
        hub({"model.safetensors": 5, "config.json": json.dumps(SMOLLM2), "README.md": "x"})
        entry = lock_writer.resolve("org/model", ignore_patterns=["README.md"])
        assert "README.md" not in entry.files
        assert entry.ignore_patterns == ("README.md",)

    def test_no_pattern_brings_a_pickle(self) -> None:
        assert not lock_writer.selected("pytorch_model.bin", ["*"], [])
        assert lock_writer.selected("model.safetensors", ["*"], [])
        assert lock_writer.selected("sub/a.json", ["sub/"], None)

    def test_pickles_only(self, hub) -> None:
        hub({"pytorch_model.bin": 5, "config.json": json.dumps(SMOLLM2)})
        with pytest.raises(BadSnapshotError, match="pickles only"):
            lock_writer.resolve("org/model")

    @pytest.mark.parametrize(
        ("files", "words"),
        [
            ({"model.safetensors": 5}, "has no config.json"),
            ({"model.safetensors": 5, "config.json": "{"}, "not JSON"),
        ],
    )
    def test_a_repository_nobody_can_size(self, hub, files, words) -> None:
        hub(files)
        with pytest.raises(LockError, match=words):
            lock_writer.resolve("org/model")

    def test_the_hubs_refusals_are_sentences(self, hub) -> None:
        from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

        library = importlib.import_module(lock_writer.transport_error().__module__.split(".")[0])
        answer = library.Response(404, request=library.Request("GET", "http://hub"))
        for kind, words in (
            (GatedRepoError, "accept its licence"),
            (RepositoryNotFoundError, "the hub has no model"),
            (RevisionNotFoundError, "has no revision"),
        ):
            hub({}, error=kind("no", response=answer))
            with pytest.raises(LockError, match=words):
                lock_writer.resolve("org/model")
        hub({}, error=refused())
        with pytest.raises(LockError, match="no hub could be reached"):
            lock_writer.resolve("org/model")

    def test_what_cannot_be_resolved_is_left_unlocked_and_says_so(self, hub) -> None:
        hub({}, error=refused())
        wanted = [{"repository": "org/model", "revision": "main"}]
        lock, messages = lock_writer.lock_models(Lock(), wanted, keep_going=True)
        assert "no hub could be reached" in lock.unlocked["org/model@main"]
        assert lock.models == {}
        assert "left unlocked" in messages[0]
        with pytest.raises(LockError):
            lock_writer.lock_models(Lock(), wanted)

    def test_the_command(self, hub, tmp_path, capsys) -> None:
        hub({"model.safetensors": SMOLLM2_BYTES, "config.json": json.dumps(SMOLLM2)}, gated="auto")
        path = tmp_path / "lock.json"
        words = ["--repo", "org/model", "--lock", str(path)]
        assert lock_writer.main(words) == 0
        assert read(path).find("org/model").gated
        assert "written" in capsys.readouterr().out
        lock_writer.main(words)
        assert "no change" in capsys.readouterr().out
        hub({}, error=refused())
        assert lock_writer.main(words) == 1
        assert "error:" in capsys.readouterr().err

    def test_it_takes_the_files_that_the_copy_takes(self) -> None:
        from transfer import selection

        assert lock_writer.ALLOW == selection.DEFAULT_ALLOW
        assert lock_writer.IGNORE == selection.DEFAULT_IGNORE
        assert lock_writer.PICKLE == selection.PICKLE
