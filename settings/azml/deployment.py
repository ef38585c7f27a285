"""The PUT of a managed online deployment."""

from typing import Any

from settings.azml.durations import milliseconds, seconds
from settings.deployment import Collection, DataCollector, Deployment
from settings.probes import Probe, RequestSettings


def deployment_body(
    deployment: Deployment,
    *,
    location: Any,
    environment_id: Any,
    model_id: Any = None,
    data_ids: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The body of PUT onlineDeployments/NAME.

    `environment_id` and `model_id` are ARM or asset ids; `data_ids` maps a collection of the data
    collector to the id of the data asset it writes to (az ml registers those assets and sends their ids).
    """
    return {
        "location": location,
        "tags": dict(deployment.tags),
        "sku": {"name": "Default", "capacity": deployment.instance_count or 1},
        "properties": _without_none(
            endpointComputeType="Managed",
            description=deployment.description,
            environmentId=environment_id,
            model=model_id,
            modelMountPath=deployment.model_mount_path,
            properties=_properties(deployment),
            environmentVariables=dict(deployment.environment_variables),
            appInsightsEnabled=deployment.app_insights_enabled,
            instanceType=deployment.instance_type,
            scaleSettings={"scaleType": "Default"} if deployment.scale_settings else None,
            requestSettings=_requests(deployment.request_settings),
            livenessProbe=_probe(deployment.liveness_probe),
            readinessProbe=_probe(deployment.readiness_probe),
            startupProbe=_probe(deployment.startup_probe),
            dataCollector=_collector(deployment.data_collector, data_ids or {}),
            egressPublicNetworkAccess=deployment.egress_public_network_access,
        ),
    }


def _properties(deployment: Deployment) -> dict[str, str]:
    """az ml says private_network_connection as an entry of the properties; API 2025-12-01 has no other
    place.
    """
    extra = {"private-network-connection": "true"} if deployment.private_network_connection else {}
    return {**deployment.properties, **extra}


def _requests(settings: RequestSettings | None) -> dict[str, Any] | None:
    if settings is None:
        return None
    return _without_none(
        maxConcurrentRequestsPerInstance=settings.max_concurrent_requests_per_instance,
        requestTimeout=milliseconds(settings.request_timeout_ms),
        maxQueueWait=milliseconds(settings.max_queue_wait_ms),
    )


def _probe(probe: Probe | None) -> dict[str, Any] | None:
    if probe is None:
        return None
    return _without_none(
        failureThreshold=probe.failure_threshold,
        successThreshold=probe.success_threshold,
        timeout=seconds(probe.timeout),
        period=seconds(probe.period),
        initialDelay=seconds(probe.initial_delay),
    )


def _collector(collector: DataCollector | None, data_ids: dict[str, Any]) -> dict[str, Any] | None:
    if collector is None:
        return None
    logging = collector.request_logging
    return _without_none(
        collections={
            name: _collection(collection, collector.sampling_rate, data_ids.get(name))
            for name, collection in collector.collections.items()
        },
        rollingRate=collector.rolling_rate,
        requestLogging=_without_none(captureHeaders=logging.capture_headers) if logging else None,
    )


def _collection(collection: Collection, sampling_rate: float | None, data_id: Any) -> dict[str, Any]:
    """The sampling rate belongs to each collection in the API and to the collector in az ml."""
    data = collection.data
    reference = data if isinstance(data, str) or data is None else data.data_id
    return _without_none(
        dataCollectionMode="Enabled" if collection.enabled else "Disabled",
        samplingRate=sampling_rate,
        dataId=data_id if data_id is not None else reference,
        clientId=collection.client_id,
    )


def _without_none(**items: Any) -> dict[str, Any]:
    return {key: value for key, value in items.items() if value is not None}
