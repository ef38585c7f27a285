"""A managed online endpoint: every key of az ml's endpoint.yml, and its deployments."""

from pydantic import Field

from settings.base import AuthMode, IdentityType, Int, PublicAccess, Section, Texts, setting
from settings.deployment import KUBERNETES, Deployment
from settings.environment import READ_ONLY


class UserAssignedIdentity(Section):
    """A managed identity that exists."""

    example = {
        "resource_id": "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg/providers/"
        "Microsoft.ManagedIdentity/userAssignedIdentities/id-vllm"
    }

    resource_id: str | None = setting(None, "ARM id of the identity.")
    client_id: str | None = setting(None, "Client id; az ml reads it and sends nothing of it.")
    object_id: str | None = setting(None, "Object id; az ml reads it and sends nothing of it.")
    principal_id: str | None = setting(None, "Principal id; az ml prints it.")


class Identity(Section):
    """Who the endpoint is when it pulls the image and reads the model."""

    example = {"type": "SystemAssigned"}
    read_only = {"principal_id": READ_ONLY, "tenant_id": READ_ONLY}

    type: IdentityType = Field(
        description="system_assigned (Azure gives it AcrPull and Storage Blob Data Reader) or "
        "user_assigned (gets nothing "
        "by itself, but its roles can exist before the endpoint does).",
        examples=["SystemAssigned"],
    )
    user_assigned_identities: list[UserAssignedIdentity] = setting(
        list, "The identity, for user_assigned: exactly one."
    )


class Endpoint(Section):
    """A name, a URI and an authentication mode; deployments stand behind it."""

    read_only = {
        "id": READ_ONLY,
        "kind": READ_ONLY,
        "provisioning_state": READ_ONLY,
        "scoring_uri": READ_ONLY,
        "openapi_uri": READ_ONLY,
        "resourceGroup": READ_ONLY,
    }
    refused = {"compute": KUBERNETES}
    example = {"auth_mode": "key"}

    name: str | None = setting(None, "Name of the endpoint; must equal the key.")
    auth_mode: AuthMode = setting(
        "key",
        "How callers authenticate: key, aml_token or aad_token (Entra ID; callers need "
        "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/score/action).",
        azure="key when omitted.",
    )
    public_network_access: PublicAccess | None = setting(
        None,
        "disabled: only reachable through the workspace's private endpoint.",
        azure="Enabled when omitted.",
    )
    identity: Identity | None = setting(
        None, "Identity of the endpoint.", azure="System assigned when omitted."
    )
    description: str | None = setting(None, "Description of the endpoint.")
    location: str | None = setting(None, "Region; az ml reads it and uses the workspace's.")
    tags: Texts = setting(dict, "Tags of the endpoint.")
    properties: Texts = setting(
        dict, "Properties of the endpoint.", azure="Properties can be added, never changed or removed."
    )
    traffic: dict[str, Int] | None = setting(
        None,
        "Share of the traffic by deployment, summing to 0 or 100; all to the only deployment when omitted.",
        unit="percent",
    )
    mirror_traffic: dict[str, Int] | None = setting(
        None,
        "Share of the traffic that one deployment without live traffic gets a copy of, at most 50.",
        unit="percent",
    )
    deployments: dict[str, Deployment] = setting(dict, "The endpoint's deployments by name.")
    import_: bool = setting(False, "Take over an endpoint that already exists under this name.")
    key_secret_name: str | None = setting(
        None, "Name of the Key Vault secret the endpoint's key is written to; ENDPOINT-key when omitted."
    )
