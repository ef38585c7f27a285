"""A container image in the workspace's registry: built and pushed from here, or found there.

Built by pulumi-docker-build (BuildKit), which pulumi-docker's own documentation names as its successor for
images. A preview builds nothing. The reference is by digest, so that nobody moves a tag under a running
server. A pushed image stays on destroy: other stacks and rollbacks may name it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi

from providers.registry_login import RegistryLogin


@dataclass(frozen=True, kw_only=True)
class RegistryImageArgs:
    """`content` is the hash of the context (`components.content.context_hash`). `context` is a path of the
    project.

    `push_grant` is the role assignment that lets the deploying principal push, if the program made one.
    """

    login_server: pulumi.Input[str]
    repository: str
    tag: str
    content: str
    context: str
    dockerfile: str
    build_args: Mapping[str, str] = field(default_factory=dict)
    target: str | None = None
    platform: str = "linux/amd64"
    no_cache: bool = False
    by_digest: bool = True
    push_grant: pulumi.Input[str] | None = None


class RegistryImage(pulumi.ComponentResource):
    """`reference` is what a deployment names; `digest_reference` is by digest whatever `by_digest` says."""

    reference: pulumi.Output[str]
    digest_reference: pulumi.Output[str]

    def __init__(
        self, name: str, args: RegistryImageArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("vllm-azureml:components:RegistryImage", name, None, opts)
        import pulumi_docker_build as docker_build

        login = RegistryLogin(
            name,
            login_server=args.login_server,
            repository=args.repository,
            contents=args.content,
            role_assignment_id=args.push_grant,
            opts=pulumi.ResourceOptions(parent=self),
        )
        repository = pulumi.Output.concat(args.login_server, "/", args.repository)
        image = docker_build.Image(
            name,
            context=docker_build.BuildContextArgs(location=args.context),
            dockerfile=docker_build.DockerfileArgs(location=f"{args.context.rstrip('/')}/{args.dockerfile}"),
            build_args=dict(args.build_args),
            target=args.target,
            platforms=[docker_build.Platform(args.platform)],
            no_cache=args.no_cache or None,
            tags=[pulumi.Output.concat(repository, ":", args.tag)],
            push=True,
            build_on_preview=False,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[login], retain_on_delete=True),
        )
        self.digest_reference = pulumi.Output.concat(repository, "@", image.digest)
        self.reference = (
            self.digest_reference if args.by_digest else pulumi.Output.concat(repository, ":", args.tag)
        )
        self.register_outputs({"reference": self.reference})


def resolve(reference: str) -> str:
    """`HOST/REPOSITORY:TAG` by the digest the tag has now; with a digest already, as it is.

    Asks the registry (with the docker login of whoever runs) while the program runs, because the digest is
    part of the server's name.
    """
    if "@sha256:" in reference:
        return reference
    import pulumi_docker

    repository, _, tag = reference.rpartition(":")
    if "/" in tag or not repository:
        raise ValueError(f"the image {reference!r} has no tag and no digest. Write HOST/REPOSITORY:TAG.")
    try:
        found = pulumi_docker.get_registry_image(name=reference)
    except Exception as problem:  # noqa: BLE001 - the invoke raises a plain Exception
        raise ValueError(
            f"the image {reference!r} cannot be resolved to a digest: {str(problem).splitlines()[0]}. Log "
            "in to its "
            "registry (`make login`, or `docker login`) and check that the tag exists."
        ) from None
    return f"{repository}@{found.sha256_digest}"
