"""The committed stacks: exactly what they are made of, and the guides' values in what is sent."""

import pytest

from tests.stack.mocks import DYNAMIC, ML, config, run

PLATFORM = {
    ("azure-native:resources:ResourceGroup", "group"),
    ("azure-native:storage:StorageAccount", "workspace-storage"),
    ("azure-native:keyvault:Vault", "workspace-vault"),
    ("azure-native:containerregistry:Registry", "workspace-registry"),
    ("azure-native:operationalinsights:Workspace", "workspace-logs"),
    ("azure-native:applicationinsights:Component", "workspace-insights"),
    (f"{ML}Workspace", "workspace"),
    ("azure-native:authorization:RoleAssignment", "deployer-push"),
    ("azure-native:authorization:RoleAssignment", "deployer-blobs"),
    ("azure-native:authorization:RoleAssignment", "deployer-secrets"),
    (f"{DYNAMIC}RolePropagation", "deployer-blobs"),
    (f"{DYNAMIC}SoftDeleted", "leftovers"),
}
ZONES = (
    "privatelink.api.azureml.ms",
    "privatelink.notebooks.azure.net",
    "privatelink.blob.core.windows.net",
    "privatelink.file.core.windows.net",
    "privatelink.vaultcore.azure.net",
    "privatelink.azurecr.io",
)
NETWORK = (
    {("azure-native:network:VirtualNetwork", "network")}
    | {("azure-native:privatedns:PrivateZone", f"network-{zone}") for zone in ZONES}
    | {("azure-native:privatedns:VirtualNetworkLink", f"network-{zone}") for zone in ZONES}
    | {
        (f"azure-native:network:{kind}", name)
        for kind in ("PrivateEndpoint", "PrivateDnsZoneGroup")
        for name in ("workspace", "blob", "file", "key-vault", "container-registry")
    }
)


def image(name):
    return {(f"{DYNAMIC}RegistryLogin", name), ("docker-build:index:Image", name)}


def model(name):
    return {
        (f"{ML}ModelContainer", name),
        (f"{ML}ModelVersion", f"{name}-1"),
        (f"{DYNAMIC}ModelCopy", f"{name}-1"),
        (f"{DYNAMIC}VersionGuard", f"{name}-1"),
    }


def endpoint(program, name):
    server = f"{name}-{program.outputs['deployments']['current']}"
    return {
        (f"{ML}OnlineEndpoint", name),
        (f"{DYNAMIC}EndpointKey", f"{name}-key"),
        (f"{ML}OnlineDeployment", server),
        (f"{DYNAMIC}SmokeTest", server),
        (f"{DYNAMIC}TrafficSplit", name),
    }


def environment(program, name):
    version = f"{name}-{program.one(f'{ML}EnvironmentVersion').inputs['version']}"
    kinds = (f"{ML}EnvironmentVersion", f"{DYNAMIC}VersionGuard")
    return {(f"{ML}EnvironmentContainer", name), *((kind, version) for kind in kinds)}


@pytest.mark.parametrize("preview", [False, True])
@pytest.mark.parametrize(
    ("stack", "image_name", "model_name", "endpoint_name"),
    [
        ("dev", "vllm", "Qwen3-8B", "vllm-private"),
        ("local", "vllm", "SmolLM2-135M-Instruct", "vllm-local"),
        ("r1", "r1", None, "r1-prod"),
    ],
)
def test_a_stack_is_made_of_exactly_this(stack, image_name, model_name, endpoint_name, preview):
    program = run(config(stack), preview=preview, stack=stack)
    expected = PLATFORM | image(image_name)
    if model_name:
        expected |= NETWORK | model(model_name)
    if not preview:  # under mocks a preview's outputs may be unknown
        expected |= endpoint(program, endpoint_name)
        assert program.children() == expected | environment(program, image_name)
    else:
        assert expected <= program.children()


@pytest.mark.parametrize("stack", ["dev", "local", "r1"])
def test_no_input_is_a_secret_and_no_output_either(stack):
    program = run(config(stack), stack=stack)
    assert [(r.name, r.secret) for r in program.resources if r.secret] == []


