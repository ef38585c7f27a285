"""Online deployments: limits, quota, what cannot be changed, permissions of the identity, and failures in
stages.
"""

from __future__ import annotations

import time

import pytest

from tests.azure.harness import LOCATION, Azure, Platform, deployment_body, make_platform, vault_body
from tests.azure.test_registry import exchange, push

pytestmark = pytest.mark.emulator


@pytest.fixture(scope="module")
def endpoint(platform: Platform) -> str:
    return platform.endpoint("deployed")


WRONG = [
    ("no instance", {"capacity": 0}, "instance count"),
    ("too many instances", {"capacity": 51}, "instance count"),
    ("an unknown size", {"instanceType": "Standard_NC1000"}, "not supported"),
    ("a timeout beyond three minutes", {"requestSettings": {"requestTimeout": "PT3M1S"}}, "PT3M"),
    ("no concurrency", {"requestSettings": {"maxConcurrentRequestsPerInstance": 0}}, "1 or more"),
    ("scaling of the other kind", {"scaleSettings": {"scaleType": "TargetUtilization"}}, "autoscale setting"),
    ("a probe without threshold", {"livenessProbe": {"failureThreshold": 0}}, "1 or more"),
    ("a liveness probe that must succeed twice", {"livenessProbe": {"successThreshold": 2}}, "must be 1"),
    ("a startup probe that must succeed twice", {"startupProbe": {"successThreshold": 2}}, "must be 1"),
    ("a relative mount path", {"modelMountPath": "models"}, "absolute"),
    ("a negative wait", {"requestSettings": {"maxQueueWait": "-PT1S"}}, "not a duration"),
    ("a probe without period", {"readinessProbe": {"period": "PT0S"}}, "PT1S"),
    ("an environment that is not there", {"environmentId": "{ws}/environments/nope/versions/1"}, "not found"),
    ("a name for an id", {"environmentId": "azureml:env:1"}, "not the id"),
    ("a model that is not there", {"model": "{ws}/models/nope/versions/1"}, "not found"),
]


