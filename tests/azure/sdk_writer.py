"""Run by test_sdk in a process that has the exports of `python -m emulator env` and nothing else.

Creates, changes and deletes with azure-ai-ml what `az ml` would, and prints what it saw as JSON. Arguments:
resource group, workspace.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import warnings

ROUTE = {"port": 8000, "path": "/health"}


def write(group: str, workspace: str) -> dict:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import Environment, ManagedOnlineDeployment, ManagedOnlineEndpoint, Model
    from azure.identity import ManagedIdentityCredential

    client = MLClient(ManagedIdentityCredential(), os.environ["ARM_SUBSCRIPTION_ID"], group, workspace)
    endpoints, deployments = client.online_endpoints, client.online_deployments
    endpoint = endpoints.begin_create_or_update(
        ManagedOnlineEndpoint(name="by-sdk", auth_mode="key")
    ).result()
    routes = {"liveness_route": ROUTE, "readiness_route": ROUTE, "scoring_route": {**ROUTE, "path": "/"}}
    image = "docker.io/library/none:1"
    environment = client.environments.create_or_update(
        Environment(name="by-sdk", version="1", image=image, inference_config=routes)
    )
    uri = "azureml://datastores/workspaceblobstore/paths/by-sdk"
    model = client.models.create_or_update(Model(name="by-sdk", version="1", path=uri, type="custom_model"))
    deployment = ManagedOnlineDeployment(
        name="blue",
        endpoint_name="by-sdk",
        environment=environment,
        instance_type="Standard_DS1_v2",
        instance_count=1,
    )
    made = deployments.begin_create_or_update(deployment).result()
    endpoint.traffic = {"blue": 100}
    split = endpoints.begin_create_or_update(endpoint).result()
    endpoints.begin_regenerate_keys("by-sdk", key_type="secondary").result()
    made.instance_count = 2
    scaled = deployments.begin_create_or_update(made).result()
    endpoints.begin_delete("by-sdk").result()
    return {
        "model": model.version,
        "made": str(made.provisioning_state.value),
        "split": split.traffic,
        "scaled": scaled.instance_count,
        "left": [item.name for item in endpoints.list() if item.name == "by-sdk"],
    }


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    print("\n" + json.dumps(write(*sys.argv[1:3])))