class TestDevIsThePrivateGuide:
    def test_endpoint(self):
        made = run(config("dev")).one(f"{ML}OnlineEndpoint")
        assert made.inputs["endpointName"] == "vllm-private"
        assert made.inputs["identity"] == {"type": "SystemAssigned"}
        assert made.inputs["properties"] == {
            "authMode": "Key",
            "publicNetworkAccess": "Disabled",
            "properties": {},
        }

    def test_deployment(self):
        made = run(config("dev")).one(f"{ML}OnlineDeployment")
        body = dict(made.inputs["properties"])
        assert body.pop("environmentId").startswith("/id/vllm-")
        assert body.pop("model") == "/id/Qwen3-8B-1"
        probe = {"period": "PT10S", "timeout": "PT2S", "successThreshold": 1, "failureThreshold": 30}
        assert body == {
            "endpointComputeType": "Managed",
            "modelMountPath": "/models",
            "properties": {},
            "environmentVariables": {
                "MODEL": "/models/Qwen3-8B",
                "TRANSFORMERS_OFFLINE": "1",
                "HF_DATASETS_OFFLINE": "1",
            },
            "appInsightsEnabled": False,
            "instanceType": "Standard_NC24ads_A100_v4",
            "requestSettings": {"requestTimeout": "PT1M", "maxConcurrentRequestsPerInstance": 16},
            "livenessProbe": {"initialDelay": "PT10S", **probe},
            "readinessProbe": {"initialDelay": "PT2M", **probe},
            "egressPublicNetworkAccess": "Disabled",
        }
        assert made.inputs["sku"] == {"name": "Default", "capacity": 1}

    def test_environment(self):
        made = run(config("dev")).one(f"{ML}EnvironmentVersion")
        assert made.inputs["properties"]["image"] == "acr.test/vllm@sha256:0123"
        assert made.inputs["properties"]["inferenceConfig"] == {
            "livenessRoute": {"port": 8000, "path": "/ping"},
            "readinessRoute": {"port": 8000, "path": "/health"},
            "scoringRoute": {"port": 8000, "path": "/"},
        }

    def test_model(self):
        program = run(config("dev"))
        made = program.one(f"{ML}ModelVersion")
        assert (made.inputs["name"], made.inputs["version"]) == ("Qwen3-8B", "1")
        assert made.inputs["properties"]["modelType"] == "custom_model"
        assert made.inputs["properties"]["modelUri"] == "azureml://copied"
        assert program.one(f"{DYNAMIC}ModelCopy").inputs["repository"] == "Qwen/Qwen3-8B"

    def test_how_a_model_is_copied_is_what_the_stack_says(self):
        values = config("dev")
        said = {"server_side_copy": "trust", "copy_authentication": "datastore"}
        values["vllm-azureml:models"]["Qwen3-8B"] |= said
        made = run(values).one(f"{DYNAMIC}ModelCopy").inputs
        assert made["server_side_copy"] == "trust"
        assert made["authentication"] == "datastore"
        assert made["setting"] == "vllm-azureml:models.Qwen3-8B"

    def test_image(self):
        made = run(config("dev")).one("docker-build:index:Image")
        assert made.inputs["tags"] == ["acr.test/vllm:1.0"]
        assert made.inputs["push"] is True
        assert made.inputs["buildOnPreview"] is False
        assert made.inputs["platforms"] == ["linux/amd64"]
        assert made.request.retainOnDelete
        assert made.depends_on >= {"vllm"}

    def test_nothing_is_reached_from_outside(self):
        program = run(config("dev"))
        for type_ in ("storage:StorageAccount", "containerregistry:Registry"):
            assert program.one(f"azure-native:{type_}").inputs["publicNetworkAccess"] == "Disabled"
        vault = program.one("azure-native:keyvault:Vault").inputs["properties"]
        assert vault["publicNetworkAccess"] == "Disabled"
        assert vault["networkAcls"] == {"bypass": "AzureServices", "defaultAction": "Deny"}
        workspace = program.one(f"{ML}Workspace").inputs
        assert workspace["publicNetworkAccess"] == "Disabled"
        assert workspace["managedNetwork"]["isolationMode"] == "Disabled"
        assert workspace["v1LegacyMode"] is False


class TestR1IsThePublicGuide:
    def test_deployment(self):
        made = run(config("r1")).one(f"{ML}OnlineDeployment").inputs["properties"]
        assert "model" not in made
        assert "egressPublicNetworkAccess" not in made
        assert made["environmentVariables"] == {
            "MODEL_NAME": "deepseek-ai/DeepSeek-R1-Distill-Llama-8B",
            "VLLM_ARGS": "--max-num-seqs 16 --enforce-eager",
        }
        assert made["requestSettings"] == {"requestTimeout": "PT10S", "maxConcurrentRequestsPerInstance": 1}

    def test_the_endpoint_says_nothing_of_public_access(self):
        assert "publicNetworkAccess" not in run(config("r1")).one(f"{ML}OnlineEndpoint").inputs["properties"]


class TestOutputs:
    ENDPOINT = {
        "endpoint_name": "vllm-local",
        "scoring_uri": "https://scoring.test/",
        "openai_base_url": "https://scoring.test/v1",
        "served_model_names": ["short", "/models/short"],
        "auth_mode": "key",
        "public_network_access": "Disabled",
        "key_secret_uri": "https://vault.test/secrets/key",
        "image_refs": {"current": "acr.test/vllm@sha256:0123"},
        "model_ids": {"current": "/id/SmolLM2-135M-Instruct-1"},
        "endpoint_principal_id": "endpoint-principal",
    }

    def test_the_public_api(self):
        outputs = run(config("local")).outputs
        only = outputs["endpoints"].pop("vllm-local")
        assert outputs["endpoints"] == {}
        assert only["traffic"] == {only["deployments"]["current"]: 100}
        assert {key: only[key] for key in self.ENDPOINT} == self.ENDPOINT
        assert set(only) == set(self.ENDPOINT) | {"deployments", "traffic"}
        assert outputs["workspace_id"] == "/id/workspace"
        assert outputs["container_registry_login_server"] == "acr.test"
        assert {key: outputs[key] for key in only} == only, "the only endpoint is at the top level too"

    def test_of_several_endpoints_none_is_at_the_top(self):
        values = config("local")
        endpoints = values["vllm-azureml:endpoints"]
        endpoints["vllm-second"] = endpoints["vllm-local"]
        outputs = run(values).outputs
        assert set(outputs) == {"workspace_id", "container_registry_login_server", "endpoints"}
        assert set(outputs["endpoints"]) == {"vllm-local", "vllm-second"}
