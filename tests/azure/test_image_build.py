"""An environment with a build context: the image is built for real, pushed to the registry, and served."""

from __future__ import annotations

import time

import pytest
from azure.storage.blob import ContainerClient

from tests.azure.harness import LOCATION, Azure, attach, command, environment, make_platform
from tests.azure.test_storage import Bearer

pytestmark = pytest.mark.e2e
SERVER = """
import http.server
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b'{"built": true}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("", 8000), Answer).serve_forever()
"""
SUBNETS = {"VNET": "172.29.91.0/24", "NODES": "172.29.92.0/24", "EGRESS": "172.29.93.0/24"}


@pytest.fixture(scope="module")
def docker(docker_engine: str, tmp_path_factory: pytest.TempPathFactory):
    subnets = {f"EMULATOR_{name}_SUBNET": value for name, value in SUBNETS.items()}
    env = environment(tmp_path_factory.mktemp("docker") / "home", "127.93", **subnets)
    env |= {"EMULATOR_NODES": "docker", "DOCKER_HOST": docker_engine}
    done = command(env, "start", "--nodes", "docker", "--server", "standin")
    assert done.returncode == 0, done.stdout + done.stderr
    yield attach(env)
    command(env, "reset")


def upload(azure: Azure, workspace: str, account: str, files: dict[str, str]) -> str:
    """Put a build context into the workspace's blob store; returns its azureml:// path."""
    store = azure.do("GET", f"{workspace}/datastores/workspaceblobstore")["properties"]
    made = azure.do("GET", account, version="2024-01-01")
    azure.assign(
        account, "Storage Blob Data Contributor", azure.object_id(), "eeeeeeee-0000-4000-8000-000000000001"
    )
    time.sleep(0.6)
    client = ContainerClient(
        made["properties"]["primaryEndpoints"]["blob"],
        store["containerName"],
        credential=Bearer(azure.token("https://storage.azure.com")),
        connection_verify=str(azure.settings.bundle_file),
    )
    for name, text in files.items():
        client.upload_blob(f"contexts/it/{name}", text.encode(), overwrite=True)
    return "azureml://datastores/workspaceblobstore/paths/contexts/it"


def test_a_context_is_built_pushed_and_served(docker: Azure):
    platform = make_platform(docker, "build1")
    base = docker.settings.node_image
    dockerfile = f'FROM {base}\nCOPY server.py /server.py\nENTRYPOINT ["python3", "/server.py"]\n'
    files = {"Dockerfile": dockerfile, "server.py": SERVER}
    uri = upload(docker, platform.workspace, platform.account, files)
    routes = {f"{kind}Route": {"port": 8000, "path": "/"} for kind in ("liveness", "readiness", "scoring")}
    version = f"{platform.workspace}/environments/built/versions/1"
    build = {"contextUri": uri, "dockerfilePath": "Dockerfile"}
    docker.do("PUT", version, {"properties": {"build": build, "inferenceConfig": routes}})
    endpoint = platform.endpoint("built")
    probe = {"initialDelay": "PT1S", "period": "PT1S"}
    platform.deployment(endpoint, "current", version, readinessProbe=probe)
    body = {"location": LOCATION, "properties": {"authMode": "Key", "traffic": {"current": 100}}}
    docker.do("PUT", endpoint, body)
    key = docker.do("POST", f"{endpoint}/listKeys")["primaryKey"]
    uri = docker.do("GET", endpoint)["properties"]["scoringUri"]
    assert docker.http.get(uri, headers={"Authorization": f"Bearer {key}"}).json() == {"built": True}


def test_a_context_that_cannot_be_built_is_told(docker: Azure):
    platform = make_platform(docker, "build2")
    uri = upload(
        docker, platform.workspace, platform.account, {"Dockerfile": "FROM scratch\nCOPY nothing /\n"}
    )
    version = f"{platform.workspace}/environments/broken/versions/1"
    routes = {f"{kind}Route": {"port": 8000, "path": "/"} for kind in ("liveness", "readiness", "scoring")}
    docker.do("PUT", version, {"properties": {"build": {"contextUri": uri}, "inferenceConfig": routes}})
    endpoint = platform.endpoint("broken")
    body = {"endpointComputeType": "Managed", "environmentId": version, "instanceType": "Standard_DS1_v2"}
    error = docker.refusal(
        "PUT", f"{endpoint}/deployments/current", {"location": LOCATION, "properties": body}
    )
    assert error["code"] == "ResourceNotFound"
    assert "Environment Image" in error["message"]
