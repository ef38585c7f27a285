"""vLLM behind Azure Machine Learning managed online endpoints: settings -> stack -> outputs."""

import pulumi

from settings import SettingsError, from_pulumi_config
from stack import deploy


def main() -> None:
    """Declare the stack that the configuration describes."""
    try:
        settings = from_pulumi_config()
    except SettingsError as problem:
        raise pulumi.RunError(str(problem)) from None
    for name, value in deploy(settings).items():
        pulumi.export(name, value)


main()
