"""Repositories whose weights are missing, not whole, or pickles."""

import pytest

from serving.errors import BadSnapshotError
from serving.snapshot import INDEX, weight_files

SHARDS = {f"model-0000{n}-of-00003.safetensors": 1000 * n for n in (1, 2, 3)}


def index(total: int = 6000, **more: str) -> dict:
    places = {f"t{n}": name for n, name in enumerate(SHARDS)}
    return {"metadata": {"total_size": total}, "weight_map": {**places, **more}}


def test_one_file() -> None:
    found = weight_files({"model.safetensors": 5, "config.json": 1})
    assert (found.paths, found.bytes) == (("model.safetensors",), 5)


def test_shards_with_their_index() -> None:
    found = weight_files({**SHARDS, INDEX: 10}, index())
    assert found.bytes == 6000


def test_the_authors_own_layout_is_not_counted_twice() -> None:
    sizes = {"model.safetensors": 5, "consolidated.safetensors": 5, "original/a.safetensors": 5}
    assert weight_files(sizes).bytes == 5


@pytest.mark.parametrize(
    ("sizes", "shards", "words"),
    [
        ({"pytorch_model.bin": 5}, None, "pickles only (pytorch_model.bin)"),
        ({"a.gguf": 5}, None, "GGUF only"),
        ({"README.md": 5}, None, "no safetensors files"),
        (SHARDS, None, f"{INDEX} is missing"),
        (
            {**dict(list(SHARDS.items())[:2]), INDEX: 1},
            None,
            "1 of 3 shards are missing (model-00003-of-00003",
        ),
        ({**SHARDS, INDEX: 1}, {}, "no weight_map"),
        ({**SHARDS, INDEX: 1}, index(extra="model-00009.safetensors"), "does not have"),
        ({**SHARDS, INDEX: 1}, index(total=900_000_000), "do not add up"),
        ({**{k: v * 10**6 for k, v in SHARDS.items()}, INDEX: 1}, index(total=3 * 10**9), "do not add up"),
    ],
)
def test_says_what_is_wrong(sizes, shards, words) -> None:
    with pytest.raises(BadSnapshotError) as caught:
        weight_files(sizes, shards)
    assert words in str(caught.value)
