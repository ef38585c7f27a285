"""Small rules of the components."""

import pytest

from components.autoscale import minutes, profiles
from components.online_endpoint import openai_base_url
from components.private_network import ZONES, first_subnet
from components.progress import elapsed_text
from components.registry_image import resolve
from components.roles import ROLES, role_definition


@pytest.mark.parametrize(
    ("uri", "base"),
    [
        (
            "https://e.westeurope.inference.ml.azure.com/score",
            "https://e.westeurope.inference.ml.azure.com/v1",
        ),
        ("https://127.0.0.1:8443/", "https://127.0.0.1:8443/v1"),
        ("", ""),
        (None, ""),
    ],
)
def test_the_base_url_is_the_origin_of_the_scoring_uri(uri, base):
    assert openai_base_url(uri) == base


@pytest.mark.parametrize(
    ("space", "subnet"),
    [("10.20.0.0/16", "10.20.0.0/24"), ("10.0.0.0/24", "10.0.0.0/24"), ("10.0.0.0/27", "10.0.0.0/27")],
)
def test_the_first_subnet(space, subnet):
    assert first_subnet(space) == subnet


def test_every_cloud_has_the_two_zones_of_a_workspace():
    assert {cloud: len(zones["amlworkspace"]) for cloud, zones in ZONES.items()} == dict.fromkeys(ZONES, 2)
    assert len({frozenset(zones) for zones in ZONES.values()}) == 1


@pytest.mark.parametrize(("value", "text"), [(5, "PT5M"), (90, "PT1H30M"), (1440, "P1D"), (1500, "P1DT1H")])
def test_durations_are_canonical(value, text):
    assert minutes(value) == text


def test_elapsed_time_is_for_people():
    assert elapsed_text(125.9) == "2 min 05 s"


@pytest.mark.parametrize("role", ["AcrPull", ROLES["AcrPull"]])
def test_a_role_by_name_or_guid(role):
    assert role_definition("s", role).endswith(f"/roleDefinitions/{ROLES['AcrPull']}")
    assert role_definition("s", "/providers/x") == "/providers/x"


def test_a_digest_needs_no_registry():
    assert resolve("acr.test/vllm@sha256:00") == "acr.test/vllm@sha256:00"


@pytest.mark.parametrize("reference", ["vllm", "acr.test:5000/vllm"])
def test_an_image_without_a_tag_is_refused(reference):
    with pytest.raises(ValueError, match="no tag and no digest"):
        resolve(reference)


RULES = {"up": {"threshold": 70, "change": 1, "window": 5, "cooldown": 5}}
RULES["down"] = {**RULES["up"], "threshold": 25}
SCALE = {
    "minimum": 1,
    "maximum": 4,
    "default": None,
    "gpu_utilization": RULES,
    "cpu_utilization": None,
    "quiet_hours": None,
}


class TestAutoscale:
    def test_up_and_down_go_up_and_down(self):
        (profile,) = profiles(SCALE, "/d")
        seen = [
            (
                rule["metricTrigger"]["operator"],
                rule["metricTrigger"]["threshold"],
                rule["scaleAction"]["direction"],
            )
            for rule in profile["rules"]
        ]
        assert seen == [("GreaterThan", 70, "Increase"), ("LessThan", 25, "Decrease")]
        assert profile["capacity"] == {"minimum": "1", "maximum": "4", "default": "1"}

    def test_quiet_hours_end_too(self):
        quiet = {
            "start": "20:00",
            "end": "06:30",
            "days": [],
            "time_zone": "UTC",
            "minimum": 1,
            "maximum": 1,
            "default": None,
        }
        first, second, third = profiles({**SCALE, "quiet_hours": quiet}, "/d")
        assert first["recurrence"]["schedule"]["hours"] == [20]
        assert first["rules"] == []
        assert second["recurrence"]["schedule"]["minutes"] == [30]
        assert second["rules"] == third["rules"] != []
        assert "recurrence" not in third


LOG = """\
Instance status:
SystemSetup: Succeeded
UserContainerImagePull: Succeeded
ModelDownload: {model}
UserContainerStart: {container}

Container events:
Kind: Pod, Name: Pulled, Type: Normal, Time: 2026-01-01T00:00:00+00:00, Message: Container image is pulled

Container logs:
{log}"""


class TestWatch:
    @staticmethod
    def told(read) -> list[str]:
        from components.progress import Watch

        said: list[str] = []
        watch = Watch(
            "/d", "current-1", log=lambda line: (said.append(line), watch.stop()), every=0.001, read=read
        )
        watch._run()
        return said

    def test_it_says_the_time_the_stage_and_the_last_line_until_it_is_stopped(self):
        text = LOG.format(model="Succeeded", container="InProgress", log="\nloading\n\n")
        assert self.told(lambda _id, _tail: text) == [
            "current-1: 0 min 00 s: the container starts and loads the model: loading"
        ]

    @pytest.mark.parametrize(
        ("text", "stage"),
        [
            ("", "the machine is prepared"),
            (
                LOG.format(model="InProgress", container="Waiting", log=""),
                "the model is downloaded and mounted",
            ),
            (
                LOG.format(model="Succeeded", container="InProgress", log=""),
                "the container starts and loads the model",
            ),
            ("INFO 1 of 2\nINFO 2 of 2", "the container starts and loads the model: INFO 2 of 2"),
        ],
    )
    def test_stages(self, text: str, stage: str):
        from components.progress import stage_of

        assert stage_of(text) == stage

    def test_what_it_cannot_see_it_says_and_never_fails(self):
        def refused(*_args):
            raise RuntimeError("403")

        assert self.told(refused) == ["current-1: 0 min 00 s: not visible from here (403)"]
