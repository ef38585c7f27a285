"""Online endpoints: names held in the region, identity and its roles, keys, traffic that names what
exists.
"""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Any

from emulator.azure import addresses, identities, roles, soft_delete
from emulator.azure.clock import now
from emulator.azure.errors import ArmError, bad_request, user_error
from emulator.azure.resource_type import Action, Answer, Call
from emulator.azure.resources.ml.common import (
    DEPLOYMENT,
    ENDPOINT,
    MlType,
    dependency,
    sdk_model,
    workspace_of,
)
from emulator.azure.store import Resource
from emulator.azure.validation import validate

if TYPE_CHECKING:
    from emulator.azure.cloud import Cloud

# azure/ai/ml/entities/_endpoint/_endpoint_helpers.py, validate_endpoint_or_deployment_name; "single
# dashes" is the documented addition (learn.microsoft.com, "Manage quotas", endpoint limits).
NAME = r"(?=.{3,32}$)[A-Za-z][A-Za-z0-9]*(-[A-Za-z0-9]+)*"
NAME_RULE = "3 to 32 letters, digits and single dashes, starting with a letter and not ending in a dash"
_PER_REGION = 100
_TOKEN_SECONDS = 3600 * 12
_DEFAULT_SECRETS = "enforce_access_to_default_secret_stores"


