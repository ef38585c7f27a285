"""The stack configuration: typed models and every check that needs no network.

`load` takes plain data (keys with or without the `vllm-azureml:` prefix) and gives a `StackSettings`, or
raises one `SettingsError` with every problem of the file. Importing this package imports pydantic and
nothing else.
"""

from settings.errors import Problem, SettingsError
from settings.load import from_pulumi_config, load
from settings.stack import StackSettings

__all__ = ["Problem", "SettingsError", "StackSettings", "from_pulumi_config", "load"]
