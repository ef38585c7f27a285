"""The azure-native stand-in as a provider: the protocol's calls over the table, the conversions and ARM."""

from __future__ import annotations

import base64
import json
from typing import Any

from emulator.plugins.azure_native import check, convert, diff, invokes, naming, refresh, shapes
from emulator.plugins.azure_native.arm import Arm, Deadline
from emulator.plugins.azure_native.connection import Session, read_account
from emulator.plugins.azure_native.crud import Resource
from emulator.plugins.azure_native.table import ROWS, Row
from emulator.plugins.errors import PluginError
from emulator.plugins.protocol import empty_pb2, provider_pb2, sdk_version
from emulator.plugins.servicer import Plugin, urn_name, urn_type
from emulator.plugins.values import UNKNOWN, Properties, decode, encode, has_unknown

GROUP = "azure-native:resources:ResourceGroup"


class AzureNative(Plugin):
    """Pulumi's azure-native, as far as the table goes, against the embedded Azure."""

    name = "azure-native"
    version = sdk_version("pulumi_azure_native")

    def __init__(self) -> None:
        super().__init__()
        self._session: Session | None = None
        self._group_locations: dict[str, str] = {}

    def configure(self) -> None:
        self._session = Session(read_account(self.config))

    @property
    def session(self) -> Session:
        if self._session is None:
            raise PluginError("the azure-native stand-in was used before it was configured")
        return self._session

    @property
    def arm(self) -> Arm:
        return Arm(self.session)

    def _resource(self, urn: str) -> Resource:
        return Resource(shapes.row(urn_type(urn)), self.arm, self.session.account.subscription)

    def _deadline(self, seconds: float = 0) -> Deadline:
        return Deadline.after(seconds, self.cancelled)

    # --- plans

    def Check(self, request: Any, context: Any) -> Any:
        return self.run(context, lambda: self._check(request))

    def _check(self, request: Any) -> Any:
        row = shapes.row(urn_type(request.urn))
        olds, news = decode(request.olds), decode(request.news)
        naming.fill_name(row, news, olds, request, urn_name(request.urn))
        if "location" in shapes.body(row) and "location" not in news:
            location = self._default_location(olds, news)
            if location is not None:
                news["location"] = location
        news.setdefault("azureApiVersion", row.api)
        found = [provider_pb2.CheckFailure(reason=reason) for reason in check.failures(row, news)]
        return provider_pb2.CheckResponse(inputs=encode(news), failures=found)

    def _default_location(self, olds: Properties, news: Properties) -> str | None:
        if "location" in olds:
            return str(olds["location"])
        if self.session.account.location:
            return self.session.account.location
        group = news.get("resourceGroupName")
        if group is None or has_unknown(group):
            return None if group is None else UNKNOWN
        if group not in self._group_locations:
            id_ = f"/subscriptions/{self.session.account.subscription}/resourceGroups/{group}"
            response = self.arm.call("GET", id_, ROWS[GROUP].api, self._deadline())
            found = response.json() if response.status == 200 else None
            if not found or "location" not in found:
                return None
            self._group_locations[group] = found["location"]
        return self._group_locations[group]

    def Diff(self, request: Any, context: Any) -> Any:
        return self.run(
            context,
            lambda: diff.respond(
                shapes.row(urn_type(request.urn)),
                decode(request.old_inputs),
                decode(request.olds),
                decode(request.news),
            ),
        )

    # --- changes

    def Create(self, request: Any, context: Any) -> Any:
        return self.run(context, lambda: self._create(request))

    def _create(self, request: Any) -> Any:
        inputs = decode(request.properties)
        if request.preview:
            outputs = _preview(shapes.row(urn_type(request.urn)), inputs)
            return provider_pb2.CreateResponse(properties=encode(outputs))
        id_, outputs = self._resource(request.urn).create(inputs, self._deadline(request.timeout))
        return provider_pb2.CreateResponse(id=id_, properties=encode(outputs))

    def Update(self, request: Any, context: Any) -> Any:
        return self.run(context, lambda: self._update(request))

    def _update(self, request: Any) -> Any:
        inputs, old_state = decode(request.news), decode(request.olds)
        if request.preview:
            outputs = _preview(shapes.row(urn_type(request.urn)), inputs)
            outputs |= {name: old_state[name] for name in ("name", "location") if name in old_state}
        else:
            resource = self._resource(request.urn)
            outputs = resource.update(request.id, inputs, old_state, self._deadline(request.timeout))
        return provider_pb2.UpdateResponse(properties=encode(outputs))

    def Delete(self, request: Any, context: Any) -> Any:
        def delete() -> Any:
            self._resource(request.urn).delete(request.id, self._deadline(request.timeout))
            return empty_pb2.Empty()

        return self.run(context, delete)

    def Read(self, request: Any, context: Any) -> Any:
        return self.run(context, lambda: self._read(request))

    def _read(self, request: Any) -> Any:
        resource = self._resource(request.urn)
        response = resource.read(request.id, self._deadline(request.timeout))
        if response is None:
            return provider_pb2.ReadResponse(id="")
        outputs = resource.outputs(response)
        inputs = decode(request.inputs)
        if inputs:
            inputs = refresh.project(resource.row, inputs, decode(request.properties), outputs)
        else:
            inputs = refresh.imported(resource.row, request.id, response)
        return provider_pb2.ReadResponse(id=request.id, properties=encode(outputs), inputs=encode(inputs))

    # --- functions

    def Invoke(self, request: Any, context: Any) -> Any:
        return self.run(context, lambda: self._invoke(request))

    def _invoke(self, request: Any) -> Any:
        arguments = decode(request.args)
        if request.tok == "azure-native:authorization:getClientConfig":
            result = self._client_config()
        elif request.tok == "azure-native:authorization:getClientToken":
            result = {"token": self.session.token(arguments.get("endpoint", ""))}
        else:
            subscription = self.session.account.subscription
            result = invokes.call(request.tok, arguments, self.arm, subscription, self._deadline())
        return provider_pb2.InvokeResponse(**{"return": encode(result)})

    def _client_config(self) -> Properties:
        payload = self.session.token().split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return {
            "clientId": claims.get("appid", self.session.account.client),
            "objectId": claims.get("oid", ""),
            "subscriptionId": self.session.account.subscription,
            "tenantId": claims.get("tid", self.session.account.tenant),
        }


def _preview(row: Row, inputs: Properties) -> Properties:
    return {**convert.preview(shapes.outputs(row), inputs), "azureApiVersion": row.api}
