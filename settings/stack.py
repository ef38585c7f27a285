"""The whole of a stack's configuration, as one typed tree."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from settings.base import Section, Texts, setting
from settings.deployment import Deployment
from settings.endpoint import Endpoint
from settings.environment import Environment
from settings.images import Image
from settings.models import Model
from settings.network import Network
from settings.rollout import Autoscale, Rollout
from settings.vllm import Vllm
from settings.workspace import ResourceGroup, Workspace


class Runner(Section):
    """The machine that runs Pulumi. Its facts, not the stack's."""

    private_address: str | None = setting(
        None,
        "HOST or HOST:PORT at which this machine reaches the workspace's private endpoint when its DNS "
        "does not say so. "
        "Only for endpoints with public access disabled; TLS is still verified against the endpoint's own "
        "name. "
        "The variable VLLM_AZUREML_PRIVATE_ADDRESS says the same and wins.",
    )


def _named(assets: Any) -> Any:
    if not isinstance(assets, Mapping):
        return assets
    return {
        key: {**asset, "name": key} if isinstance(asset, Mapping) and asset.get("name") is None else asset
        for key, asset in assets.items()
    }


class StackSettings(Section):
    """Everything under `vllm-azureml:` in Pulumi.STACK.yaml, and azure-native:location."""

    location: str | None = setting(None, "Region of everything: azure-native:location.")
    resource_group: ResourceGroup = Field(description="Resource group.", examples=[{"name": "rg-vllm"}])
    workspace: Workspace = Field(
        description="Workspace and what it stands on.", examples=[{"name": "mlw-vllm"}]
    )
    network: Network | None = setting(
        None, "Virtual network for private endpoints; everything is public when omitted."
    )
    models: dict[str, Model] = setting(dict, "Models this stack registers, by name.")
    images: dict[str, Image] = setting(dict, "Images, by a name of one's own.")
    environments: dict[str, Environment] = setting(
        dict, "Named environments this stack registers (az ml's environment.yml)."
    )
    endpoints: dict[str, Endpoint] = setting(dict, "Endpoints, by name.")
    runner: Runner = setting(Runner(), "The machine that runs Pulumi.")
    lock: str = setting(
        "models.lock.json", "File that pins the commit and digests of every Hugging Face model."
    )
    rollout: Rollout = setting("blue_green", "How deployments are replaced unless they say otherwise.")
    autoscale: Autoscale | None = setting(None, "Autoscale of every deployment that has none of its own.")
    vllm: Vllm | None = setting(None, "vLLM's arguments for every deployment that has none of its own.")
    tags: Texts = setting(dict, "Tags of every resource that takes tags.")
    defaults: Literal["fitted", "azml"] = setting(
        "fitted",
        "fitted: what a deployment leaves out may be chosen to fit the model, and the plan explains each "
        "choice. "
        "azml: leave out what az ml leaves out.",
    )

    @model_validator(mode="before")
    @classmethod
    def _name_assets(cls, value: Any) -> Any:
        """A model or environment of the stack is called what its key says, so it is never anonymous."""
        if not isinstance(value, Mapping):
            return value
        return {
            key: _named(item) if key in ("models", "environments") else item for key, item in value.items()
        }

    def deployments(self) -> list[tuple[str, str, Deployment]]:
        """Every deployment with the names of its endpoint and its own, in the file's order."""
        return [(e, d, spec) for e, ep in self.endpoints.items() for d, spec in ep.deployments.items()]
