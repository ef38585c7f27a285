"""The small parts, without processes: encryption, paths, comparisons, names, files, time-outs."""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
import zipfile
from pathlib import Path

import pytest
from harness import DATA

from emulator.engine import azure_guard, checkpoint, paths, requests, urn
from emulator.engine.assets import with_hash
from emulator.engine.defaults import ProviderRequest
from emulator.engine.differences import Diff, apply_replace_on_changes, compare
from emulator.engine.errors import EngineError, Unsupported
from emulator.engine.hooks import go_duration
from emulator.engine.project import version_satisfies
from emulator.engine.secrets import SecretsManager
from emulator.engine.targets import Targets
from emulator.engine.values import (
    UNKNOWN,
    Archive,
    Asset,
    Output,
    Reference,
    Secret,
    annotate_secrets,
    contains_unknowns,
    downgrade,
    in_message,
    same,
)
from emulator.engine.wire import Keep, from_struct, to_struct
from emulator.engine.yamlfile import parse_yaml, remove_key, set_key

RECORDED = json.loads((DATA / "basics" / "golden.json").read_text())
SALT = "v1:eRTKjaoWR7E=:v1:qm1LlSflzK1Woz9Y:H07gUPzeQnX01XmEHjPDP2ULs8wgrg=="


class TestPassphraseEncryptionIsPulumis:
    def test_a_recorded_secret_opens(self) -> None:
        manager = SecretsManager(SALT, "golden")
        manager.check()
        assert manager.decrypt("v1:NnuclK5dOliC44u4:pJVHg82Hej1iZhEYwXy6KNqVu6gKDR4=") == "hunter2"

    def test_a_wrong_passphrase_is_noticed(self) -> None:
        with pytest.raises(EngineError, match="incorrect passphrase"):
            SecretsManager(SALT, "silver").check()

    def test_a_new_salt_checks_itself(self) -> None:
        made = SecretsManager.new("golden")
        again = SecretsManager(made.state, "golden")
        again.check()
        assert again.decrypt(made.encrypt("x")) == "x"
        assert made.encrypt("x") != made.encrypt("x")

    def test_recorded_state_is_written_back_as_it_was(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "golden")
        document = RECORDED["steps"][1]["state"]
        snapshot, _ = checkpoint.load_checkpoint(document)
        assert snapshot is not None
        manager = checkpoint.manager_from_state(snapshot.secrets_provider)
        written = checkpoint.wrap("organization/golden/dev", snapshot, manager)
        assert (
            json.loads(checkpoint.encode(written))["checkpoint"]["latest"]["resources"]
            == (document["checkpoint"]["latest"]["resources"])
        )


class TestStateFilesThatAreNotUnderstoodAreRefused:
    @pytest.mark.parametrize("document", [{"version": 5}, {"version": 4, "features": ["views"]}])
    def test_version(self, document: dict) -> None:
        with pytest.raises(Unsupported):
            checkpoint.load_checkpoint({**document, "checkpoint": {}})

    def test_other_secrets_providers(self) -> None:
        latest = {"secrets_providers": {"type": "cloud", "state": {}}, "resources": []}
        with pytest.raises(Unsupported, match="cloud"):
            checkpoint.load_deployment(latest)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a.b[0]", ("a", "b", 0)),
        ('a["b.c"].d', ("a", "b.c", "d")),
        ('["k \\" q"]', ('k " q',)),
        ("a[*].b", ("a", "*", "b")),
        ("*", ("*",)),
    ],
)
def test_property_paths(text: str, parts: paths.Path) -> None:
    assert paths.parse(text) == parts
    if "*" not in text:
        assert paths.parse(paths.format_path(parts)) == parts


@pytest.mark.parametrize("text", ["a[", 'a["b', "a[x]"])
def test_broken_property_paths(text: str) -> None:
    with pytest.raises(ValueError, match="property path"):
        paths.parse(text)


@pytest.mark.parametrize(
    ("path", "old", "new", "result", "ok"),
    [
        ("a", {"a": 1}, {"a": 2, "b": 3}, {"a": 1, "b": 3}, True),
        ("a", {}, {"a": 2}, {}, True),
        ("a.b", {"a": {"b": 1}}, {"a": {"b": 2, "c": 3}}, {"a": {"b": 1, "c": 3}}, True),
        ("a.b", {"a": {"b": 1}}, {}, {}, False),
        ("a[0]", {"a": [1, 2]}, {"a": [9, 2]}, {"a": [1, 2]}, True),
        ("a[1]", {"a": [1, 2]}, {"a": [9]}, {"a": [9]}, False),
        ("a[*].b", {"a": [{"b": 1}]}, {"a": [{"b": 2}]}, {"a": [{"b": 1}]}, True),
        ("*", {"a": 1}, {"a": 2, "b": 3}, {"a": 1}, True),
        ("a.b", {"a": Secret({"b": 1})}, {"a": {"b": 2}}, {"a": {"b": Secret(1)}}, True),
    ],
)
def test_ignored_changes(path: str, old: dict, new: dict, result: dict, ok: bool) -> None:
    assert paths.reset(paths.parse(path), old, new) is ok
    assert new == result


