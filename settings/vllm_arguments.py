"""The arguments vLLM gets, wherever the stack says them: VLLM_ARGS, the deployment's `vllm`, or the stack's.

Reading them is `serving.vllm_args`' business and happens only when there are any; it needs no network.
"""

import re
import shlex
from typing import TYPE_CHECKING

from settings.deployment import Deployment
from settings.environment import Environment
from settings.errors import Path
from settings.stack import StackSettings

if TYPE_CHECKING:
    from serving.vllm_args import VllmArgs

RELEASE = re.compile(r"v?(\d+\.\d+(?:\.\d+)?(?:\.?(?:post|rc)\d+)?)(?:-.*)?")


def line(stack: StackSettings, deployment: Deployment) -> str:
    """The container's VLLM_ARGS without the served names: the variable first, then `vllm.args`."""
    vllm = deployment.vllm or stack.vllm
    own = deployment.environment_variables.get("VLLM_ARGS", "")
    said = "" if vllm is None else vllm.args if isinstance(vllm.args, str) else shlex.join(vllm.args)
    return " ".join(part for part in (own, said) if part)


def variables(stack: StackSettings, deployment: Deployment) -> dict[str, str]:
    """The container's environment variables, with `vllm` in VLLM_ARGS."""
    vllm = deployment.vllm or stack.vllm
    text = line(stack, deployment)
    if vllm is not None and vllm.served_model_names:
        text = f"{text} --served-model-name {shlex.join(vllm.served_model_names)}".strip()
    return {**deployment.environment_variables, **({"VLLM_ARGS": text} if text else {})}


def key(stack: StackSettings, endpoint: str, name: str) -> Path:
    """The key somebody has to change: where the arguments of a deployment stand."""
    deployment = stack.endpoints[endpoint].deployments[name]
    at: Path = ("endpoints", endpoint, "deployments", name)
    if "VLLM_ARGS" in deployment.environment_variables:
        return (*at, "environment_variables", "VLLM_ARGS")
    return (*at, "vllm", "args") if deployment.vllm is not None else ("vllm", "args")


def version(stack: StackSettings, deployment: Deployment) -> str | None:
    """The vLLM release: said by `vllm.version`, or by the tag of the base image the stack builds on."""
    for vllm in (deployment.vllm, stack.vllm):
        if vllm is not None and vllm.version:
            return vllm.version
    image = deployment.image
    if isinstance(deployment.environment, Environment):
        image = deployment.environment.image
    build = stack.images[image].build if image in stack.images else None
    found = RELEASE.fullmatch(build.args.get("BASE_TAG", "")) if build is not None else None
    return found[1] if found else None


def parsed(stack: StackSettings, deployment: Deployment) -> "VllmArgs | None":
    """The arguments by vLLM's names, or None when they cannot be read (the checks say why) or there are
    none.
    """
    from serving.errors import BadArgumentsError
    from serving.vllm_args import parse

    text = line(stack, deployment)
    if not text:
        return None
    try:
        return parse(text, version=version(stack, deployment), allow_owned=True)
    except BadArgumentsError:
        return None
