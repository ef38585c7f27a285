"""Azure's public regions: a location that is none of them is refused, as a misspelt one is on Azure.

Source: learn.microsoft.com, "Azure regions list" (names as `az account list-locations` writes them). Which
service or VM size is in which region is not known here.
"""

from __future__ import annotations

from emulator.azure.errors import ArmError

_TEXT = """
    australiacentral australiacentral2 australiaeast australiasoutheast austriaeast belgiumcentral
    brazilsouth brazilsoutheast canadacentral canadaeast centralindia centralus chilecentral denmarkeast
    eastasia eastus eastus2 francecentral francesouth germanynorth germanywestcentral indonesiacentral
    israelcentral italynorth japaneast japanwest jioindiacentral jioindiawest koreacentral koreasouth
    malaysiawest mexicocentral newzealandnorth northcentralus northeurope norwayeast norwaywest
    polandcentral qatarcentral southafricanorth southafricawest southcentralus southeastasia southindia
    spaincentral swedencentral swedensouth switzerlandnorth switzerlandwest uaecentral uaenorth uksouth
    ukwest westcentralus westeurope westindia westus westus2 westus3 global
"""
NAMES = frozenset(_TEXT.split())


def check(location: str, kind: str) -> None:
    """Raise ARM's answer for a location that does not exist; `West Europe` counts as westeurope."""
    name = location.replace(" ", "").lower()
    if name not in NAMES:
        raise ArmError(
            400,
            "LocationNotAvailableForResourceType",
            f"The provided location '{location}' is not available for resource type '{kind}'. "
            f"List of available regions for the resource type is '{','.join(sorted(NAMES - {'global'}))}'.",
            target="location",
        )
