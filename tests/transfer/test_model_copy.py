"""The dynamic provider against Azurite and a control plane of four answers: what it creates, sees, repairs,
removes.
"""

from __future__ import annotations

import random
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from azurite import ACCOUNT, KEY, Azurite, Identity
from management import FakeArm
from servers import FakeBlob, FakeHub

import transfer
from providers.errors import ProviderError
from providers.model_copy import ModelCopyProvider

pytestmark = pytest.mark.emulator

CONTENT = {
    "model.safetensors": random.Random(5).randbytes(7_000_000),  # two blocks
    "config.json": b"{}",
    "__init__.py": b"",
}


@dataclass
class World:
    arm: FakeArm
    hub: FakeHub
    url: str

    def props(self, name: str = "model", **changes) -> dict:
        """Inputs as Pulumi hands them over."""
        return {
            "repository": self.hub.repository,
            "subscription_id": "sub",
            "resource_group": "rg",
            "workspace": "ws",
            "datastore": "workspaceblobstore",
            "revision": "main",
            "prefix": "models",
            "include_pickle": False,
            "server_side_copy": "auto",
            "authentication": "identity",
            "owner": f"org/project/stack/{name}",
            **changes,
        }

    def client(self):
        from azure.storage.blob import ContainerClient

        return ContainerClient.from_container_url(
            self.url, credential={"account_name": ACCOUNT, "account_key": KEY}, api_version="2023-11-03"
        )

    def names(self) -> set[str]:
        return {blob.name for blob in self.client().list_blobs()}


@pytest.fixture
def world(azurite: Azurite, request: pytest.FixtureRequest, monkeypatch) -> Iterator[World]:
    container = f"c{abs(hash(request.node.name)) % 10**12}"
    url = azurite.container(container)
    arm, hub = FakeArm(azurite.url + "/", container), FakeHub(CONTENT)
    for key, value in {**arm.environment(), "HF_ENDPOINT": hub.url, "HF_TOKEN": ""}.items():
        monkeypatch.setenv(key, value)
    yield World(arm, hub, url)
    arm.close()
    hub.close()


def lock_of(world: World) -> dict:
    """A lock entry as it reaches the provider: numbers are floats, dunder names escaped."""
    access = transfer.TokenAccess(Identity())
    found = transfer.plan(
        transfer.Request(source=world.hub.repository, container_url=world.url, access=access)
    )
    entry = found.snapshot.as_lock()
    files = {
        ("./" + p if p.startswith("__") else p): {**f, "size": float(f["size"])}
        for p, f in entry["files"].items()
    }
    return {"commit": entry["commit"], "files": files}


def test_create_copies_everything_and_says_where(world: World) -> None:
    made = ModelCopyProvider().create(world.props())
    outs = made.outs
    folder = f"models/{world.hub.repository}/{world.hub.commit}"
    assert outs["commit"] == world.hub.commit
    assert outs["path"] == folder
    assert outs["model_uri"] == (
        "azureml://subscriptions/sub/resourcegroups/rg/workspaces/ws/datastores/workspaceblobstore/paths/"
        + folder
    )
    for path, data in CONTENT.items():
        assert world.client().download_blob(f"{folder}/{path}").readall() == data
    assert set(outs["files"]) == {"model.safetensors", "config.json", "./__init__.py"}


def test_with_a_lock_nothing_changes_until_the_lock_does(world: World) -> None:
    lock = lock_of(world)
    provider = ModelCopyProvider()
    made = provider.create(world.props(lock=lock))
    assert set(made.outs["files"]) == {"model.safetensors", "config.json", "./__init__.py"}
    same = provider.diff(made.id, made.outs, world.props(lock=lock))
    assert (same.changes, same.replaces) == (False, [])
    other = provider.diff(made.id, made.outs, world.props(lock={**lock, "commit": "d" * 40}))
    assert other.changes
    assert other.replaces == ["lock"]
    moved = provider.diff(made.id, made.outs, world.props(lock=lock, revision="v2"))
    assert not moved.changes  # the lock pins it; the word for the revision is not what is copied


def test_without_a_lock_the_revision_decides(world: World) -> None:
    provider = ModelCopyProvider()
    made = provider.create(world.props())
    assert not provider.diff(made.id, made.outs, world.props()).changes
    assert provider.diff(made.id, made.outs, world.props(revision="v2")).replaces == ["revision"]
    assert provider.diff(made.id, made.outs, world.props(workspace="other")).replaces == ["workspace"]


