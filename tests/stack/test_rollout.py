"""What makes another server, under which name, and who gets the traffic when."""

import pytest

from tests.stack.mocks import DYNAMIC, ML, config, deployment, run


def name_after(change=None):
    values = config("local")
    if change:
        change(values)
    return run(values).one(f"{ML}OnlineDeployment").inputs["deploymentName"]


@pytest.fixture(scope="module")
def unchanged():
    import os

    from tests.stack.mocks import ROOT

    os.chdir(ROOT)
    return name_after()


def update(**values):
    return lambda stack: deployment(stack).update(values)


def build_argument(stack):
    stack["vllm-azureml:images"]["vllm"]["build"]["args"]["BASE_TAG"] = "v0.31.0"


def model_version(stack):
    stack["vllm-azureml:models"]["SmolLM2-135M-Instruct"]["version"] = "2"
    deployment(stack)["model"] = "azureml:SmolLM2-135M-Instruct:2"


def revision(stack):
    stack["vllm-azureml:models"]["SmolLM2-135M-Instruct"]["revision"] = "v2"


def route(stack):
    deployment(stack)["environment"]["inference_config"]["liveness_route"]["path"] = "/health"


class TestWhatMakesAnotherServer:
    @pytest.mark.parametrize(
        "change",
        [
            update(environment_variables={"MODEL": "/models/other"}),
            update(instance_type="Standard_NC48ads_A100_v4"),
            update(model_mount_path="/elsewhere"),
            update(liveness_probe={"initial_delay": 600}),
            update(app_insights_enabled=True),
            build_argument,
            model_version,
            revision,
            route,
        ],
    )
    def test_these(self, unchanged, change):
        changed = name_after(change)
        assert changed != unchanged
        assert changed.startswith("current-")

    @pytest.mark.parametrize(
        "change",
        [
            update(instance_count=3),
            update(request_settings={"request_timeout_ms": 90000}),
            update(tags={"team": "x"}),
            update(description="mine"),
            update(smoke_test={"prompt": "Who are you?"}),
        ],
    )
    def test_not_these(self, unchanged, change):
        assert name_after(change) == unchanged

    def test_a_changed_launcher_does(self, unchanged, tmp_path):
        (tmp_path / "Dockerfile").write_text("FROM scratch\n")

        def other_context(stack):
            stack["vllm-azureml:images"]["vllm"]["build"]["context"] = str(tmp_path)

        assert name_after(other_context) != unchanged

    def test_the_name_fits_azure(self):
        values = config("local")
        deployments = values["vllm-azureml:endpoints"]["vllm-local"]["deployments"]
        long = "a-name-of-23-characters"
        deployments[long] = deployments.pop("current")
        values["vllm-azureml:endpoints"]["vllm-local"]["traffic"] = {long: 100}
        made = run(values).one(f"{ML}OnlineDeployment").inputs["deploymentName"]
        assert len(made) <= 32
        assert "--" not in made


