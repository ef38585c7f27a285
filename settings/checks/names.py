"""Names that Azure accepts.

Sources: azure-ai-ml 1.35.2 (`EndpointConfigurations.NAME_REGEX_PATTERN`, workspace name pattern of its
REST models) and Microsoft's "Naming rules and restrictions for Azure resources" (storage, vault,
registry, groups, networks).
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from settings.environment import Environment
from settings.errors import Path, Problem
from settings.models import Model
from settings.stack import StackSettings

# A blue/green deployment is called NAME-HASH with eight hexadecimal digits, within Azure's 32 characters.
HASH_SUFFIX = 9
LONGEST_DEPLOYMENT = 32


@dataclass(frozen=True)
class Rule:
    """A pattern with its words: what the name must be like."""

    what: str
    pattern: re.Pattern[str]
    shape: str


ENDPOINT = Rule(
    "An endpoint's name",
    re.compile(r"(?=.{3,32}$)(?!.*--)[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?"),
    "3 to 32 letters, digits and single hyphens, beginning with a letter and ending with a letter or digit",
)
DEPLOYMENT = Rule("A deployment's name", ENDPOINT.pattern, ENDPOINT.shape)
WORKSPACE = Rule(
    "A workspace's name",
    re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}"),
    "3 to 33 letters, digits, hyphens and underscores, beginning with a letter or digit",
)
RESOURCE_GROUP = Rule(
    "A resource group's name",
    re.compile(r"(?!.*\.$)[\w\-.()]{1,90}"),
    "1 to 90 letters, digits, underscores, hyphens, periods and parentheses, not ending with a period",
)
STORAGE = Rule(
    "A storage account's name", re.compile(r"[a-z0-9]{3,24}"), "3 to 24 lower-case letters and digits"
)
VAULT = Rule(
    "A Key Vault's name",
    re.compile(r"(?=.{3,24}$)(?!.*--)[a-zA-Z][a-zA-Z0-9-]*[a-zA-Z0-9]"),
    "3 to 24 letters, digits and single hyphens, beginning with a letter and ending with a letter or digit",
)
REGISTRY = Rule("A container registry's name", re.compile(r"[a-zA-Z0-9]{5,50}"), "5 to 50 letters and digits")
NETWORK = Rule(
    "A virtual network's name",
    re.compile(r"[a-zA-Z0-9]([\w.-]{0,62}[\w])"),
    "2 to 64 letters, digits, underscores, periods and hyphens, beginning with a letter or digit",
)
INSIGHTS = Rule(
    "An Application Insights name",
    re.compile(r"[\w\-.()]{0,254}[\w\-()]"),
    "1 to 255 letters, digits, underscores, hyphens, periods and parentheses, not ending with a period",
)
ASSET = Rule(
    "The name of a model or environment",
    re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,254}"),
    "up to 255 letters, digits, hyphens, underscores and periods, beginning with a letter or digit",
)
VERSION = Rule(
    "A version",
    re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,29}"),
    "up to 30 letters, digits, hyphens, underscores and periods, beginning with a letter or digit",
)
SECRET = Rule(
    "A Key Vault secret's name", re.compile(r"[0-9a-zA-Z-]{1,127}"), "1 to 127 letters, digits and hyphens"
)
VARIABLE = Rule(
    "The name of an environment variable",
    re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*"),
    "letters, digits and underscores, not beginning with a digit",
)


def check(stack: StackSettings) -> Iterator[Problem]:
    """Names of everything the stack creates."""
    yield from _platform(stack)
    for name, endpoint in stack.endpoints.items():
        at: Path = ("endpoints", name)
        yield from _name(ENDPOINT, name, at)
        yield from same(endpoint.name, name, (*at, "name"), "endpoint")
        yield from _name(SECRET, endpoint.key_secret_name, (*at, "key_secret_name"))
        yield from _twice(endpoint.deployments, (*at, "deployments"), "deployment")
        for key, deployment in endpoint.deployments.items():
            here: Path = (*at, "deployments", key)
            yield from _deployment(
                stack, key, here, deployment.rollout or stack.rollout, bool(deployment.import_)
            )
            yield from same(deployment.name, key, (*here, "name"), "deployment")
            yield from same(deployment.endpoint_name, name, (*here, "endpoint_name"), "endpoint")
            for variable in deployment.environment_variables:
                yield from _name(VARIABLE, variable, (*here, "environment_variables", variable))
            for part in ("model", "environment"):
                inline = getattr(deployment, part)
                if isinstance(inline, Model | Environment):
                    yield from _name(ASSET, inline.name, (*here, part, "name"))
                    yield from _name(VERSION, inline.version, (*here, part, "version"))
    yield from _twice(stack.endpoints, ("endpoints",), "endpoint")
    yield from _secret_names(stack)


def _platform(stack: StackSettings) -> Iterator[Problem]:
    space = stack.workspace
    yield from _name(RESOURCE_GROUP, stack.resource_group.name, ("resource_group", "name"))
    yield from _name(WORKSPACE, space.name, ("workspace", "name"))
    for rule, key, part in (
        (STORAGE, "storage_account", space.storage_account),
        (VAULT, "key_vault", space.key_vault),
        (REGISTRY, "container_registry", space.container_registry),
        (INSIGHTS, "application_insights", space.application_insights),
    ):
        yield from _name(rule, part.name if part else None, ("workspace", key, "name"))
    yield from _name(NETWORK, stack.network.name if stack.network else None, ("network", "name"))
    for key, model in stack.models.items():
        yield from _name(ASSET, key, ("models", key))
        yield from same(model.name, key, ("models", key, "name"), "model")
        yield from _name(VERSION, model.version, ("models", key, "version"))
    for key, environment in stack.environments.items():
        yield from _name(ASSET, key, ("environments", key))
        yield from same(environment.name, key, ("environments", key, "name"), "environment")
        yield from _name(VERSION, environment.version, ("environments", key, "version"))


def _secret_names(stack: StackSettings) -> Iterator[Problem]:
    """Two endpoints that write their keys to one secret would take turns."""
    seen: dict[str, str] = {}
    for name, endpoint in stack.endpoints.items():
        secret = (endpoint.key_secret_name or f"{name}-key").lower()
        first = seen.setdefault(secret, name)
        if first.lower() != name.lower() and endpoint.auth_mode == stack.endpoints[first].auth_mode == "key":
            reason = f"is also the secret of the endpoint `{first}`; one key would overwrite the other."
            yield Problem(("endpoints", name, "key_secret_name"), reason, "Choose another name.")


def _deployment(stack: StackSettings, name: str, at: Path, rollout: str, adopted: bool) -> Iterator[Problem]:
    found = list(_name(DEPLOYMENT, name, at))
    yield from found
    if not found and name != name.lower():
        fix = f"Write `{name.lower()}`."
        yield Problem(at, "has capitals, and az ml lower-cases the names of deployments.", fix)
    if not found and rollout == "blue_green" and not adopted and len(name) + HASH_SUFFIX > LONGEST_DEPLOYMENT:
        reason = (
            f"is {len(name)} characters long; blue_green adds {HASH_SUFFIX} for a hash and Azure allows 32."
        )
        most = LONGEST_DEPLOYMENT - HASH_SUFFIX
        yield Problem(at, reason, f"Use at most {most} characters, or `rollout: recreate`.")


def _name(rule: Rule, name: str | None, at: Path) -> Iterator[Problem]:
    if name is not None and not rule.pattern.fullmatch(name):
        yield Problem(at, f"{rule.what} cannot be `{name[:80]}`.", f"Use {rule.shape}.")


def same(name: str | None, key: str, at: Path, what: str) -> Iterator[Problem]:
    """A pasted body keeps its name, which must be the key it stands under."""
    if name is not None and name != key:
        yield Problem(
            at, f"says `{name[:80]}`, but the {what} stands under the key `{key}`.", "Make them equal."
        )


def _twice(names: Iterable[str], at: Path, what: str) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for name in names:
        first = seen.setdefault(name.lower(), name)
        if first != name:
            yield Problem(
                (*at, name), f"is the same {what} as `{first}` to Azure, which ignores case.", "Rename one."
            )
