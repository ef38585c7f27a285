"""huggingface_hub, unmodified, against the hub on a real socket; and raw requests for what it hides."""

import hashlib
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from huggingface_hub import HfApi, hf_hub_download, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

pytestmark = pytest.mark.emulator
GRANTED, PLAIN = "embedded-azure-granted", "embedded-azure-plain"
ADDRESS = "127.78.0.3:9545"


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    home = tmp_path_factory.mktemp("hub")
    environment = {
        "EMULATOR_HOME": str(home),
        "EMULATOR_CACHE": str(home / "cache"),
        "EMULATOR_HUB_URL_SECONDS": "2",
        "EMULATOR_HUB_PAGE": "3",
        "PATH": "/usr/bin:/bin",
    }
    process = subprocess.Popen([sys.executable, "-m", "emulator.hub", "--listen", ADDRESS], env=environment)
    url = f"http://{ADDRESS}"
    for _ in range(200):
        try:
            httpx.get(f"{url}/healthz").raise_for_status()
            break
        except httpx.TransportError:
            time.sleep(0.05)
    yield url
    process.terminate()
    assert process.wait(10) == 0


@pytest.fixture
def api(hub):
    return HfApi(endpoint=hub, token=False)


def test_info_tree_paths_and_refs(api):
    info = api.model_info("embedded-azure/tiny", files_metadata=True)
    files = {f.path: f for f in api.list_repo_tree("embedded-azure/tiny", recursive=True, revision=info.sha)}
    # More entries than one page holds: the client followed the Link header.
    assert {"original", "original/notes with space.txt", "empty.txt", "model.safetensors"} <= set(files)
    assert files["model.safetensors"].lfs.sha256 == next(s for s in info.siblings if s.lfs).lfs.sha256
    assert files["empty.txt"].blob_id == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    assert [f.path for f in api.list_repo_tree("embedded-azure/tiny", "original")] == [
        "original/notes with space.txt",
        "original/params.json",
    ]
    assert [f.path for f in api.get_paths_info("embedded-azure/tiny", ["config.json"])] == ["config.json"]
    refs = api.list_repo_refs("embedded-azure/tiny")
    assert refs.branches[0].target_commit == info.sha
    assert refs.tags[0].name == "v1"
    assert api.model_info("Embedded-Azure/TINY").sha == info.sha


def test_a_snapshot_is_downloaded_and_its_bytes_are_what_the_tree_says(api, hub, tmp_path):
    folder = snapshot_download("embedded-azure/tiny", endpoint=hub, cache_dir=tmp_path, token=False)
    for entry in api.list_repo_tree("embedded-azure/tiny", recursive=True):
        if not hasattr(entry, "size"):
            continue
        data = Path(folder, entry.path).read_bytes()
        assert len(data) == entry.size
        if entry.lfs:
            assert hashlib.sha256(data).hexdigest() == entry.lfs.sha256


def test_an_older_revision_by_tag(hub, tmp_path):
    old = snapshot_download(
        "embedded-azure/tiny", revision="v1", endpoint=hub, cache_dir=tmp_path, token=False
    )
    new = snapshot_download("embedded-azure/tiny", endpoint=hub, cache_dir=tmp_path, token=False)
    assert old != new


@pytest.mark.parametrize(
    ("what", "error"),
    [
        (lambda api: api.model_info("nobody/nothing"), RepositoryNotFoundError),
        (lambda api: api.model_info("nobody/nothing", token=PLAIN), RepositoryNotFoundError),
        (lambda api: api.model_info("embedded-azure/tiny", revision="none"), RevisionNotFoundError),
        (lambda api: api.model_info("embedded-azure/tiny", token="wrong"), HfHubHTTPError),
        (lambda api: api.auth_check("embedded-azure/gated"), GatedRepoError),
        (lambda api: api.whoami(token=None), Exception),
    ],
    ids=["unknown", "unknown to a user", "revision", "token", "gated", "nobody"],
)
def test_errors_are_those_of_the_real_hub(api, what, error):
    with pytest.raises(error):
        what(api)


class TestGated:
    def get(self, hub, tmp_path, token):
        return hf_hub_download(
            "embedded-azure/gated", "config.json", endpoint=hub, cache_dir=tmp_path, token=token
        )

    @pytest.mark.parametrize("token", [False, PLAIN])
    def test_files_are_refused_without_access(self, hub, tmp_path, token):
        with pytest.raises(GatedRepoError):
            self.get(hub, tmp_path, token)

    def test_files_are_given_with_access(self, hub, tmp_path):
        assert Path(self.get(hub, tmp_path, GRANTED)).read_text()

    def test_metadata_is_open(self, api):
        assert api.model_info("embedded-azure/gated").gated == "manual"

    def test_status_and_headers(self, hub):
        url = f"{hub}/embedded-azure/gated/resolve/main/config.json"
        anonymous = httpx.get(url)
        assert (anonymous.status_code, anonymous.headers["x-error-code"]) == (401, "GatedRepo")
        stranger = httpx.get(url, headers={"authorization": f"Bearer {PLAIN}"})
        assert (stranger.status_code, stranger.headers["x-error-code"]) == (403, "GatedRepo")


def test_a_missing_file_is_told_from_a_missing_repository(hub, tmp_path):
    with pytest.raises(RemoteEntryNotFoundError):
        hf_hub_download("embedded-azure/tiny", "nothing", endpoint=hub, cache_dir=tmp_path, token=False)


class TestResolve:
    def test_a_small_file_comes_itself_with_its_blob_id(self, hub, api):
        answer = httpx.get(f"{hub}/embedded-azure/tiny/resolve/main/config.json")
        entry = api.get_paths_info("embedded-azure/tiny", ["config.json"])[0]
        assert answer.headers["etag"] == f'"{entry.blob_id}"'
        assert answer.headers["x-repo-commit"] == api.model_info("embedded-azure/tiny").sha

    def test_a_large_file_is_a_signed_redirect_to_another_origin(self, hub, api):
        answer = httpx.head(f"{hub}/embedded-azure/tiny/resolve/main/model.safetensors")
        entry = api.get_paths_info("embedded-azure/tiny", ["model.safetensors"])[0]
        assert answer.status_code == 302
        assert answer.headers["x-linked-etag"] == f'"{entry.lfs.sha256}"'
        assert answer.headers["x-linked-size"] == str(entry.size)
        assert not answer.headers["location"].startswith(hub + "/")

    def test_ranges(self, hub):
        location = httpx.head(f"{hub}/embedded-azure/tiny/resolve/main/model.safetensors").headers["location"]
        whole = httpx.get(location).content
        part = httpx.get(location, headers={"range": "bytes=100-199"})
        assert (part.status_code, part.content) == (206, whole[100:200])
        assert part.headers["content-range"] == f"bytes 100-199/{len(whole)}"
        assert httpx.get(location, headers={"range": "bytes=999999999-"}).status_code == 416

    def test_a_signed_url_expires_and_cannot_be_forged(self, hub):
        location = httpx.head(f"{hub}/embedded-azure/tiny/resolve/main/model.safetensors").headers["location"]
        assert httpx.get(location[:-1] + "?").status_code == 403
        time.sleep(2.1)
        assert httpx.get(location).status_code == 403
