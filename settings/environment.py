"""An Azure ML environment: an image, or a Docker context that Azure ML builds, and its routes."""

from typing import Any

from pydantic import Field

from settings.base import Asset, OsType, Section, Texts, Version, setting
from settings.probes import Route

READ_ONLY = "Azure writes this; a stack file cannot set it."
AML_ENVIRONMENT_READ_ONLY = {
    "resourceGroup": READ_ONLY,  # the Azure CLI adds it to whatever it shows with an id
    "id": READ_ONLY,
    "creation_context": READ_ONLY,
    "latest_version": READ_ONLY,
    "intellectual_property": READ_ONLY,
}


class InferenceConfig(Section):
    """Where the container answers. az ml wants all three routes or none."""

    example = {
        "liveness_route": {"port": 8000, "path": "/health"},
        "readiness_route": {"port": 8000, "path": "/health"},
        "scoring_route": {"port": 8000, "path": "/"},
    }

    liveness_route: Route = Field(
        description="Asked by the liveness probe; vLLM answers /health (and /ping).",
        examples=[{"port": 8000, "path": "/health"}],
    )
    readiness_route: Route = Field(
        description="Asked by the readiness probe.", examples=[{"port": 8000, "path": "/health"}]
    )
    scoring_route: Route = Field(
        description="Where requests go. With `/` every path is passed through, so that "
        "/v1/chat/completions works.",
        examples=[{"port": 8000, "path": "/"}],
    )
    startup_route: Route | None = setting(
        None,
        "Asked by the startup probe. The API has it, az ml's YAML does not.",
        azure="Accepted by API 2025-12-01; behaviour of the service unverified. Use with startup_probe.",
    )


class BuildContext(Section):
    """A Docker context that Azure ML builds into an image."""

    path: str | None = setting(
        None,
        "Folder with the Dockerfile, relative to the project (uploaded, content-addressed, .dockerignore "
        "honoured), "
        "or the https URL of a context that is already in blob storage.",
    )
    dockerfile_path: str | None = setting(
        None, "Dockerfile, relative to the context.", azure="Dockerfile when omitted."
    )


class Environment(Asset):
    """An environment as az ml's environment.yml says it; inline in a deployment, or named under
    `environments`.
    """

    read_only = AML_ENVIRONMENT_READ_ONLY
    refused = {
        "channels": "This is the content of a conda file. Put it under conda_file.",
        "dependencies": "This is the content of a conda file. Put it under conda_file.",
    }
    example = {"image": "myacr.azurecr.io/vllm:1.0"}

    name: str | None = setting(
        None, "Name of the environment. Without one it is registered anonymously, as az ml does."
    )
    version: Version | None = setting(
        None,
        "Version of the environment. Versions are immutable; without one the content decides the version.",
    )
    description: str | None = setting(None, "Description of the environment version.")
    tags: Texts = setting(dict, "Tags of the environment version.")
    properties: Texts = setting(dict, "Properties of the environment version.")
    image: str | None = setting(
        None,
        "Image the container runs. A bare name found under `images` means that image; anything else is an "
        "image "
        "reference such as myacr.azurecr.io/vllm:1.0 (a digest is better than a tag).",
    )
    build: BuildContext | None = setting(None, "Docker context that Azure ML builds. Instead of image.")
    conda_file: str | dict[str, Any] | None = setting(
        None,
        "Conda specification, inline or as the path of a file, that Azure ML builds on top of the image. "
        "A vLLM image needs none.",
        union_mode="left_to_right",
    )
    inference_config: InferenceConfig | None = setting(
        None,
        "Routes of the container. A custom container needs all three.",
        azure="Without routes Azure expects a scoring script (MissingDriverProgram).",
    )
    os_type: OsType | None = setting(None, "Operating system of the image.", azure="Linux when omitted.")
    auto_delete_setting: dict[str, Any] | None = setting(
        None, "az ml reads it and sends nothing of it for an environment; nor does this."
    )
    datastore: str | None = setting(
        None, "Datastore that a local build context is uploaded to.", azure="workspaceblobstore when omitted."
    )
