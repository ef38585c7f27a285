"""The second guide's way: Azure ML builds the image from a Docker context, and a plain server answers.

From az ml files with a build context, through `settings.from_azml`, to BuildKit and a container; asked by
azure-ai-ml's own client.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import ROOT, Azure, Project

pytestmark = [pytest.mark.e2e, pytest.mark.filterwarnings("ignore")]

SERVER = """
import http.server, json, os

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(200 if self.path == "/health" else 404, {})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = self.path == "/invocations"
        self.answer(200 if known else 404, {"asked": asked, "files": sorted(os.listdir("/app")),
                                            "model": os.environ["MODEL_NAME"]})

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

http.server.ThreadingHTTPServer(("", 8000), Handler).serve_forever()
"""
DEPLOYMENT = """\
name: {name}
endpoint_name: built-and-served
environment:
  build: {{path: ctx}}
  inference_config:
    liveness_route: {{port: 8000, path: /health}}
    readiness_route: {{port: 8000, path: /health}}
    scoring_route: {{port: 8000, path: {route}}}
environment_variables: {{MODEL_NAME: org/model}}
liveness_probe: {{initial_delay: 1, period: 1}}
readiness_probe: {{initial_delay: 1, period: 1}}
instance_type: Standard_DS3_v2
instance_count: 1
"""
INVOKE = """
import json, os, sys
from azure.ai.ml import MLClient
from azure.core.exceptions import HttpResponseError
from azure.identity import ManagedIdentityCredential
client = MLClient(ManagedIdentityCredential(), os.environ["ARM_SUBSCRIPTION_ID"], *sys.argv[1:3])
try:
    answer = client.online_endpoints.invoke(
        "built-and-served", request_file=sys.argv[3], deployment_name=sys.argv[4]
    )
    print(json.dumps([200, json.loads(answer)]))
except HttpResponseError as refused:
    print(json.dumps([refused.status_code, str(refused)]))
"""


@pytest.fixture(scope="module")
def served(containers: Azure, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    project = Project.empty(tmp_path_factory.mktemp("built") / "program", containers, "built")
    write(project.folder / "azml")
    command = [sys.executable, "-m", "settings.from_azml", "azml", "--stack", "built"]
    subprocess.run(command, cwd=project.folder, check=True, capture_output=True)
    project.run("stack", "select", "built", "--create")
    # A server that is no OpenAI server and lets every path through is asked on a path of its own.
    project.edit(lambda config: servers(config)["root"].update(smoke_test={"path": "/invocations"}))
    project.up()
    yield project
    project.destroy()


def write(folder: Path) -> None:
    """The guide's files; FROM is an image that the embedded Azure has."""
    (tag,) = re.findall(r"^ARG BASE_TAG=(.+)$", (ROOT / "docker/Dockerfile").read_text(), re.MULTILINE)
    lines = (f"FROM vllm/vllm-openai:{tag}", "COPY . /app", 'ENTRYPOINT ["python3", "/app/server.py"]')
    files = {
        "endpoint.yml": "{name: built-and-served, auth_mode: key, traffic: {routed: 100, root: 0}}",
        "routed-deployment.yml": DEPLOYMENT.format(name="routed", route="/invocations"),
        "root-deployment.yml": DEPLOYMENT.format(name="root", route="/"),
        "ctx/Dockerfile": "\n".join(lines),
        "ctx/server.py": SERVER,
        "ctx/.dockerignore": "*.md\n.dockerignore\n",
        "ctx/notes.md": "stay here",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def servers(config: dict[str, Any]) -> dict[str, Any]:
    return config["vllm-azureml:endpoints"]["built-and-served"]["deployments"]


def invoke(project: Project, deployment: str) -> tuple[int, Any]:
    """azure-ai-ml asks one deployment on the endpoint's scoring URI."""
    (project.folder / "request.json").write_text('{"prompt": "Hello?"}')
    name = project.outputs()["deployments"][deployment]
    place = ("rg-built", "mlw-built", str(project.folder / "request.json"), name)
    command = [sys.executable, "-W", "ignore", "-c", INVOKE, *place]
    done = subprocess.run(command, env=project.environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    status, body = json.loads(done.stdout.splitlines()[-1])
    return status, body


def test_the_context_is_built_and_served(served: Project) -> None:
    """With its routes and variables, and without what .dockerignore leaves out."""
    status, body = invoke(served, "routed")
    assert (status, body["asked"], body["model"]) == (200, {"prompt": "Hello?"}, "org/model")
    assert body["files"] == ["Dockerfile", "server.py"]


def test_another_context_is_another_server_and_the_same_is_not(served: Project) -> None:
    served.preview("--expect-no-changes")
    before = served.outputs()["deployments"]
    (served.folder / "azml/ctx/notes.md").write_text("of no account")
    served.preview("--expect-no-changes")
    server = served.folder / "azml/ctx/server.py"
    server.write_text(server.read_text().replace('"asked": asked', '"asked": "again"'))
    served.up()
    after = served.outputs()["deployments"]
    assert all(after[name] != before[name] for name in before)
    assert invoke(served, "routed")[1]["asked"] == "again"


def test_invoke_on_the_root_is_424_with_the_containers_404(served: Project) -> None:
    """The endpoint's scoring URI is that of all its deployments: az ml asks the root then."""
    split = {"routed": 0, "root": 100}
    served.edit(lambda c: c["vllm-azureml:endpoints"]["built-and-served"].update(traffic=split))
    served.up()
    status, text = invoke(served, "root")
    assert status == 424, text