class OnlineEndpoint(MlType):
    type = ENDPOINT
    model = sdk_model("OnlineEndpoint")
    patch_model = sdk_model("PartialMinimalTrackedResourceWithIdentity")
    asynchronous = True
    asynchronous_delete = True
    show_state = True
    name_pattern = NAME
    name_rule = NAME_RULE

    def delay(self, cloud: Cloud) -> float:
        return cloud.settings.delays.endpoint

    def bad_name(self, name: str) -> ArmError:
        return user_error(f"The endpoint name '{name}' is invalid: {NAME_RULE}.", target="name")

    def prepare(self, call: Call, old: Resource | None, new: Resource) -> None:
        cloud = call.cloud
        workspace = workspace_of(cloud, new.id)
        if old is None:
            self._claim_name(cloud, workspace, new)
        new.doc.setdefault("kind", "Managed")
        new.doc.setdefault("identity", {"type": "SystemAssigned"})
        properties = new.properties
        properties.setdefault("publicNetworkAccess", "Enabled")
        properties.setdefault("properties", {})
        self._check_identity(old, new)
        self._check_kind(new)
        self._keys(old, new)
        _check_added_only(old, new)
        check_traffic(cloud, new)
        for name in ("traffic", "mirrorTraffic"):
            properties[name] = {key: value for key, value in properties[name].items() if value}
        identities.prepare(cloud, new)
        new.private["host"] = cloud.addresses.allocate(addresses.FRONT_DOOR, new.id)

    def _claim_name(self, cloud: Cloud, workspace: Resource, new: Resource) -> None:
        if new.location != workspace.location:
            text = f"The endpoint's location '{new.location}' is not its workspace's, '{workspace.location}'."
            raise user_error(text, target="location")
        for other in cloud.store.find(ENDPOINT, new.name):
            if other.location == new.location:
                text = (
                    f"There is already an endpoint with this name in the region: '{new.name}' is taken in "
                    f"{new.location}. Endpoint names are unique in a region; choose another."
                )
                raise user_error(text, target="name")
        if soft_delete.held(cloud, ENDPOINT, f"{new.location}/{new.name}"):
            text = (
                f"There is already an endpoint with this name: '{new.name}' is still being "
                f"deleted in {new.location}."
            )
            raise user_error(text, target="name")
        if len([item for item in cloud.store.all(ENDPOINT) if item.location == new.location]) >= _PER_REGION:
            raise user_error(
                f"The subscription has {_PER_REGION} endpoints in {new.location}, the most it can have."
            )

    def _check_kind(self, new: Resource) -> None:
        """Kubernetes endpoints are not emulated; a managed one has no compute of its own."""
        if new.doc["kind"].lower() != "managed" or new.properties.get("compute"):
            raise user_error("Only managed online endpoints are emulated.", target="kind")

    def _check_identity(self, old: Resource | None, new: Resource) -> None:
        kind = new.doc["identity"].get("type")
        if kind not in {"SystemAssigned", "UserAssigned", "SystemAssigned,UserAssigned"}:
            raise user_error("An endpoint has an identity: it cannot be None.", target="identity.type")
        flag = new.properties["properties"].get(_DEFAULT_SECRETS)
        if flag and kind != "SystemAssigned":
            # learn.microsoft.com, "Authentication and authorization for online endpoints".
            text = f"{_DEFAULT_SECRETS} is for endpoints with a system-assigned identity only."
            raise user_error(text, target=f"properties.properties.{_DEFAULT_SECRETS}")
        if kind == "SystemAssigned,UserAssigned":
            text = "An endpoint has a system-assigned or a user-assigned identity, not both."
            raise user_error(text, target="identity.type")
        if old is None:
            return
        before = old.doc["identity"]
        same = before.get("type") == kind and _lower(before) == _lower(new.doc["identity"])
        if not same:
            text = (
                "The identity of an endpoint is immutable: it cannot be changed after the "
                "endpoint was created."
            )
            raise user_error(text, target="identity")

    def _keys(self, old: Resource | None, new: Resource) -> None:
        """Keys can be given at creation only, and are never shown."""
        given = new.properties.pop("keys", None)
        if given and old is not None and given != {}:
            wanted = [given.get("primaryKey"), given.get("secondaryKey")]
            if any(value and value not in new.private["keys"] for value in wanted):
                text = "The keys of an endpoint can be set when it is created; later use regenerateKeys."
                raise user_error(text, target="properties.keys")
        if "keys" not in new.private:
            given = given or {}
            new.private["keys"] = [given.get("primaryKey") or _key(), given.get("secondaryKey") or _key()]

    async def provision(self, cloud: Cloud, resource: Resource, data: Any) -> None:
        workspace = workspace_of(cloud, resource.id)
        self._check_workspace(cloud, workspace, resource)
        self._grant(cloud, workspace, resource)
        await cloud.gates.open_endpoint(resource)

    def _check_workspace(self, cloud: Cloud, workspace: Resource, resource: Resource) -> None:
        if workspace.properties.get("v1LegacyMode"):
            text = (
                "The workspace is in v1 legacy mode: set v1LegacyMode to false to use "
                "managed online endpoints."
            )
            raise ArmError(400, "BadRequest", text)
        vault = dependency(cloud, workspace, "keyVault")
        if vault is None or resource.properties["authMode"] != "Key":
            return
        acls = vault.properties.get("networkAcls") or {}
        closed = (
            vault.properties.get("publicNetworkAccess") == "Disabled" or acls.get("defaultAction") == "Deny"
        )
        if closed and acls.get("bypass", "AzureServices") != "AzureServices":
            text = (
                f"The keys of the endpoint could not be stored: the key vault {vault.name} does "
                "not let trusted "
                "services bypass its firewall. Set networkAcls.bypass to AzureServices."
            )
            raise ArmError(400, "BadRequest", text)

    def _grant(self, cloud: Cloud, workspace: Resource, resource: Resource) -> None:
        """Give a system-assigned identity what Azure gives it; a user-assigned one gets nothing.

        Source: learn.microsoft.com, "Authentication and authorization for online endpoints".
        """
        principal = resource.private.get("principal")
        if principal is None:
            return
        registry = dependency(cloud, workspace, "containerRegistry")
        account = dependency(cloud, workspace, "storageAccount")
        if registry:
            cloud.rbac.grant(principal, roles.ACR_PULL, registry.id, by=resource.id)
        if account:
            cloud.rbac.grant(principal, roles.BLOB_READER, account.id, by=resource.id)
        cloud.rbac.grant(principal, roles.METRICS_WRITER, workspace.id, by=resource.id)
        vault = dependency(cloud, workspace, "keyVault")
        flag = resource.properties["properties"].get(_DEFAULT_SECRETS, "")
        if vault and flag.lower() == "enabled":
            cloud.rbac.grant(principal, roles.BY_ID[_SECRETS_USER], vault.id, by=resource.id)

    async def remove(self, cloud: Cloud, resource: Resource) -> None:
        held = f"{resource.location}/{resource.name}"
        soft_delete.hold(cloud, ENDPOINT, held, cloud.settings.delays.name_release)
        await cloud.gates.close(resource)
        cloud.addresses.release(resource.id)
        identities.drop(cloud, resource)

    def outputs(self, cloud: Cloud, resource: Resource) -> dict[str, Any]:
        base = cloud.addresses.url(resource.private["host"]).rstrip("/")
        properties = {
            "scoringUri": base + scoring_path(cloud, resource),
            "swaggerUri": base + "/swagger.json",
            "keys": None,
            "properties": {
                "azureml.onlineendpointid": resource.id.lower(),
                **resource.properties["properties"],
            },
        }
        return {
            "tags": resource.doc.get("tags", {}),
            "properties": properties,
            **identities.outputs(cloud, resource),
        }

    def actions(self) -> dict[str, Action]:
        return {"listkeys": self.list_keys, "regeneratekeys": self.regenerate_keys, "token": self.token}

    def list_keys(self, call: Call, resource: Resource) -> Answer:
        _needs_mode(resource, "Key")
        return Answer(
            {"primaryKey": resource.private["keys"][0], "secondaryKey": resource.private["keys"][1]}
        )

    def regenerate_keys(self, call: Call, resource: Resource) -> Answer:
        _needs_mode(resource, "Key")
        body = validate(call.cloud.schemas.get(sdk_model("RegenerateEndpointKeysRequest")), call.body or {})
        at = 0 if body["keyType"] == "Primary" else 1
        resource.private["keys"][at] = body.get("keyValue") or _key()
        call.cloud.store.save(resource)
        return Answer(status=200)

    def token(self, call: Call, resource: Resource) -> Answer:
        _needs_mode(resource, "AMLToken")
        issued = call.cloud.tokens.issue(call.principal, resource.id.lower(), seconds=_TOKEN_SECONDS)
        expiry = int(now()) + _TOKEN_SECONDS
        times = {"expiryTimeUtc": expiry, "refreshAfterTimeUtc": expiry - 3600}
        return Answer({"accessToken": issued, "tokenType": "Bearer", **times})


