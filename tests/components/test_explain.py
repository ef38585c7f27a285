"""Azure's failure texts, as people have posted them, and what a person is told."""

import pytest

from components.explain import explain, failed_stage

# github.com/Azure/azureml-examples issue 3444, shortened.
LIVENESS = (
    "(None) ResourceNotReady: User container has crashed or terminated. Please see troubleshooting guide. "
    "SystemSetup: Succeeded, UserContainerImagePull: Succeeded, ModelDownload: Succeeded, "
    "UserContainerStart: InProgress. Events: LivenessProbeFailed, Liveness probe failed: HTTP probe failed "
    "with "
    "statuscode: 502"
)


@pytest.mark.parametrize(
    ("text", "stage", "says"),
    [
        (LIVENESS, "UserContainerStart", "liveness_probe.initial_delay"),
        (
            "BadArgument: Endpoint identity does not have pull permission on the registry",
            "UserContainerImagePull",
            "AcrPull",
        ),
        ("StorageManifestError: model artifacts not found", "ModelDownload", "Storage Blob Data Reader"),
        ("OutOfQuota: Not enough quota available for Standard_NC24ads_A100_v4", "", "quota of the VM family"),
        ("WorkspaceManagedNetworkNotReady", "SystemSetup", "managed_network.provision"),
        ("MissingDriverProgram: no driver", "", "inference_config"),
        (
            "SystemSetup: Succeeded, UserContainerImagePull: Failed. manifest unknown",
            "UserContainerImagePull",
            "reference exists",
        ),
        ("ReadinessProbeFailed", "UserContainerStart", "readiness_probe"),
        ("CrashLoopBackOff", "UserContainerStart", "log says why"),
        ("InternalServerError", "", "request id"),
        ("cannot create already existing resource '/x/deployments/current'", "", "make recover"),
        ("something new", "", "own words"),
    ],
)
def test_a_failure_names_its_stage_and_the_way_out(text, stage, says):
    found = explain([text])
    assert found.stage == stage
    assert says in str(found)


def test_what_may_pass_says_so():
    assert "Trying again may help" in str(explain(["InternalServerError"]))
    assert "Trying again" not in str(explain([LIVENESS]))


@pytest.mark.parametrize(
    ("text", "stage"),
    [
        (LIVENESS, "UserContainerStart"),
        ("SystemSetup: Succeeded, UserContainerImagePull: InProgress", "UserContainerImagePull"),
        ("SystemSetup: Succeeded, ModelDownload: Failed, UserContainerStart: InProgress", "ModelDownload"),
        ("nothing of the kind", ""),
    ],
)
def test_the_stage_is_the_one_that_did_not_finish(text, stage):
    assert failed_stage(text) == stage
