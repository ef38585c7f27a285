"""Microsoft.Insights autoscale settings (rules checked, see `autoscale`) and diagnostic settings."""

from __future__ import annotations

from emulator.azure import autoscale
from emulator.azure.errors import bad_request
from emulator.azure.resource_type import Call, ResourceType
from emulator.azure.schema import Model
from emulator.azure.store import Resource
from emulator.azure.table import table

_MODELS = "azure.mgmt.monitor.models"
_CATEGORIES = {
    # learn.microsoft.com, "Monitor online endpoints", resource logs
    "microsoft.machinelearningservices/workspaces/onlineendpoints": {
        "AmlOnlineEndpointTrafficLog",
        "AmlOnlineEndpointConsoleLog",
        "AmlOnlineEndpointEventLog",
    },
}


class AutoscaleSetting(ResourceType):
    type = autoscale.TYPE
    versions = frozenset({"2022-10-01", "2021-05-01-preview", "2015-04-01"})
    model = Model("azure-mgmt-monitor", _MODELS, "AutoscaleSettingResource")
    show_state = False

    def prepare(self, call: Call, old: Resource | None, new: Resource) -> None:
        new.properties.setdefault("enabled", True)
        autoscale.check(call.cloud, new)


class DiagnosticSetting(ResourceType):
    type = "Microsoft.Insights/diagnosticSettings"
    versions = frozenset({"2021-05-01-preview"})
    # azure-mgmt-monitor 7 has no diagnostic settings. Source: REST specification, Microsoft.Insights,
    # preview/2021-05-01-preview/diagnosticsSettings_API.json.
    fields = table(
        {
            "properties!": {
                "storageAccountId": "str",
                "serviceBusRuleId": "str",
                "eventHubAuthorizationRuleId": "str",
                "eventHubName": "str",
                "workspaceId": "str",
                "marketplacePartnerId": "str",
                "logAnalyticsDestinationType": "str",
                "metrics": [
                    {
                        "timeGrain": "duration",
                        "category": "str",
                        "enabled!": "bool",
                        "retentionPolicy": {"enabled!": "bool", "days!": "int"},
                    }
                ],
                "logs": [
                    {
                        "category": "str",
                        "categoryGroup": "str",
                        "enabled!": "bool",
                        "retentionPolicy": {"enabled!": "bool", "days!": "int"},
                    }
                ],
            }
        },
        "DiagnosticSettingsResource",
    )
    extension = True
    show_state = False
    create_status = 200

    def prepare(self, call: Call, old: Resource | None, new: Resource) -> None:
        sinks = ("storageAccountId", "workspaceId", "eventHubAuthorizationRuleId", "marketplacePartnerId")
        if not any(new.properties.get(name) for name in sinks):
            raise bad_request("At least one data sink needs to be specified.")
        for name in ("storageAccountId", "workspaceId"):
            wanted = new.properties.get(name)
            if wanted and call.cloud.resource(wanted) is None:
                raise bad_request(
                    f"The resource {wanted!r} of '{name}' was not found.", code="ResourceNotFound"
                )
        scope = call.cloud.store.get(call.target.scope)
        known = _CATEGORIES.get(scope.type.lower()) if scope else None
        for item in new.properties.get("logs") or []:
            category = item.get("category")
            if known and category and category not in known:
                raise bad_request(f"Category '{category}' is not supported.")
