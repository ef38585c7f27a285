"""What is made, what is found, and who gets which role."""

import pytest

from components.roles import ROLES
from tests.stack.mocks import DYNAMIC, ML, config, run

GROUP = "/subscriptions/sub/resourceGroups/rg-vllm-local"
WORKSPACE = f"{GROUP}/providers/Microsoft.MachineLearningServices/workspaces/mlw-vllm-local"
IDENTITY = f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id"


def grants(program):
    return {
        r.name: (r.inputs["principalId"], r.inputs["roleDefinitionId"].rsplit("/", 1)[1], r.inputs["scope"])
        for r in program.all("azure-native:authorization:RoleAssignment")
    }


class TestTheDeployer:
    def test_gets_roles_on_exactly_what_it_made(self):
        program = run(config("local"))
        assert grants(program) == {
            "deployer-push": ("me", ROLES["AcrPush"], "/id/workspace-registry"),
            "deployer-blobs": ("me", ROLES["Storage Blob Data Contributor"], "/id/workspace-storage"),
            "deployer-secrets": ("me", ROLES["Key Vault Secrets User"], "/id/workspace-vault"),
        }

    def test_another_runner_does_not_take_them_over(self):
        made = run(config("local")).all("azure-native:authorization:RoleAssignment")
        ignored = {tuple(r.request.ignoreChanges) for r in made}
        assert ignored == {("principalId", "principalType", "roleAssignmentName")}

    @pytest.mark.parametrize(
        ("environment", "kind"), [({}, "User"), ({"ARM_USE_MSI": "true"}, "ServicePrincipal")]
    )
    def test_azure_is_told_what_kind_of_principal_it_is(self, monkeypatch, environment, kind):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        made = run(config("local")).all("azure-native:authorization:RoleAssignment")
        assert {r.inputs["principalType"] for r in made} == {kind}

    def test_copies_and_pushes_wait_for_them(self):
        program = run(config("local"))
        assert "deployer-blobs" in program.one(f"{DYNAMIC}ModelCopy").depends_on
        assert program.one(f"{DYNAMIC}RegistryLogin").inputs["role_assignment_id"] == "/id/deployer-push"
        assert program.one(f"{DYNAMIC}RolePropagation").inputs["assignments"] == ["/id/deployer-blobs"]

    def test_names_of_assignments_are_the_same_on_every_run(self):
        names = [
            sorted(
                r.inputs["roleAssignmentName"]
                for r in program.all("azure-native:authorization:RoleAssignment")
            )
            for program in (run(config("local")), run(config("local")))
        ]
        assert names[0] == names[1]
        assert len(set(names[0])) == 3


class TestWhatExists:
    def test_a_workspace_is_found_and_nothing_of_it_is_changed(self):
        values = config("local")
        values["vllm-azureml:workspace"] = {"name": "mlw-vllm-local", "existing": True}
        values["vllm-azureml:resource_group"]["existing"] = True
        del values["vllm-azureml:network"]
        program = run(values)
        assert grants(program) == {}
        made = {r.type for r in program.resources if r.request is not None}
        assert f"{ML}Workspace" not in made
        assert "azure-native:storage:StorageAccount" not in {r.type for r in program.resources}
        assert program.outputs["workspace_id"] == WORKSPACE
        key = program.one(f"{DYNAMIC}EndpointKey")
        assert key.inputs["vault_id"] == "/id/kv"

    def test_a_part_by_its_id_is_neither_made_nor_granted(self):
        values = config("local")
        storage = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/theirs"
        values["vllm-azureml:workspace"]["storage_account"] = {"id": storage}
        program = run(values)
        assert program.all("azure-native:storage:StorageAccount") == []
        assert program.one(f"{ML}Workspace").inputs["storageAccount"] == storage
        assert set(grants(program)) == {"deployer-push", "deployer-secrets"}

    def test_a_group_that_exists_is_left_there(self):
        values = config("local")
        values["vllm-azureml:resource_group"]["existing"] = True
        program = run(values)
        assert program.all("azure-native:resources:ResourceGroup") == []
        assert program.one(f"{ML}Workspace").inputs["resourceGroupName"] == "rg-vllm-local"

    def test_a_model_of_another_team_is_named_and_not_copied(self):
        values = config("local")
        values["vllm-azureml:models"] = {}
        values["vllm-azureml:endpoints"]["vllm-local"]["deployments"]["current"]["model"] = "azureml:theirs:7"
        program = run(values, calls={f"{ML}getModelVersion": lambda _args: {"name": "7"}})
        assert program.all(f"{DYNAMIC}ModelCopy") == []
        body = program.one(f"{ML}OnlineDeployment").inputs["properties"]
        assert body["model"] == f"{WORKSPACE}/models/theirs/versions/7"

    def test_an_image_of_a_ci_is_resolved_to_its_digest(self):
        values = config("local")
        values["vllm-azureml:images"] = {"vllm": {"registry_image": "acr.test/ci/vllm:7"}}
        calls = {
            "docker:index/getRegistryImage:getRegistryImage": lambda _args: {"sha256Digest": "sha256:77"}
        }
        program = run(values, calls=calls)
        assert program.all("docker-build:index:Image") == []
        body = program.one(f"{ML}EnvironmentVersion").inputs["properties"]
        assert body["image"] == "acr.test/ci/vllm@sha256:77"


