"""The traffic split of an online endpoint, as a resource of its own.

An endpoint cannot name deployments that do not exist yet, and a PUT of the endpoint without `traffic`
empties the split; so the endpoint resource ignores `traffic` and this one, which depends on the
deployments and their smoke tests, sets it. PATCH of an endpoint takes tags and identity only
(`PartialMinimalTrackedResourceWithIdentity` of API 2025-12-01), hence GET, merge, PUT.
"""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, UpdateResult

from providers import arm, base

# What an endpoint's PUT may carry (`OnlineEndpointProperties`); the rest of a GET is read-only.
_WRITABLE = ("authMode", "compute", "description", "properties", "publicNetworkAccess")


class TrafficSplitProvider(base.AzureProvider):
    """Sets the whole split: deployments that are not named get nothing."""

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        result = base.diff(
            {**_olds, **_splits(_olds)},
            {**_news, **_splits(_news)},
            identity=["endpoint_id"],
            generation=["endpoint_generation"],
            settings=["traffic", "mirror_traffic"],
            delete_before_replace=True,
        )
        if base.unknown(_news.get("fixed_deployment_ids")):
            # A deployment is made anew under its name; it cannot be deleted while it has traffic.
            result.changes, result.delete_before_replace = True, True
            result.replaces = [*(result.replaces or []), "fixed_deployment_ids"]
        return result

    def create(self, props: dict[str, Any]) -> CreateResult:
        return CreateResult(f"{props['endpoint_id']}/traffic", _apply(props))

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        return UpdateResult(_apply(_news))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        live = base.read_live(id_, props, props["endpoint_id"], base.ML_API)
        if isinstance(live, ReadResult):
            return live
        properties = live.get("properties", {})
        return ReadResult(
            id_,
            {
                **props,
                "traffic": split(properties.get("traffic")),
                "mirror_traffic": split(properties.get("mirrorTraffic")),
                "scoring_uri": properties.get("scoringUri", ""),
            },
        )

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Take the traffic away, or a deployment that has some could not be deleted.

        Not from an endpoint that has replaced this one's under the same name.
        """
        live = arm.request("GET", _props["endpoint_id"], base.ML_API, missing_ok=True)
        generation = (live.get("systemData") or {}).get("createdAt", "")
        if not live or generation != _props.get("endpoint_generation", ""):
            return
        if live["properties"].get("traffic") or live["properties"].get("mirrorTraffic"):
            arm.request("PUT", _props["endpoint_id"], base.ML_API, endpoint_body(live, {}, {}))


class TrafficSplit(Resource, module="vllm-azureml", name="TrafficSplit"):
    """`traffic` and `mirror_traffic` in percent by deployment name; all of it or none (100 or 0 in sum).

    `fixed_deployment_ids` are of deployments that keep their name when they are made anew. `scoring_uri`
    is the endpoint's once it has traffic: before, its path is not yet that of the deployments' scoring route.
    """

    traffic: pulumi.Output[dict[str, int]]
    mirror_traffic: pulumi.Output[dict[str, int]]
    scoring_uri: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        endpoint_id: pulumi.Input[str],
        endpoint_generation: pulumi.Input[str],
        traffic: pulumi.Input[dict[str, int]],
        mirror_traffic: pulumi.Input[dict[str, int]] | None = None,
        fixed_deployment_ids: pulumi.Input[list[pulumi.Input[str]]] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {
            "endpoint_id": endpoint_id,
            "endpoint_generation": endpoint_generation,
            "traffic": traffic,
            "mirror_traffic": mirror_traffic or {},
            "fixed_deployment_ids": fixed_deployment_ids or [],
            "scoring_uri": None,
        }
        super().__init__(TrafficSplitProvider(), name, props, opts)


def split(traffic: dict[str, Any] | None) -> dict[str, int]:
    """A split as whole percents without the zeros, which mean the same as absence."""
    return {name: int(share) for name, share in sorted((traffic or {}).items()) if int(share)}


def endpoint_body(live: dict[str, Any], traffic: dict[str, int], mirror: dict[str, int]) -> dict[str, Any]:
    """The body of an endpoint's PUT that changes nothing but the split."""
    body: dict[str, Any] = {key: live[key] for key in ("location", "kind", "sku", "tags") if live.get(key)}
    if live.get("identity"):
        body["identity"] = {"type": live["identity"]["type"]}
        assigned = live["identity"].get("userAssignedIdentities")
        if assigned:
            body["identity"]["userAssignedIdentities"] = {key: {} for key in assigned}
    properties = {
        key: live["properties"][key] for key in _WRITABLE if live["properties"].get(key) is not None
    }
    body["properties"] = {**properties, "traffic": traffic, "mirrorTraffic": mirror}
    return body


def _apply(props: dict[str, Any]) -> dict[str, Any]:
    wanted = _splits(props)
    live = arm.request("GET", props["endpoint_id"], base.ML_API)
    held = live["properties"]
    if (split(held.get("traffic")), split(held.get("mirrorTraffic"))) != (
        wanted["traffic"],
        wanted["mirror_traffic"],
    ):
        body = endpoint_body(live, wanted["traffic"], wanted["mirror_traffic"])
        live = arm.request("PUT", props["endpoint_id"], base.ML_API, body)
    return {**props, **wanted, "scoring_uri": live["properties"].get("scoringUri", "")}


def _splits(props: dict[str, Any]) -> dict[str, Any]:
    return {
        key: props.get(key) if base.unknown(props.get(key)) else split(props.get(key))
        for key in ("traffic", "mirror_traffic")
    }
