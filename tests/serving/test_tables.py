"""The tables of GPUs and SKUs: complete, sourced, and the same as the list they are from."""

import json

import pytest

from serving.errors import UnknownHardwareError
from serving.gpus import DATA, find_gpu, gpus
from serving.skus import find_size, find_sku, skus, table

# Names and cores as the list of managed online endpoints has them (GPU part), copied by hand from the page.
LISTED = """
NC24ads_A100_v4 1 24 yes | NC48ads_A100_v4 2 48 yes | NC96ads_A100_v4 4 96 yes | NC4as_T4_v3 1 4 -
NC8as_T4_v3 1 8 - | NC16as_T4_v3 1 16 - | NC64as_T4_v3 4 64 - | NC6s_v2 1 6 -
NC12s_v2 2 12 - | NC24s_v2 4 24 - | NC6s_v3 1 6 - | NC12s_v3 2 12 -
NC24s_v3 4 24 - | NC40ads_H100_v5 1 40 yes | NC80adis_H100_v5 2 80 yes | ND96amsr_A100_v4 8 96 yes
ND96asr_v4 8 96 yes | ND40rs_v2 8 40 yes | ND96is_H100_v5 8 96 yes | ND96isr_H100_v5 8 96 yes
NV6ads_A10_v5 1 6 - | NV12ads_A10_v5 1 12 - | NV18ads_A10_v5 1 18 - | NV36ads_A10_v5 1 36 -
NV36adms_A10_v5 1 36 - | NV72ads_A10_v5 2 72 -
"""


def test_every_gpu_sku_of_the_list_and_no_other() -> None:
    wanted = {}
    for cell in LISTED.replace("\n", "|").split("|"):
        if cell.strip():
            name, count, cores, skip = cell.split()
            wanted[f"Standard_{name}"] = (int(count), int(cores), skip != "yes")
    assert {sku.name: (sku.gpus, sku.cores, sku.reserve) for sku in skus().values()} == wanted


def test_every_gpu_of_the_calibration_data_has_a_memory() -> None:
    totals = json.loads((DATA.parents[1] / "tests/data/vllm-memory/gpu_totals.json").read_text())
    for name, seen in totals.items():
        assert (gpus()[name].low_gib, gpus()[name].high_gib) == (seen[0], seen[1])
    assert {"H200 141GB", "L20 48GB"} <= set(gpus())


@pytest.mark.parametrize("name", ["A100 80GB", "a100 80gb", "NVIDIA A100 80GB", "A10080GB"])
def test_a_gpu_by_any_spelling(name) -> None:
    assert find_gpu(name).name == "A100 80GB"


@pytest.mark.parametrize("name", ["A100", "A100 60GB", "", "H100"])
def test_a_gpu_is_never_guessed(name) -> None:
    with pytest.raises(UnknownHardwareError, match="Known: A100 80GB"):
        find_gpu(name)


def test_a_sku_by_any_capitals() -> None:
    assert find_sku("STANDARD_NC24ADS_A100_V4").gpu.name == "A100 80GB"
    assert find_sku("Standard_NC40ads_H100_v5").gpu.name == "H100 NVL 94GB"
    assert find_sku("Standard_NV6ads_A10_v5").gpu is None


def test_a_cpu_sku_has_a_family_but_no_gpu() -> None:
    size = find_size("Standard_DS3_v2")
    assert (size.family, size.cores, size.reserve) == ("standardDSv2Family", 4, True)
    with pytest.raises(UnknownHardwareError):
        find_sku("Standard_DS3_v2")
    with pytest.raises(UnknownHardwareError, match="unknown"):
        find_size("Standard_X1")


def test_the_tables_say_where_they_are_from() -> None:
    sources = table()["sources"]
    assert sources["list"]["dated"]
    assert "@" in sources["list"]["where"]
    for sku in skus().values():
        assert sku.gpu is not None or sku.note
