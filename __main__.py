"""vLLM behind Azure Machine Learning managed online endpoints: settings -> stack -> outputs."""

import gc

# The program is short and keeps what it makes, and the SDK it imports is large: collecting only takes time
# (measured: two thirds of a second of every command).
gc.disable()

import pulumi  # noqa: E402

from settings import SettingsError, from_pulumi_config  # noqa: E402
from stack import deploy  # noqa: E402


def main() -> None:
    """Declare the stack that the configuration describes."""
    try:
        settings = from_pulumi_config()
    except SettingsError as problem:
        raise pulumi.RunError(str(problem)) from None
    for name, value in deploy(settings).items():
        pulumi.export(name, value)


main()
