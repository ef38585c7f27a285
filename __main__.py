"""vLLM behind Azure Machine Learning managed online endpoints: settings -> stack -> outputs."""

import gc

import pulumi

from settings import SettingsError, from_pulumi_config
from stack import deploy

# The program is short and keeps what it makes, and the SDK it imports is large: collecting only takes time
# (measured: two thirds of a second of every command).
gc.disable()


def main() -> None:
    """Declare the stack that the configuration describes."""
    try:
        settings = from_pulumi_config()
    except SettingsError as problem:
        raise pulumi.RunError(str(problem)) from None
    for name, value in deploy(settings).items():
        pulumi.export(name, value)


main()