def test_equality_is_pulumis() -> None:
    assert not same(True, 1.0)
    assert same({"a": None}, {})
    assert not same(Secret("x"), "x")
    assert same(Reference("u", "1", package_version="1"), Reference("u", "1", package_version="2"))
    assert same(Asset({"hash": "h", "path": "a"}), Asset({"hash": "h", "path": "b"}))
    assert not same([1.0], [1.0, 2.0])


def test_comparison_names_every_place() -> None:
    diff = compare({"a": {"b": 1.0, "c": 2.0}, "l": [1.0, 2.0]}, {"a": {"b": 9.0}, "l": [1.0], "n": "x"})
    assert diff.changed_keys == ["a", "l", "n"]
    assert {key: entry.kind for key, entry in (diff.detailed or {}).items()} == {
        "a.b": "update",
        "a.c": "delete",
        "l[1]": "delete",
        "n": "add",
    }
    assert compare({"a": Secret("x")}, {"a": "x"}).changes == "none"


def test_replace_on_changes() -> None:
    diff = Diff("some", changed_keys=["a", "b"])
    assert apply_replace_on_changes(diff, ["a"], False).replace_keys == ["a"]
    assert apply_replace_on_changes(diff, ["*"], False).replace_keys == ["a", "b"]
    assert not apply_replace_on_changes(diff, ["c"], False).replaces
    assert apply_replace_on_changes(Diff("none"), ["*"], True).replaces


def test_secrets_follow_inputs_of_the_same_name() -> None:
    outputs = {"a": "x", "b": {"c": "y"}, "d": "z"}
    annotate_secrets(outputs, {"a": Secret("x"), "b": {"c": Secret("y")}, "d": "z"})
    assert outputs == {"a": Secret("x"), "b": {"c": Secret("y")}, "d": "z"}


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        1.5,
        "text",
        [1.0, None, {"a": []}],
        Secret({"a": [UNKNOWN]}),
        UNKNOWN,
        Reference("urn:pulumi:s::p::a:b:C::n", "id", "n", "a:b:C"),
        Reference("urn:pulumi:s::p::a:b:C::n", UNKNOWN, "n", "a:b:C"),
        Output("x", True, True, ("urn:1",)),
        Output(None, False, False, ()),
        Asset({"hash": "h", "path": "p"}),
    ],
)
def test_values_survive_the_wire(value: object) -> None:
    keep = Keep(unknowns=True, secrets=True, resources=True, outputs=True)
    assert from_struct(to_struct({"v": value}, keep), keep) == {"v": value}


def test_what_a_provider_cannot_take_is_unwrapped() -> None:
    properties = {"s": Secret("x"), "u": UNKNOWN, "r": Reference("urn:1", "id"), "o": Output("y", True, True)}
    assert from_struct(to_struct(properties, Keep()), Keep()) == {"s": "x", "r": "id", "o": "y"}
    assert contains_unknowns(downgrade(Output(None, False)))


@pytest.mark.parametrize(
    ("request_", "name"),
    [
        (ProviderRequest("a"), "default"),
        (ProviderRequest("a", "3.29.0"), "default_3_29_0"),
        (ProviderRequest("a", "2.0.0-beta.1"), "default_2_0_0_beta_1"),
        (ProviderRequest("a", "1.0.0", "https://example.com/x"), "default_1_0_0_https_/example.com/x"),
    ],
)
def test_names_of_default_providers(request_: ProviderRequest, name: str) -> None:
    assert request_.default_name == name


def test_urns() -> None:
    parent = urn.make("s", "p", "", "a:b:Group", "g")
    assert urn.child("s", "p", parent, "x:y:Z", "n") == "urn:pulumi:s::p::a:b:Group$x:y:Z::n"
    assert urn.child("s", "p", urn.root_stack("s", "p"), "x:y:Z", "n") == "urn:pulumi:s::p::x:y:Z::n"
    assert urn.parse_reference("urn:pulumi:s::p::pulumi:providers:a::n::id") == (
        "urn:pulumi:s::p::pulumi:providers:a::n",
        "id",
    )


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        (">=3.260.0", True),
        (">=3.261.0", False),
        ("^3.0.0", True),
        ("~3.259.0", False),
        (">=3.0.0 <3.100.0", False),
        ("3.x || 4.x", True),
    ],
)
def test_required_versions(wanted: str, fits: bool) -> None:
    assert version_satisfies("3.260.0", wanted) is fits


def test_durations() -> None:
    assert requests.seconds("1h30m") == 5400
    assert requests.seconds("1.5s") == 1.5
    assert go_duration(5400) == "1h30m0s"
    with pytest.raises(EngineError, match="customTimeout"):
        requests.seconds("soon")


def test_targets_match_within_and_across_parts() -> None:
    one = "urn:pulumi:s::p::a:b:C::name"
    assert one in Targets([])
    assert one in Targets(["**::name"])
    assert one in Targets(["urn:pulumi:s::p::a:b:*::name"])
    assert one not in Targets(["urn:pulumi:s::p::*::name"])