@pytest.mark.parametrize("damage", ["missing", "overwritten", "touched"])
def test_read_finds_damage_and_update_repairs_it(world: World, damage: str) -> None:
    provider = ModelCopyProvider()
    made = provider.create(world.props())
    seen = provider.read(made.id, made.outs)
    assert seen.outs["altered"] == []
    name = made.outs["path"] + "/model.safetensors"
    blob = world.client().get_blob_client(name)
    if damage == "missing":
        blob.delete_blob()
    elif damage == "overwritten":
        blob.upload_blob(b"no model", overwrite=True)
    else:  # another content under the same marker
        metadata = blob.get_blob_properties().metadata
        blob.upload_blob(CONTENT["model.safetensors"][:-1] + b"?", overwrite=True, metadata=metadata)
    seen = provider.read(made.id, made.outs)
    assert seen.id == made.id
    assert seen.outs["altered"] == ["model.safetensors"]
    assert provider.diff(made.id, seen.outs, world.props()).changes
    world.hub.requests.clear()
    repaired = provider.update(made.id, seen.outs, world.props())
    assert not any(
        "/api/" in path for _, path in world.hub.requests
    )  # the commit in the state is what is meant
    assert blob.download_blob().readall() == CONTENT["model.safetensors"]
    assert provider.read(made.id, repaired.outs).outs["altered"] == []


def test_read_says_gone_only_when_azure_does(world: World, monkeypatch, capfd) -> None:
    provider = ModelCopyProvider()
    made = provider.create(world.props())
    with monkeypatch.context() as patch:
        patch.setattr(world.arm, "blob", "https://127.0.0.1:1/")  # nobody answers there
        unreachable = provider.read(made.id, made.outs)
    assert unreachable.id == made.id
    assert unreachable.outs == made.outs
    assert "not checked" in capfd.readouterr().err
    world.client().delete_container()
    assert provider.read(made.id, made.outs).id == ""
    world.arm.gone = True
    assert provider.read(made.id, made.outs).id == ""
    provider.delete(made.id, made.outs)  # nothing to remove, and that is fine


