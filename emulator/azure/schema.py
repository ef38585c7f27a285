"""Turns the metadata of Azure's SDK models into plain schemas, kept so that an SDK is imported once.

Two generations of generated code are read: models with `_attr_to_rest_field` annotations (azure-ai-ml's
bundled `arm_ml_service`, newer azure-mgmt wheels) and models with `_attribute_map` (older ones). A schema
is JSON: `{"root": NAME, "models": {NAME: {"fields": {WIRE: {type, readonly, required, updatable}},
"discriminator": ...}}}`, where a type is `["str"]`, `["enum", [values]]`, `["list", T]`, `["dict", T]`,
`["model", NAME]`, ...
"""

from __future__ import annotations

import datetime
import enum
import importlib
import importlib.metadata
import inspect
import json
import os
import re
import subprocess
import sys
import types
import typing
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Type = list[Any]
_FORMAT = 4  # raise when the shape of the stored schemas changes


@dataclass(frozen=True)
class Model:
    """Where a schema comes from: the wheel, the module of its models, and the class."""

    wheel: str
    module: str
    name: str


class Schemas:
    """Schemas from a folder of earlier readings; `prepare` reads the SDKs for those that are missing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[Model, dict[str, Any]] = {}

    def get(self, model: Model) -> dict[str, Any]:
        if model not in self._known:
            self._known[model] = json.loads(_path(self._folder, model).read_text())
        return self._known[model]

    def prepare(self, models: Iterable[Model]) -> None:
        """Read what is missing, in a process of its own: the SDKs are large, and importing azure-ai-ml asks
        ARM_CLOUD_METADATA_URL, which is this server's own address when its exports are set.
        """
        missing = [model for model in set(models) if not _path(self._folder, model).exists()]
        if not missing:
            return
        names = json.dumps([[model.wheel, model.module, model.name] for model in missing])
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("ARM_", "AZUREML_"))}
        command = [sys.executable, "-m", "emulator.azure.schema", str(self._folder)]
        done = subprocess.run(command, input=names, text=True, env=kept, capture_output=True, check=False)
        if done.returncode:
            raise RuntimeError(f"the models of Azure's SDKs could not be read:\n{done.stderr[-2000:]}")


def _path(folder: Path, model: Model) -> Path:
    version = importlib.metadata.version(model.wheel)
    generation = model.module.split(".")[-2]
    return folder / f"{_FORMAT}-{model.wheel}-{version}-{generation}-{model.name}.json"


def main() -> None:
    """Read the models named on the input (JSON, [[wheel, module, name], ...]) into the folder."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for row in json.load(sys.stdin):
        model = Model(*row)
        path = _path(folder, model)
        temporary = path.with_suffix(f".{os.getpid()}.new")
        temporary.write_text(json.dumps(extract(model)))
        os.replace(temporary, path)


def extract(model: Model) -> dict[str, Any]:
    """Import the SDK and read one model with everything it refers to."""
    module = importlib.import_module(model.module)
    reader = _Reader(module)
    root = reader.model(getattr(module, model.name))
    return {"root": root, "models": reader.models}


