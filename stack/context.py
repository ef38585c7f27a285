"""What the areas of a stack share: who runs it, where things go, and how they are called.

Plain values only. Names of servers are hashes of plain values, and ARM ids follow from names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import pulumi

from components.content import short_hash
from components.progress import configure_credentials
from providers import credentials
from settings import StackSettings
from stack import sdk


@dataclass(frozen=True)
class Caller:
    """Whoever runs the program, as azure-native sees them."""

    subscription_id: str
    tenant_id: str
    principal_id: str
    principal_type: str


@dataclass(frozen=True)
class Context:
    """The settings, the caller, and ids and names that follow from them."""

    settings: StackSettings
    caller: Caller
    location: str

    @property
    def group_id(self) -> str:
        return (
            f"/subscriptions/{self.caller.subscription_id}/resourceGroups/{self.settings.resource_group.name}"
        )

    @property
    def workspace_id(self) -> str:
        return (
            f"{self.group_id}/providers/Microsoft.MachineLearningServices"
            f"/workspaces/{self.settings.workspace.name}"
        )

    def asset_id(self, kind: str, name: str, version: str) -> str:
        """The id of a model or environment version of this workspace (`kind` is `models`,
        `environments` or `data`)."""
        return f"{self.workspace_id}/{kind}/{name}/versions/{version}"

    def tags(self, own: dict[str, str] | None = None) -> dict[str, str]:
        """The stack's tags and a resource's own, which win."""
        return {**self.settings.tags, **(own or {})}

    def derived(self, prefix: str, longest: int, *, hyphens: bool = False) -> str:
        """A name for something that has none: unique in Azure, the same on every run of this stack."""
        unique = short_hash([self.group_id, self.settings.workspace.name])
        workspace = self.settings.workspace.name.lower()
        text = re.sub(r"[^a-z0-9-]" if hyphens else r"[^a-z0-9]", "", workspace)
        middle = text[: longest - len(prefix) - len(unique)].strip("-")
        return f"{prefix}{middle}{unique}" if not hyphens else f"{prefix}{middle[:-1]}-{unique}"


def context(settings: StackSettings) -> Context:
    """Ask azure-native who is calling; a Reader may."""
    from pulumi_azure_native import authorization

    if not settings.location:
        raise pulumi.RunError(
            "azure-native:location is not set. Everything is made in one region: "
            "`pulumi config set azure-native:location westeurope`."
        )
    sdk.load(settings)
    who = authorization.get_client_config()
    return Context(
        settings,
        Caller(who.subscription_id, who.tenant_id, who.object_id, _principal_type()),
        settings.location.lower(),
    )


def _principal_type() -> str:
    """Role assignments must say what kind of principal they are for; azure-native's settings tell."""
    configure_credentials()
    unattended = ("clientSecret", "clientCertificatePath", "useOidc", "useMsi", "useDefaultAzureCredential")
    return "ServicePrincipal" if any(credentials.setting(key) for key in unattended) else "User"
