"""A managed online endpoint, with its key in Key Vault.

`traffic` and `mirrorTraffic` belong to `components.traffic`: an update of the endpoint PUTs its inputs, so
both are ignored here and, with `refresh: always`, what is live is what is PUT. The key never passes
through the program.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi

from components.workspace import created_at
from providers.endpoint_key import EndpointKey

IGNORED = ["properties.traffic", "properties.mirrorTraffic"]


@dataclass(frozen=True, kw_only=True)
class OnlineEndpointArgs:
    """`auth_mode` is ARM's (`Key`, `AMLToken`, `AADToken`); `public_network_access` is left to Azure if None.

    `vault_id` and `secret_name` say where a key goes; they are used with keys only.
    """

    name: str
    resource_group_name: pulumi.Input[str]
    workspace_name: pulumi.Input[str]
    location: str
    vault_id: pulumi.Input[str]
    secret_name: str
    auth_mode: str = "Key"
    public_network_access: str | None = None
    identity_type: str = "SystemAssigned"
    user_assigned_identities: Sequence[str] = ()
    description: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
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
            kind="Managed",
            identity=ml.ManagedServiceIdentityArgs(
                type=args.identity_type, user_assigned_identities=list(args.user_assigned_identities) or None
            ),
            properties=ml.OnlineEndpointPropertiesArgs(
                auth_mode=args.auth_mode,
                public_network_access=args.public_network_access,
                description=args.description,
                properties=dict(args.properties),
            ),
            tags=dict(args.tags),
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=IGNORED, import_=args.import_id),
        )
        self.resource = endpoint
        self.name, self.endpoint_id = endpoint.name, endpoint.id
        self.generation = created_at(endpoint.system_data)
        self.scoring_uri = endpoint.properties.apply(lambda live: live.scoring_uri or "")
        self.principal_id = endpoint.identity.apply(lambda who: (who and who.principal_id) or "")
        self.key_secret_uri = pulumi.Output.from_input("")
        if args.auth_mode == "Key":
            self.key_secret_uri = EndpointKey(
                f"{name}-key",
                endpoint_id=endpoint.id,
                endpoint_generation=self.generation,
                vault_id=args.vault_id,
                secret_name=args.secret_name,
                opts=pulumi.ResourceOptions(parent=self),
            ).secret_uri
        self.register_outputs({"endpoint_id": self.endpoint_id, "scoring_uri": self.scoring_uri})


def openai_base_url(scoring_uri: str) -> str:
    """Where OpenAI clients send requests: the scoring URI's origin and `/v1`, whatever route it ends with."""
    from urllib.parse import urlsplit

    parts = urlsplit(scoring_uri)
    return f"{parts.scheme}://{parts.netloc}/v1" if parts.netloc else ""
