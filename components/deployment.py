"""A managed online deployment: one server behind an endpoint, and the requests that it must answer first.

Instance count is `sku.capacity`. Under autoscale the service writes it too, so it is ignored and, with
`refresh: always`, what is live is what an update PUTs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi

from components import progress
from components.online_endpoint import OnlineEndpoint
from components.rollout import Server
from components.workspace import created_at
from providers.smoke_test import SmokeTest

# What would be PUT into a server that keeps its name; `rollout: recreate` replaces it instead, with the
# outage shown.
REPLACED = [
    "properties.appInsightsEnabled",
    "properties.dataCollector",
    "properties.egressPublicNetworkAccess",
    "properties.environmentId",
    "properties.environmentVariables",
    "properties.instanceType",
    "properties.livenessProbe",
    "properties.model",
    "properties.modelMountPath",
    "properties.readinessProbe",
    "properties.startupProbe",
]


@dataclass(frozen=True, kw_only=True)
class ProbeArgs:
    """Seconds and counts; what is None is left to Azure."""

    initial_delay: int | None = None
    period: int | None = None
    timeout: int | None = None
    success_threshold: int | None = None
    failure_threshold: int | None = None


@dataclass(frozen=True, kw_only=True)
class RequestArgs:
    """Milliseconds and counts; what is None is left to Azure."""

    request_timeout_ms: int | None = None
    max_concurrent_requests_per_instance: int | None = None
    max_queue_wait_ms: int | None = None


@dataclass(frozen=True, kw_only=True)
class SmokeTestArgs:
    """`subject` is a hash of everything that makes the deployment answer as it does."""

    subject: str
    private_address: str = ""
    prompt: str = "Say hello."
    model: str = ""
    path: str = ""
    max_tokens: int = 16
    stream: bool = True
    expect: str = ""
    timeout_seconds: float = 300


@dataclass(frozen=True, kw_only=True)
class DeploymentArgs:
    """`deployment_id` is the ARM id that follows from the names. Without `smoke_test` nothing is asked."""

    server: Server
    endpoint: OnlineEndpoint
    deployment_id: str
    resource_group_name: pulumi.Input[str]
    workspace_name: pulumi.Input[str]
    location: str
    environment_id: pulumi.Input[str] | None
    instance_type: str
    auth_mode: str
    private: bool
    instance_count: int = 1
    model: pulumi.Input[str] | None = None
    model_mount_path: str | None = None
    environment_variables: Mapping[str, str] = field(default_factory=dict)
    app_insights_enabled: bool = False
    egress_public_network_access: str | None = None
    liveness_probe: ProbeArgs | None = None
    readiness_probe: ProbeArgs | None = None
    startup_probe: ProbeArgs | None = None
    request_settings: RequestArgs | None = None
    data_collector: Mapping[str, Any] | None = None
    scale_type: str | None = None
    description: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    autoscaled: bool = False
    smoke_test: SmokeTestArgs | None = None


class Deployment(pulumi.ComponentResource):
    """`gate` is what traffic depends on: the smoke test, or the deployment itself."""

    name: pulumi.Output[str]
    deployment_id: pulumi.Output[str]
    served_model_names: pulumi.Output[list[str]]
    gate: pulumi.Resource

    def __init__(self, name: str, args: DeploymentArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vllm-azureml:components:Deployment", name, None, opts)
        from pulumi_azure_native import machinelearningservices as ml

        server = args.server
        deployment = ml.OnlineDeployment(
            name,
            deployment_name=server.physical,
            endpoint_name=args.endpoint.name,
            resource_group_name=args.resource_group_name,
            workspace_name=args.workspace_name,
            location=args.location,
            properties=_properties(args),
            sku=ml.SkuArgs(name="Default", capacity=args.instance_count),
            tags=dict(args.tags),
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[args.endpoint.resource],
                ignore_changes=["sku.capacity"] if args.autoscaled else None,
                replace_on_changes=REPLACED if server.fixed else None,
                import_=args.deployment_id if server.adopted else None,
                hooks=progress.hooks(name, args.deployment_id),
                custom_timeouts=pulumi.CustomTimeouts(create="3h", update="3h"),
            ),
        )
        self.resource = deployment
        self.name, self.deployment_id = deployment.name, deployment.id
        self.gate, self.served_model_names = deployment, pulumi.Output.from_input([])
        if args.smoke_test:
            test = self._smoke_test(name, args, args.smoke_test)
            self.gate, self.served_model_names = test, test.served_model_names
        self.register_outputs({"deployment_id": self.deployment_id})

    def _smoke_test(self, name: str, args: DeploymentArgs, test: SmokeTestArgs) -> SmokeTest:
        return SmokeTest(
            name,
            endpoint_id=args.endpoint.endpoint_id,
            endpoint_generation=args.endpoint.generation,
            deployment_id=self.resource.id,
            deployment_generation=created_at(self.resource.system_data),
            deployment=args.server.physical,
            scoring_uri=args.endpoint.scoring_uri,
            auth_mode=args.auth_mode,
            private=args.private,
            opts=pulumi.ResourceOptions(parent=self),
            **vars(test),
        )


def duration(milliseconds: int) -> str:
    """An ISO 8601 duration in the canonical form that Azure answers with, so that a refresh sees no change.

    90000 is PT1M30S, not PT90S; 500 is PT0.5S.
    """
    seconds, rest = divmod(milliseconds, 1000)
    hours, seconds = divmod(seconds, 3600)
    minutes, seconds = divmod(seconds, 60)
    text = "".join(f"{value}{unit}" for value, unit in ((hours, "H"), (minutes, "M")) if value)
    if seconds or rest or not text:
        text += f"{seconds}{f'.{rest:03d}'.rstrip('0') if rest else ''}S"
    return f"PT{text}"


def _properties(args: DeploymentArgs) -> Any:
    from pulumi_azure_native import machinelearningservices as ml

    return ml.ManagedOnlineDeploymentArgs(
        endpoint_compute_type="Managed",
        environment_id=args.environment_id,
        model=args.model,
        model_mount_path=args.model_mount_path,
        environment_variables=dict(args.environment_variables),
        instance_type=args.instance_type,
        app_insights_enabled=args.app_insights_enabled,
        egress_public_network_access=args.egress_public_network_access,
        liveness_probe=_probe(args.liveness_probe),
        readiness_probe=_probe(args.readiness_probe),
        startup_probe=_probe(args.startup_probe),
        request_settings=_requests(args.request_settings),
        data_collector=_collector(args.data_collector),
        scale_settings=ml.DefaultScaleSettingsArgs(scale_type=args.scale_type) if args.scale_type else None,
        description=args.description,
        properties=dict(args.properties),
    )


def _probe(probe: ProbeArgs | None) -> Any:
    from pulumi_azure_native import machinelearningservices as ml

    if probe is None:
        return None
    return ml.ProbeSettingsArgs(
        initial_delay=_seconds(probe.initial_delay),
        period=_seconds(probe.period),
        timeout=_seconds(probe.timeout),
        success_threshold=probe.success_threshold,
        failure_threshold=probe.failure_threshold,
    )


def _requests(requests: RequestArgs | None) -> Any:
    from pulumi_azure_native import machinelearningservices as ml

    if requests is None:
        return None
    timeout, wait = requests.request_timeout_ms, requests.max_queue_wait_ms
    return ml.OnlineRequestSettingsArgs(
        max_concurrent_requests_per_instance=requests.max_concurrent_requests_per_instance,
        request_timeout=None if timeout is None else duration(timeout),
        max_queue_wait=None if wait is None else duration(wait),
    )


def _collector(collector: Mapping[str, Any] | None) -> Any:
    """`collector` is in ARM's terms: collections (name -> data_collection_mode, ...), rolling_rate,
    headers."""
    from pulumi_azure_native import machinelearningservices as ml

    if not collector:
        return None
    headers = collector.get("capture_headers")
    return ml.DataCollectorArgs(
        collections={name: ml.CollectionArgs(**entry) for name, entry in collector["collections"].items()},
        rolling_rate=collector.get("rolling_rate"),
        request_logging=ml.RequestLoggingArgs(capture_headers=headers) if headers else None,
    )


def _seconds(value: int | None) -> str | None:
    return None if value is None else duration(value * 1000)
