"""vLLM's arguments: said once, and parsed by `serving.vllm_args`, which knows vLLM's own names."""

from collections.abc import Iterator

from settings.errors import Path, Problem
from settings.stack import StackSettings


def check(stack: StackSettings) -> Iterator[Problem]:
    """VLLM_ARGS or `vllm.args`, not both."""
    for endpoint, key, deployment in stack.deployments():
        at: Path = ("endpoints", endpoint, "deployments", key)
        variables = deployment.environment_variables
        if deployment.vllm is not None and deployment.vllm.args and "VLLM_ARGS" in variables:
            fix = "Keep one of them."
            yield Problem(
                (*at, "vllm", "args"), "contradicts environment_variables.VLLM_ARGS, which is there too.", fix
            )
