"""Azure Monitor autoscale of one deployment.

Metrics of namespace Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments. GPU memory
is no signal: vLLM allocates it all at start. Up and down come in pairs, or a deployment only grows; note
that the scale-in sample of Microsoft's documentation says `Increase`.
https://learn.microsoft.com/azure/machine-learning/how-to-autoscale-endpoints
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi

METRICS = {"gpu_utilization": "GpuUtilizationPercentage", "cpu_utilization": "CpuUtilizationPercentage"}
EVERY_DAY = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


@dataclass(frozen=True, kw_only=True)
class AutoscaleArgs:
    """`settings`: minimum, maximum, default, rules by metric, quiet_hours, notify; percent and minutes."""

    name: str
    resource_group_name: pulumi.Input[str]
    location: str
    deployment_id: pulumi.Input[str]
    settings: Mapping[str, Any]
    tags: Mapping[str, str] = field(default_factory=dict)


class Autoscale(pulumi.ComponentResource):
    """One autoscale setting; it moves with the deployment, whose name is part of its own."""

    def __init__(self, name: str, args: AutoscaleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vllm-azureml:components:Autoscale", name, None, opts)
        from pulumi_azure_native import monitor

        wanted = args.settings
        monitor.AutoscaleSetting(
            name,
            autoscale_setting_name=args.name,
            name=args.name,
            resource_group_name=args.resource_group_name,
            location=args.location,
            enabled=wanted["enabled"],
            target_resource_uri=args.deployment_id,
            profiles=list(profiles(wanted, args.deployment_id)),
            notifications=_notifications(wanted["notify"]),
            tags=dict(args.tags),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})


def profiles(wanted: Mapping[str, Any], target: pulumi.Input[str]) -> Iterator[Any]:
    """The profile with the rules and, with quiet hours, the pair of recurring profiles that switch between
    them.

    A recurring profile lasts until the next one begins, so the end of quiet hours is a profile too, named
    as Azure Monitor's portal does.
    """
    capacity = _capacity(wanted)
    rules = list(_rules(wanted, target))
    quiet = wanted["quiet_hours"]
    if not quiet:
        yield {"name": "default", "capacity": capacity, "rules": rules}
        return
    yield {
        "name": "quiet hours",
        "capacity": _capacity(quiet),
        "rules": [],
        "recurrence": _recurrence(quiet, quiet["start"]),
    }
    yield {
        "name": '{"name":"default","for":"quiet hours"}',
        "capacity": capacity,
        "rules": rules,
        "recurrence": _recurrence(quiet, quiet["end"]),
    }
    yield {"name": "default", "capacity": capacity, "rules": rules}


def _notifications(addresses: list[str]) -> Any:
    return [{"operation": "Scale", "email": {"customEmails": list(addresses)}}] if addresses else None


def _capacity(wanted: Mapping[str, Any]) -> dict[str, str]:
    default = wanted["default"] or wanted["minimum"]
    return {
        "minimum": str(wanted["minimum"]),
        "maximum": str(wanted["maximum"]),
        "default": str(default),
    }


def _rules(wanted: Mapping[str, Any], target: pulumi.Input[str]) -> Iterator[dict[str, Any]]:
    for key, metric in METRICS.items():
        if not wanted[key]:
            continue
        yield _rule(metric, target, wanted[key]["up"], "GreaterThan", "Increase")
        yield _rule(metric, target, wanted[key]["down"], "LessThan", "Decrease")


def _rule(
    metric: str, target: pulumi.Input[str], rule: Mapping[str, Any], operator: str, direction: str
) -> dict[str, Any]:
    return {
        "metricTrigger": {
            "metricName": metric,
            "metricResourceUri": target,
            "timeGrain": "PT1M",
            "statistic": "Average",
            "timeWindow": minutes(rule["window"]),
            "timeAggregation": "Average",
            "operator": operator,
            "threshold": rule["threshold"],
        },
        "scaleAction": {
            "direction": direction,
            "type": "ChangeCount",
            "value": str(rule["change"]),
            "cooldown": minutes(rule["cooldown"]),
        },
    }


def _recurrence(quiet: Mapping[str, Any], time: str) -> dict[str, Any]:
    hour, minute = (int(part) for part in time.split(":"))
    return {
        "frequency": "Week",
        "schedule": {
            "timeZone": quiet["time_zone"],
            "days": list(quiet["days"]) or EVERY_DAY,
            "hours": [hour],
            "minutes": [minute],
        },
    }


def minutes(value: int) -> str:
    """An ISO 8601 duration in canonical form: PT5M, PT1H30M, P7D."""
    days, rest = divmod(value, 1440)
    hours, rest = divmod(rest, 60)
    time = "".join(f"{number}{unit}" for number, unit in ((hours, "H"), (rest, "M")) if number)
    return f"P{f'{days}D' if days else ''}{f'T{time}' if time else ''}"
