"""The azure-native stand-in against the embedded Azure: every type of the table, every call's rules."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest

from emulator.plugins.azure_native.table import ROWS
from emulator.plugins.protocol import empty_pb2, grpc, plugin_pb2, provider_pb2
from emulator.plugins.values import UNKNOWN, same
from tests.plugins.examples import DEPLOYER, EXAMPLES, GROUP, Example, merged
from tests.plugins.harness import BIN, Client, PluginProcess, invoke

pytestmark = pytest.mark.emulator
RG = "azure-native:resources:ResourceGroup"
ENDPOINT = "azure-native:machinelearningservices:OnlineEndpoint"
DEPLOYMENT = "azure-native:machinelearningservices:OnlineDeployment"


@pytest.fixture
def group(azure_native: PluginProcess):
    """Return a client of resource groups and make one per test, deleted afterwards."""
    client = Client(azure_native, RG)
    inputs = client.checked("rg", {"resourceGroupName": "rg-test"})
    id_, state = client.create("rg", inputs)
    yield client, id_, inputs, state
    client.delete("rg", id_, inputs, state)


def test_examples_are_complete() -> None:
    assert {f"azure-native:{example.token}" for example in EXAMPLES} == set(ROWS)


def test_every_type_lives(azure_native: PluginProcess) -> None:
    """Create, read, update, read, import and delete; all that goes wrong is told at once."""
    made, wrong = [], []
    for example in EXAMPLES:
        client = Client(azure_native, f"azure-native:{example.token}")
        try:
            made.append((client, *_live(client, example)))
        except (grpc.RpcError, AssertionError) as error:
            said = error.details() if isinstance(error, grpc.RpcError) else error
            wrong.append(f"{example.token}: {said}")
    for client, id_, inputs, state in reversed(made):
        try:
            client.delete("x", id_, inputs, state)
            row = ROWS[client.token]
            if not row.singleton and row.delete == "arm":
                assert client.read("x", id_, inputs, state)[0] == "", f"{id_} is still there"
            client.delete("x", id_, inputs, state)  # what is gone is fine
        except (grpc.RpcError, AssertionError) as error:
            wrong.append(f"deleting {id_}: {error}")
    assert not wrong, "\n".join(wrong)


def _live(client: Client, example: Example) -> tuple[str, dict, dict]:
    inputs = client.checked("x", example.inputs)
    _, seen = client.create("x", inputs, preview=True)
    id_, state = client.create("x", inputs)
    assert set(state) <= set(seen), f"outputs no preview knew: {set(state) - set(seen)}"
    for name, value in example.outputs.items():
        assert state[name] == value
    _stays(client, id_, inputs, state)
    if not ROWS[client.token].singleton:
        with pytest.raises(grpc.RpcError, match="cannot create already existing resource"):
            client.create("x", inputs)
    if example.change:
        news = client.checked("x", merged(example.inputs, example.change), inputs)
        found = client.diff("x", inputs, news, state)
        assert list(found.diffs)
        assert not found.replaces
        state, inputs = client.update("x", id_, inputs, news, state), news
        _stays(client, id_, inputs, state)
    _, imported, _ = client.read("x", id_)
    assert imported
    return id_, inputs, state


def _stays(client: Client, id_: str, inputs: dict, state: dict) -> None:
    """A refresh right after a change shows no change."""
    _, read_inputs, read_state = client.read("x", id_, inputs, state)
    assert same(read_inputs, inputs), f"inputs drift: {read_inputs} is not {inputs}"
    assert same(read_state, state), f"outputs drift: {read_state} is not {state}"


def test_a_refresh_shows_what_others_changed(azure_native: PluginProcess, group) -> None:
    client, id_, inputs, state = group
    other = client.checked("rg", {**inputs, "tags": {"by": "hand"}}, inputs)
    client.update("rg", id_, inputs, other, state)
    _, refreshed, outputs = client.read("rg", id_, inputs, state)
    assert refreshed == {**inputs, "tags": {"by": "hand"}}
    assert outputs["tags"] == {"by": "hand"}


def test_an_import_and_a_check_afterwards_show_no_change(group) -> None:
    client, id_, inputs, _ = group
    _, imported, outputs = client.read("rg", id_)
    news = client.checked("rg", imported, imported)
    assert client.diff("rg", imported, news, outputs).changes == provider_pb2.DiffResponse.DIFF_NONE
    assert {k: v for k, v in imported.items() if k != "azureApiVersion"} == {
        k: v for k, v in inputs.items() if k != "azureApiVersion"
    }


def test_what_is_gone_reads_as_gone(azure_native: PluginProcess) -> None:
    assert Client(azure_native, RG).read("x", f"{GROUP}-missing", {"resourceGroupName": "x"}, {})[0] == ""


def test_names_and_location_are_filled_in(azure_native: PluginProcess, group) -> None:
    client = group[0]
    seed = b"0123456789abcdef"
    inputs, _ = client.check("logical", {}, randomSeed=seed)
    assert inputs["resourceGroupName"].startswith("logical")
    assert len(inputs["resourceGroupName"]) == len("logical") + 8
    assert inputs["__createBeforeDelete"] is True
    assert client.check("logical", {}, randomSeed=seed)[0] == inputs, "the same seed gives the same name"
    assert client.check("logical", {}, inputs)[0] == inputs, "a name stays what it was"
    child = Client(azure_native, ENDPOINT)
    named, _ = child.check(
        "ep", {"resourceGroupName": "r", "workspaceName": "w", "properties": {"authMode": "Key"}}
    )
    assert (named["endpointName"], named["location"]) == ("ep", "westeurope")
    assert "__createBeforeDelete" not in named
    role = Client(azure_native, "azure-native:authorization:RoleAssignment")
    assigned, _ = role.check("r", {"scope": "/s", "principalId": "p", "roleDefinitionId": "d"})
    assert len(assigned["roleAssignmentName"]) == 36


def test_the_location_is_the_groups_when_none_is_configured(start_plugin, azure: dict, group) -> None:
    plugin = start_plugin("azure-native", azure)
    plugin.configure()
    vnet = Client(plugin, "azure-native:network:VirtualNetwork")
    assert vnet.check("v", {"resourceGroupName": "rg-test"})[0]["location"] == "westeurope"
    assert vnet.check("v", {"resourceGroupName": UNKNOWN})[0]["location"] == UNKNOWN
    assert "location" not in vnet.check("v", {"resourceGroupName": "rg-missing"})[0]


def test_a_preview_of_an_update_keeps_name_and_location(group) -> None:
    client, id_, inputs, state = group
    seen = client.update("rg", id_, inputs, {**inputs, "tags": {"a": UNKNOWN}}, state, preview=True)
    assert (seen["name"], seen["location"], seen["tags"]) == ("rg-test", "westeurope", {"a": UNKNOWN})


def test_subnets_of_their_own_survive_an_update_of_their_network(
    azure_native: PluginProcess, azure: dict, group
) -> None:
    network = Client(azure_native, "azure-native:network:VirtualNetwork")
    subnet = Client(azure_native, "azure-native:network:Subnet")
    base = {"resourceGroupName": "rg-test", "virtualNetworkName": "v"}
    inputs = network.checked("v", {**base, "addressSpace": {"addressPrefixes": ["10.9.0.0/16"]}})
    id_, state = network.create("v", inputs)
    made = subnet.checked("s", {**base, "subnetName": "s", "addressPrefix": "10.9.1.0/24"})
    subnet_id, subnet_state = subnet.create("s", made)
    news = network.checked("v", {**inputs, "tags": {"a": "b"}}, inputs)
    network.update("v", id_, inputs, news, state)
    assert subnet.read("s", subnet_id, made, subnet_state)[0] == subnet_id
    puts = [line for line in _journal(azure) if line["method"] == "PUT" and line["path"] == id_]
    (sent,) = puts[-1]["body"]["properties"]["subnets"]
    assert (sent["name"], sent["id"]) == ("s", subnet_id)
    assert puts[0]["body"]["properties"]["subnets"] == [], "a new one says that it has none"


def _journal(azure: dict[str, str]) -> list[dict]:
    lines = (Path(azure["EMULATOR_HOME"]) / "journal.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_deleting_in_a_group_that_is_gone_is_fine(azure_native: PluginProcess) -> None:
    endpoint = Client(azure_native, ENDPOINT)
    workspace = "/providers/Microsoft.MachineLearningServices/workspaces/w"
    endpoint.delete("x", f"{GROUP}-missing{workspace}/onlineEndpoints/e", {}, {})


def test_errors_of_arm_come_through_in_full(azure_native: PluginProcess, group) -> None:
    account = Client(azure_native, "azure-native:storage:StorageAccount")
    inputs = account.checked(
        "sa",
        {
            "resourceGroupName": "rg-test",
            "accountName": "Not_Allowed",
            "kind": "StorageV2",
            "sku": {"name": "Standard_LRS"},
        },
    )
    with pytest.raises(grpc.RpcError) as error:
        account.create("sa", inputs)
    assert "Status=400" in error.value.details()
    assert 'Code="AccountNameInvalid"' in error.value.details()
    assert "Not_Allowed" in error.value.details()


def test_a_reader_can_preview_and_not_create(start_plugin, azure: dict, group) -> None:
    reader = {**azure, "IDENTITY_HEADER": "embedded-azure-reader"}
    plugin = start_plugin("azure-native", reader)
    plugin.configure(location="westeurope")
    client = Client(plugin, RG)
    inputs = client.checked("rg", {"resourceGroupName": "rg-other"})
    client.create("rg", inputs, preview=True)
    assert client.read("rg", group[1], group[2], group[3])[0] == group[1]
    with pytest.raises(grpc.RpcError, match="AuthorizationFailed"):
        client.create("rg", inputs)


def test_client_config(azure_native: PluginProcess, azure: dict) -> None:
    found = invoke(azure_native, "azure-native:authorization:getClientConfig")
    assert found["subscriptionId"] == azure["ARM_SUBSCRIPTION_ID"]
    assert found["tenantId"] == azure["ARM_TENANT_ID"]
    assert found["objectId"] == DEPLOYER
    assert invoke(azure_native, "azure-native:authorization:getClientToken")["token"].count(".") == 2


def test_functions(azure_native: PluginProcess, group) -> None:
    found = invoke(azure_native, "azure-native:resources:getResourceGroup", resourceGroupName="rg-test")
    assert found["id"] == group[1]
    assert found["azureApiVersion"] == ROWS[RG].api
    with pytest.raises(grpc.RpcError, match="ResourceGroupNotFound"):
        invoke(azure_native, "azure-native:resources:getResourceGroup", resourceGroupName="rg-missing")
    with pytest.raises(
        grpc.RpcError, match="azure-native:compute:getVirtualMachine is not among the functions"
    ):
        invoke(azure_native, "azure-native:compute:getVirtualMachine", vmName="x")


def test_role_definitions_can_be_looked_up(azure_native: PluginProcess) -> None:
    role = "b24988ac-6180-42a0-ab88-20f7382dd24c"
    found = invoke(
        azure_native, "azure-native:authorization:getRoleDefinition", scope=GROUP, roleDefinitionId=role
    )
    assert found["roleName"] == "Contributor"


def test_unknown_types_are_refused_by_name(azure_native: PluginProcess) -> None:
    with pytest.raises(grpc.RpcError, match="azure-native:web:WebApp is not among the resource types"):
        Client(azure_native, "azure-native:web:WebApp").check("x", {})


def test_nothing_works_without_the_embedded_azure(start_plugin) -> None:
    with pytest.raises(grpc.RpcError, match="ARM_METADATA_HOSTNAME"):
        start_plugin("azure-native").configure()


def test_an_azure_that_is_not_running_is_named(start_plugin, azure: dict) -> None:
    plugin = start_plugin("azure-native", {**azure, "ARM_METADATA_HOSTNAME": "127.72.9.9:1"})
    plugin.configure(location="westeurope")
    with pytest.raises(grpc.RpcError, match="Is it running"):
        Client(plugin, RG).create("rg", {"resourceGroupName": "x", "location": "westeurope"})


def test_a_plugin_is_up_well_under_a_second(start_plugin) -> None:
    times = sorted(start_plugin(name).startup for name in ("azure-native", "docker-build", "docker"))
    assert times[1] < 1, times  # measured 0.2 s on two idle cores; the machine may be busy


def test_an_engine_can_shake_hands_or_attach(start_plugin) -> None:
    stub = start_plugin("azure-native").stub
    stub.Handshake(provider_pb2.ProviderHandshakeRequest(engine_address="127.0.0.1:1"))
    stub.Attach(plugin_pb2.PluginAttach(address="127.0.0.1:1"))
    stub.Attach(plugin_pb2.PluginAttach())


def test_a_missing_interpreter_is_named(tmp_path: Path) -> None:
    done = subprocess.run(
        [str(BIN / "pulumi-resource-docker")],
        env={"EMULATOR_PYTHON": "/nowhere/python", "PATH": "/usr/bin:/bin"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "/nowhere/python" in done.stderr
    assert "EMULATOR_PYTHON" in done.stderr


def test_versions_are_the_sdks(start_plugin) -> None:
    for name, version in (("azure-native", "3.29.0"), ("docker-build", "0.0.22"), ("docker", "5.2.0")):
        assert start_plugin(name).stub.GetPluginInfo(empty_pb2.Empty()).version == version


def test_a_plugin_ends_with_its_engine(start_plugin) -> None:
    """The engine here is a shell that is killed."""
    shell = subprocess.Popen(
        ["/bin/sh", "-c", f"{BIN / 'pulumi-resource-docker'} x & echo $!; wait"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert shell.stdout
    pid = int(shell.stdout.readline())
    shell.stdout.readline()
    shell.kill()
    shell.wait()
    for _ in range(50):
        if not _alive(pid):
            return
        time.sleep(0.1)
    pytest.fail("the plugin outlived its engine")


def _alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().split()[2] != "Z"
    except FileNotFoundError:
        return False