class TestLeftovers:
    def test_a_stack_that_stays_purges_nothing(self):
        values = config("local")
        values["vllm-azureml:workspace"]["key_vault"] = {"purge_protection": True}
        assert run(values).all(f"{DYNAMIC}SoftDeleted") == []

    def test_it_is_made_before_and_deleted_after(self):
        program = run(config("local"))
        made = program.one(f"{DYNAMIC}SoftDeleted")
        assert made.inputs["workspace_id"] == WORKSPACE
        for type_ in (f"{ML}Workspace", "azure-native:keyvault:Vault"):
            assert "leftovers" in program.one(type_).depends_on


class TestUserAssignedIdentity:
    def test_its_roles_exist_before_the_endpoint(self):
        values = config("local")
        values["vllm-azureml:endpoints"]["vllm-local"]["identity"] = {
            "type": "user_assigned",
            "user_assigned_identities": [{"resource_id": IDENTITY}],
        }
        program = run(values)
        found = grants(program)
        assert found["vllm-local-identity-pull"] == (
            "uai-principal",
            ROLES["AcrPull"],
            "/id/workspace-registry",
        )
        assert found["vllm-local-identity-read"][1] == ROLES["Storage Blob Data Reader"]
        endpoint = program.one(f"{ML}OnlineEndpoint")
        assert "vllm-local-identity" in endpoint.depends_on
        # azure-native takes a list where ARM has a map of ids.
        assert endpoint.inputs["identity"] == {"type": "UserAssigned", "userAssignedIdentities": [IDENTITY]}


class TestAuthentication:
    def test_an_endpoint_without_keys_has_no_secret(self):
        values = config("local")
        values["vllm-azureml:endpoints"]["vllm-local"]["auth_mode"] = "aad_token"
        program = run(values)
        assert program.all(f"{DYNAMIC}EndpointKey") == []
        assert program.outputs["key_secret_uri"] == ""


class TestManagedNetwork:
    def test_deployments_wait_until_it_is_provisioned(self):
        values = config("local")
        values["vllm-azureml:workspace"]["managed_network"] = {
            "isolation_mode": "allow_only_approved_outbound",
            "outbound_rules": {"pypi": {"type": "fqdn", "destination": "mirror.example.com"}},
        }
        del values["vllm-azureml:endpoints"]["vllm-local"]["deployments"]["current"][
            "egress_public_network_access"
        ]
        program = run(values)
        rule = program.one(f"{ML}ManagedNetworkSettingsRule").inputs
        assert rule["properties"]["destination"] == "mirror.example.com"
        assert program.one(f"{DYNAMIC}ManagedNetwork").inputs["rules"] == ["/id/managed-network-pypi"]
        assert "managed-network" in program.one(f"{ML}OnlineDeployment").depends_on


class TestTheLock:
    def test_an_entry_goes_to_the_copy_and_another_commit_is_another_server(self, tmp_path):
        values = config("local")
        names = []
        for commit in ("a" * 40, "b" * 40):
            values["vllm-azureml:lock"] = str(write_lock(tmp_path, commit))
            program = run(values)
            assert program.one(f"{DYNAMIC}ModelCopy").inputs["lock"]["commit"] == commit
            names.append(program.outputs["deployments"]["current"])
        assert names[0] != names[1]

    def test_up_without_an_entry_stops_and_names_the_command(self, tmp_path):
        values = config("local")
        values["vllm-azureml:lock"] = str(write_lock(tmp_path, "a" * 40, repository="other/model"))
        with pytest.raises(Exception, match=r"models\.SmolLM2-135M-Instruct: .*make lock STACK=test"):
            run(values)
        assert run(values, preview=True).all(f"{DYNAMIC}ModelCopy")

    def test_a_lock_that_is_not_one_is_refused(self, tmp_path):
        values = config("local")
        (tmp_path / "lock.json").write_text("{nonsense")
        values["vllm-azureml:lock"] = str(tmp_path / "lock.json")
        with pytest.raises(Exception, match=r"vllm-azureml:lock: .*is not JSON"):
            run(values)


def write_lock(folder, commit, repository="HuggingFaceTB/SmolLM2-135M-Instruct"):
    from serving.lock import Entry, Lock, write

    files = {
        "model.safetensors": {"size": 10, "sha256": "0" * 64},
        "config.json": {"size": 2, "git_blob": "1" * 40},
    }
    entry = Entry(repository, "main", commit, files, 10, {"architectures": ["LlamaForCausalLM"]})
    path = folder / f"{commit[0]}.json"
    write(path, Lock().with_entry(entry))
    return path
