"""A managed online endpoint, with its key in Key Vault.

`traffic` and `mirrorTraffic` belong to `components.traffic`: an update of the endpoint PUTs its inputs, so
both are ignored here and, with `refresh: always`, what is live is what is PUT. The key never passes
through the program.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi

from components import adoption
from components.bodies import arm
from components.workspace import created_at
from providers.endpoint_key import EndpointKey

IGNORED = ["properties.traffic", "properties.mirrorTraffic"]


@dataclass(frozen=True, kw_only=True)
class OnlineEndpointArgs:
    """`body` is ARM's `OnlineEndpointProperties` and `identity` its identity, in ARM's own names.

    `vault_id` and `secret_name` say where a key goes; they are used with keys only.
    """

    name: str
    resource_group_name: pulumi.Input[str]
    workspace_name: pulumi.Input[str]
    location: str
    vault_id: pulumi.Input[str]
    secret_name: str
    body: Mapping[str, Any]
    identity: Mapping[str, Any]
    tags: Mapping[str, str] = field(default_factory=dict)
    depends_on: Sequence[pulumi.Resource] = ()
    import_id: str | None = None


class OnlineEndpoint(pulumi.ComponentResource):
    """`generation` changes when the endpoint is made anew under its name: then its keys are others."""

    name: pulumi.Output[str]
    endpoint_id: pulumi.Output[str]
    generation: pulumi.Output[str]
    scoring_uri: pulumi.Output[str]
    principal_id: pulumi.Output[str]
    key_secret_uri: pulumi.Output[str]

    def __init__(
        self, name: str, args: OnlineEndpointArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("vllm-azureml:components:OnlineEndpoint", name, None, opts)
        from pulumi_azure_native import machinelearningservices as ml

        endpoint = ml.OnlineEndpoint(
            name,
            endpoint_name=args.name,
            resource_group_name=args.resource_group_name,
            workspace_name=args.workspace_name,
            location=args.location,
            identity=_identity(args.identity),
            properties=arm(args.body),
            tags=dict(args.tags),
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=list(args.depends_on),
                ignore_changes=[
                    *IGNORED,
                    *(adoption.endpoint(args.body, args.tags) if args.import_id else ()),
                ],
                import_=args.import_id,
            ),
        )
        self.resource = endpoint
        self.name, self.endpoint_id = endpoint.name, endpoint.id
        self.generation = created_at(endpoint.system_data)
        self.scoring_uri = endpoint.properties.apply(lambda live: live.scoring_uri or "")
        self.principal_id = endpoint.identity.apply(lambda who: (who and who.principal_id) or "")
        self.key_secret_uri = pulumi.Output.from_input("")
        if args.body.get("authMode") == "Key":
            self.key_secret_uri = EndpointKey(
                f"{name}-key",
                endpoint_id=endpoint.id,
                endpoint_generation=self.generation,
                vault_id=args.vault_id,
                secret_name=args.secret_name,
                opts=pulumi.ResourceOptions(parent=self),
            ).secret_uri
        self.register_outputs({"endpoint_id": self.endpoint_id, "scoring_uri": self.scoring_uri})


def _identity(identity: Mapping[str, Any]) -> Any:
    """azure-native takes a list of user-assigned identities where ARM has a map of ids."""
    ids = identity.get("userAssignedIdentities")
    return arm(identity, {"userAssignedIdentities": list(ids)} if ids else {})


def openai_base_url(scoring_uri: str | None) -> str:
    """Where OpenAI clients send requests: the scoring URI's origin and `/v1`, whatever route it ends with."""
    from urllib.parse import urlsplit

    parts = urlsplit(scoring_uri or "")
    return f"{parts.scheme}://{parts.netloc}/v1" if parts.netloc else ""
