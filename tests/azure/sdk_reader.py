"""Run by test_sdk in a process that has the exports of `python -m emulator env` and nothing else.

Reads everything that azure-ai-ml shows of one workspace and prints it as JSON. Arguments: resource group,
workspace.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
import warnings


def read(group: str, workspace: str) -> dict:
    from azure.ai.ml import MLClient
    from azure.identity import DefaultAzureCredential, ManagedIdentityCredential

    client = MLClient(DefaultAzureCredential(), os.environ["ARM_SUBSCRIPTION_ID"], group, workspace)
    direct = ManagedIdentityCredential().get_token("https://management.azure.com/.default")
    endpoint = client.online_endpoints.get("for-sdk")
    deployment = client.online_deployments.get("current", "for-sdk")
    model, environment = client.models.get("small", "1"), client.environments.get("for-sdk", "1")
    keys = client.online_endpoints.get_keys("for-sdk")
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"model": "small", "messages": [{"role": "user", "content": "Hello"}]}, file)
        file.flush()
        invoked = client.online_endpoints.invoke("for-sdk", request_file=file.name)
    return {
        "token": direct.token.count("."),
        "workspaces": [item.name for item in client.workspaces.list()],
        "workspace": client.workspaces.get(workspace).location,
        "endpoints": [item.name for item in client.online_endpoints.list()],
        "endpoint": [
            endpoint.auth_mode,
            endpoint.traffic,
            endpoint.provisioning_state,
            endpoint.identity.type,
        ],
        "keys": [bool(keys.primary_key), bool(keys.secondary_key)],
        "deployments": [item.name for item in client.online_deployments.list("for-sdk")],
        "deployment": [
            deployment.instance_type,
            deployment.instance_count,
            deployment.environment,
            deployment.request_settings.request_timeout_ms,
            deployment.liveness_probe.initial_delay,
            deployment.environment_variables,
        ],
        "logs": client.online_deployments.get_logs("current", "for-sdk", 20),
        "models": [item.name for item in client.models.list()],
        "model": [model.type, model.path],
        "environments": [item.name for item in client.environments.list()],
        "environment": [environment.image, environment.inference_config.scoring_route.port],
        "datastore": client.datastores.get_default().name,
        "invoked": invoked,
    }


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    print(json.dumps(read(*sys.argv[1:3])))