@pytest.fixture
def guarded(azurite: Azurite, monkeypatch) -> Iterator[tuple[World, FakeBlob]]:
    """A blob service over TLS that can be told to refuse; Azurite checks no roles."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    folder = Path(azurite.bundle).parent
    tls.load_cert_chain(folder / "chain.pem", folder / "key.pem")
    blob, hub = FakeBlob(tls), FakeHub(CONTENT)
    arm = FakeArm(blob.url + "/", "box")
    for key, value in {**arm.environment(), "HF_ENDPOINT": hub.url, "HF_TOKEN": ""}.items():
        monkeypatch.setenv(key, value)
    yield World(arm, hub, blob.container), blob
    for server in (arm, hub, blob):
        server.close()


def test_a_preview_without_the_role_keeps_the_state_and_says_not_checked(guarded, capfd) -> None:
    world, blob = guarded
    provider = ModelCopyProvider()
    made = provider.create(world.props())
    for status, code in ((403, "AuthorizationPermissionMismatch"), (401, "InvalidAuthenticationInfo")):
        blob.faults[:] = [lambda h, s=status, c=code: (h.body(), blob.refuse(h, s, c)) and True]
        seen = provider.read(made.id, made.outs)
        assert (seen.id, seen.outs) == (made.id, made.outs)
        assert "not checked" in capfd.readouterr().err


def test_a_role_that_does_not_count_yet_is_waited_for_and_no_other_refusal(
    guarded, monkeypatch, capfd
) -> None:
    world, blob = guarded
    monkeypatch.setattr("providers.model_copy.ROLE_RETRY_SECONDS", 0.01)
    left = ["AuthorizationPermissionMismatch"] * 3

    def refuse(h) -> bool:
        if not left:
            return False
        h.body()
        blob.refuse(h, 403, left.pop())
        return True

    blob.faults[:] = [refuse]
    ModelCopyProvider().create(world.props())
    assert "does not count yet" in capfd.readouterr().err
    left[:] = ["AuthorizationFailure"]  # the account's firewall: waiting does not open it
    with pytest.raises(ProviderError, match="firewall"):
        ModelCopyProvider().create(world.props())


def test_delete_removes_what_it_wrote_and_nothing_else(world: World) -> None:
    provider = ModelCopyProvider()
    made = provider.create(world.props())
    by_hand = made.outs["path"] + "/notes.md"
    world.client().upload_blob(by_hand, b"somebody's")
    provider.delete(made.id, made.outs)
    assert world.names() == {by_hand}


def test_a_folder_two_models_share_stays_until_both_are_gone(world: World) -> None:
    provider = ModelCopyProvider()
    first, second = provider.create(world.props("a")), provider.create(world.props("b"))
    assert first.outs["path"] == second.outs["path"]
    provider.delete(first.id, first.outs)
    assert provider.read(second.id, second.outs).outs["altered"] == []
    provider.delete(second.id, second.outs)
    assert world.names() == set()


def test_what_was_copied_by_hand_survives_the_resource(world: World) -> None:
    access = transfer.TokenAccess(Identity())
    transfer.copy_snapshot(
        transfer.Request(source=world.hub.repository, container_url=world.url, access=access)
    )
    before = world.names()
    provider = ModelCopyProvider()
    made = provider.create(world.props())
    provider.delete(made.id, made.outs)
    assert world.names() == before


def test_a_copy_by_hand_of_what_a_stack_made_survives_the_stack(world: World) -> None:
    provider = ModelCopyProvider()
    made = provider.create(world.props())
    access = transfer.TokenAccess(Identity())
    request = transfer.Request(source=world.hub.repository, container_url=world.url, access=access)
    assert transfer.copy_snapshot(request).report.bytes_sent == 0
    provider.delete(made.id, made.outs)
    transfer.verify(request)


def test_a_replacement_in_place_keeps_its_files(world: World) -> None:
    provider = ModelCopyProvider()
    old = provider.create(world.props())
    new = provider.create(world.props())  # `up --replace`: the new one is made before the old one goes
    provider.delete(old.id, old.outs)
    assert provider.read(new.id, new.outs).outs["altered"] == []
    provider.delete(new.id, new.outs)
    assert world.names() == set()


def test_a_create_that_was_killed_leaves_no_reference_that_keeps_files_for_ever(world: World) -> None:
    provider = ModelCopyProvider()
    provider.create(world.props())  # its state was never saved
    import time

    time.sleep(1.1)  # the service's clock has whole seconds
    made = provider.create(world.props())
    provider.delete(made.id, made.outs)
    assert world.names() == set()


@pytest.mark.parametrize("source", ["azureml", "folder"])
def test_other_sources_than_the_hub(world: World, source: str, tmp_path: Path, monkeypatch) -> None:
    provider = ModelCopyProvider()
    if source == "azureml":
        repository = provider.create(world.props("first")).outs["model_uri"]
    else:
        repository = "model"  # a folder of the project, written as the settings allow
        monkeypatch.chdir(tmp_path)
        (tmp_path / "model").mkdir()
        for path, data in CONTENT.items():
            (tmp_path / "model" / path).write_bytes(data)
    made = provider.create(world.props("second", repository=repository))
    for path, data in CONTENT.items():
        assert world.client().download_blob(f"{made.outs['path']}/{path}").readall() == data
    assert provider.read(made.id, made.outs).outs["altered"] == []
    assert not provider.diff(made.id, made.outs, world.props("second", repository=repository)).changes


def test_an_update_copies_what_the_lock_has_more(world: World, capfd) -> None:
    whole = lock_of(world)
    part = {**whole, "files": {path: f for path, f in whole["files"].items() if path != "config.json"}}
    provider = ModelCopyProvider()
    made = provider.create(world.props(lock=part))
    assert f"{made.outs['path']}/config.json" not in world.names()
    found = provider.diff(made.id, made.outs, world.props(lock=whole))
    assert (found.changes, found.replaces) == (True, [])
    capfd.readouterr()
    updated = provider.update(made.id, made.outs, world.props(lock=whole))
    assert "copy 1 files, 2 B, 7 MiB are there" in capfd.readouterr().err
    assert world.client().download_blob(f"{made.outs['path']}/config.json").readall() == b"{}"
    assert not provider.diff(made.id, updated.outs, world.props(lock=whole)).changes
    provider.delete(made.id, updated.outs)
    assert world.names() == set()


def test_with_the_key_that_the_datastore_holds(world: World) -> None:
    provider, props = (
        ModelCopyProvider(),
        world.props(authentication="datastore", setting="vllm-azureml:models.m"),
    )
    made = provider.create(props)
    assert provider.read(made.id, made.outs).outs["altered"] == []
    provider.delete(made.id, made.outs)
    assert world.names() == set()
    world.arm.keyless = True
    with pytest.raises(ProviderError, match=r"^vllm-azureml:models\.m\.copy_authentication: .*Use identity"):
        provider.create(props)


def test_progress_reaches_the_log(world: World, capfd) -> None:
    ModelCopyProvider().create(world.props())
    said = capfd.readouterr().err
    assert "copy 3 files" in said
    assert "sent" in said


@pytest.mark.parametrize(
    ("changes", "key", "words"),
    [
        ({"repository": "org/nothing"}, "huggingface", "no such repository"),
        ({"revision": "nope"}, "revision", "not found on the hub"),
        ({"token": "env:NOT_SET_HERE"}, "token", "NOT_SET_HERE"),
        ({"repository": "./nothing"}, "path", "is no folder"),
        ({"repository": "azureml://datastores/workspaceblobstore/paths/nothing"}, "path", "nothing is there"),
    ],
)
def test_what_is_wrong_names_the_configuration_key(world: World, changes: dict, key: str, words: str) -> None:
    setting = "vllm-azureml:models.model"
    with pytest.raises(ProviderError) as caught:
        ModelCopyProvider().create(world.props(setting=setting, **changes))
    assert str(caught.value).startswith(f"{setting}.{key}: ")
    assert words in str(caught.value)
    assert not any(name.startswith("models/org") for name in world.names())


def test_a_gated_model_without_a_token_names_the_key_of_the_token(world: World) -> None:
    world.hub.token = "hf_granted"
    with pytest.raises(ProviderError, match=r"^vllm-azureml:models\.m\.token: .*gated.*HF_TOKEN"):
        ModelCopyProvider().create(world.props(setting="vllm-azureml:models.m"))


def test_a_wrong_choice_fails_in_the_preview() -> None:
    failures = (
        ModelCopyProvider().check({}, {"server_side_copy": "maybe", "authentication": "identity"}).failures
    )
    assert [failure.property for failure in failures] == ["server_side_copy"]