class TestEditingYaml:
    TEXT = "# top\nconfig:\n  a:b: 1 # one\n  a:c:\n    d: 1\n\n  # last\nother: 2\n"

    def test_a_value_is_replaced_and_remarks_stay(self) -> None:
        changed = set_key(self.TEXT, ("config", "a:c"), {"secure": "v1:x:y"})
        assert parse_yaml(changed, "")["config"] == {"a:b": 1, "a:c": {"secure": "v1:x:y"}}
        assert "# top" in changed
        assert "# one" in changed

    def test_a_value_is_added_and_removed(self) -> None:
        changed = set_key(self.TEXT, ("config", "new"), "50")
        assert parse_yaml(changed, "")["config"]["new"] == "50"
        removed = remove_key(changed, ("config", "a:c"))
        assert set(parse_yaml(removed, "")["config"]) == {"a:b", "new"}

    @pytest.mark.parametrize("text", ["", "config:\n", "config: {}\n", "config: {a: 1}\n", "x: 1\n"])
    def test_odd_beginnings(self, text: str) -> None:
        changed = set_key(text, ("config", "k"), [1, {"a": True}])
        assert parse_yaml(changed, "")["config"]["k"] == [1, {"a": True}]


class TestOnlyTheEmbeddedAzure:
    def test_other_providers_are_nobodys_business(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("ARM_METADATA_HOSTNAME", raising=False)
        azure_guard.check("random")

    def test_azure_needs_an_address(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("ARM_METADATA_HOSTNAME", raising=False)
        with pytest.raises(EngineError, match="ARM_METADATA_HOSTNAME is not set"):
            azure_guard.check("azure-native")

    @pytest.mark.parametrize("host", ["127.66.0.1:8443", "172.29.66.1", "https://127.0.0.1:8443/"])
    def test_loopback_and_private_addresses_pass(self, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
        monkeypatch.setenv("ARM_METADATA_HOSTNAME", host)
        azure_guard.check("azure-native")

    @pytest.mark.parametrize("host", ["8.8.8.8", "8.8.8.8:443", "0.0.0.0"])
    def test_anything_else_does_not(self, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
        monkeypatch.setenv("ARM_METADATA_HOSTNAME", host)
        with pytest.raises(EngineError, match="refuses"):
            azure_guard.check("azure-native")


def test_assets_hash_as_their_bytes(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("hello")
    keep = Keep(secrets=True, asset_root=str(tmp_path))
    read = from_struct(to_struct({"a": Asset({"path": "file"})}, Keep(secrets=True)), keep)
    assert read["a"].hash == "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Names that a tar header cannot hold, links, and a folder that Pulumi leaves out."""
    deep = "x" * 90 + "/" + "y" * 60 + "/f"
    contents = {"a.txt": "a\n", "a/z": "z\n", "e/b": "b\n", deep: "q", "é": "u", "w" * 120: "u"}
    for name, content in {**contents, "v" * 120 + "/" + "t" * 110: "t", ".pulumi/x": "x\n"}.items():
        path = tmp_path / "d" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (tmp_path / "d/l").symlink_to("a.txt")
    (tmp_path / "d/dl").symlink_to("e")
    return tmp_path


def _hash(archive: dict, root: Path) -> str:
    return with_hash(Archive(archive), str(root)).hash


def test_folders_hash_as_the_cli_hashes_them(folder: Path) -> None:
    # What the CLI 3.260 recorded for this folder.
    assert _hash({"path": "d"}, folder) == "a0940d042e71bb6ba177027935395c2209cb98906a4f19f92393b13cc1382d5e"


def test_archive_files_hash_as_files_and_unpack_within_archives(folder: Path) -> None:
    plain = folder / "plain"
    plain.mkdir()
    (plain / "one").write_text("1")
    with tarfile.open(folder / "x.tgz", "w:gz") as tar:
        tar.add(plain, ".")
    with zipfile.ZipFile(folder / "x.zip", "w") as archive:
        archive.writestr("one", "1")
    assert _hash({"path": "x.zip"}, folder) == hashlib.sha256((folder / "x.zip").read_bytes()).hexdigest()
    nested = {
        _hash({"assets": {"m": Archive({"path": path})}}, folder) for path in ("plain", "x.tgz", "x.zip")
    }
    assert nested == {_hash({"assets": {"m/one": Asset({"text": "1"})}}, folder)}


@pytest.mark.parametrize("path", ["missing", "missing.zip", "d/a.txt"])
def test_archives_that_cannot_be_read_are_named(folder: Path, path: str) -> None:
    with pytest.raises(EngineError, match=re.escape(path)):
        _hash({"path": path}, folder)


def test_values_in_messages_never_show_secrets() -> None:
    shown = in_message(
        {"b": [True, 1.5, 2.0, None], "a": Secret("s3cret"), "c": {"d": Output("s3cret", True, True)}}
    )
    assert shown == "{map[a:{[secret]} b:{[{true} {1.5} {2} {<nil>}]} c:{map[d:{[secret]}]}]}"
