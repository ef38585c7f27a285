"""Secrets in plain sight: environment variables and build arguments of a container are readable by many.

The value itself never appears in a message.
"""

import re
from collections.abc import Iterator

from settings.errors import Path, Problem
from settings.redact import is_token
from settings.stack import StackSettings

NAME = re.compile(
    r"(^|_)(TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?|APIKEY|(API|ACCESS|ACCOUNT|AUTH|PRIVATE|SECRET)_KEY|"
    r"CONNECTION_STRING|CONNSTR|SAS)$",
    re.IGNORECASE,
)
REFERENCE = re.compile(
    r"\$\{\{\s*(keyvault:https://[^/\s]+/secrets/[0-9a-zA-Z-]+(/[0-9a-zA-Z]*)?|"
    r"azureml://connections/[^/\s]+/(credentials|metadata|target)(/[^/\s]+)?)\s*\}\}"
)
FIX = "Put it into a Key Vault and write ${{keyvault:https://VAULT/secrets/NAME}}."


def check(stack: StackSettings) -> Iterator[Problem]:
    """Every environment variable and every build argument."""
    for endpoint, key, deployment in stack.deployments():
        at: Path = ("endpoints", endpoint, "deployments", key, "environment_variables")
        for name, value in deployment.environment_variables.items():
            yield from _variable(name, value, (*at, name))
    for key, image in stack.images.items():
        for name, value in (image.build.args if image.build else {}).items():
            if _is_secret(name, value):
                fix = "Mount it as a build secret outside of this stack, or do without it."
                at = ("images", key, "build", "args", name)
                yield Problem(
                    at, "looks like a secret, and build arguments stay in the image's history.", fix
                )


def _variable(name: str, value: str, at: Path) -> Iterator[Problem]:
    if "${{" in value:
        if not REFERENCE.fullmatch(value.strip()):
            fix = "Write ${{keyvault:https://VAULT/secrets/NAME}} or ${{azureml://connections/NAME/credentials/KEY}}."
            yield Problem(at, "is not a reference that Azure ML resolves.", fix)
    elif _is_secret(name, value):
        yield Problem(at, "looks like a secret, and everyone who may read the deployment can read it.", FIX)


def _is_secret(name: str, value: str) -> bool:
    if not value:
        return False
    return NAME.search(name) is not None or is_token(value)
