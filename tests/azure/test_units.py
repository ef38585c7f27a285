"""Parts of the control plane that need no server: paths, schemas, bodies, roles, quota, time, journal,
store.
"""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.azure import ids, roles, soft_delete
from emulator.azure.autoscale import active_profile, seconds
from emulator.azure.cloud import Cloud
from emulator.azure.errors import ArmError
from emulator.azure.front_doors import FrontDoors
from emulator.azure.frontdoor.app import FrontDoor
from emulator.azure.gates.storage import need
from emulator.azure.ids import Target
from emulator.azure.journal import REDACTED, redact
from emulator.azure.principals import Principals
from emulator.azure.rbac import ASSIGNMENT, Rbac
from emulator.azure.resource_type import Call
from emulator.azure.resources import all_types
from emulator.azure.resources.container_registry import REGISTRY
from emulator.azure.resources.ml import quota, skus
from emulator.azure.resources.ml.common import DEPLOYMENT, ENDPOINT, WORKSPACE
from emulator.azure.resources.ml.deploy_spec import make_spec
from emulator.azure.resources.ml.deployments import OnlineDeployment
from emulator.azure.resources.ml.endpoints import OnlineEndpoint
from emulator.azure.resources.ml.workspace import Workspace
from emulator.azure.resources.private_endpoints import shut_out
from emulator.azure.server import Server
from emulator.azure.store import Resource, Store
from emulator.azure.table import table
from emulator.azure.validation import validate
from emulator.nodes.interface import Probe
from emulator.settings import Settings, SettingsError

SUB = "/subscriptions/s"
ML = f"{SUB}/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
LOCK = f"{ML}/providers/Microsoft.Authorization/locks/l"


class TestPaths:
    @pytest.mark.parametrize(
        ("path", "kind", "tail"),
        [
            (f"{SUB}/resourceGroups/g", "Microsoft.Resources/resourceGroups", ""),
            (f"{SUB}/resourceGroups", "Microsoft.Resources", "resourceGroups"),
            (ML, "Microsoft.MachineLearningServices/workspaces", ""),
            (f"{ML}/onlineEndpoints", "Microsoft.MachineLearningServices/workspaces", "onlineEndpoints"),
            (f"{ML}/onlineEndpoints/e", "Microsoft.MachineLearningServices/workspaces/onlineEndpoints", ""),
            (LOCK, "Microsoft.Authorization/locks", ""),
            (f"{SUB}/providers/Microsoft.X/things", "Microsoft.X", "things"),
        ],
    )
    def test_what_a_path_means(self, path: str, kind: str, tail: str):
        target = ids.parse(path)
        assert target is not None
        assert (target.type, target.tail) == (kind, tail)

    def test_an_extension_hangs_under_its_scope(self):
        target = ids.parse(LOCK)
        assert target is not None
        assert target.scope == ML

    @given(st.text())
    def test_no_path_breaks_it(self, path: str):
        ids.parse(path)


class TestBodies:
    schema = table(
        {
            "name!": "str",
            "count": "int",
            "mode": ("On", "Off"),
            "tags": {"*": "str"},
            "list": [{"a!": "bool"}],
        }
    )

    def test_what_is_right_passes(self):
        body = {"name": "n", "count": 1, "mode": "on", "tags": {"a": "b"}, "list": [{"a": True}]}
        assert validate(self.schema, body) == {**body, "mode": "On"}

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"name": 1},
            {"name": "n", "count": True},
            {"name": "n", "mode": "Up"},
            {"name": "n", "list": [{}]},
        ],
    )
    def test_what_is_wrong_does_not(self, body: dict):
        with pytest.raises(ArmError):
            validate(self.schema, body)

    def test_a_patch_needs_nothing(self):
        assert validate(self.schema, {}, partial=True) == {}

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(),
            lambda x: st.lists(x) | st.dictionaries(st.text(), x),
        )
    )
    def test_a_body_is_taken_or_refused_and_breaks_nothing(self, body: object):
        with contextlib.suppress(ArmError):
            validate(self.schema, body)


