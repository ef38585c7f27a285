"""A folder of az ml YAML becomes a stack file that sends what az ml would have sent for the folder."""

import logging
import shutil
import textwrap
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import settings
from settings import from_azml
from settings.azml import deployment_body, endpoint_body, environment_body, model_body
from settings.environment import Environment

pytestmark = pytest.mark.filterwarnings("ignore")

DATA = Path(__file__).parent / "data"
ROUTES = (
    "{" + ", ".join(f"{n}_route: {{port: 1, path: /}}" for n in ("liveness", "readiness", "scoring")) + "}"
)
SERVER = """\
    environment:
      image: myacr.azurecr.io/vllm:1.0
      inference_config:
        liveness_route: {port: 8000, path: /health}
        readiness_route: {port: 8000, path: /health}
        scoring_route: {port: 8000, path: /}
    instance_type: Standard_NC24ads_A100_v4
"""


@pytest.fixture(scope="module")
def azml() -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        import azure.ai.ml

        yield azure.ai.ml
    logging.disable(logging.NOTSET)


class Project:
    """A folder for Pulumi.yaml with az ml's files in a folder below."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "aml"
        self.folder.mkdir()

    def put(self, name: str, text: str) -> None:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(textwrap.dedent(text))

    def run(self, *more: str) -> int:
        return from_azml.main([str(self.folder), "--stack", "dev", "--project", str(self.root), *more])

    def config(self) -> dict[str, Any]:
        found: dict[str, Any] = yaml.safe_load((self.root / "Pulumi.dev.yaml").read_text())["config"]
        return found

    def stack(self) -> settings.StackSettings:
        return settings.load(self.config(), folder=self.root)

    def server(self) -> dict[str, Any]:
        endpoint = next(iter(self.config()["vllm-azureml:endpoints"].values()))
        found: dict[str, Any] = next(iter(endpoint["deployments"].values()))
        return found


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def wire(rest: Any) -> dict[str, Any]:
    found: dict[str, Any] = rest.serialize() if hasattr(rest, "serialize") else rest.as_dict()
    for name in ("traffic", "mirrorTraffic"):
        found["properties"].pop(name, None)
    for name in ("publicNetworkAccess", "egressPublicNetworkAccess"):
        if name in found["properties"]:
            found["properties"][name] = found["properties"][name].capitalize()
    return found


@pytest.mark.parametrize("guide", ["private-qwen3", "public-r1"])
def test_the_guides_send_what_az_ml_sends(guide: str, azml: Any, project: Project) -> None:
    shutil.copytree(DATA / guide, project.folder, dirs_exist_ok=True)
    assert project.run() == 0
    stack, folder = project.stack(), project.folder
    endpoint = azml.load_online_endpoint(folder / "endpoint.yml")
    found = stack.endpoints[endpoint.name]
    assert endpoint_body(found, location="we") == wire(endpoint._to_rest_online_endpoint(location="we"))

    entity = azml.load_online_deployment(folder / "deployment.yml")
    server = found.deployments["current"]
    assert isinstance(server.environment, Environment)
    assert environment_body(server.environment) == wire(entity.environment._to_rest_object())
    entity.environment, model = "<e>", "<m>" if entity.model else None
    entity.model = model
    rendered = deployment_body(server, location="we", environment_id="<e>", model_id=model)
    assert rendered == wire(entity._to_rest_object(location="we"))

    for name, asset in stack.models.items():
        assert name == "Qwen3-8B"
        assert model_body(asset) == wire(azml.load_model(folder / "model.yml")._to_rest_object())
    for environment in stack.environments.values():
        expected = wire(azml.load_environment(folder / "environment.yml")._to_rest_object())
        assert environment_body(environment) == expected


class TestFilesAreFound:
    def test_by_name_by_schema_and_by_keys(self, project: Project) -> None:
        project.put("endpoint.yaml", "{name: chat-one, auth_mode: key}")
        project.put("blue-deployment.yml", f"name: blue\nendpoint_name: chat-one\n{textwrap.dedent(SERVER)}")
        project.put("x.yml", "$schema: https://a/latest/model.schema.json\nname: m\npath: weights\n")
        project.put("y.yml", "{name: env, image: myacr.azurecr.io/e:1}")
        project.put("conda.yml", "{name: z, channels: [a], dependencies: [b]}")
        project.put("weights/config.json", "{}")
        assert project.run() == 0
        config = project.config()
        assert list(config["vllm-azureml:models"]) == ["m"]
        assert list(config["vllm-azureml:environments"]) == ["env"]
        assert list(config["vllm-azureml:endpoints"]["chat-one"]["deployments"]) == ["blue"]

    def test_an_endpoint_without_a_file_gets_the_defaults(
        self, project: Project, capsys: pytest.CaptureFixture[str]
    ) -> None:
        project.put("deployment.yml", f"name: blue\nendpoint_name: chat-one\n{textwrap.dedent(SERVER)}")
        assert project.run() == 0
        assert (
            "there is no file for the endpoint chat-one; it gets az ml's defaults" in capsys.readouterr().out
        )

    def test_a_deployment_belongs_to_the_only_endpoint(self, project: Project) -> None:
        project.put("endpoint.yml", "name: chat-one")
        project.put("deployment.yml", f"name: blue\n{textwrap.dedent(SERVER)}")
        assert project.run() == 0
        assert "blue" in project.stack().endpoints["chat-one"].deployments

    def test_an_endpoint_without_a_name_is_the_one_its_deployments_name(self, project: Project) -> None:
        """az ml takes the name from the command line then."""
        project.put("endpoint.yml", "auth_mode: aml_token")
        project.put("deployment.yml", f"name: blue\nendpoint_name: chat-one\n{textwrap.dedent(SERVER)}")
        assert project.run() == 0
        assert project.stack().endpoints["chat-one"].auth_mode == "aml_token"

    def test_other_kinds_of_files_are_left_and_said(
        self, project: Project, capsys: pytest.CaptureFixture[str]
    ) -> None:
        project.put("endpoint.yml", "name: chat-one")
        schema = "$schema: https://azuremlschemas.azureedge.net/latest/batchEndpoint.schema.json"
        project.put("nightly-endpoint.yml", f"{schema}\nname: nightly")
        project.put("empty.yml", "")
        project.put("list.yaml", "[a, b]")
        assert project.run() == 0
        assert list(project.stack().endpoints) == ["chat-one"]
        assert capsys.readouterr().out.count("is neither endpoint, deployment, environment nor model") == 3


class TestVersions:
    def test_a_file_without_one_gets_the_one_a_deployment_names(
        self, project: Project, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """It is what az ml would have registered it as."""
        project.put("endpoint.yml", "name: chat-one")
        project.put("model.yml", "name: Qwen\npath: azureml://datastores/d/paths/q")
        server = textwrap.dedent(SERVER)
        project.put("deployment.yml", f"name: blue\nendpoint_name: chat-one\nmodel: azureml:Qwen:1\n{server}")
        assert project.run() == 0
        assert project.stack().models["Qwen"].version == "1"
        assert "the model Qwen has no version in its file" in capsys.readouterr().out

    def test_another_than_the_files_is_refused(
        self, project: Project, capsys: pytest.CaptureFixture[str]
    ) -> None:
        project.put("endpoint.yml", "name: chat-one")
        project.put("model.yml", "name: Qwen\nversion: 2\npath: azureml://datastores/d/paths/q")
        server = textwrap.dedent(SERVER)
        project.put("deployment.yml", f"name: blue\nendpoint_name: chat-one\nmodel: azureml:Qwen:1\n{server}")
        assert project.run() == 1
        assert "Write azureml:Qwen:2." in capsys.readouterr().err


class TestWhatAzMlDoesToABody:
    """Each change is said, in the file and on the terminal."""

    def make(self, project: Project, more: str) -> dict[str, Any]:
        project.put("endpoint.yml", "name: chat-one")
        project.put("deployment.yml", f"name: Blue\n{textwrap.dedent(SERVER)}{textwrap.dedent(more)}")
        assert project.run() == 0
        return project.server()

    def test_names_are_lower_cased(self, project: Project, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.make(project, "")["name"] == "blue"
        assert "the name Blue is lower-cased, as az ml does it" in capsys.readouterr().out
        assert "the name Blue is lower-cased" in (project.root / "Pulumi.dev.yaml").read_text()

    def test_read_only_fields_and_zeros_are_left_out(self, project: Project) -> None:
        server = self.make(
            project, "id: x\nprovisioning_state: y\nliveness_probe: {initial_delay: 0, period: 5}\n"
        )
        assert server["liveness_probe"] == {"period": 5}
        assert not {"id", "provisioning_state"} & server.keys()

    def test_truth_values_in_variables_become_text(self, project: Project) -> None:
        server = self.make(project, "environment_variables: {A: true, B: 1, C: null}\n")
        assert server["environment_variables"] == {"A": "true", "B": 1, "C": ""}

    def test_dates_and_flavors_become_text(self, project: Project) -> None:
        project.put("weights/config.json", "{}")
        flavors = "flavors: {hf: {revision: 12, gated: true}}"
        server = self.make(project, f"tags: {{since: 2024-01-01}}\nmodel: {{path: weights, {flavors}}}\n")
        assert server["tags"] == {"since": "2024-01-01"}
        model = project.stack().endpoints["chat-one"].deployments["blue"].model
        assert model.flavors == {"hf": {"revision": "12", "gated": "true"}}

    def test_what_the_azure_cli_shows_is_taken(self, project: Project) -> None:
        """`az ml online-deployment show` adds the group to the file's keys."""
        assert "resourceGroup" not in self.make(project, "resourceGroup: rg\n")

    def test_a_name_without_room_for_a_hash_stays(
        self, project: Project, capsys: pytest.CaptureFixture[str]
    ) -> None:
        project.put("endpoint.yml", "name: chat-one")
        project.put(
            "deployment.yml",
            f"name: a-name-of-24-characters-\n{textwrap.dedent(SERVER)}".replace("-\n", "x\n"),
        )
        assert project.run() == 0
        assert project.server()["rollout"] == "recreate"
        assert "At most 23 characters do" in capsys.readouterr().out

    def test_texts_that_look_like_numbers_stay_texts_for_every_reader(self, project: Project) -> None:
        """Pulumi's reader takes 1e5 for a number, PyYAML does not: quotes leave no doubt."""
        words = {"A": "1e5", "B": "0o17", "C": "on", "D": "20:00", "E": "08", "F": "1_000", "G": "plain-1"}
        self.make(project, f"environment_variables: {words}\n")
        lines = (project.root / "Pulumi.dev.yaml").read_text().splitlines()
        written = {line.strip() for line in lines if line.strip()[:1] in words and line.strip()[1:2] == ":"}
        assert written == {*(f"{k}: '{v}'" for k, v in words.items() if k != "G"), "G: plain-1"}

    def test_a_file_reference_becomes_its_content(self, project: Project) -> None:
        project.put(
            "envs/vllm.yml",
            "{name: vllm, version: 3, build: {path: ctx}, inference_config: *}".replace("*", ROUTES),
        )
        project.put("envs/ctx/Dockerfile", "FROM scratch")
        project.put("endpoint.yml", "name: chat-one")
        project.put(
            "deployment.yml", "{name: blue, instance_type: Standard_X, environment: 'file:envs/vllm.yml'}"
        )
        assert project.run() == 0
        assert project.server()["environment"]["build"] == {"path": "aml/envs/ctx"}

    def test_local_paths_become_relative_to_the_project(self, project: Project) -> None:
        project.put("weights/config.json", "{}")
        assert self.make(project, "model: {path: ./weights}\n")["model"] == {"path": "aml/weights"}


