"""Quota of cores by VM family and region, with the reserve of 20 % for upgrades and the sizes that skip it.

Rule: `ceil(1.2 * instances) * cores` (learn.microsoft.com, "Manage and increase quotas", virtual machine
quota allocation for deployment); sizes marked "Skip 20% Reservation" take `instances * cores`. Azure gives
GPU families 0 cores until asked; the embedded Azure gives EMULATOR_GPU_CORES, and `updateQuotas` changes a
family.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from emulator.azure.errors import ArmError
from emulator.azure.resource_type import Answer, Call
from emulator.azure.resources.ml import skus
from emulator.azure.resources.ml.common import DEPLOYMENT, GUIDE, NAMESPACE, sdk_model
from emulator.azure.subscription_level import Route, route
from emulator.azure.validation import validate

if TYPE_CHECKING:
    from emulator.azure.cloud import Cloud
    from emulator.azure.store import Resource

_KIND = "quota"
_CPU_CORES = 100  # documented default of CPU families lies between 24 and 300, by subscription


def needed(sku: skus.Sku, instances: int) -> int:
    """Return the cores that a deployment takes from its family's quota."""
    return (instances if sku.skips_reserve else math.ceil(1.2 * instances)) * sku.cores


def limit(cloud: Cloud, location: str, family: str) -> int:
    gpu = any(sku.gpus for sku in skus.SKUS.values() if sku.family == family)
    default = cloud.settings.gpu_cores if gpu else _CPU_CORES
    return int(cloud.store.table(_KIND).get(f"{location}|{family}", default))


def used(cloud: Cloud, location: str, family: str, *, without: str = "") -> int:
    """Return the cores in use; a failed deployment holds its cores until it is deleted."""
    total = 0
    for item in cloud.store.all(DEPLOYMENT):
        sku = skus.find(item.properties.get("instanceType", skus.DEFAULT))
        if sku is None or sku.family != family or item.location != location:
            continue
        if item.id.lower() != without.lower():
            total += needed(sku, int((item.doc.get("sku") or {}).get("capacity", 1)))
    return total


def check(cloud: Cloud, deployment: Resource) -> None:
    """Raise Azure's OutOfQuota answer (its text: mslearn-azure-ml issue 30) when the family's cores do not
    suffice.
    """
    properties = deployment.properties
    sku = skus.find(properties["instanceType"])
    assert sku is not None
    want = needed(sku, int(deployment.doc["sku"]["capacity"]))
    have = used(cloud, deployment.location, sku.family, without=deployment.id)
    most = limit(cloud, deployment.location, sku.family)
    if have + want <= most:
        return
    line = (
        f"Not enough quota available for {properties['instanceType']} in SubscriptionId "
        f"{cloud.settings.subscription}. "
        f"Current usage/limit: {have}/{most}. Additional needed: {want} {GUIDE}#error-outofquota"
    )
    detail = {
        "code": "InferencingClientCreateDeploymentFailed",
        "message": f'InferencingClient HttpRequest error, error detail: {{"errors":{{"VmSize":["{line}"]}}}}',
    }
    raise ArmError(400, "BadRequest", f"The request is invalid. {line}", details=[detail])


def usages(call: Call, values: dict[str, str]) -> Answer:
    return Answer({"value": [_row(call.cloud, values["location"].lower(), item) for item in skus.FAMILIES]})


def _row(cloud: Cloud, location: str, family: str) -> dict[str, Any]:
    base = f"/subscriptions/{cloud.settings.subscription}/providers/{NAMESPACE}/locations/{location}"
    return {
        "id": f"{base}/usages/{family}",
        "type": f"{NAMESPACE}/usages",
        "unit": "Count",
        "limit": limit(cloud, location, family),
        "currentValue": used(cloud, location, family),
        "name": {"value": family, "localizedValue": family},
    }


def quotas(call: Call, values: dict[str, str]) -> Answer:
    location = values["location"].lower()
    rows = [
        {
            "id": _row(call.cloud, location, item)["id"].replace("/usages/", "/quotas/"),
            "type": f"{NAMESPACE}/quotas",
            "limit": limit(call.cloud, location, item),
            "unit": "Count",
            "name": {"value": item, "localizedValue": item},
        }
        for item in skus.FAMILIES
    ]
    return Answer({"value": rows})


def update(call: Call, values: dict[str, str]) -> Answer:
    """`updateQuotas`: sets the limit of families; the family is the last part of each id."""
    body = validate(call.cloud.schemas.get(sdk_model("QuotaUpdateParameters")), call.body or {})
    for item in body.get("value", []):
        family = str(item.get("id", "")).rsplit("/", 1)[-1]
        if family not in skus.FAMILIES:
            raise ArmError(400, "InvalidQuotaBaseRequest", f"'{family}' is not a VM family.")
        call.cloud.store.put(_KIND, f"{values['location'].lower()}|{family}", int(item["limit"]))
    return quotas(call, values)


def vm_sizes(call: Call, values: dict[str, str]) -> Answer:
    rows = [
        {"name": sku.name, "family": sku.family, "vCPUs": sku.cores, "gpus": sku.gpus, "premiumIO": True}
        for sku in skus.SKUS.values()
    ]
    return Answer({"value": rows})


def routes() -> list[Route]:
    base = f"/providers/{NAMESPACE}/locations/{{location}}"
    return [
        route("GET", base + "/usages", usages, f"{NAMESPACE}/locations/usages/read"),
        route("GET", base + "/quotas", quotas, f"{NAMESPACE}/locations/quotas/read"),
        route("POST", base + "/updateQuotas", update, f"{NAMESPACE}/locations/updateQuotas/action"),
        route("GET", base + "/vmSizes", vm_sizes, f"{NAMESPACE}/locations/vmsizes/read"),
    ]