class _Reader:
    def __init__(self, module: types.ModuleType) -> None:
        self._module = module
        self.models: dict[str, Any] = {}

    def model(self, cls: type) -> str:
        """Read a class once; returns its name."""
        name = cls.__name__
        if name in self.models:
            return name
        entry: dict[str, Any] = {"fields": {}}
        self.models[name] = entry
        if hasattr(cls, "_attribute_map"):
            self._mapped(cls, entry)
        else:
            self._annotated(cls, entry)
        return name

    # --- models with annotations

    def _annotated(self, cls: Any, entry: dict[str, Any]) -> None:
        space = {**vars(typing), "datetime": datetime, "_models": self._module, "_types": self._module}
        hints: dict[str, Any] = {}
        for base in reversed(cls.__mro__):
            for attribute, annotation in inspect.get_annotations(base).items():
                hints[attribute] = (annotation, vars(importlib.import_module(base.__module__)))
        fields = {}
        for base in reversed(cls.__mro__):
            fields.update({k: v for k, v in vars(base).items() if type(v).__name__ == "_RestField"})
        for attribute, field in fields.items():
            annotation, names = hints[attribute]
            hint = typing.get_type_hints(_holder(annotation), {**names, **space})["it"]
            self._field(entry, attribute, field, hint)
        self._subtypes(cls, entry, getattr(cls, "__mapping__", {}))

    def _field(self, entry: dict[str, Any], attribute: str, field: Any, hint: Any) -> None:
        visibility = field._visibility
        wire = getattr(field, "_rest_name_input", None) or attribute
        optional = type(None) in typing.get_args(hint)
        entry["fields"][wire] = {
            "type": self.type_of(hint),
            "readonly": visibility == ["read"],
            "required": not optional and visibility != ["read"] and not field._is_discriminator,
            "updatable": visibility is None or "update" in visibility,
        }
        if field._is_discriminator and typing.get_origin(hint) is not typing.Literal:
            entry["discriminator"] = wire
            entry["fields"][wire]["required"] = True

    def _subtypes(self, cls: Any, entry: dict[str, Any], mapping: dict[str, Any]) -> None:
        if mapping and "discriminator" in entry:
            entry["subtypes"] = {
                str(_plain(key)): self.model(sub) for key, sub in mapping.items() if sub is not cls
            }

    def type_of(self, hint: Any) -> Type:
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if origin is typing.Literal:
            return ["enum", [_plain(value) for value in arguments]]
        if origin in (typing.Union, types.UnionType):
            return self._union([item for item in arguments if item is not type(None)])
        if origin in (list, set, typing.Sequence) or str(origin).endswith("Sequence'>"):
            return ["list", self.type_of(arguments[0])]
        if origin in (dict,) or str(origin).endswith("Mapping'>"):
            return ["dict", self.type_of(arguments[1])]
        if isinstance(hint, type):
            return self._class(hint)
        return ["any"]

    def _union(self, members: list[Any]) -> Type:
        if len(members) == 1:
            return self.type_of(members[0])
        enums = [item for item in members if isinstance(item, type) and issubclass(item, enum.Enum)]
        if enums and all(item in enums or item is str for item in members):
            return self._class(enums[0])
        return ["any"]

    def _class(self, hint: type) -> Type:
        if issubclass(hint, enum.Enum):
            return ["enum", [item.value for item in hint]]
        simple = {str: "str", bool: "bool", int: "int", float: "float", bytes: "str"}
        if hint in simple:
            return [simple[hint]]
        if hint.__module__ == "datetime" or hint.__name__ == "Decimal":
            return ["duration"] if hint.__name__ == "timedelta" else ["str"]
        if hasattr(hint, "_is_model") or hasattr(hint, "_attribute_map"):
            return ["model", self.model(hint)]
        return ["any"]

    # --- models with an attribute map

    def _mapped(self, cls: Any, entry: dict[str, Any]) -> None:
        validation = getattr(cls, "_validation", {})
        for attribute, row in cls._attribute_map.items():
            rules = validation.get(attribute, {})
            # An unescaped dot flattens: `properties.principalId` is a field of an object called properties.
            parts = [part.replace("\\.", ".") for part in re.split(r"(?<!\\)\.", row["key"])]
            target, readonly = entry, bool(rules.get("readonly"))
            for part in parts[:-1]:
                target = self._nested(target, part, cls.__name__)
            target["fields"][parts[-1]] = {
                "type": _known_values(cls, attribute) or self._map_type(row["type"]),
                "readonly": readonly,
                "required": bool(rules.get("required")) and not rules.get("constant"),
                "updatable": True,
            }
            if rules.get("required") and not readonly and len(parts) > 1:
                entry["fields"][parts[0]]["required"] = True
        self._map_subtypes(cls, entry)

    def _nested(self, target: dict[str, Any], part: str, owner: str) -> dict[str, Any]:
        name = f"{owner}.{part}"
        if part not in target["fields"]:
            target["fields"][part] = {
                "type": ["model", name],
                "readonly": False,
                "required": False,
                "updatable": True,
            }
        return self.models.setdefault(name, {"fields": {}})

    def _map_subtypes(self, cls: Any, entry: dict[str, Any]) -> None:
        for attribute, mapping in getattr(cls, "_subtype_map", {}).items():
            entry["discriminator"] = cls._attribute_map[attribute]["key"].replace("\\.", ".")
            entry["subtypes"] = {
                key: self.model(getattr(self._module, name)) for key, name in mapping.items()
            }

    def _map_type(self, text: str) -> Type:
        if text.startswith("["):
            return ["list", self._map_type(text[1:-1])]
        if text.startswith("{"):
            return ["dict", self._map_type(text[1:-1])]
        simple = {"str", "bool", "int", "float", "duration"}
        if text in simple:
            return [text]
        if text == "long":
            return ["int"]
        cls = getattr(self._module, text, None)
        if isinstance(cls, type):
            return self._class(cls)
        return ["str"] if text in {"iso-8601", "rfc-1123", "bytearray", "time", "date"} else ["any"]


def _known_values(cls: type, attribute: str) -> Type | None:
    """Read an enumeration from the class's documentation: this generation of models types them as `str`."""
    text = re.sub(r"\s+", " ", cls.__doc__ or "")
    entry = re.search(rf":(?:ivar|param) {attribute}: (.*?):(?:vartype|type) {attribute}:", text)
    known = re.search(r"Known values are: (.*?)\.(?: |$)", entry.group(1)) if entry else None
    values = re.findall(r'"([^"]+)"', known.group(1)) if known else []
    return ["enum", values] if values else None


def _holder(annotation: Any) -> type:
    return type("_Holder", (), {"__annotations__": {"it": annotation}})


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, enum.Enum) else value


if __name__ == "__main__":
    main()
