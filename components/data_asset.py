"""A data asset: where a deployment's data collector writes requests and answers.

az ml registers one for each collection before it sends the deployment, and so does this. The container is
declared because deleting the last version leaves it behind. The collected files are nobody's resource: they
stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from components.bodies import arm


@dataclass(frozen=True, kw_only=True)
class DataAssetArgs:
    """`body` is ARM's `DataVersionBaseProperties` in ARM's own names."""

    name: str
    version: str
    resource_group_name: pulumi.Input[str]
    workspace_name: pulumi.Input[str]
    body: Mapping[str, Any]


class DataAsset(pulumi.ComponentResource):
    """One immutable version under its name."""

    data_id: pulumi.Output[str]

    def __init__(self, name: str, args: DataAssetArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vllm-azureml:components:DataAsset", name, None, opts)
        from pulumi_azure_native import machinelearningservices as ml

        place = {"resource_group_name": args.resource_group_name, "workspace_name": args.workspace_name}
        container = ml.DataContainer(
            name,
            name=args.name,
            properties=arm({"dataType": args.body["dataType"]}),
            opts=pulumi.ResourceOptions(parent=self),
            **place,
        )
        version = ml.DataVersion(
            name,
            name=args.name,
            version=args.version,
            properties=arm(args.body),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[container]),
            **place,
        )
        self.data_id = version.id
        self.register_outputs({"data_id": self.data_id})
