"""Autoscale of online deployments: the rules are checked when set, and applied when a test feeds metrics.

Sources: REST specification of Microsoft.Insights/autoscaleSettings (bounds of timeGrain, timeWindow and
cooldown), learn.microsoft.com "Autoscale online endpoints" and "Supported metrics" (names of metrics).
Predictive autoscale, notifications and the flapping check are left out.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from emulator.azure.errors import ArmError, bad_request
from emulator.azure.store import Resource

if TYPE_CHECKING:
    from emulator.azure.cloud import Cloud

TYPE = "Microsoft.Insights/autoscaleSettings"
DEPLOYMENT = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments"
_DEPLOYMENT_METRICS = {
    "CpuUtilizationPercentage",
    "CpuMemoryUtilizationPercentage",
    "GpuUtilizationPercentage",
    "GpuMemoryUtilizationPercentage",
    "DiskUtilization",
    "DeploymentCapacity",
    "GpuEnergyJoules",
}
_ENDPOINT_METRICS = {
    "RequestsPerMinute",
    "RequestLatency",
    "RequestLatency_P50",
    "RequestLatency_P90",
    "RequestLatency_P95",
    "RequestLatency_P99",
    "ConnectionsActive",
    "NewConnectionsPerSecond",
    "NetworkBytes",
}
_MAX_INSTANCES = 50
# Azure takes Windows' names of time zones; these are the ones that are evaluated, others count as UTC.
_ZONES = {
    "UTC": "UTC",
    "W. Europe Standard Time": "Europe/Berlin",
    "Romance Standard Time": "Europe/Paris",
    "GMT Standard Time": "Europe/London",
    "Eastern Standard Time": "America/New_York",
    "Pacific Standard Time": "America/Los_Angeles",
    "Tokyo Standard Time": "Asia/Tokyo",
}


def seconds(duration: str) -> float:
    """Return an ISO 8601 duration (days to seconds) in seconds."""
    found = re.fullmatch(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?", duration)
    if not found:
        raise bad_request(f"{duration!r} is not a duration of days, hours, minutes and seconds.")
    days, hours, minutes, rest = (float(part or 0) for part in found.groups())
    return days * 86400 + hours * 3600 + minutes * 60 + rest


def check(cloud: Cloud, setting: Resource) -> None:
    """Refuse a setting that Azure would refuse."""
    properties = setting.properties
    target_id = properties.get("targetResourceUri", "")
    target = cloud.resource(target_id)
    if target is None:
        raise bad_request(f"The target resource {target_id!r} was not found.", code="TargetResourceNotFound")
    if target.type.lower() != DEPLOYMENT.lower():
        raise bad_request(f"{target.type} cannot be autoscaled here.", code="UnsupportedResource")
    for other in cloud.store.all(TYPE):
        same = other.properties.get("targetResourceUri", "").lower() == target_id.lower()
        if same and other.id.lower() != setting.id.lower():
            text = f"An autoscale setting already exists for the resource: {other.id}."
            raise ArmError(409, "AutoscaleSettingAlreadyExists", text)
    profiles = properties.get("profiles") or []
    if not 1 <= len(profiles) <= 20:
        raise bad_request("An autoscale setting has 1 to 20 profiles.", target="properties.profiles")
    for profile in profiles:
        _check_profile(cloud, profile)


def _check_profile(cloud: Cloud, profile: dict[str, Any]) -> None:
    capacity = profile["capacity"]
    try:
        low, default, high = (int(capacity[name]) for name in ("minimum", "default", "maximum"))
    except ValueError:
        raise bad_request(f"The capacity of profile '{profile['name']}' is not made of numbers.") from None
    if not 1 <= low <= default <= high <= _MAX_INSTANCES:
        raise bad_request(
            f"Profile '{profile['name']}' needs 1 <= minimum <= default <= maximum <= {_MAX_INSTANCES}, "
            f"it has {low}, {default}, {high}."
        )
    rules = profile["rules"]
    if len(rules) > 10:
        raise bad_request(f"Profile '{profile['name']}' has more than 10 rules.")
    if profile.get("fixedDate") and profile.get("recurrence"):
        raise bad_request(f"Profile '{profile['name']}' has both fixedDate and recurrence.")
    for rule in rules:
        _check_rule(cloud, rule)


def _check_rule(cloud: Cloud, rule: dict[str, Any]) -> None:
    trigger, action = rule["metricTrigger"], rule["scaleAction"]
    source = cloud.resource(trigger["metricResourceUri"])
    if source is None:
        raise bad_request(f"The metric's resource {trigger['metricResourceUri']!r} was not found.")
    known = _DEPLOYMENT_METRICS if source.type.lower() == DEPLOYMENT.lower() else _ENDPOINT_METRICS
    if trigger["metricName"] not in known:
        text = f"{source.type} has no metric '{trigger['metricName']}' (it has {', '.join(sorted(known))})."
        raise bad_request(text, code="UnsupportedMetric")
    _between(trigger["timeGrain"], 60, 43200, "timeGrain", "1 minute and 12 hours")
    _between(trigger["timeWindow"], 300, 43200, "timeWindow", "5 minutes and 12 hours")
    _between(action["cooldown"], 60, 604800, "cooldown", "1 minute and 1 week")
    if action["direction"] == "None":
        raise bad_request("A rule's direction is Increase or Decrease.")
    if not str(action.get("value", "1")).isdigit() or int(action.get("value", "1")) < 1:
        raise bad_request(f"A rule's value is a positive whole number, not {action.get('value')!r}.")


def _between(duration: str, low: float, high: float, name: str, text: str) -> None:
    if not low <= seconds(duration) <= high:
        raise bad_request(f"{name} {duration} is not between {text}.", target=name)


async def feed(cloud: Cloud, points: list[dict[str, Any]], at: float) -> list[dict[str, Any]]:
    """Take metric points ({resource, metric, value, seconds_ago}) as of a moment and apply all settings.

    Returns what was scaled: [{deployment, from, to, rule}]. Only tests call this: nothing else has metrics
    here.
    """
    scaled = []
    for setting in cloud.store.all(TYPE):
        change = await apply(cloud, setting, points, at)
        if change:
            scaled.append(change)
    return scaled


async def apply(
    cloud: Cloud, setting: Resource, points: list[dict[str, Any]], at: float
) -> dict[str, Any] | None:
    deployment = cloud.resource(setting.properties["targetResourceUri"])
    if deployment is None or not setting.properties.get("enabled") or deployment.state != "Succeeded":
        return None
    profile = active_profile(setting.properties["profiles"], at)
    current = int((deployment.doc.get("sku") or {}).get("capacity", 1))
    low, high = int(profile["capacity"]["minimum"]), int(profile["capacity"]["maximum"])
    wanted = _decide(setting, profile, points, current, at)
    wanted = min(max(wanted, low), high)
    if wanted == current:
        return None
    setting.private["scaled"] = at
    cloud.store.save(setting)
    deployment.doc["sku"] = {**(deployment.doc.get("sku") or {"name": "Default"}), "capacity": wanted}
    cloud.store.save(deployment)
    await cloud.nodes.scale(deployment.id, wanted)
    return {"deployment": deployment.id, "from": current, "to": wanted, "profile": profile["name"]}


def _decide(
    setting: Resource, profile: dict[str, Any], points: list[dict[str, Any]], current: int, at: float
) -> int:
    """Scale out when any rule for it holds, in only when all rules for it hold (documented behaviour)."""
    out, into, all_in = 0, 0, True
    for rule in profile["rules"]:
        action = rule["scaleAction"]
        cooled = at - setting.private.get("scaled", 0) >= seconds(action["cooldown"])
        holds = cooled and _holds(rule["metricTrigger"], points)
        step = int(action.get("value", "1"))
        if action["type"] == "PercentChangeCount":
            step = max(1, current * step // 100)
        if action["type"] == "ExactCount":
            step = abs(step - current)
        if action["direction"] == "Increase" and holds:
            out = max(out, step)
        elif action["direction"] == "Decrease":
            all_in = all_in and holds
            into = max(into, step) if holds else into
    if out:
        return current + out
    return current - into if all_in else current


def _holds(trigger: dict[str, Any], points: list[dict[str, Any]]) -> bool:
    window = seconds(trigger["timeWindow"])
    values = [
        float(point["value"])
        for point in points
        if point["resource"].lower() == trigger["metricResourceUri"].lower()
        and point["metric"] == trigger["metricName"]
        and float(point.get("seconds_ago", 0)) <= window
    ]
    if not values:
        return False
    gather = {
        "Average": sum(values) / len(values),
        "Minimum": min(values),
        "Maximum": max(values),
        "Total": sum(values),
        "Count": float(len(values)),
        "Last": values[-1],
    }
    value, threshold = gather[trigger["timeAggregation"]], float(trigger["threshold"])
    return {
        "Equals": value == threshold,
        "NotEquals": value != threshold,
        "GreaterThan": value > threshold,
        "GreaterThanOrEqual": value >= threshold,
        "LessThan": value < threshold,
        "LessThanOrEqual": value <= threshold,
    }[trigger["operator"]]


def active_profile(profiles: list[dict[str, Any]], at: float) -> dict[str, Any]:
    """Return the profile in force: a fixed date, else the recurrence that began last, else the default."""
    moment = datetime.fromtimestamp(at, tz=UTC)
    for profile in profiles:
        window = profile.get("fixedDate")
        if window and _moment(window["start"], window) <= moment < _moment(window["end"], window):
            return profile
    started = [(_last_start(item["recurrence"], moment), item) for item in profiles if item.get("recurrence")]
    if started:
        return max(started, key=lambda pair: pair[0])[1]
    regular = [item for item in profiles if not item.get("fixedDate")]
    return (regular or profiles)[0]


def _moment(text: str, window: dict[str, Any]) -> datetime:
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment if moment.tzinfo else moment.replace(tzinfo=_zone(window.get("timeZone")))


def _last_start(recurrence: dict[str, Any], moment: datetime) -> datetime:
    schedule = recurrence["schedule"]
    local = moment.astimezone(_zone(schedule.get("timeZone")))
    for back in range(8):
        day = local - timedelta(days=back)
        if day.strftime("%A") not in schedule["days"]:
            continue
        start = day.replace(hour=schedule["hours"][0], minute=schedule["minutes"][0], second=0, microsecond=0)
        if start <= local:
            return start
    return datetime.min.replace(tzinfo=UTC)


def _zone(name: str | None) -> ZoneInfo:
    return ZoneInfo(_ZONES.get(name or "UTC", "UTC"))
