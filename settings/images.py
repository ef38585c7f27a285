"""Images a stack uses: built and pushed where Pulumi runs, or pushed by a team's CI."""

from typing import Literal

from settings.base import Section, Texts, setting


class Build(Section):
    """A build with BuildKit on the machine that runs Pulumi; its docker login pushes."""

    context: str = setting(
        "docker", "Folder of the Docker context, relative to the project. .dockerignore is honoured."
    )
    dockerfile: str = setting("Dockerfile", "Dockerfile, relative to the context.")
    args: Texts = setting(dict, "Build arguments. They end up in the image's history: never a secret.")
    target: str | None = setting(None, "Stage of a multi-stage Dockerfile.")
    platform: str = setting(
        "linux/amd64", "Platform of the image. GPU instances of managed endpoints are linux/amd64."
    )
    no_cache: bool = setting(False, "Build every layer anew.")


class Image(Section):
    """One image under `images`."""

    example = {"registry_image": "myacr.azurecr.io/vllm:1.0"}

    build: Build | None = setting(None, "Build the image here and push it to the workspace's registry.")
    registry_image: str | None = setting(
        None,
        "An image that is already in a registry, HOST/REPOSITORY:TAG or @sha256:DIGEST; a tag is resolved "
        "to its "
        "digest. Instead of build.",
    )
    repository: str | None = setting(
        None, "Repository in the workspace's registry; the image's key when omitted."
    )
    tag: str = setting("latest", "Tag to push.")
    reference: Literal["digest", "tag"] = setting(
        "digest",
        "How deployments name the image. A tag may move under a running deployment; a digest cannot.",
    )
