"""A control plane of five answers: metadata document, tokens, the datastore, its key, its storage account."""

from __future__ import annotations

import json
import time

from azurite import ACCOUNT, KEY, Identity
from servers import Handler, Loopback

SUBSCRIPTION, GROUP, WORKSPACE = "sub", "rg", "ws"
STORE = "/providers/Microsoft.MachineLearningServices/workspaces/ws/datastores/workspaceblobstore"


class FakeArm(Loopback):
    """`blob` is the account's blob endpoint, `container` the datastore's; `gone`: there is no datastore;
    `keyless`: it holds no key.
    """

    def __init__(self, blob: str, container: str) -> None:
        self.blob, self.container, self.gone, self.keyless = blob, container, False, False
        super().__init__()

    def environment(self) -> dict[str, str]:
        """What points the credentials here."""
        return {
            "ARM_METADATA_HOSTNAME": self.url,
            "ARM_USE_MSI": "true",
            "IDENTITY_ENDPOINT": f"{self.url}/token",
            "IDENTITY_HEADER": "me",
        }

    def answer(self, request: Handler) -> None:
        path = request.parts.path
        if path == "/metadata/endpoints":
            self._say(request, self._metadata())
        elif path == "/token":
            token = Identity().get_token()
            self._say(request, {"access_token": token.token, "expires_on": str(int(time.time()) + 3600)})
        elif path.endswith(STORE) and not self.gone:
            store = {"datastoreType": "AzureBlob", "accountName": ACCOUNT, "containerName": self.container}
            self._say(request, {"properties": store})
        elif path.endswith(STORE + "/listSecrets") and self.keyless:
            error = {"code": "UserError", "message": "The datastore has no credentials."}
            request.say(400, json.dumps({"error": error}).encode())
        elif path.endswith(STORE + "/listSecrets"):
            self._say(request, {"secretsType": "AccountKey", "key": KEY})
        elif path.endswith("/workspaces/ws"):
            account = (
                f"/subscriptions/sub/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/{ACCOUNT}"
            )
            self._say(request, {"properties": {"storageAccount": account}})
        elif path.endswith(f"/storageAccounts/{ACCOUNT}"):
            self._say(request, {"properties": {"primaryEndpoints": {"blob": self.blob}}})
        else:
            request.say(404, json.dumps({"error": {"code": "ResourceNotFound", "message": path}}).encode())

    def _metadata(self) -> dict:
        authentication = {"audiences": [self.url], "loginEndpoint": self.url}
        return {"name": "Test", "resourceManager": self.url, "authentication": authentication}

    @staticmethod
    def _say(request: Handler, document: dict) -> None:
        request.say(200, json.dumps(document).encode(), Content_Type="application/json")
