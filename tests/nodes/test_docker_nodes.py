"""Deployments as real containers, with the stand-in server in place of vLLM and probes of fractions of a
second.
"""

import asyncio
import io
from dataclasses import replace

import aiohttp
import pytest

from emulator.host import engine
from emulator.host.started import Started, instance_id
from emulator.nodes.docker import DockerNodes
from emulator.nodes.interface import DeploymentSpec, ModelMount, Probe, Reason, Stage

pytestmark = pytest.mark.e2e

QUICK = {"initial_delay": 0.2, "period": 0.2, "timeout": 1}


@pytest.fixture
def spec(image, model):
    account, container, prefix = model
    return DeploymentSpec(
        endpoint="ep",
        deployment="blue",
        resource_id="/Subscriptions/s/onlineEndpoints/ep/deployments/blue",
        image=image,
        model=ModelMount(account, container, prefix, "m", "1", "/models"),
        liveness=Probe(8000, "/ping", failure_threshold=50, **QUICK),
        readiness=Probe(8000, "/health", failure_threshold=50, **QUICK),
        egress=False,
    )


async def deploy(nodes, spec):
    stages = []
    outcome = await asyncio.wait_for(nodes.deploy(spec, lambda stage, text: stages.append(stage)), 60)
    return outcome, stages


def containers(embedded):
    client = engine.client(Started.load(embedded).engine)
    return client.containers.list(all=True, filters={"label": f"embedded-azure={instance_id(embedded)}"})


async def ask(nodes, spec, path="/standin"):
    host, port = nodes.addresses(spec.resource_id)[0]
    async with aiohttp.ClientSession() as session, session.get(f"http://{host}:{port}{path}") as answer:
        return await answer.json()


async def test_a_deployment_answers_is_scaled_and_goes_without_a_trace(nodes, spec, embedded):
    outcome, stages = await deploy(nodes, spec)
    assert outcome.ok, outcome
    assert stages == [Stage.IMAGE_PULL, Stage.MODEL_DOWNLOAD, Stage.CONTAINER_START]
    assert (await ask(nodes, spec, "/v1/models"))["data"][0]["id"] == "m"
    said = (await ask(nodes, spec))["environment"]
    assert said["AZUREML_MODEL_DIR"] == "/models"
    assert "model /models/m" in await nodes.logs(spec.resource_id, "InferenceServer", 100)
    assert "inner/weights.bin" in await nodes.logs(spec.resource_id, "StorageInitializer", 100)

    assert (await nodes.scale(spec.resource_id, 2)).ok
    assert len(nodes.addresses(spec.resource_id)) == 2
    before = {c.id for c in containers(embedded)}
    # The same deployment again, with another limit of the front door: nothing restarts.
    assert (await deploy(nodes, replace(spec, instances=2, max_concurrent=9)))[0].ok
    assert {c.id for c in containers(embedded)} == before
    assert (await nodes.scale(spec.resource_id, 1)).ok
    assert len(containers(embedded)) == 1

    await nodes.delete(spec.resource_id)
    assert nodes.addresses(spec.resource_id) == []
    assert containers(embedded) == []
    assert list(embedded.models.glob("*")) == []
    await nodes.delete(spec.resource_id)


async def test_only_the_models_own_blobs_are_mounted(nodes, spec, embedded):
    outcome, _ = await deploy(nodes, spec)
    assert outcome.ok
    [folder] = embedded.models.glob("*")
    files = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    assert files == ["m/config.json", "m/inner/weights.bin"]
    [container] = containers(embedded)
    code, said = container.exec_run(["python3", "-c", "open('/models/m/x', 'w')"])
    assert code != 0
    assert b"Read-only file system" in said


async def test_a_change_brings_the_new_containers_up_before_the_old_ones_go(nodes, spec):
    assert (await deploy(nodes, spec))[0].ok
    old = nodes.addresses(spec.resource_id)
    changed = replace(spec, environment={"STANDIN_START_DELAY": "1"})
    task = asyncio.create_task(deploy(nodes, changed))
    await asyncio.sleep(1)
    assert nodes.addresses(spec.resource_id) == old
    assert (await task)[0].ok
    assert nodes.addresses(spec.resource_id) != old


async def test_a_failed_change_leaves_the_old_containers_serving(nodes, spec, embedded):
    assert (await deploy(nodes, spec))[0].ok
    old = nodes.addresses(spec.resource_id)
    outcome, _ = await deploy(nodes, replace(spec, environment={"STANDIN_EXIT": "3"}))
    assert outcome.reason is Reason.CONTAINER_CRASHED
    assert nodes.addresses(spec.resource_id) == old
    assert len(containers(embedded)) == 1


