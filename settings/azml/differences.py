"""What this product sends otherwise than `az ml`, on purpose, each with its reason.

The parity tests apply exactly these to az ml's bodies before they compare; the reference page lists them.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    """`where` is the ARM property, `az_ml` what az ml sends, `here` what this product sends."""

    where: str
    az_ml: str
    here: str
    reason: str


DIFFERENCES: tuple[Difference, ...] = (
    Difference(
        "onlineEndpoints properties.traffic",
        "the file's traffic, or an empty map",
        "nothing",
        "A PUT with an empty map takes the traffic from every deployment, and an endpoint cannot name "
        "deployments "
        "that do not exist yet. The split is a resource of its own, after the deployments and their smoke "
        "tests.",
    ),
    Difference(
        "onlineEndpoints properties.mirrorTraffic",
        "the file's mirror traffic, or an empty map",
        "nothing",
        "As for traffic: set by the traffic resource, kept on every other update.",
    ),
    Difference(
        "publicNetworkAccess, egressPublicNetworkAccess, dataCollectionMode, rollingRate, osType",
        "the file's lower case (`disabled`)",
        "the API's own spelling (`Disabled`)",
        "Azure takes both and answers with its own; the file's spelling would show as a change on every "
        "refresh.",
    ),
    Difference(
        "onlineEndpoints identity.principalId, identity.tenantId",
        "both, where the file has them",
        "nothing: the keys are refused",
        "Both are read-only in the API; Azure fills them in.",
    ),
    Difference(
        "tags, properties, environmentVariables, flavors",
        "numbers (and the truth value of private-network-connection) as JSON has them",
        "text",
        "The API says map of text. Truth values in a file are refused: true, True and 1 differ for a "
        "container.",
    ),
    Difference(
        "onlineDeployments sku.capacity",
        "nothing, where the file has no instance_count",
        "1",
        "That is what Azure makes of it, and only a number can be compared with what a refresh finds.",
    ),
    Difference(
        "model and environment versions without a version in the file",
        "the next number, or a hash of its own for anonymous ones",
        "a hash of the content",
        "Versions are immutable; the same content must give the same version on every run.",
    ),
    Difference(
        "files of a model by path",
        "all but what .amlignore (or .gitignore) leaves out",
        "all but hidden files and folders",
        "What git and the hub's tools keep in a folder is no part of a model; nothing else is left out.",
    ),
    Difference(
        "deployment name",
        "the name as written",
        "the name with a short hash of what makes a different server, unless `rollout: recreate`",
        "A new server must be able to stand beside the old one until it has answered.",
    ),
    Difference(
        "onlineDeployments properties.*Probe, requestSettings",
        "what the file has",
        "with `defaults: fitted`, also what the plan lists as chosen",
        "az ml's defaults restart a large model while it is still loading. `defaults: azml` turns this off.",
    ),
    Difference(
        "Environment inferenceConfig.startupRoute, deployment startupProbe",
        "nothing: az ml's YAML does not have them",
        "what the stack says",
        "The API has them; opt-in.",
    ),
)
