"""vLLM's arguments: said once, known to vLLM, not somebody else's, and within the GPUs of the machine.

`serving.vllm_args` knows vLLM's own names, by version; without any arguments it is not even imported.
"""

from collections.abc import Iterator

from settings import vllm_arguments
from settings.deployment import Deployment
from settings.errors import Path, Problem
from settings.stack import StackSettings

FIX = "Correct or remove the argument; `vllm.version` says which release's arguments are meant."


def check(stack: StackSettings) -> Iterator[Problem]:
    """The arguments of every deployment; those that several share are reported once."""
    for endpoint, name, deployment in stack.deployments():
        at: Path = ("endpoints", endpoint, "deployments", name)
        variables = deployment.environment_variables
        if deployment.vllm is not None and deployment.vllm.args and "VLLM_ARGS" in variables:
            fix = "Keep one of them."
            yield Problem(
                (*at, "vllm", "args"),
                "contradicts environment_variables.VLLM_ARGS, which is there too.",
                fix,
            )
        elif vllm_arguments.line(stack, deployment):
            where = vllm_arguments.key(stack, endpoint, name)
            for reason in _reasons(stack, deployment):
                yield Problem(where, reason if reason.endswith("?") else f"{reason}.", FIX)


def _reasons(stack: StackSettings, deployment: Deployment) -> list[str]:
    from serving.errors import BadArgumentsError, UnknownHardwareError
    from serving.skus import find_sku
    from serving.vllm_args import check_parallelism, parse

    version = vllm_arguments.version(stack, deployment)
    text = vllm_arguments.line(stack, deployment)
    try:
        parse(text, version=version)
    except BadArgumentsError as error:
        return list(error.problems)
    try:
        gpus = find_sku(deployment.instance_type).gpus
    except UnknownHardwareError:
        return []
    return check_parallelism(parse(text, version=version, allow_owned=True), heads=None, gpus=gpus)