class TestQuota:
    @pytest.mark.parametrize(
        ("size", "instances", "cores"),
        [
            ("Standard_NC24ads_A100_v4", 1, 24),
            ("Standard_NC24ads_A100_v4", 3, 72),
            ("Standard_NC40ads_H100_v5", 2, 80),
            ("Standard_F4s_v2", 1, 8),
            ("Standard_F4s_v2", 5, 24),
            ("Standard_NC6s_v3", 10, 72),
        ],
    )
    def test_the_fifth_and_its_exceptions(self, size: str, instances: int, cores: int):
        sku = skus.find(size)
        assert sku is not None
        assert quota.needed(sku, instances) == cores


class TestRoles:
    def rbac(self, tmp_path, delay: str = "0") -> tuple[Rbac, Store, Principals]:
        settings = Settings.from_env(
            {"EMULATOR_HOME": str(tmp_path), "EMULATOR_DELAY_ROLE_PROPAGATION": delay}
        )
        store = Store(settings.state_file)
        principals = Principals(settings, store)
        return Rbac(settings, store, principals), store, principals

    def scope(self) -> str:
        return f"/subscriptions/{Settings.from_env({}).subscription}/resourceGroups/g"

    def test_the_deployer_owns_and_has_no_data_role(self, tmp_path):
        rbac, _, people = self.rbac(tmp_path)
        assert rbac.allowed(people.deployer.id, "Microsoft.X/y/write", self.scope())
        assert not rbac.allowed(people.deployer.id, "Microsoft.X/y/read", self.scope(), data=True)

    def test_the_reader_reads(self, tmp_path):
        rbac, _, people = self.rbac(tmp_path)
        assert rbac.allowed(people.reader.id, "Microsoft.X/y/read", self.scope())
        assert not rbac.allowed(people.reader.id, "Microsoft.X/y/listKeys/action", self.scope())

    @pytest.mark.parametrize(("delay", "allowed"), [("0", True), ("60", False)])
    def test_an_assignment_counts_below_its_scope_and_after_its_delay(
        self, tmp_path, delay: str, allowed: bool
    ):
        rbac, store, _ = self.rbac(tmp_path, delay)
        role = f"/providers/Microsoft.Authorization/roleDefinitions/{roles.ACR_PULL.id}"
        properties = {"principalId": "p", "roleDefinitionId": role, "scope": self.scope()}
        from emulator.azure.clock import now

        store.save(Resource("/a", ASSIGNMENT, {"properties": properties}, {"since": now() - 1}))
        pull = "Microsoft.ContainerRegistry/registries/pull/read"
        assert rbac.allowed("p", pull, self.scope() + "/below") is allowed
        assert not rbac.allowed("p", pull, self.scope() + "-beside")

    def test_a_contributor_assigns_no_roles(self):
        assert "Microsoft.Authorization/*/Write" in roles.CONTRIBUTOR.not_actions


class TestStorageNeeds:
    @pytest.mark.parametrize(
        ("method", "path", "query", "action", "data"),
        [
            ("GET", "/c/b", {}, "blobs/read", True),
            ("PUT", "/c/b", {"comp": ["block"]}, "blobs/write", True),
            ("DELETE", "/c/b", {}, "blobs/delete", True),
            ("GET", "/c", {"restype": ["container"], "comp": ["list"]}, "blobs/read", True),
            ("PUT", "/c", {"restype": ["container"]}, "containers/write", False),
            ("GET", "/", {"comp": ["list"]}, "containers/read", False),
        ],
    )
    def test_the_permission_of_an_operation(self, method, path, query, action, data):
        wanted = need(method, path, query)
        assert wanted.action.endswith(action)
        assert wanted.data is data


