"""VM sizes of managed online endpoints: family, cores, and whether the 20 % reserve is skipped.

Source: MicrosoftDocs/azure-ai-docs,
articles/machine-learning/reference-managed-online-endpoints-vm-sku-list.md (ms.date 10/18/2023), read at
commit 1d987e37; every row of its table.
"""

from __future__ import annotations

from dataclasses import dataclass

_CPU = """
standardDASv4Family D{}AS_V4 2 4 8 16 32 48 64 96
standardDAv4Family D{}A_V4 2 4 8 16 32 48 64 96
standardESv3Family E{}S_V3 2 4 8 16 32 48 64
standardFSv2Family F{}S_V2 2 4 8 16 32 48 64 72
standardFXMDVSFamily FX{}MDS 4 12 24 36 48
standardLASv3Family L{}AS_V3 8 16 32 48 64 80
standardLSv2Family L{}S_V2 8 16 32 48 64 80
standardLSv3Family L{}S_V3 8 16 32 48 64 80
"""
_DS_V2 = {"DS1_V2": 1, "DS2_V2": 2, "DS3_V2": 4, "DS4_V2": 8, "DS5_V2": 16}
# family, size, GPUs, cores, skips the reserve
_GPU = """
standardNCADSA100v4Family NC24ADS_A100_V4 1 24 yes
standardNCADSA100v4Family NC48ADS_A100_V4 2 48 yes
standardNCADSA100v4Family NC96ADS_A100_V4 4 96 yes
standardNCASv3_T4Family NC4AS_T4_V3 1 4 no
standardNCASv3_T4Family NC8AS_T4_V3 1 8 no
standardNCASv3_T4Family NC16AS_T4_V3 1 16 no
standardNCASv3_T4Family NC64AS_T4_V3 4 64 no
standardNCSv2Family NC6S_V2 1 6 no
standardNCSv2Family NC12S_V2 2 12 no
standardNCSv2Family NC24S_V2 4 24 no
standardNCSv3Family NC6S_V3 1 6 no
standardNCSv3Family NC12S_V3 2 12 no
standardNCSv3Family NC24S_V3 4 24 no
standardNCADSH100v5Family NC40ADS_H100_V5 1 40 yes
standardNCADSH100v5Family NC80ADIS_H100_V5 2 80 yes
standardNDAMSv4_A100Family ND96AMSR_A100_V4 8 96 yes
standardNDASv4_A100Family ND96ASR_V4 8 96 yes
standardNDSv2Family ND40RS_V2 8 40 yes
standardNDv5H100Family ND96IS_H100_V5 8 96 yes
standardNDv5H100Family ND96ISR_H100_V5 8 96 yes
standardNVADSA10v5Family NV6ADS_A10_V5 1 6 no
standardNVADSA10v5Family NV12ADS_A10_V5 1 12 no
standardNVADSA10v5Family NV18ADS_A10_V5 1 18 no
standardNVADSA10v5Family NV36ADS_A10_V5 1 36 no
standardNVADSA10v5Family NV36ADMS_A10_V5 1 36 no
standardNVADSA10v5Family NV72ADS_A10_V5 2 72 no
"""


@dataclass(frozen=True)
class Sku:
    """A VM size; `skips_reserve`: Azure keeps no fifth of it free for upgrades. Fractions of GPUs count as
    one.
    """

    name: str
    family: str
    cores: int
    gpus: int = 0
    skips_reserve: bool = False


def _table() -> dict[str, Sku]:
    found = [Sku(f"Standard_{size}", "standardDSv2Family", cores) for size, cores in _DS_V2.items()]
    for line in _CPU.split("\n"):
        words = line.split()
        if words:
            found += [Sku("Standard_" + words[1].format(n), words[0], int(n)) for n in words[2:]]
    for line in _GPU.split("\n"):
        words = line.split()
        if words:
            found.append(
                Sku("Standard_" + words[1], words[0], int(words[3]), int(words[2]), words[4] == "yes")
            )
    return {sku.name.lower(): sku for sku in found}


SKUS = _table()
FAMILIES = sorted({sku.family for sku in SKUS.values()})
DEFAULT = "Standard_F4s_v2"  # documented default of instanceType (ManagedOnlineDeployment of the SDK)


def find(name: str) -> Sku | None:
    return SKUS.get(name.lower())
