"""Any tree of files arrives identical: a property test against Azurite over TLS, from a hub and from a
folder.
"""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

import pytest
from azurite import Azurite, Identity
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from servers import FakeHub

from transfer import BlobFolder, Request, Selection, TokenAccess, copy_snapshot, verify
from transfer.pipeline import Sizes

pytestmark = pytest.mark.emulator

BLOCK = 1024
SIZES = st.sampled_from([0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 5 * BLOCK + 3])
EVERYTHING = Selection(allow=("*",), ignore=(), include_pickle=True)
_numbers = itertools.count()


def _usable(name: str) -> bool:
    return name not in (".", "..") and len(name.encode()) < 200


# Anything a file system takes, but what the service would rename: backslashes, control characters,
# surrogates.
NAMES = st.text(
    st.one_of(
        st.sampled_from(" %+&?#=;@~'\"<>[]{}()!$,^`|*:.éüß漢字😀\u0301-_"),
        st.characters(exclude_categories=("Cc", "Cs", "Cn", "Co", "Zl", "Zp"), exclude_characters="/\\"),
    ),
    min_size=1,
    max_size=20,
).filter(_usable)
PATHS = st.lists(NAMES, min_size=1, max_size=6).map("/".join)


@st.composite
def trees(draw: st.DrawFn) -> dict[str, bytes]:
    """Path -> content; no path is a folder of another."""
    paths = draw(st.lists(PATHS, min_size=1, max_size=6, unique=True))
    folders = {path.rsplit("/", n)[0] for path in paths for n in range(1, path.count("/") + 1)}
    seed = draw(st.integers(0, 255))
    return {
        path: bytes((seed + n + i) % 251 for i in range(draw(SIZES)))
        for n, path in enumerate(paths)
        if path not in folders
    }


@pytest.fixture(scope="module")
def url(azurite: Azurite) -> str:
    return azurite.container("trees")


slow = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@slow
@given(tree=trees(), lfs=st.booleans())
def test_a_repository_arrives_identical(url: str, tree: dict[str, bytes], lfs: bool) -> None:
    hub = FakeHub(tree)
    hub.lfs = set(tree) if lfs else set()
    try:
        asked = request(url, hub.repository, hub=hub.url)
        copied = copy_snapshot(asked)
        assert content(url, copied.prefix) == tree
        again = copy_snapshot(asked)
        assert (again.report.bytes_read, again.report.bytes_sent) == (0, 0)
        verify(asked)
    finally:
        hub.close()


@slow
@given(tree=trees())
def test_a_folder_arrives_identical_and_so_does_a_copy_of_the_copy(url: str, tree: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for path, data in tree.items():
            Path(folder, path).parent.mkdir(parents=True, exist_ok=True)
            Path(folder, path).write_bytes(data)
        copied = copy_snapshot(request(url, folder))
    assert content(url, copied.prefix) == tree
    source = BlobFolder(container_url=url, prefix=copied.prefix, access=TokenAccess(Identity()))
    second = copy_snapshot(request(url, source))
    assert content(url, second.prefix) == tree


def request(url: str, source, **options) -> Request:
    return Request(
        source=source,
        container_url=url,
        access=TokenAccess(Identity()),
        selection=EVERYTHING,
        root=f"t{next(_numbers)}",
        sizes=Sizes(BLOCK, 3),
        **options,
    )


def content(url: str, prefix: str) -> dict[str, bytes]:
    """What is under `prefix`, read with Azure's own client."""
    from azure.storage.blob import ContainerClient

    client = ContainerClient.from_container_url(url, credential=Identity(), api_version="2023-11-03")
    names = [blob.name for blob in client.list_blobs(name_starts_with=prefix)]
    return {name.removeprefix(prefix): client.download_blob(name).readall() for name in names}