class TestRefusals:
    @pytest.mark.parametrize(("change", "word"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
    def test_a_wrong_deployment(self, azure, platform, endpoint, environment, change: dict, word: str):
        body = deployment_body(environment, **change)
        for name in ("environmentId", "model"):
            if name in body["properties"]:
                body["properties"][name] = body["properties"][name].replace("{ws}", platform.workspace)
        error = azure.refusal("PUT", f"{endpoint}/deployments/wrong", body)
        assert error["status"] == 400
        assert word in error["message"]

    def test_a_sku_that_is_not_the_default_one(self, azure: Azure, endpoint: str, environment: str):
        body = {**deployment_body(environment), "sku": {"name": "Standard", "capacity": 1}}
        assert azure.refusal("PUT", f"{endpoint}/deployments/wrong", body)["target"] == "sku.name"

    @pytest.mark.parametrize("name", ["ab", "1st", "end-", "under_score", "x" * 33])
    def test_a_wrong_name(self, azure: Azure, endpoint: str, environment: str, name: str):
        assert (
            azure.refusal("PUT", f"{endpoint}/deployments/{name}", deployment_body(environment))["target"]
            == "name"
        )

    def test_an_endpoint_has_at_most_twenty(self, azure: Azure, platform: Platform, environment: str):
        endpoint = platform.endpoint("crowded")
        body = deployment_body(environment, instanceType="Standard_E2s_v3")
        begun = [azure.request("PUT", f"{endpoint}/deployments/number-{at}", body) for at in range(20)]
        for answer in begun:
            azure.wait(answer)
        error = azure.refusal("PUT", f"{endpoint}/deployments/number-20", body)
        assert "20 deployments" in error["message"]
        azure.do("DELETE", endpoint)

    def test_kubernetes_deployments(self, azure: Azure, endpoint: str, environment: str):
        body = deployment_body(environment, endpointComputeType="Kubernetes")
        assert azure.refusal("PUT", f"{endpoint}/deployments/kube", body)["status"] == 400

    def test_the_location_is_the_endpoints(self, azure: Azure, endpoint: str, environment: str):
        body = {**deployment_body(environment), "location": "northeurope"}
        assert azure.refusal("PUT", f"{endpoint}/deployments/far", body)["target"] == "location"


class TestChanges:
    @pytest.fixture(scope="class")
    @classmethod
    def live(cls, platform: Platform, endpoint: str, environment: str) -> str:
        return platform.deployment(endpoint, "live", environment, properties={"a": "1"})

    @pytest.mark.parametrize(
        "change", [{"instanceType": "Standard_DS4_v2"}, {"egressPublicNetworkAccess": "Disabled"}]
    )
    def test_what_is_fixed_at_creation(self, azure: Azure, live: str, environment: str, change: dict):
        error = azure.refusal("PUT", live, deployment_body(environment, **change))
        assert error["code"] == "PropertyChangeNotAllowed"

    def test_what_can_be_put_in_place(self, azure: Azure, live: str, environment: str):
        body = deployment_body(environment, environmentVariables={"A": "b"}, description="changed")
        assert azure.do("PUT", live, body)["properties"]["environmentVariables"] == {"A": "b"}

    def test_properties_can_be_added_and_not_altered(self, azure: Azure, live: str, environment: str):
        error = azure.refusal("PUT", live, deployment_body(environment, properties={"a": "2"}))
        assert error["target"] == "properties.properties.a"

    def test_patch_changes_the_instance_count(self, azure: Azure, live: str):
        changed = azure.do("PATCH", live, {"sku": {"name": "Default", "capacity": 2}})
        assert changed["sku"]["capacity"] == 2

    def test_patch_changes_nothing_else(self, azure: Azure, live: str):
        assert (
            azure.refusal("PATCH", live, {"properties": {"description": "x"}})["code"]
            == "InvalidRequestContent"
        )

    def test_the_defaults_of_the_service_are_shown(self, azure: Azure, live: str):
        shown = azure.do("GET", live)["properties"]
        requests = {"maxConcurrentRequestsPerInstance": 1, "requestTimeout": "PT5S", "maxQueueWait": "PT0.5S"}
        assert shown["requestSettings"] == requests
        times = {"initialDelay": "PT10S", "period": "PT10S", "timeout": "PT2S"}
        probe = {**times, "failureThreshold": 30, "successThreshold": 1}
        assert (shown["livenessProbe"], shown["readinessProbe"]) == (probe, probe)
        assert shown["scaleSettings"] == {"scaleType": "Default"}
        assert shown["egressPublicNetworkAccess"] == "Enabled"
        assert "startupProbe" not in shown

    def test_the_default_size(self, azure: Azure, endpoint: str, environment: str):
        body = deployment_body(environment)
        del body["properties"]["instanceType"]
        path = f"{endpoint}/deployments/of-default-size"
        assert azure.do("PUT", path, body)["properties"]["instanceType"] == "Standard_F4s_v2"
        azure.do("DELETE", path)

    def test_the_skus_are_one_to_fifty_instances(self, azure: Azure, live: str):
        capacity = azure.do("GET", f"{live}/skus")["value"][0]["capacity"]
        assert (capacity["minimum"], capacity["maximum"]) == (1, 50)


class TestQuota:
    """Each in a region of its own, so that other tests' deployments do not count."""

    @pytest.fixture(scope="class")
    @classmethod
    def family(cls, azure: Azure):
        def limit(family: str, cores: int) -> None:
            base = f"{azure.subscription}/providers/Microsoft.MachineLearningServices/locations/{LOCATION}"
            row = {"id": f"{base}/quotas/{family}", "limit": cores, "unit": "Count"}
            azure.do("POST", f"{base}/updateQuotas", {"value": [row]})

        return limit

    def test_a_fifth_is_kept_free(self, azure: Azure, endpoint: str, environment: str, family):
        family("standardFSv2Family", 9)
        body = deployment_body(environment, instanceType="Standard_F4s_v2", capacity=2)
        error = azure.refusal("PUT", f"{endpoint}/deployments/fifth", body)
        assert "Current usage/limit: 0/9. Additional needed: 12" in error["message"]
        family("standardFSv2Family", 12)
        azure.do("PUT", f"{endpoint}/deployments/fifth", body)
        azure.do("DELETE", f"{endpoint}/deployments/fifth")

    def test_the_a100_sizes_keep_nothing_free(self, azure: Azure, endpoint: str, environment: str, family):
        family("standardNCADSA100v4Family", 24)
        body = deployment_body(environment, instanceType="Standard_NC24ads_A100_v4")
        azure.do("PUT", f"{endpoint}/deployments/a100", body)
        error = azure.refusal("PUT", f"{endpoint}/deployments/a100-two", body)
        assert "Current usage/limit: 24/24. Additional needed: 24" in error["message"]
        azure.do("DELETE", f"{endpoint}/deployments/a100")

    def test_without_quota_there_is_no_gpu(self, azure: Azure, endpoint: str, environment: str, family):
        family("standardNCADSH100v5Family", 0)
        body = deployment_body(environment, instanceType="Standard_NC40ads_H100_v5")
        assert "Not enough quota" in azure.refusal("PUT", f"{endpoint}/deployments/h100", body)["message"]

    def test_usage_is_shown_by_family(self, azure: Azure, endpoint: str, environment: str, family):
        family("standardNCSv3Family", 48)
        body = deployment_body(environment, instanceType="Standard_NC6s_v3")
        azure.do("PUT", f"{endpoint}/deployments/v100", body)
        base = f"{azure.subscription}/providers/Microsoft.MachineLearningServices/locations/{LOCATION}"
        rows = {row["name"]["value"]: row for row in azure.do("GET", f"{base}/usages")["value"]}
        assert (rows["standardNCSv3Family"]["currentValue"], rows["standardNCSv3Family"]["limit"]) == (12, 48)
        azure.do("DELETE", f"{endpoint}/deployments/v100")


class TestIdentity:
    @pytest.fixture(scope="class")
    @classmethod
    def pushed(cls, azure: Azure, platform: Platform) -> str:
        server = platform.registry_server
        push(azure, server, "vllm", "1.0", b"layer", exchange(azure, server))
        return platform.environment("pushed", f"{server}/vllm:1.0")

    def user_endpoint(self, azure: Azure, platform: Platform, name: str) -> tuple[str, str]:
        """Make an endpoint with a user-assigned identity; returns it and the identity's object id."""
        user = f"{platform.group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-{name}"
        made = azure.do("PUT", user, {"location": LOCATION}, version="2023-01-31")
        identity = {"type": "UserAssigned", "userAssignedIdentities": {user: {}}}
        return platform.endpoint(name, identity=identity), made["properties"]["principalId"]

    def test_the_endpoints_own_identity_may_pull(self, azure, platform, endpoint, pushed):
        platform.deployment(endpoint, "pulls", pushed)

    def test_a_user_assigned_one_may_not_until_it_is_given_the_role_and_that_takes_effect(
        self, azure: Azure, platform: Platform, pushed: str
    ):
        endpoint, principal = self.user_endpoint(azure, platform, "by-user")
        path, body = f"{endpoint}/deployments/current", deployment_body(pushed)
        error = azure.refusal("PUT", path, body)
        assert "Endpoint identity does not have pull permission" in error["message"]
        assert azure.do("GET", path)["properties"]["provisioningState"] == "Failed"
        azure.assign(platform.registry, "AcrPull", principal, "dddddddd-0000-4000-8000-000000000001")
        assert "pull permission" in azure.refusal("PUT", path, body)["message"]
        time.sleep(0.5)
        azure.do("PUT", path, body)

    def test_reading_the_model_needs_a_role_too(self, azure: Azure, platform: Platform, environment: str):
        model = f"{platform.workspace}/models/unreadable/versions/1"
        uri = "azureml://datastores/workspaceblobstore/paths/models/unreadable"
        azure.do("PUT", model, {"properties": {"modelUri": uri}})
        endpoint, _ = self.user_endpoint(azure, platform, "by-user-model")
        error = azure.refusal(
            "PUT", f"{endpoint}/deployments/current", deployment_body(environment, model=model)
        )
        assert "Storage Blob Data Reader" in error["message"]


class TestFailures:
    def test_an_image_that_is_not_there_fails_in_its_stage(
        self, azure: Azure, platform: Platform, endpoint: str
    ):
        environment = platform.environment("no-image", f"{platform.registry_server}/nothing:1")
        path = f"{endpoint}/deployments/no-image"
        error = azure.refusal("PUT", path, deployment_body(environment))
        assert error["code"] == "ResourceNotReady"
        assert "UserContainerImagePull: Failed" in error["message"]
        assert "ModelDownload: Waiting" in error["message"]
        log = azure.do("POST", f"{path}/getLogs", {"containerType": "InferenceServer", "tail": 50})["content"]
        assert "SystemSetup: Succeeded" in log
        assert "ImagePullFailed" in log

    def test_a_public_image_is_not_reached_without_egress(self, azure, platform, endpoint, environment):
        body = deployment_body(environment, egressPublicNetworkAccess="Disabled")
        error = azure.refusal("PUT", f"{endpoint}/deployments/isolated", body)
        assert "UserContainerImagePull: Failed" in error["message"]
        assert "public registry" in error["message"]

    def test_a_model_that_is_not_there_fails_in_its_stage(self, azure, platform, endpoint, environment):
        model = f"{platform.workspace}/models/empty/versions/1"
        uri = "azureml://datastores/workspaceblobstore/paths/models/nothing-here"
        azure.do("PUT", model, {"properties": {"modelUri": uri}})
        error = azure.refusal(
            "PUT", f"{endpoint}/deployments/no-model", deployment_body(environment, model=model)
        )
        assert "StorageManifestError" in error["message"]
        assert "UserContainerImagePull: Succeeded" in error["message"]
        assert "ModelDownload: Failed" in error["message"]

    def test_a_registrys_model_is_not_left_out_in_silence(self, azure, platform, endpoint, environment):
        model = "azureml://registries/azureml/models/some-model/versions/1"
        error = azure.refusal(
            "PUT", f"{endpoint}/deployments/no-registry", deployment_body(environment, model=model)
        )
        assert "ModelDownload: Failed" in error["message"]
        assert "registry of Azure ML" in error["message"]

    def test_an_environment_without_routes_and_script(self, azure: Azure, platform: Platform, endpoint: str):
        path = f"{platform.workspace}/environments/no-routes/versions/1"
        azure.do("PUT", path, {"properties": {"image": "docker.io/library/none:1"}})
        error = azure.refusal("PUT", f"{endpoint}/deployments/no-routes", deployment_body(path))
        assert "MissingDriverProgram" in error["message"]

    def test_a_failed_deployment_is_there_and_can_be_put_again(self, azure, platform, endpoint, environment):
        path = f"{endpoint}/deployments/no-image"
        assert azure.do("GET", path)["properties"]["provisioningState"] == "Failed"
        azure.do("PUT", path, deployment_body(environment))
        assert azure.do("GET", path)["properties"]["provisioningState"] == "Succeeded"

    def test_logs_have_the_stages_and_the_container(self, azure: Azure, endpoint: str):
        body = {"containerType": "StorageInitializer", "tail": 10}
        content = azure.do("POST", f"{endpoint}/deployments/no-image/getLogs", body)["content"]
        assert content.startswith("Instance status:\nSystemSetup: Succeeded")
        assert "Container logs:" in content

    def test_logs_of_an_unknown_container(self, azure: Azure, endpoint: str):
        error = azure.refusal(
            "POST", f"{endpoint}/deployments/no-image/getLogs", {"containerType": "Sidecar"}
        )
        assert error["code"] == "InvalidRequestContent"


class TestSecrets:
    def test_a_reference_needs_the_role_and_is_never_shown(
        self, azure: Azure, platform: Platform, environment: str
    ):
        own = make_platform(azure, "secrets1")
        azure.do(
            "PUT", f"{own.vault}/secrets/hf", {"properties": {"value": "secret-token"}}, version="2024-11-01"
        )
        uri = azure.do("GET", f"{own.vault}/secrets/hf", version="2024-11-01")["properties"]["secretUri"]
        reference = {"HF_TOKEN": "${{keyvault:" + uri + "}}"}
        inside = own.environment("env")
        path = f"{own.endpoint('injected')}/deployments/current"
        error = azure.refusal("PUT", path, deployment_body(inside, environmentVariables=reference))
        assert error["code"] == "SecretsInjectionError"
        assert "may not read" in error["message"]
        policies = vault_body(azure, enableRbacAuthorization=False)
        azure.do("PUT", own.vault, policies, version="2024-11-01")
        error = azure.refusal("PUT", path, deployment_body(inside, environmentVariables=reference))
        assert "must use Azure RBAC" in error["message"]
        azure.do("PUT", own.vault, vault_body(azure), version="2024-11-01")
        allowed = own.endpoint(
            "injected-too", properties={"enforce_access_to_default_secret_stores": "enabled"}
        )
        made = own.deployment(allowed, "current", inside, environmentVariables=reference)
        assert azure.do("GET", made)["properties"]["environmentVariables"] == reference
