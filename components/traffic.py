"""Who gets an endpoint's requests, after every gate has let its deployment through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi

from components.deployment import Deployment
from components.online_endpoint import OnlineEndpoint
from providers.traffic_split import TrafficSplit


@dataclass(frozen=True, kw_only=True)
class TrafficArgs:
    """Percent by the physical name of a deployment; 0 or 100 in sum. A mirror copies at most 50 percent to
    one."""

    endpoint: OnlineEndpoint
    deployments: Sequence[Deployment]
    traffic: Mapping[str, int]
    mirror_traffic: Mapping[str, int] = field(default_factory=dict)
    recreated: Sequence[Deployment] = ()


class Traffic(pulumi.ComponentResource):
    """`split` is what is live. Deployments that are `recreated` in place lose their traffic before they
    go."""

    split: pulumi.Output[dict[str, int]]
    scoring_uri: pulumi.Output[str]

    def __init__(self, name: str, args: TrafficArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vllm-azureml:components:Traffic", name, None, opts)
        split = TrafficSplit(
            name,
            endpoint_id=args.endpoint.endpoint_id,
            endpoint_generation=args.endpoint.generation,
            fixed_deployment_ids=[deployment.deployment_id for deployment in args.recreated],
            traffic=dict(args.traffic),
            mirror_traffic=dict(args.mirror_traffic),
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=[deployment.gate for deployment in args.deployments]
            ),
        )
        self.split, self.scoring_uri = split.traffic, split.scoring_uri
        self.register_outputs({"split": self.split})