class TestJournal:
    def test_secret_fields_are_redacted_wherever_they_are(self):
        body = {"keys": {"primaryKey": "x"}, "list": [{"password": "y"}], "name": "n"}
        assert redact(body) == {
            "keys": {"primaryKey": REDACTED},
            "list": [{"password": REDACTED}],
            "name": "n",
        }

    def test_a_vault_secrets_value(self):
        path = "/x/providers/Microsoft.KeyVault/vaults/v/secrets/s"
        assert redact({"properties": {"value": "x"}}, path) == {"properties": {"value": REDACTED}}
        assert redact({"value": "x"}, "/x/other") == {"value": "x"}

    def test_what_a_datastore_is_opened_with(self):
        secrets = {"secretsType": "AccountKey", "key": "x", "certificate": "y"}
        hidden = redact({"credentials": {"secrets": secrets}})["credentials"]["secrets"]
        assert hidden == {"secretsType": "AccountKey", "key": REDACTED, "certificate": REDACTED}

    def test_tokens_in_any_text(self):
        assert redact({"a": "use hf_abcdefghijklmnopqrst now"}) == {"a": f"use {REDACTED} now"}


def test_services_reach_what_is_closed_and_whoever_runs_the_program_does_not(tmp_path):
    """Managed deployments pull by ways of their own (trusted services, private endpoints of Azure's)."""
    cloud = Cloud(Settings(home=tmp_path, cache=tmp_path))
    properties = {"publicNetworkAccess": "Disabled"}
    registry = Resource(f"{SUB}/registries/r", REGISTRY, {"properties": properties})
    service = cloud.principals.create(f"{ML}/onlineEndpoints/e", "e")
    assert shut_out(cloud, registry, cloud.principals.deployer.id)
    assert shut_out(cloud, registry, "nobody")
    assert not shut_out(cloud, registry, service.id)
    registry.doc["properties"] = {
        "networkRuleSet": {"defaultAction": "Deny", "ipRules": [{"value": "1.2.3.4"}]}
    }
    assert not shut_out(cloud, registry, cloud.principals.deployer.id), "an exception was made"
    cloud.store.close()


async def test_a_deleted_workspace_is_kept_for_fourteen_days(tmp_path):
    cloud = Cloud(Settings(home=tmp_path, cache=tmp_path))
    await Workspace().remove(cloud, Resource(ML, WORKSPACE, {"location": "westeurope"}))
    row = soft_delete.find(cloud, WORKSPACE, "w")
    assert row is not None
    assert row["until"] - row["deleted"] == pytest.approx(14 * 24 * 3600)
    cloud.store.close()


class TestDeploymentsInProcess:
    """What the requests of `--nodes none` do not show: what nodes are asked for, and limits that are far."""

    @pytest.fixture
    def cloud(self, tmp_path):
        cloud = Cloud(Settings(home=tmp_path, cache=tmp_path))
        cloud.store.save(Resource(ML, WORKSPACE, {"location": "westeurope"}))
        cloud.store.save(Resource(f"{ML}/onlineEndpoints/e", ENDPOINT, {"location": "westeurope"}))
        routes = {name: {"port": 8000, "path": f"/{name}"} for name in ("livenessRoute", "startupRoute")}
        version = {"properties": {"image": "docker.io/x:1", "inferenceConfig": routes}}
        kind = "Microsoft.MachineLearningServices/workspaces/environments/versions"
        cloud.store.save(Resource(f"{ML}/environments/v/versions/1", kind, version))
        yield cloud
        cloud.store.close()

    def deployment(self, number: int = 0, **properties) -> Resource:
        own = {"environmentId": f"{ML}/environments/v/versions/1", "endpointComputeType": "Managed"}
        doc = {"location": "westeurope", "properties": {**own, **properties}}
        made = Resource(f"{ML}/onlineEndpoints/e/deployments/d{number:03}", DEPLOYMENT, doc)
        OnlineDeployment().complete(made)
        return made

    async def test_the_nodes_are_asked_for_the_startup_probe_at_its_own_route(self, cloud):
        spec = await make_spec(cloud, self.deployment(startupProbe={"period": "PT5S"}))
        assert spec.startup == Probe(8000, "/startupRoute", period=5)
        assert (await make_spec(cloud, self.deployment())).startup is None

    async def test_a_deployment_of_an_older_state_has_azures_probes(self, cloud):
        older = self.deployment()
        older.properties["livenessProbe"] = {"failureThreshold": 3}
        assert (await make_spec(cloud, older)).liveness == Probe(8000, "/livenessRoute", failure_threshold=3)

    def test_a_subscription_has_at_most_500_deployments_in_a_region(self, cloud):
        for number in range(500):
            made = self.deployment(number)
            made.id = made.id.replace("onlineEndpoints/e/", f"onlineEndpoints/e{number // 20}/")
            cloud.store.save(made)
        call = Call(cloud, Target("", "", ""), "PUT", "2025-12-01", cloud.principals.deployer)
        with pytest.raises(ArmError, match="500 deployments in westeurope"):
            OnlineDeployment().prepare(call, None, self.deployment())

    def test_a_subscription_has_at_most_100_endpoints_in_a_region(self, cloud):
        for number in range(99):  # the fixture has made one
            doc = {"location": "westeurope"}
            cloud.store.save(Resource(f"{ML}/onlineEndpoints/e{number}", ENDPOINT, doc))
        call = Call(cloud, Target("", "", ""), "PUT", "2025-12-01", cloud.principals.deployer)
        body = {"location": "westeurope", "properties": {"authMode": "Key"}}
        with pytest.raises(ArmError, match="100 endpoints in westeurope"):
            OnlineEndpoint().prepare(call, None, Resource(f"{ML}/onlineEndpoints/more", ENDPOINT, body))