class TestTraffic:
    def two(self, project: Project, endpoint: str) -> None:
        project.put("endpoint.yml", endpoint)
        for name in ("blue", "green"):
            project.put(f"deployment-{name}.yml", f"name: {name}\n{textwrap.dedent(SERVER)}")

    def test_of_the_file_is_kept(self, project: Project) -> None:
        self.two(project, "{name: chat-one, traffic: {blue: 10, Green: 90}}")
        assert project.run() == 0
        assert project.stack().endpoints["chat-one"].traffic == {"blue": 10, "green": 90}

    def test_goes_to_the_first_of_several_and_says_so(
        self, project: Project, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.two(project, "name: chat-one")
        assert project.run() == 0
        assert project.stack().endpoints["chat-one"].traffic == {"blue": 100, "green": 0}
        assert "no file says who gets the traffic; all of it goes to blue" in capsys.readouterr().out

    def test_of_a_running_endpoint_is_never_guessed(
        self, project: Project, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.two(project, "name: chat-one")
        assert project.run("--adopt") == 2
        assert "az ml online-endpoint show -n chat-one --query traffic" in capsys.readouterr().err
        assert not (project.root / "Pulumi.dev.yaml").exists()


class TestPrivate:
    """Nobody could ask an endpoint without public access in a workspace without a private endpoint."""

    def private(self, project: Project, *more: str) -> settings.StackSettings:
        project.put("endpoint.yml", "{name: chat-one, public_network_access: Disabled}")
        project.put("deployment.yml", f"name: blue\n{textwrap.dedent(SERVER)}")
        assert project.run(*more) == 0
        return project.stack()

    def test_a_new_workspace_gets_a_network(
        self, project: Project, capsys: pytest.CaptureFixture[str]
    ) -> None:
        network = self.private(project).network
        assert network is not None
        assert network.name == "vnet-dev"
        assert "chat-one has no public access, so the new workspace gets" in capsys.readouterr().out

    def test_one_that_is_there_has_its_own(self, project: Project) -> None:
        assert self.private(project, "--existing").network is None


class TestAdoption:
    def test_takes_over_what_runs_under_its_names(self, project: Project) -> None:
        project.put("endpoint.yml", "name: chat-one")
        project.put("deployment.yml", f"name: blue\n{textwrap.dedent(SERVER)}")
        assert project.run("--adopt", "--resource-group", "rg-live", "--workspace", "mlw-live") == 0
        stack = project.stack()
        assert (stack.workspace.name, stack.workspace.existing) == ("mlw-live", True)
        assert (stack.resource_group.name, stack.resource_group.existing) == ("rg-live", True)
        endpoint = stack.endpoints["chat-one"]
        assert endpoint.import_ is True
        assert endpoint.deployments["blue"].import_ is True


class TestWhatCannotBe:
    def test_an_empty_folder(self, project: Project, capsys: pytest.CaptureFixture[str]) -> None:
        assert project.run() == 2
        assert "holds no endpoint and no deployment" in capsys.readouterr().err

    def test_no_folder(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert from_azml.main([str(tmp_path / "none"), "--stack", "dev", "--project", str(tmp_path)]) == 2
        assert "is not a folder" in capsys.readouterr().err

    def test_a_file_that_is_no_yaml(self, project: Project, capsys: pytest.CaptureFixture[str]) -> None:
        project.put("endpoint.yml", "a: [")
        assert project.run() == 2
        assert "endpoint.yml cannot be read as YAML" in capsys.readouterr().err

    def test_a_stack_file_that_is_there(self, project: Project, capsys: pytest.CaptureFixture[str]) -> None:
        project.put("endpoint.yml", "name: chat-one")
        assert project.run() == 0
        assert project.run() == 1
        assert "exists already. Use another --stack, or --force" in capsys.readouterr().err
        assert project.run("--force") == 0

    def test_a_stack_name_that_is_a_path(self, project: Project, capsys: pytest.CaptureFixture[str]) -> None:
        assert from_azml.main([str(project.folder), "--stack", "../x", "--project", str(project.root)]) == 2
        assert "`../x` cannot be a stack's name." in capsys.readouterr().err

    def test_a_project_that_is_not_there(self, project: Project, capsys: pytest.CaptureFixture[str]) -> None:
        project.put("endpoint.yml", "name: chat-one")
        nowhere = str(project.root / "nowhere")
        assert from_azml.main([str(project.folder), "--stack", "x", "--project", nowhere]) == 2
        assert (
            "cannot be written: No such file or directory. Choose another --project."
            in capsys.readouterr().err
        )

    def test_writing_over_a_stack_file_keeps_its_salt(self, project: Project) -> None:
        project.put("endpoint.yml", "name: chat-one")
        old = "encryptionsalt: v1:abc=\nconfig:\n  vllm-azureml:lock: x\n"
        (project.root / "Pulumi.dev.yaml").write_text(old)
        assert project.run("--force") == 0
        found = yaml.safe_load((project.root / "Pulumi.dev.yaml").read_text())
        assert found["encryptionsalt"] == "v1:abc="
        assert "vllm-azureml:lock" not in found["config"]

    def test_a_kubernetes_endpoint_is_refused_with_a_sentence(
        self, project: Project, capsys: pytest.CaptureFixture[str]
    ) -> None:
        schema = "$schema: https://azuremlschemas.azureedge.net/latest/kubernetesOnline"
        project.put("a.yml", f"{schema}Endpoint.schema.json\nname: chat-one\ncompute: azureml:k8s\n")
        body = f"{schema}Deployment.schema.json\nname: blue\ntype: kubernetes\nendpoint_name: chat-one\n"
        project.put("b.yml", body + textwrap.dedent(SERVER))
        assert project.run() == 1
        said = capsys.readouterr().err
        assert "chat-one.compute: is not supported here. This belongs to Kubernetes online endpoints" in said
        assert "blue.type: is kubernetes, and this stack makes managed deployments." in said

    def test_two_contents_for_one_version(self, project: Project, capsys: pytest.CaptureFixture[str]) -> None:
        project.put("endpoint.yml", "{name: chat-one, traffic: {blue: 100}}")
        for name in ("blue", "green"):
            server = textwrap.dedent(SERVER).replace(
                "  image:", f"  name: e\n  version: 1\n  description: {name}\n  image:"
            )
            project.put(f"{name}-deployment.yml", f"name: {name}\nendpoint_name: chat-one\n{server}")
        assert project.run() == 1
        assert "is another content for version 1 of `e`" in capsys.readouterr().err

    def test_a_scoring_script_is_written_down_and_refused_with_a_sentence(
        self, project: Project, capsys: pytest.CaptureFixture[str]
    ) -> None:
        project.put("endpoint.yml", "name: chat-one")
        script = "code_configuration: {code: src, scoring_script: score.py}"
        body = f"name: blue\n{script}\n{textwrap.dedent(SERVER)}"
        project.put("deployment.yml", body)
        assert project.run() == 1
        assert "vLLM is a server of its own" in capsys.readouterr().err
