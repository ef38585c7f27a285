"""Hashes that names are made of: the same everywhere, different when the content is."""

import os

import pytest

from components.content import context_files, context_hash, folder_hash, short_hash


@pytest.fixture
def context(tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM base\n")
    (tmp_path / "launcher.py").write_text("print()\n")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.md").write_text("a")
    (tmp_path / "notes" / "deep").mkdir()
    (tmp_path / "notes" / "deep" / "b.md").write_text("b")
    return tmp_path


def digest(context, args=None, target=None):
    return context_hash(context, "Dockerfile", args or {}, target)


class TestContextHash:
    def test_it_does_not_depend_on_where_or_when(self, context, tmp_path_factory):
        other = tmp_path_factory.mktemp("other")
        for file in context.rglob("*"):
            copy = other / file.relative_to(context)
            copy.mkdir(exist_ok=True) if file.is_dir() else copy.write_bytes(file.read_bytes())
        os.utime(other / "launcher.py", (0, 0))
        assert digest(context) == digest(other)

    @pytest.mark.parametrize(
        "change",
        [
            lambda c: (c / "launcher.py").write_text("other"),
            lambda c: (c / "Dockerfile").write_text("FROM other\n"),
            lambda c: (c / "new").write_text(""),
            lambda c: (c / "launcher.py").rename(c / "renamed.py"),
            lambda c: (c / "launcher.py").chmod(0o755),
        ],
    )
    def test_what_the_build_sees_counts(self, context, change):
        before = digest(context)
        change(context)
        assert digest(context) != before

    def test_arguments_and_target_count(self, context):
        assert len({digest(context), digest(context, {"A": "1"}), digest(context, target="x")}) == 3

    def test_what_is_ignored_does_not(self, context):
        (context / ".dockerignore").write_text("notes\n")
        before = digest(context)
        (context / "notes" / "a.md").write_text("changed")
        assert digest(context) == before

    def test_the_dockerfile_counts_even_where_it_is_ignored(self, context):
        (context / ".dockerignore").write_text("*\n!launcher.py\n")
        before = digest(context)
        (context / "Dockerfile").write_text("FROM other\n")
        assert digest(context) != before


@pytest.mark.parametrize(
    ("rules", "kept"),
    [
        ("", ["Dockerfile", "launcher.py", "notes/a.md", "notes/deep/b.md"]),
        ("*", []),
        ("*\n!launcher.py", ["launcher.py"]),
        ("notes/", ["Dockerfile", "launcher.py"]),
        ("/notes/deep", ["Dockerfile", "launcher.py", "notes/a.md"]),
        ("*.md", ["Dockerfile", "launcher.py", "notes/a.md", "notes/deep/b.md"]),
        ("**/*.md", ["Dockerfile", "launcher.py"]),
        ("notes/**\n!notes/deep/b.md", ["Dockerfile", "launcher.py", "notes/deep/b.md"]),
        ("# comment\n\nlaunch?r.py", ["Dockerfile", "notes/a.md", "notes/deep/b.md"]),
        ("!launcher.py\nlauncher.py", ["Dockerfile", "notes/a.md", "notes/deep/b.md"]),
    ],
)
def test_dockerignore(context, rules, kept):
    (context / ".dockerignore").write_text(rules)
    found = sorted(path.as_posix() for path in context_files(context))
    assert [path for path in found if path != ".dockerignore"] == kept


def test_a_model_that_is_one_file_does_not_depend_on_its_neighbours(tmp_path):
    (tmp_path / "a.gguf").write_bytes(b"weights")
    before = folder_hash(tmp_path / "a.gguf")
    (tmp_path / "b.gguf").write_bytes(b"others")
    assert folder_hash(tmp_path / "a.gguf") == before
    (tmp_path / "a.gguf").write_bytes(b"Weights")
    assert folder_hash(tmp_path / "a.gguf") != before


def test_a_models_folder_counts_by_names_sizes_and_ends(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"a" * 100)
    (tmp_path / ".cache").mkdir()
    before = folder_hash(tmp_path)
    (tmp_path / ".cache" / "lock").write_text("x")
    assert folder_hash(tmp_path) == before
    (tmp_path / "model.safetensors").write_bytes(b"a" * 99 + b"b")
    assert folder_hash(tmp_path) != before


def test_plain_data_hashes_without_regard_to_order():
    assert short_hash({"a": 1, "b": [2]}) == short_hash({"b": [2], "a": 1})
    assert short_hash({"a": 1}) != short_hash({"a": 2})
    with pytest.raises(TypeError):
        short_hash({"an": object()})
