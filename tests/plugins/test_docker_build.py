"""The rules of the docker-build stand-in: hash of the context, .dockerignore, inputs, diff."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from emulator.plugins.docker_build.context import context_hash
from emulator.plugins.docker_build.ignore import is_ignored, parse
from emulator.plugins.docker_build.inputs import changes, failures, with_defaults
from emulator.plugins.errors import PluginError
from emulator.plugins.registry import Reference
from emulator.plugins.values import UNKNOWN


@pytest.fixture
def context(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    for name, text in (("Dockerfile", "FROM scratch\n"), ("launcher.py", "print()\n"), ("sub/a.txt", "a")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o644)
    return tmp_path


def test_the_hash_is_over_the_dockerfile_and_content_name_and_mode_of_each_file(context: Path) -> None:
    expected = hashlib.sha256(
        b"FROM scratch\nFROM scratch\nDockerfile-rw-r--r--print()\nlauncher.py-rw-r--r--asub/a.txt-rw-r--r--"
    ).hexdigest()
    assert context_hash(context, context / "Dockerfile") == expected


@pytest.mark.parametrize("change", ["content", "name", "mode", "dockerfile"])
def test_what_changes_the_hash(context: Path, change: str) -> None:
    before = context_hash(context, context / "Dockerfile")
    if change == "content":
        (context / "launcher.py").write_text("print(1)\n")
    elif change == "name":
        (context / "launcher.py").rename(context / "other.py")
    elif change == "mode":
        (context / "launcher.py").chmod(0o755)
    else:
        (context / "Dockerfile").write_text("FROM busybox\n")
    assert context_hash(context, context / "Dockerfile") != before


def test_ignored_files_do_not_count_but_the_dockerfile_always_does(context: Path) -> None:
    (context / ".dockerignore").write_text("**/*.txt\nDockerfile\n")
    before = context_hash(context, context / "Dockerfile")
    (context / "sub" / "a.txt").write_text("changed")
    assert context_hash(context, context / "Dockerfile") == before
    (context / "Dockerfile").write_text("FROM busybox\n")
    assert context_hash(context, context / "Dockerfile") != before


def test_an_ignore_file_of_the_dockerfile_comes_first(context: Path) -> None:
    (context / ".dockerignore").write_text("sub\n")
    (context / "Dockerfile.dockerignore").write_text("launcher.py\n")
    before = context_hash(context, context / "Dockerfile")
    (context / "launcher.py").write_text("changed")
    assert context_hash(context, context / "Dockerfile") == before


@pytest.mark.parametrize(
    ("rules", "path", "ignored"),
    [
        ("*.md", "README.md", True),
        ("*.md", "docs/README.md", False),
        ("**/*.md", "docs/deep/README.md", True),
        ("**/*.md", "README.md", True),
        ("docs", "docs/a/b.txt", True),
        ("docs/", "docs/a.txt", True),
        ("/docs", "docs/a.txt", True),
        ("*\n!keep.txt", "keep.txt", False),
        ("*\n!sub/keep.txt", "sub/keep.txt", False),
        ("docs\n!docs/a.md\ndocs/*.md", "docs/a.md", True),
        ("# comment\n\n  a.txt  ", "a.txt", True),
        ("fil?.txt", "file.txt", True),
        ("file[0-9].txt", "file1.txt", True),
        ("a+b.txt", "a+b.txt", True),
        ("a+b.txt", "aab.txt", False),
        (".git", ".gitignore", False),
        ("**/node_modules", "x/node_modules/y.js", True),
    ],
)
def test_dockerignore(rules: str, path: str, ignored: bool) -> None:
    assert is_ignored(path, parse(rules)) is ignored


def _inputs(context: Path, **more: object) -> dict:
    return with_defaults({"context": {"location": str(context)}, **more})


def test_defaults(context: Path) -> None:
    inputs = _inputs(context)
    assert inputs["dockerfile"] == {"location": str(context / "Dockerfile")}
    assert (inputs["push"], inputs["network"], inputs["buildOnPreview"]) == (False, "default", True)
    assert failures(inputs) == []


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"ssh": [{"id": "default"}]}, "does not support 'ssh'"),
        ({"builder": {"name": "x"}}, "does not support 'builder'"),
        ({"exports": [{"cacheonly": {}}]}, "does not support 'exports'"),
        ({"cacheFrom": [{"local": {"src": "x"}}]}, "does not support 'cacheFrom'"),
        ({"pushh": True}, "'pushh' is not an input"),
        ({"platforms": ["linux/amd64", "linux/arm64"]}, "one platform at a time"),
        ({"push": True}, "push needs at least one tag"),
        ({"push": True, "tags": ["vllm:1"]}, "does not name a registry"),
        ({"dockerfile": {"location": "/nowhere/Dockerfile"}}, "no such file"),
        ({"dockerfile": {"location": "a", "inline": "FROM b"}}, "not both"),
        ({"context": {"location": "/nowhere"}}, "not a valid directory"),
        ({"context": {"location": "https://example.org/x.git"}}, "local folders only"),
        ({"context": {"location": ".", "named": {"a": {"location": "b"}}}}, "named contexts"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(context: Path, more: dict, named: str) -> None:
    ((_, reason),) = failures(with_defaults({"context": {"location": str(context)}, **more}))
    assert named in reason


def test_unknown_inputs_pass(context: Path) -> None:
    assert failures(_inputs(context, push=True, tags=[UNKNOWN], buildArgs=UNKNOWN)) == []


@pytest.mark.parametrize(
    ("olds", "news", "expected"),
    [
        ({}, {}, []),
        ({"noCache": False}, {}, []),
        ({"buildArgs": {"A": "1"}}, {"buildArgs": {"A": "2"}}, ["buildArgs"]),
        ({}, {"target": "x"}, ["target"]),
        ({"tags": ["a"]}, {"tags": ["a", "b"]}, ["tags"]),
        ({}, {"pull": True, "push": True}, ["pull", "push", "contextHash"]),
        ({"secrets": {"a": "1"}}, {"secrets": {"a": "2"}}, ["secrets"]),
        (
            {"secrets": {"a": "1"}},
            {"secrets": {"a": "2"}, "ignoreSecretsInDiffCalculation": ["a"]},
            [],
        ),
        (
            {"registries": [{"address": "r", "username": "u", "password": "1"}]},
            {"registries": [{"address": "r", "username": "u", "password": "2"}]},
            [],
        ),
        (
            {"registries": [{"address": "r", "username": "u"}]},
            {"registries": [{"address": "r", "username": "v"}]},
            ["registries[0]"],
        ),
    ],
)
def test_diff(olds: dict, news: dict, expected: list[str]) -> None:
    assert sorted(changes(olds, news)) == sorted(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.72.3.1:8443/vllm:1.0", ("127.72.3.1:8443", "vllm", "1.0", "")),
        ("acr.azurecr.io/a/b", ("acr.azurecr.io", "a/b", "latest", "")),
        ("localhost:5000/a:b@sha256:" + "0" * 64, ("localhost:5000", "a", "b", "sha256:" + "0" * 64)),
    ],
)
def test_references(text: str, expected: tuple[str, ...]) -> None:
    reference = Reference.parse(text)
    assert (reference.host, reference.repository, reference.tag, reference.digest) == expected


@pytest.mark.parametrize("text", ["vllm", "vllm:1", "library/vllm", "HOST/UPPER"])
def test_names_without_a_registry_are_refused(text: str) -> None:
    with pytest.raises(PluginError, match="does not name a registry"):
        Reference.parse(text)
