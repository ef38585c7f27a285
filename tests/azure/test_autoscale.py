"""Autoscale settings: rules that Azure refuses, and scaling when metrics are fed."""

from __future__ import annotations

import copy

import pytest

from tests.azure.harness import LOCATION, Azure, Platform

pytestmark = pytest.mark.emulator
VERSION = "2021-05-01-preview"


def rule(deployment: str, direction: str, operator: str, threshold: float, cooldown: str = "PT5M") -> dict:
    trigger = {
        "metricName": "GpuUtilizationPercentage",
        "metricResourceUri": deployment,
        "timeGrain": "PT1M",
        "statistic": "Average",
        "timeWindow": "PT5M",
        "timeAggregation": "Average",
        "operator": operator,
        "threshold": threshold,
    }
    return {
        "metricTrigger": trigger,
        "scaleAction": {"direction": direction, "type": "ChangeCount", "value": "1", "cooldown": cooldown},
    }


def setting(deployment: str) -> dict:
    rules = [rule(deployment, "Increase", "GreaterThan", 70), rule(deployment, "Decrease", "LessThan", 30)]
    profile = {
        "name": "default",
        "capacity": {"minimum": "1", "maximum": "3", "default": "1"},
        "rules": rules,
    }
    properties = {"targetResourceUri": deployment, "enabled": True, "profiles": [profile]}
    return {"location": LOCATION, "properties": properties}


@pytest.fixture(scope="module")
def deployment(platform: Platform, environment: str) -> str:
    return platform.deployment(platform.endpoint("scaled"), "current", environment)


@pytest.fixture
def path(platform: Platform) -> str:
    return f"{platform.group}/providers/Microsoft.Insights/autoscaleSettings/scaled"


def capacity(body: dict, **values: str) -> None:
    body["properties"]["profiles"][0]["capacity"].update(values)


def change(part: str, name: str, value: object):
    def apply(body: dict) -> None:
        body["properties"]["profiles"][0]["rules"][0][part][name] = value

    return apply


WRONG = [
    ("no instance at night", lambda body: capacity(body, minimum="0"), "1 <= minimum"),
    ("more than fifty", lambda body: capacity(body, maximum="51"), "1 <= minimum"),
    ("default outside", lambda body: capacity(body, default="4"), "1 <= minimum"),
    ("unknown metric", change("metricTrigger", "metricName", "GpuUtilisation"), "GpuUtilizationPercentage"),
    ("window too short", change("metricTrigger", "timeWindow", "PT1M"), "timeWindow"),
    ("cooldown too long", change("scaleAction", "cooldown", "P8D"), "cooldown"),
    ("direction misspelt", change("scaleAction", "direction", "Up"), "Increase"),
    ("value of nothing", change("scaleAction", "value", "0"), "positive"),
    ("operator misspelt", change("metricTrigger", "operator", "Greater"), "GreaterThan"),
]


class TestRules:
    @pytest.mark.parametrize(("spoil", "word"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
    def test_a_wrong_setting(self, azure: Azure, deployment: str, path: str, spoil, word: str):
        body = copy.deepcopy(setting(deployment))
        spoil(body)
        assert word in azure.refusal("PUT", path, body, version=VERSION)["message"]

    def test_a_target_that_is_not_there(self, azure: Azure, deployment: str, path: str):
        error = azure.refusal("PUT", path, setting(deployment + "x"), version=VERSION)
        assert error["code"] == "TargetResourceNotFound"

    def test_one_setting_a_target(self, azure: Azure, deployment: str, path: str):
        azure.do("PUT", path, setting(deployment), version=VERSION)
        assert azure.refusal("PUT", path + "-too", setting(deployment), version=VERSION)["status"] == 409


class TestScaling:
    def feed(self, azure: Azure, deployment: str, value: float, at: float) -> list[dict]:
        point = {"resource": deployment, "metric": "GpuUtilizationPercentage", "value": value}
        answer = azure.http.post(
            f"{azure.settings.arm_url}/_emulator/metrics",
            json={"points": [point], "at": at},
            headers={"Authorization": f"Bearer {azure.token()}"},
        )
        return answer.raise_for_status().json()["scaled"]

    def test_out_and_in_with_cooldown_and_bounds(self, azure: Azure, deployment: str, path: str):
        azure.do("PUT", path, setting(deployment), version=VERSION)
        start = 1_900_000_000.0
        steps = [
            (90, 0, 2),  # scaled out
            (90, 60, 2),  # cooling down
            (90, 400, 3),
            (90, 800, 3),  # at its maximum
            (50, 1200, 3),  # between the thresholds
            (10, 1600, 2),
            (10, 2000, 1),
            (10, 2400, 1),  # at its minimum
        ]
        for value, seconds, expected in steps:
            self.feed(azure, deployment, value, start + seconds)
            assert azure.do("GET", deployment)["sku"]["capacity"] == expected, (value, seconds)

    def test_the_quiet_hours_profile_holds_in_its_hours(self, azure: Azure, deployment: str, path: str):
        body = setting(deployment)
        night = copy.deepcopy(body["properties"]["profiles"][0])
        days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
        schedule = {"timeZone": "UTC", "days": days, "hours": [20], "minutes": [0]}
        night.update(name="night", recurrence={"frequency": "Week", "schedule": schedule}, rules=[])
        night["capacity"] = {"minimum": "1", "maximum": "1", "default": "1"}
        day = body["properties"]["profiles"][0]
        day["recurrence"] = {"frequency": "Week", "schedule": {**schedule, "hours": [6]}}
        day["capacity"] = {"minimum": "2", "maximum": "3", "default": "2"}
        body["properties"]["profiles"].append(night)
        azure.do("PUT", path, body, version=VERSION)
        day_start = 1_900_000_000.0
        self.feed(azure, deployment, 50, _at_hour(day_start, 12))
        assert azure.do("GET", deployment)["sku"]["capacity"] == 2
        self.feed(azure, deployment, 50, _at_hour(day_start, 23))
        assert azure.do("GET", deployment)["sku"]["capacity"] == 1


def _at_hour(moment: float, hour: int) -> float:
    """Return the same day's moment at an hour, UTC."""
    return moment - moment % 86400 + hour * 3600


class TestDiagnostics:
    def path(self, scope: str) -> str:
        return f"{scope}/providers/Microsoft.Insights/diagnosticSettings/logs"

    def test_an_endpoint_has_three_categories_of_logs(self, azure: Azure, platform: Platform):
        endpoint = platform.endpoint("diagnosed")
        logs = [{"category": "AmlOnlineEndpointTrafficLog", "enabled": True}]
        body = {"properties": {"storageAccountId": platform.account, "logs": logs}}
        azure.do("PUT", self.path(endpoint), body, version=VERSION)
        logs[0]["category"] = "OnlineEndpointTraffic"
        error = azure.refusal("PUT", self.path(endpoint), body, version=VERSION)
        assert "is not supported" in error["message"]

    def test_logs_need_somewhere_to_go(self, azure: Azure, platform: Platform):
        body = {"properties": {"logs": [{"categoryGroup": "allLogs", "enabled": True}]}}
        error = azure.refusal("PUT", self.path(platform.workspace), body, version=VERSION)
        assert "data sink" in error["message"]
        body["properties"]["workspaceId"] = platform.account + "-logs"
        assert (
            azure.refusal("PUT", self.path(platform.workspace), body, version=VERSION)["code"]
            == "ResourceNotFound"
        )
