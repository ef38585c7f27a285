"""Identities of files, folders and commits are git's and the hub's own; git itself is the judge."""

import hashlib
import json
import struct
import subprocess

import pytest

from emulator.hub.catalogue import (
    GATED_MODEL,
    MARKER,
    PICKLE_MODEL,
    REAL_MODEL,
    TINY_MODEL,
    load,
    safetensors,
)
from emulator.hub.content import pointer, read_folder


def git(folder, *arguments):
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@t", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def test_blob_tree_and_folder_ids_are_gits(tmp_path):
    files = {
        "config.json": "{}\n",
        "a.b": "x",
        "a/c.txt": "nested",
        "a-b": "sorts beside a folder",
        "deep/er/f": "",
    }
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    snapshot = read_folder(tmp_path)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    assert snapshot.tree == git(tmp_path, "write-tree")
    for path in files:
        assert snapshot.entries[path].blob == git(tmp_path, "hash-object", path)
    git(tmp_path, "commit", "-qm", "x")
    assert snapshot.folders["deep/er"] == git(tmp_path, "rev-parse", "HEAD:deep/er")


def test_the_commit_is_the_contents_alone(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
        (folder / "f").write_text("same")
    assert read_folder(one).commit == read_folder(two).commit
    (two / "f").write_text("other")
    assert read_folder(one).commit != read_folder(two).commit


def test_large_files_are_lfs_with_the_pointers_blob_id(tmp_path):
    content = b"weights" * 100
    (tmp_path / "model.safetensors").write_bytes(content)
    (tmp_path / "big.json").write_bytes(b" " * 10_000_001)
    entry = read_folder(tmp_path).entries["model.safetensors"]
    assert entry.sha256 == hashlib.sha256(content).hexdigest() == entry.etag
    (tmp_path / "p").write_bytes(pointer(entry.sha256, len(content)))
    git(tmp_path, "init", "-q")
    assert entry.blob == git(tmp_path, "hash-object", "p")
    assert read_folder(tmp_path).entries["big.json"].sha256


def test_remembered_hashes_follow_a_changed_file(tmp_path):
    folder, memory = tmp_path / "m", tmp_path / "hashes.json"
    folder.mkdir()
    (folder / "a.bin").write_bytes(b"one")
    before = read_folder(folder, memory).entries["a.bin"].sha256
    assert read_folder(folder, memory).entries["a.bin"].sha256 == before
    (folder / "a.bin").write_bytes(b"other")
    assert read_folder(folder, memory).entries["a.bin"].sha256 == hashlib.sha256(b"other").hexdigest()


class TestCatalogue:
    @pytest.fixture
    def repositories(self, tmp_path):
        return load(tmp_path / "no models", tmp_path / "hub")

    def test_synthetic_repositories_say_so_in_readme_and_config(self, repositories):
        for repository in repositories.values():
            files = repository.revisions["main"].entries
            assert MARKER in files["README.md"].source.read_text()
            assert json.loads(files["config.json"].source.read_text())["_embedded_azure"] == MARKER

    def test_without_the_real_model_its_place_is_taken_by_a_synthetic_one(self, repositories, tmp_path):
        assert (
            MARKER
            in repositories[REAL_MODEL.lower()].revisions["main"].entries["README.md"].source.read_text()
        )
        real = tmp_path / "models" / REAL_MODEL
        real.mkdir(parents=True)
        (real / "config.json").write_text("{}")
        again = load(tmp_path / "models", tmp_path / "hub")[REAL_MODEL.lower()]
        assert list(again.revisions["main"].entries) == ["config.json"]

    def test_what_the_special_ones_are_for(self, repositories):
        assert repositories[GATED_MODEL].gated
        names = repositories[PICKLE_MODEL].revisions["main"].entries
        assert "pytorch_model.bin" in names
        assert not any(name.endswith(".safetensors") for name in names)
        tiny = repositories[TINY_MODEL]
        assert tiny.at("v1") != tiny.at("main")
        assert tiny.at(tiny.revisions["v1"].commit) == tiny.at("v1")
        assert tiny.at("nothing") is None

    def test_commits_are_the_same_everywhere(self, repositories, tmp_path):
        elsewhere = load(tmp_path / "none", tmp_path / "another place")
        assert {n: r.at("main").commit for n, r in repositories.items()} == {
            n: r.at("main").commit for n, r in elsewhere.items()
        }


def test_safetensors_files_are_valid():
    data = safetensors({"a": b"12345", "b": b"678"})
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    assert header["b"]["data_offsets"] == [5, 8]
    assert len(data) == 8 + length + 8
    assert length % 8 == 0
