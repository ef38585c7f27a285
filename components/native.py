"""azure-native resources by their token, where the SDK's class costs too much.

Importing `pulumi_azure_native.network` takes over a second, several times what the rest of a preview's
imports take, because every class of the module comes along; a stack needs three of them. The provider, its
token and its inputs (ARM's own names) are the same. Used for that module only: the others are cheap, and
their classes check names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi


class Native(pulumi.CustomResource):
    """One resource; `props` are azure-native's inputs."""

    name: pulumi.Output[str]

    def __init__(
        self, token: str, name: str, props: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        from pulumi_azure_native import _utilities

        # What the SDK's own classes start from: the plugin's version.
        opts = pulumi.ResourceOptions.merge(_utilities.get_resource_opts_defaults(), opts)
        super().__init__(f"azure-native:{token}", name, {**props, "name": None}, opts)