_SECRETS_USER = "4633458b-17de-408a-b874-0445c86b69e6"


def deployments(cloud: Cloud, endpoint: Resource) -> list[Resource]:
    return cloud.store.all(DEPLOYMENT, under=endpoint.id)


def check_traffic(cloud: Cloud, endpoint: Resource) -> None:
    """Traffic sums to 0 or 100 over existing deployments; mirrored is one that has no live traffic, 50 %
    at most.
    """
    for name in ("traffic", "mirrorTraffic"):
        endpoint.properties[name] = endpoint.properties.get(name) or {}
    traffic, mirror = endpoint.properties["traffic"], endpoint.properties["mirrorTraffic"]
    known = {item.name.lower() for item in deployments(cloud, endpoint) if item.state != "Deleting"}
    for name, share in [*traffic.items(), *mirror.items()]:
        if name.lower() not in known:
            text = f"The traffic names the deployment '{name}', which endpoint {endpoint.name} does not have."
            raise user_error(text, target="properties.traffic")
        if not 0 <= share <= 100:
            raise user_error(f"The traffic of deployment '{name}' is {share}: it must be 0 to 100.")
    if sum(traffic.values()) not in {0, 100}:
        text = f"The sum of traffic has to be either 0 or 100 percent, it is {sum(traffic.values())}."
        raise user_error(text, target="properties.traffic")
    if sum(share > 0 for share in mirror.values()) > 1 or sum(mirror.values()) > 50:
        text = "Traffic can be mirrored to one deployment only, and at most 50 percent of it."
        raise user_error(text, target="properties.mirrorTraffic")
    live, copied = ({n.lower() for n, share in item.items() if share} for item in (traffic, mirror))
    both = live & copied
    if both:
        text = f"The deployment '{both.pop()}' has live and mirrored traffic: it can have one of them."
        raise user_error(text, target="properties.mirrorTraffic")


def scoring_path(cloud: Cloud, endpoint: Resource) -> str:
    """Return the path of the scoring URI: the scoring route of the deployment with most traffic, else /score.

    Source for a custom container: learn.microsoft.com, "Use a custom container to deploy a model": the
    sample asks `scoring_uri` itself although the route is not /score. Before the first deployment:
    unverified.
    """
    live = [item for item in deployments(cloud, endpoint) if "live" in item.private]
    traffic = endpoint.properties.get("traffic") or {}
    live.sort(key=lambda item: -traffic.get(item.name, 0))
    return live[0].private["live"]["scoring_path"] if live else "/score"


def _check_added_only(old: Resource | None, new: Resource) -> None:
    """The property dictionary can be added to, not removed from or altered (documentation of the SDK
    model).
    """
    if old is None:
        return
    for key, value in (old.properties.get("properties") or {}).items():
        given = new.properties["properties"].setdefault(key, value)
        if given != value:
            text = (
                f"The property '{key}' cannot be altered: properties can be added, but not "
                "removed or altered."
            )
            raise bad_request(text, code="UserError", target=f"properties.properties.{key}")


def _needs_mode(resource: Resource, mode: str) -> None:
    actual = resource.properties["authMode"]
    if actual != mode:
        text = f"Endpoint {resource.name} has the authentication mode {actual}: this needs {mode}."
        raise user_error(text)


def _lower(identity: dict[str, Any]) -> set[str]:
    return {re.sub("/+$", "", key.lower()) for key in identity.get("userAssignedIdentities") or {}}


def _key() -> str:
    return secrets.token_urlsafe(32).replace("-", "x").replace("_", "y")
