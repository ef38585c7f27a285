"""Every emulated resource type by its name. What is not here is refused."""

from __future__ import annotations

from collections.abc import Iterable

from emulator.azure.errors import ArmError
from emulator.azure.resource_type import ResourceType
from emulator.azure.resources.ml.common import BODIES, sdk_model
from emulator.azure.schema import Model


class Types:
    def __init__(self, types: list[ResourceType]) -> None:
        self._types = {item.type.lower(): item for item in types}
        self._namespaces = {item.type.split("/")[0].lower() for item in types}

    def find(self, name: str) -> ResourceType | None:
        return self._types.get(name.lower())

    def get(self, name: str) -> ResourceType:
        """Return a type; raises ARM's answer for a namespace or a type it does not know."""
        found = self.find(name)
        if found:
            return found
        namespace, _, rest = name.partition("/")
        if namespace.lower() not in self._namespaces:
            raise ArmError(
                404, "InvalidResourceNamespace", f"The resource namespace '{namespace}' is invalid."
            )
        raise ArmError(
            404,
            "InvalidResourceType",
            f"The resource type '{rest}' could not be found in the namespace '{namespace}' (the "
            "embedded Azure has "
            f"{', '.join(sorted(t.type for t in self._types.values() if t.type.startswith(namespace)))}).",
        )

    def check_version(self, kind: ResourceType, version: str) -> None:
        """Raise ARM's answer for a missing or unknown api-version."""
        namespace, _, rest = kind.type.partition("/")
        self.check_known(namespace, rest, version, kind.versions)

    def check_known(self, namespace: str, rest: str, version: str, versions: Iterable[str]) -> None:
        """Raise ARM's answer unless the version is one of `versions`."""
        if not version:
            raise ArmError(
                400,
                "MissingApiVersionParameter",
                "The api-version query parameter (?api-version=) is required for all requests.",
            )
        if version not in versions:
            known = ",".join(sorted(versions))
            raise ArmError(
                400,
                "NoRegisteredProviderFound",
                f"No registered resource provider found for API version '{version}' for type "
                f"'{rest}' in namespace "
                f"'{namespace}'. The supported api-versions are '{known}'.",
            )

    def models(self) -> list[Model]:
        """Return every SDK model that bodies are held against."""
        found = [model for kind in self._types.values() for model in (kind.model, kind.patch_model) if model]
        return found + [sdk_model(name) for name in BODIES]

    def all(self) -> list[ResourceType]:
        return list(self._types.values())