@pytest.mark.parametrize(
    ("change", "stage", "reason", "text"),
    [
        (
            {"environment": {"STANDIN_EXIT": "78"}},
            Stage.CONTAINER_START,
            Reason.CONTAINER_CRASHED,
            "exit code 78",
        ),
        (
            {
                "environment": {"STANDIN_PING": "503"},
                "liveness": Probe(8000, "/ping", failure_threshold=2, **QUICK),
                "readiness": Probe(8000, "/nowhere", failure_threshold=99, **QUICK),
            },
            Stage.CONTAINER_START,
            Reason.LIVENESS_PROBE_FAILED,
            "GET :8000/ping",
        ),
        (
            {
                "environment": {"STANDIN_HEALTH": "503"},
                "readiness": Probe(8000, "/health", failure_threshold=3, **QUICK),
            },
            Stage.CONTAINER_START,
            Reason.READINESS_PROBE_FAILED,
            "503",
        ),
        (
            {"model": ModelMount("slot001", "test-models", "deep/none", "m", "1", "/models")},
            Stage.MODEL_DOWNLOAD,
            Reason.MODEL_DOWNLOAD_FAILED,
            "deep/none",
        ),
        (
            {"model": ModelMount("slot001", "no-container", "deep/m", "m", "1", "/models")},
            Stage.MODEL_DOWNLOAD,
            Reason.MODEL_DOWNLOAD_FAILED,
            "no-container does not exist",
        ),
        ({"image": "IMAGE:none"}, Stage.IMAGE_PULL, Reason.IMAGE_PULL_FAILED, "manifest unknown"),
    ],
    ids=["crash loop", "liveness", "readiness", "no blobs", "no container", "no image"],
)
async def test_what_fails_is_told_by_stage_and_leaves_nothing(
    nodes, spec, embedded, image, change, stage, reason, text
):
    if change.get("image"):
        change = {"image": image.replace(":1.0", ":none")}
    outcome, _ = await deploy(nodes, replace(spec, **change))
    assert (outcome.stage, outcome.reason) == (stage, reason), outcome
    assert text in outcome.text
    assert containers(embedded) == []
    if stage is Stage.CONTAINER_START:
        assert "stand-in server" in await nodes.logs(spec.resource_id, "InferenceServer", 50)


async def test_an_entry_point_that_does_not_exist_is_a_crash(nodes, spec, embedded):
    client = engine.client(Started.load(embedded).engine)
    name = spec.image.replace(":1.0", ":broken")
    client.images.build(
        fileobj=io.BytesIO(f'FROM {embedded.node_image}\nENTRYPOINT ["/nope"]'.encode()),
        tag=name,
        rm=True,
        forcerm=True,
    )
    client.images.push(name, auth_config={})
    outcome, _ = await deploy(nodes, replace(spec, image=name))
    assert outcome.reason is Reason.CONTAINER_CRASHED
    assert "/nope" in outcome.text


async def test_a_cancelled_deployment_leaves_nothing(nodes, spec, embedded):
    task = asyncio.create_task(deploy(nodes, replace(spec, environment={"STANDIN_START_DELAY": "60"})))
    for _ in range(100):
        await asyncio.sleep(0.1)
        # Not before Python listens to signals: a first process without a handler is ended by SIGKILL only.
        if any(b"stand-in server" in container.logs() for container in containers(embedded)):
            break
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert containers(embedded) == []


async def test_a_container_without_egress_reaches_no_hub_and_one_with_egress_only_the_hub(
    nodes, spec, embedded
):
    assert (await deploy(nodes, replace(spec, egress=True)))[0].ok
    [container] = containers(embedded)
    hub = (await ask(nodes, spec))["environment"]["HF_ENDPOINT"]
    assert reach(container, f"{hub}/healthz") == "200"
    # A machine elsewhere, as far as there is one: no route leads out of either network.
    assert reach(container, "http://192.0.2.1/") == "OSError"
    await nodes.delete(spec.resource_id)
    assert (await deploy(nodes, spec))[0].ok
    [container] = containers(embedded)
    assert reach(container, f"{hub}/healthz") == "OSError"


def reach(container, url):
    program = (
        "import urllib.request\n"
        f"try: print(urllib.request.urlopen({url!r}, timeout=3).status)\n"
        "except OSError: print('OSError')"
    )
    return container.exec_run(["python3", "-c", program]).output.decode().strip()


async def test_a_restarted_server_adopts_what_still_runs_and_removes_what_is_unknown(nodes, spec, embedded):
    other = replace(spec, resource_id="/other", deployment="green")
    assert (await deploy(nodes, spec))[0].ok
    assert (await deploy(nodes, other))[0].ok
    kept = nodes.addresses(spec.resource_id)
    # As after kill -9: nobody called stop.
    again = DockerNodes(embedded)
    await again.start()
    await again.resume([spec])
    for _ in range(100):
        await asyncio.sleep(0.1)
        if again.addresses(spec.resource_id):
            break
    assert again.addresses(spec.resource_id) == kept
    assert len(containers(embedded)) == 1
    await again.stop()
    assert containers(embedded) == []
    # After an orderly stop the deployment is started anew.
    third = DockerNodes(embedded)
    await third.start()
    await third.resume([spec])
    for _ in range(200):
        await asyncio.sleep(0.1)
        if third.addresses(spec.resource_id):
            break
    assert third.addresses(spec.resource_id)
    await third.stop()


async def test_a_container_that_dies_is_brought_back(nodes, spec, embedded):
    assert (await deploy(nodes, spec))[0].ok
    [container] = containers(embedded)
    container.kill()
    await until(lambda: not nodes.addresses(spec.resource_id))
    await until(lambda: nodes.addresses(spec.resource_id))


async def until(condition):
    for _ in range(150):
        if condition():
            return
        await asyncio.sleep(0.1)
    pytest.fail("it did not happen within 15 s")
