"""Runs the program on Pulumi's mocks and records what it registers, options included.

What this does not prove: that Azure takes the inputs, what a provider's diff says, and the order of
operations; the engine's and the embedded Azure's tests do.
"""

from __future__ import annotations

import copy
import gc
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
import yaml
from pulumi.runtime import mocks as pulumi_mocks
from pulumi.runtime import rpc

ROOT = Path(__file__).parents[2]
ML = "azure-native:machinelearningservices:"
DYNAMIC = "pulumi-python:dynamic/vllm-azureml:"
CALLER = {"subscriptionId": "sub", "tenantId": "tenant", "objectId": "me", "clientId": "client"}


@dataclass
class Registered:
    """One resource: `inputs` unwrapped, `secret` the names of the inputs that are secret."""

    type: str
    name: str
    inputs: dict[str, Any]
    secret: set[str]
    request: Any = None

    @property
    def depends_on(self) -> set[str]:
        return {urn.rsplit("::", 1)[1] for urn in self.request.dependencies}


@dataclass
class Program:
    """What one run registered, and its outputs."""

    resources: list[Registered] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)

    def all(self, type_: str) -> list[Registered]:
        return [found for found in self.resources if found.type == type_]

    def one(self, type_: str, name: str | None = None) -> Registered:
        found = [r for r in self.all(type_) if name is None or r.name == name]
        assert len(found) == 1, f"{type_} {name}: {[r.name for r in found]}"
        return found[0]

    def children(self) -> set[tuple[str, str]]:
        """Every resource but the components."""
        return {(r.type, r.name) for r in self.resources if not r.type.startswith("vllm-azureml:")}


class _Mocks(pulumi.runtime.Mocks):
    """Answers as azure-native and the dynamic providers would, as far as the program reads answers."""

    def __init__(self, program: Program, calls: dict[str, Any]) -> None:
        self.program, self.calls = program, calls

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        inputs = {key: rpc.unwrap_rpc_secret(value) for key, value in args.inputs.items()}
        secret = {key for key, value in args.inputs.items() if rpc.is_rpc_secret(value)}
        self.program.resources.append(Registered(args.typ, args.name, inputs, secret))
        outputs = {**inputs, "systemData": {"createdAt": "monday"}}
        return args.resource_id or f"/id/{args.name}", {**outputs, **self._answers(args.typ, inputs)}

    def _answers(self, type_: str, inputs: dict[str, Any]) -> dict[str, Any]:
        if type_ == f"{ML}OnlineEndpoint":
            return {
                "name": inputs["endpointName"],
                "properties": {**inputs["properties"], "scoringUri": "https://scoring.test/score"},
                "identity": {"type": "SystemAssigned", "principalId": "endpoint-principal"},
            }
        return {
            f"{ML}Workspace": {
                "name": inputs.get("workspaceName", "existing"),
                "storageAccount": "/id/st",
                "keyVault": "/id/kv",
                "containerRegistry": "/id/acr",
            },
            f"{ML}OnlineDeployment": {"name": inputs.get("deploymentName")},
            "azure-native:containerregistry:Registry": {"loginServer": "acr.test"},
            "azure-native:resources:ResourceGroup": {"name": inputs.get("resourceGroupName")},
            "azure-native:managedidentity:UserAssignedIdentity": {"principalId": "uai-principal"},
            "docker-build:index:Image": {"digest": "sha256:0123"},
            f"{DYNAMIC}EndpointKey": {"secret_uri": "https://vault.test/secrets/key"},
            f"{DYNAMIC}TrafficSplit": {"scoring_uri": "https://scoring.test/"},
            f"{DYNAMIC}SmokeTest": {"served_model_names": ["short", "/models/short"]},
            f"{DYNAMIC}ModelCopy": {"commit": "c0ffee", "model_uri": "azureml://copied"},
        }.get(type_, {})

    def call(self, args: pulumi.runtime.MockCallArgs) -> dict[str, Any]:
        if args.token == "azure-native:authorization:getClientConfig":
            return CALLER
        if args.token == "azure-native:authorization:getClientToken":
            return {"token": ""}  # so that a preview has nobody to ask
        return self.calls[args.token](args.args)


class _Monitor(pulumi_mocks.MockMonitor):
    """Keeps the requests: resource options are in them and nowhere else."""

    def __init__(self, mocks: _Mocks, program: Program) -> None:
        super().__init__(mocks)
        self.program = program

    def RegisterResource(self, request: Any) -> Any:
        answer = super().RegisterResource(request)
        for found in self.program.resources:
            if (found.type, found.name) == (request.type, request.name):
                found.request = request
        return answer


def config(stack: str) -> dict[str, Any]:
    """The configuration of a committed stack, to be changed by a test."""
    return copy.deepcopy(yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"])


def deployment(values: dict[str, Any], endpoint: str = "", key: str = "current") -> dict[str, Any]:
    """One deployment of a configuration."""
    endpoints = values["vllm-azureml:endpoints"]
    return endpoints[endpoint or next(iter(endpoints))]["deployments"][key]


def run(
    values: dict[str, Any],
    *,
    preview: bool = False,
    stack: str = "test",
    calls: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] | None = None,
) -> Program:
    """Declare the stack that `values` describes."""
    from settings import from_pulumi_config
    from stack import deploy

    program = Program()
    mocks = _Mocks(program, calls or {})
    flat = {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}
    pulumi.runtime.set_all_config(flat, [])
    pulumi.runtime.set_mocks(
        mocks, project="vllm-azureml", stack=stack, preview=preview, monitor=_Monitor(mocks, program)
    )

    @pulumi.runtime.test
    def go() -> pulumi.Output[None]:
        outputs = deploy(from_pulumi_config())
        return pulumi.Output.all(**outputs).apply(program.outputs.update)

    # A program of many short-lived futures beside a large generated SDK: collecting takes most of the time.
    gc.disable()
    try:
        go()
    finally:
        gc.enable()
    return program