class TestTime:
    @pytest.mark.parametrize(
        ("text", "value"), [("PT1M30S", 90), ("PT0.5S", 0.5), ("P1DT1H", 90000), ("PT5M", 300)]
    )
    def test_durations(self, text: str, value: float):
        assert seconds(text) == value

    def test_the_profile_that_began_last_is_in_force(self):
        def profile(name: str, hour: int) -> dict:
            schedule = {"timeZone": "UTC", "days": ["Sunday", "Monday"], "hours": [hour], "minutes": [0]}
            return {"name": name, "recurrence": {"frequency": "Week", "schedule": schedule}}

        profiles = [profile("day", 6), profile("night", 20)]
        sunday = 1_900_022_400 - (1_900_022_400 % 86400)  # some midnight
        while (sunday // 86400 + 4) % 7 != 0:
            sunday += 86400
        assert active_profile(profiles, sunday + 12 * 3600)["name"] == "day"
        assert active_profile(profiles, sunday + 23 * 3600)["name"] == "night"
        assert active_profile(profiles, sunday + 86400 + 3600)["name"] == "night"


class TestStore:
    def test_what_was_saved_is_there_again(self, tmp_path):
        store = Store(tmp_path / "s.sqlite")
        store.save(Resource("/A/b", "T/x", {"properties": {"a": 1}}, {"state": "Succeeded"}))
        store.put("kind", "key", [1, 2])
        again = Store(tmp_path / "s.sqlite")  # without a close: as after a kill
        found = again.get("/a/B")
        assert found is not None
        assert found.doc == {"properties": {"a": 1}}
        assert again.table("kind") == {"key": [1, 2]}


class TestSettings:
    def test_a_network_that_is_not_loopback_is_refused(self):
        with pytest.raises(SettingsError, match="EMULATOR_NETWORK"):
            Settings.from_env({"EMULATOR_NETWORK": "10.0"})

    @pytest.mark.parametrize("port", ["80", "70000", "http"])
    def test_a_wrong_port_is_refused(self, port: str):
        with pytest.raises(SettingsError, match="EMULATOR_PORT"):
            Settings.from_env({"EMULATOR_PORT": port})


def test_every_type_has_a_schema_and_versions():
    for kind in all_types():
        assert kind.versions, kind.type
        assert kind.model or kind.fields, kind.type


async def test_stopping_the_server_drops_the_connections_of_its_front_doors(tmp_path):
    """To containers that think for minutes: a stop that waits for them would be killed, and so would they."""
    cloud = Cloud(Settings(home=tmp_path, cache=tmp_path))
    server, shared = Server(cloud), FrontDoor(FrontDoors(cloud), cloud.nodes, inside=False)._shared
    connections = shared.relay._client()
    mirrored = asyncio.create_task(asyncio.sleep(3600))
    shared.mirrors.add(mirrored)
    await server.stop()
    assert connections.closed
    with pytest.raises(asyncio.CancelledError):
        await mirrored
