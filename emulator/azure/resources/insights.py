"""Log Analytics workspaces and Application Insights components: the resources, no telemetry."""

from __future__ import annotations

import base64
import secrets
import uuid
from typing import TYPE_CHECKING, Any

from emulator.azure.errors import bad_request
from emulator.azure.resource_type import Action, Answer, Call, ResourceType
from emulator.azure.schema import Model
from emulator.azure.store import Resource

if TYPE_CHECKING:
    from emulator.azure.cloud import Cloud

LOGS = "Microsoft.OperationalInsights/workspaces"
COMPONENT = "Microsoft.Insights/components"
_LOGS_MODELS = "azure.mgmt.loganalytics.models"
_MODELS = "azure.mgmt.applicationinsights.v2020_02_02.models"


class LogWorkspace(ResourceType):
    type = LOGS
    versions = frozenset({"2023-09-01", "2022-10-01", "2025-02-01", "2025-07-01"})
    model = Model("azure-mgmt-loganalytics", _LOGS_MODELS, "Workspace")
    patch_model = Model("azure-mgmt-loganalytics", _LOGS_MODELS, "WorkspacePatch")
    asynchronous = True
    asynchronous_delete = True
    name_pattern = r"[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]"
    name_rule = "4 to 63 letters, digits and hyphens, starting and ending with a letter or digit"

    def prepare(self, call: Call, old: Resource | None, new: Resource) -> None:
        new.doc.setdefault("properties", {})
        new.properties.setdefault("sku", {"name": "PerGB2018"})
        new.properties.setdefault("retentionInDays", 30)
        new.private.setdefault("customer", str(uuid.uuid4()))
        new.private.setdefault("key", base64.b64encode(secrets.token_bytes(64)).decode())

    def outputs(self, cloud: Cloud, resource: Resource) -> dict[str, Any]:
        return {"properties": {"customerId": resource.private["customer"]}}

    def actions(self) -> dict[str, Action]:
        return {"sharedkeys": self.shared_keys}

    def shared_keys(self, call: Call, resource: Resource) -> Answer:
        key = resource.private["key"]
        return Answer({"primarySharedKey": key, "secondarySharedKey": key})


class Component(ResourceType):
    type = COMPONENT
    versions = frozenset({"2020-02-02", "2015-05-01"})
    model = Model("azure-mgmt-applicationinsights", _MODELS, "ApplicationInsightsComponent")
    patch_model = Model("azure-mgmt-applicationinsights", _MODELS, "TagsResource")
    create_status = 200

    def prepare(self, call: Call, old: Resource | None, new: Resource) -> None:
        new.doc.setdefault("properties", {})
        logs = new.properties.get("WorkspaceResourceId")
        if logs and call.cloud.resource(logs) is None:
            raise bad_request(
                f"The Log Analytics workspace {logs!r} was not found.", target="WorkspaceResourceId"
            )
        new.private.setdefault("key", str(uuid.uuid4()))
        new.private.setdefault("app", str(uuid.uuid4()))

    def outputs(self, cloud: Cloud, resource: Resource) -> dict[str, Any]:
        key, app = resource.private["key"], resource.private["app"]
        ingestion = (
            f"InstrumentationKey={key};IngestionEndpoint=https://ingestion.azure.invalid/;ApplicationId={app}"
        )
        properties = {"InstrumentationKey": key, "ConnectionString": ingestion, "AppId": app}
        ids = {"ApplicationId": resource.name, "Name": resource.name, "TenantId": cloud.settings.subscription}
        return {"properties": {**properties, **ids}}
