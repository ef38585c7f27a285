"""Imports what a stack will use of azure-native's SDK before the first question to Azure.

The engine answers that question after a refresh, and these modules are the longest part of the program: this
way they are imported while the resources are read. One too many costs its time, one too few is only imported
later, where it is used.
"""

from __future__ import annotations

from settings import StackSettings


def load(settings: StackSettings) -> None:
    """Import the modules of the workspace and of the parts that this stack makes for it."""
    import pulumi_azure_native as sdk

    wanted = settings.workspace
    modules = ["machinelearningservices", "authorization"]
    if not wanted.existing:
        parts = {
            "storage": wanted.storage_account,
            "keyvault": wanted.key_vault,
            "containerregistry": wanted.container_registry,
            "applicationinsights": wanted.application_insights,
            "operationalinsights": wanted.application_insights,
        }
        modules += ["resources", *(name for name, part in parts.items() if not (part and part.id))]
    for name in modules:
        hasattr(getattr(sdk, name), "any")  # the SDK imports a module when something in it is looked for
