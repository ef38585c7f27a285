"""What `ModelCopy` hands to its provider, and what the provider says of values that are not known yet. No
sockets.
"""

from __future__ import annotations

from typing import Any

import pulumi
import pytest
from pulumi.output import Unknown

from providers.model_copy import ModelCopy, ModelCopyArgs, ModelCopyProvider

LOCK = {
    "commit": "c" * 40,
    "files": {
        "a.safetensors": {"size": 1, "sha256": "a" * 64},
        "__init__.py": {"size": 0, "git_blob": "e" * 40},
    },
}
IDENTITY = {"repository": "org/model", "subscription_id": "s", "resource_group": "g", "workspace": "w"}
INPUTS = {**IDENTITY, "datastore": "d", "prefix": "models", "revision": "main", "server_side_copy": "auto"}
INPUTS |= {"authentication": "identity", "include_pickle": False, "lock": LOCK}
STATE = {**INPUTS, "commit": LOCK["commit"], "files": LOCK["files"], "altered": []}


class Recorder(pulumi.runtime.Mocks):
    def __init__(self) -> None:
        self.seen: list[pulumi.runtime.MockResourceArgs] = []

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.seen.append(args)
        return args.name, args.inputs

    def call(self, args: pulumi.runtime.MockCallArgs) -> dict[str, Any]:
        return {}


@pytest.fixture
def recorder() -> Recorder:
    mocks = Recorder()
    pulumi.runtime.set_mocks(mocks, project="vllm-azureml", stack="test", preview=False)
    return mocks


class TestResource:
    def test_dunder_names_survive_the_way_to_the_provider(self, recorder: Recorder) -> None:
        @pulumi.runtime.test
        def make():
            args = ModelCopyArgs(**IDENTITY, lock=LOCK)
            return ModelCopy("model", args).urn

        make()
        (made,) = recorder.seen
        assert made.typ == "pulumi-python:dynamic/vllm-azureml:ModelCopy"
        assert set(made.inputs["lock"]["files"]) == {"a.safetensors", "./__init__.py"}
        assert made.inputs["owner"].endswith("vllm-azureml/test/model")

    def test_nothing_secret_is_among_the_inputs(self, recorder: Recorder, monkeypatch) -> None:
        monkeypatch.setenv("HF_TOKEN", "hf_secret")

        @pulumi.runtime.test
        def make():
            return ModelCopy("model", ModelCopyArgs(**IDENTITY, token="env:HF_TOKEN")).urn

        make()
        assert "hf_secret" not in repr(recorder.seen[0].inputs)


class TestDiff:
    def diff(self, **news: Any):
        return ModelCopyProvider().diff("id", STATE, {**INPUTS, **news})

    def test_the_same_is_the_same(self) -> None:
        assert (self.diff().changes, self.diff().replaces) == (False, [])

    def test_an_identity_that_is_not_known_replaces(self) -> None:
        assert self.diff(workspace=Unknown()).replaces == ["workspace"]

    def test_a_lock_that_is_not_known_replaces(self) -> None:
        assert self.diff(lock=Unknown()).replaces == ["lock"]

    def test_another_digest_of_the_same_commit_updates(self) -> None:
        files = {**LOCK["files"], "a.safetensors": {"size": 1, "sha256": "b" * 64}}
        found = self.diff(lock={**LOCK, "files": files})
        assert (found.changes, found.replaces) == (True, [])

    def test_numbers_of_the_state_are_floats_and_that_is_no_change(self) -> None:
        files = {path: {**facts, "size": float(facts["size"])} for path, facts in LOCK["files"].items()}
        assert not self.diff(lock={**LOCK, "files": files}).changes

    def test_other_patterns_go_to_another_folder(self) -> None:
        assert self.diff(allow_patterns=["*"]).replaces == ["allow_patterns"]

    def test_another_token_reference_is_an_update(self) -> None:
        found = self.diff(token="env:OTHER")
        assert (found.changes, found.replaces) == (True, [])

    def test_what_refresh_found_is_repaired(self) -> None:
        found = ModelCopyProvider().diff("id", {**STATE, "altered": ["a.safetensors"]}, INPUTS)
        assert (found.changes, found.replaces) == (True, [])

    def test_unknown_choices_are_checked_later(self) -> None:
        news = {"server_side_copy": Unknown(), "authentication": Unknown()}
        assert ModelCopyProvider().check({}, news).failures == []
