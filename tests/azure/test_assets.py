"""Models and environments: versions are immutable, and point at what is there."""

from __future__ import annotations

import pytest

from tests.azure.harness import Azure, Platform

pytestmark = pytest.mark.emulator
URI = "azureml://datastores/workspaceblobstore/paths/models/small"


def model(**properties) -> dict:
    return {"properties": {"modelType": "custom_model", "modelUri": URI, **properties}}


class TestModels:
    def test_a_version_makes_its_container(self, azure: Azure, platform: Platform):
        azure.do("PUT", f"{platform.workspace}/models/made/versions/1", model())
        container = azure.do("GET", f"{platform.workspace}/models/made")
        assert (container["properties"]["latestVersion"], container["properties"]["nextVersion"]) == (
            "1",
            "2",
        )

    def test_another_uri_under_the_same_version_is_refused(self, azure: Azure, platform: Platform):
        path = f"{platform.workspace}/models/fixed/versions/1"
        azure.do("PUT", path, model())
        error = azure.refusal("PUT", path, model(modelUri=URI + "er"))
        assert (error["code"], error["target"]) == ("UserError", "properties.modelUri")

    def test_tags_and_description_can_change(self, azure: Azure, platform: Platform):
        path = f"{platform.workspace}/models/noted/versions/1"
        azure.do("PUT", path, model())
        assert azure.request("PUT", path, model(description="a note", tags={"a": "b"})).status_code == 200

    @pytest.mark.parametrize(
        "uri",
        [
            "azureml://datastores/nowhere/paths/x",
            "https://somewhere.example/container/x",
            "models/small",
            "azureml://subscriptions/s/resourcegroups/g/workspaces/other/datastores/workspaceblobstore/paths/x",
        ],
    )
    def test_a_uri_that_points_nowhere(self, azure: Azure, platform: Platform, uri: str):
        error = azure.refusal("PUT", f"{platform.workspace}/models/lost/versions/1", model(modelUri=uri))
        assert error["code"] == "UserError"

    def test_a_deleted_version_can_be_registered_anew(self, azure: Azure, platform: Platform):
        path = f"{platform.workspace}/models/again/versions/1"
        azure.do("PUT", path, model())
        azure.do("DELETE", path)
        azure.do("PUT", path, model(modelUri=URI + "er"))


class TestEnvironments:
    @pytest.mark.parametrize("change", ["image", "inferenceConfig", "osType"])
    def test_a_version_cannot_be_changed(self, azure: Azure, platform: Platform, change: str):
        path = platform.environment(f"fixed-{change.lower()}")
        live = azure.do("GET", path)["properties"]
        others = {
            "image": "docker.io/library/other:2",
            "inferenceConfig": {"scoringRoute": {"port": 9000, "path": "/"}},
            "osType": "Windows",
        }
        body = {"properties": {name: live[name] for name in ("image", "inferenceConfig", "osType")}}
        body["properties"][change] = others[change]
        error = azure.refusal("PUT", path, body)
        assert error["target"] == f"properties.{change}"

    def test_neither_image_nor_build(self, azure: Azure, platform: Platform):
        error = azure.refusal(
            "PUT", f"{platform.workspace}/environments/empty/versions/1", {"properties": {}}
        )
        assert error["code"] == "UserError"

    def test_image_and_build_together(self, azure: Azure, platform: Platform):
        properties = {"image": "a:1", "build": {"contextUri": URI}}
        error = azure.refusal(
            "PUT", f"{platform.workspace}/environments/both/versions/1", {"properties": properties}
        )
        assert "not both" in error["message"]
