"""The path this engine replaces, as its tools do it: download to disk with huggingface_hub, upload with
azure-ai-ml.

`python two_step.py REPOSITORY CONTAINER_URL FOLDER REPORT`. azure-ai-ml is called below its control plane,
at the class that `az ml model create` uploads with; hashing of the folder is what it does before each
upload. The account key comes from AZURE_STORAGE_KEY, otherwise azure-identity is asked.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path


def main(repository: str, container_url: str, folder: str, report: str) -> None:
    """Download, hash, upload; write how long each took, in seconds."""
    started = time.monotonic()
    from huggingface_hub import snapshot_download

    imported = time.monotonic()
    snapshot_download(repository, revision="main", local_dir=folder)
    downloaded = time.monotonic()
    from azure.ai.ml._artifacts._blob_storage_helper import BlobStorageClient
    from azure.ai.ml._utils._asset_utils import IgnoreFile, get_object_hash

    ready = time.monotonic()
    account, _, container = container_url.rpartition("/")
    digest = get_object_hash(folder, IgnoreFile(None))
    client = BlobStorageClient(credential=credential(), account_url=account, container_name=container)
    client.upload(folder, name="model", version="1", asset_hash=digest)
    done = time.monotonic()
    seconds = (downloaded - imported) + (done - ready)
    facts = {
        "seconds": seconds,
        "download": downloaded - imported,
        "upload": done - ready,
        "imports": imported - started,
    }
    Path(report).write_text(json.dumps(facts))


def credential():
    """The account's key, or azure-identity."""
    key = os.environ.get("AZURE_STORAGE_KEY")
    if key:
        return {"account_name": os.environ["AZURE_STORAGE_ACCOUNT"], "account_key": key}
    from azure.identity import DefaultAzureCredential

    return DefaultAzureCredential()


if __name__ == "__main__":
    main(*sys.argv[1:])
