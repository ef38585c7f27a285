"""The exports with which any program (the Pulumi CLI, Azure's SDK, curl) talks to the embedded Azure."""

from __future__ import annotations

import os

from emulator.azure.metadata import CLOUD_NAME
from emulator.host.started import Started, gateway
from emulator.settings import REPOSITORY, Settings


def exports(settings: Settings, started: Started, principal: str = "deployer") -> dict[str, str]:
    """Name to value. `principal` is who one is: the deployer, or a reader that can change nothing."""
    inside = gateway(settings.vnet_subnet) if started.nodes == "docker" else settings.inside_host
    header = settings.reader_header if principal == "reader" else settings.deployer_header
    plugins = str(REPOSITORY / "emulator" / "plugins" / "bin")
    path = [plugins, *(p for p in os.environ.get("PATH", "").split(":") if p and p != plugins)]
    values = {
        "ARM_METADATA_HOSTNAME": f"{settings.arm_host}:{settings.port}",
        "ARM_METADATA_HOST": f"{settings.arm_host}:{settings.port}",
        "ARM_CLOUD_METADATA_URL": f"{settings.arm_url}/metadata/endpoints?api-version=2019-05-01",
        # Without it azure-ai-ml silently falls back to the public cloud when the metadata cannot be read.
        "AZUREML_CURRENT_CLOUD": CLOUD_NAME,
        "ARM_USE_MSI": "true",
        "ARM_SUBSCRIPTION_ID": settings.subscription,
        "ARM_TENANT_ID": settings.tenant,
        "IDENTITY_ENDPOINT": settings.identity_endpoint,
        "IDENTITY_HEADER": header,
        "HF_ENDPOINT": settings.hub_url,
        "SSL_CERT_FILE": str(settings.bundle_file),
        "REQUESTS_CA_BUNDLE": str(settings.bundle_file),
        "CURL_CA_BUNDLE": str(settings.bundle_file),
        # Nothing in this environment may leave the machine, and no proxy could reach our addresses.
        "NO_PROXY": "*",
        "no_proxy": "*",
        "DOCKER_CONFIG": str(settings.docker_config),
        "VLLM_AZUREML_PRIVATE_ADDRESS": f"{inside}:{settings.port}",
        # Roles take effect here when this delay is over; on Azure they take minutes.
        "VLLM_AZUREML_ROLE_SETTLE_SECONDS": f"{settings.delays.role_propagation + 0.5:g}",
        "EMULATOR_HOME": str(settings.home),
        "PATH": ":".join(path),
    }
    if started.engine_is_ours:
        values["DOCKER_HOST"] = started.engine
    return values
