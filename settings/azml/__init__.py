"""The ARM bodies that `az ml` (azure-ai-ml 1.35.2) sends for an endpoint, a deployment, an environment or a
model.

Pure functions from settings to plain dictionaries with ARM's own (camelCase) names: `endpoint_body`,
`deployment_body`, `environment_body` and `model_body`. A component takes `body["properties"]`,
`body.get("sku")`, `body.get("identity")` and `body.get("tags")` and hands them to the azure-native
resource as they are: dictionaries with ARM's names pass through Pulumi unchanged, while its Args classes
would add defaults of their own (`maxQueueWait`, `successThreshold`, ...) that az ml does not send. Ids
are arguments and may be Outputs.

`differences` lists what is meant to differ from az ml, each with its reason. The tests compare with what
azure-ai-ml produces when they run.
"""

from settings.azml.assets import content_version, environment_body, model_body
from settings.azml.data_assets import CollectedData, data_assets
from settings.azml.deployment import deployment_body
from settings.azml.differences import DIFFERENCES, Difference
from settings.azml.durations import milliseconds, seconds
from settings.azml.endpoint import endpoint_body

__all__ = [
    "DIFFERENCES",
    "CollectedData",
    "Difference",
    "content_version",
    "data_assets",
    "deployment_body",
    "endpoint_body",
    "environment_body",
    "milliseconds",
    "model_body",
    "seconds",
]
