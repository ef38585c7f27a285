"""Models: assets this stack registers (under `models`), or a model inline in a deployment.

A model another team registered is not written here: a deployment refers to it as `azureml:NAME:VERSION`.
"""

from typing import Any

from pydantic import Field

from settings.base import Asset, CopyAuthentication, ModelType, ServerSideCopy, Texts, Version, setting
from settings.environment import READ_ONLY

AML_MODEL_READ_ONLY = {
    "resourceGroup": READ_ONLY,
    "id": READ_ONLY,
    "utc_time_created": READ_ONLY,
    "creation_context": READ_ONLY,
    "job_name": READ_ONLY,
    "latest_version": READ_ONLY,
    "intellectual_property": READ_ONLY,
}


TEMPLATE = "Deployment templates belong to the models of a registry; a workspace has none. Remove it."


class Model(Asset):
    """A model asset: content from Hugging Face, from a folder, or already in a datastore."""

    read_only = AML_MODEL_READ_ONLY
    refused = {"default_deployment_template": TEMPLATE, "allowed_deployment_templates": TEMPLATE}
    example = {"huggingface": "Qwen/Qwen3-8B"}

    name: str | None = setting(None, "Name of the model; under `models` it must equal the key.")
    version: Version | None = setting(
        None, "Version of the model. Versions are immutable; without one the content decides the version."
    )
    type: ModelType = setting(
        "custom_model", "Format of the model. vLLM serves custom_model.", azure="custom_model when omitted."
    )
    path: str | None = setting(
        None,
        "Where the files are: a folder or a file relative to the project (uploaded, all but hidden "
        "files), azureml://datastores/NAME/paths/PATH (already there, only registered), a job's output, "
        "or an https URL of a blob.",
    )
    huggingface: str | None = setting(
        None,
        "Repository on the Hugging Face hub, ORG/NAME. Streamed into the datastore, verified and "
        "registered. Instead of path.",
    )
    revision: str = setting("main", "Branch, tag or commit of the repository; the lock file pins the commit.")
    allow_patterns: list[str] | None = setting(
        None,
        "Files of the repository to copy (glob patterns).",
    )
    ignore_patterns: list[str] | None = setting(None, "Files of the repository not to copy (glob patterns).")
    token: str | None = setting(
        None,
        "Where the token for a gated repository is: ${{keyvault:https://VAULT/secrets/NAME}}, or env:NAME "
        "for an "
        "environment variable of whoever runs. Never the token itself.",
    )
    server_side_copy: ServerSideCopy = setting(
        "auto",
        "Whether the storage account fetches large files from the hub itself: auto (tried with one block, "
        "then read back and held against the digests), trust (not read back) or never (streamed).",
    )
    copy_authentication: CopyAuthentication = setting(
        "identity",
        "How the copy gets at the datastore: identity (Storage Blob Data Contributor of whoever runs), or "
        "datastore (the account key or SAS that the datastore holds), for a workspace that still uses "
        "those.",
    )
    description: str | None = setting(None, "Description of the model version.")
    tags: Texts = setting(dict, "Tags of the model version.")
    properties: Texts = setting(dict, "Properties of the model version.")
    stage: str | None = setting(None, "Stage of the model version, for example Production.")
    flavors: dict[str, Texts] | None = setting(None, "MLflow flavors of the model: texts by flavor.")
    datastore: str | None = setting(
        None, "Datastore that the files are copied to.", azure="workspaceblobstore when omitted."
    )
    system_metadata: dict[str, Any] | None = setting(
        None, "az ml reads it and sends nothing of it for a workspace; nor does this."
    )
    protect: bool = setting(False, "Refuse to delete this model version with the stack.")
    import_: bool = Field(
        default=False,
        description="Take over a version that is already registered under this name and version.",
    )