class TestOrder:
    def test_traffic_waits_for_the_smoke_test_and_that_for_the_deployment(self):
        program = run(config("local"))
        server = program.outputs["deployments"]["current"]
        split = program.one(f"{DYNAMIC}TrafficSplit")
        test = program.one(f"{DYNAMIC}SmokeTest")
        assert split.inputs["traffic"] == {server: 100}
        assert f"vllm-local-{server}" in split.depends_on
        assert test.inputs["deployment"] == server
        assert test.inputs["deployment_id"] == f"/id/vllm-local-{server}"

    def test_a_changed_request_setting_is_tested_again(self):
        values = config("local")
        first = run(values).one(f"{DYNAMIC}SmokeTest").inputs["subject"]
        deployment(values)["request_settings"] = {"request_timeout_ms": 90000}
        assert run(values).one(f"{DYNAMIC}SmokeTest").inputs["subject"] != first

    def test_the_service_writes_the_split_too(self):
        made = run(config("local")).one(f"{ML}OnlineEndpoint")
        assert list(made.request.ignoreChanges) == ["properties.traffic", "properties.mirrorTraffic"]
        assert "traffic" not in made.inputs["properties"]

    def test_a_deployment_reports_and_explains(self):
        hooks = run(config("local")).one(f"{ML}OnlineDeployment").request.hooks
        assert len(hooks.before_create) == 1
        assert len(hooks.after_create) == 1
        assert len(hooks.on_error) == 1

    def test_canary(self):
        values = config("local")
        endpoint = values["vllm-azureml:endpoints"]["vllm-local"]
        endpoint["deployments"]["next"] = {
            **endpoint["deployments"]["current"],
            "environment_variables": {"MODEL": "x"},
        }
        endpoint["traffic"] = {"current": 90, "next": 10}
        program = run(values)
        names = program.outputs["deployments"]
        split = program.one(f"{DYNAMIC}TrafficSplit")
        assert split.inputs["traffic"] == {names["current"]: 90, names["next"]: 10}
        assert split.depends_on >= {f"vllm-local-{name}" for name in names.values()}

    def test_without_a_smoke_test_traffic_waits_for_the_deployment(self):
        values = config("local")
        deployment(values)["smoke_test"] = {"enabled": False}
        program = run(values)
        assert program.all(f"{DYNAMIC}SmokeTest") == []
        server = program.outputs["deployments"]["current"]
        assert f"vllm-local-{server}" in program.one(f"{DYNAMIC}TrafficSplit").depends_on


class TestFixedNames:
    def test_recreate_keeps_the_name_and_shows_the_outage(self):
        values = config("local")
        deployment(values)["rollout"] = "recreate"
        program = run(values)
        made = program.one(f"{ML}OnlineDeployment")
        assert made.inputs["deploymentName"] == "current"
        assert "properties.environmentId" in made.request.replaceOnChanges
        assert made.request.deleteBeforeReplace
        split = program.one(f"{DYNAMIC}TrafficSplit")
        assert split.inputs["fixed_deployment_ids"] == ["/id/vllm-local-current"]

    def test_an_adopted_deployment_keeps_its_name_until_it_changes(self):
        values = config("local")
        digest = run(values).one(f"{ML}OnlineDeployment").inputs["deploymentName"].rsplit("-", 1)[1]
        deployment(values)["import_"] = digest
        made = run(values).one(f"{ML}OnlineDeployment")
        assert made.inputs["deploymentName"] == "current"
        assert made.request.importId.endswith("/onlineEndpoints/vllm-local/deployments/current")
        deployment(values)["environment_variables"] = {"MODEL": "other"}
        made = run(values).one(f"{ML}OnlineDeployment")
        assert made.inputs["deploymentName"].startswith("current-")
        assert not made.request.importId

    def test_autoscale_leaves_the_count_to_the_service(self):
        values = config("local")
        deployment(values)["autoscale"] = {
            "minimum": 1,
            "maximum": 3,
            "gpu_utilization": {"up": {"threshold": 70}, "down": {"threshold": 25}},
        }
        program = run(values)
        made = program.one(f"{ML}OnlineDeployment")
        assert list(made.request.ignoreChanges) == ["sku.capacity"]
        setting = program.one("azure-native:monitor:AutoscaleSetting").inputs
        assert setting["targetResourceUri"] == f"/id/{made.name}"
        directions = [
            (rule["metricTrigger"]["operator"], rule["scaleAction"]["direction"])
            for rule in setting["profiles"][0]["rules"]
        ]
        assert directions == [("GreaterThan", "Increase"), ("LessThan", "Decrease")]


class TestWhatIsLeftOut:
    def test_is_chosen_to_fit_vllm(self):
        values = config("local")
        del deployment(values)["request_settings"]
        body = run(values).one(f"{ML}OnlineDeployment").inputs["properties"]
        assert body["requestSettings"] == {"requestTimeout": "PT3M", "maxConcurrentRequestsPerInstance": 8}

    def test_or_left_to_azure(self):
        values = config("local")
        values["vllm-azureml:defaults"] = "azml"
        del deployment(values)["request_settings"]
        body = run(values).one(f"{ML}OnlineDeployment").inputs["properties"]
        assert "requestSettings" not in body
