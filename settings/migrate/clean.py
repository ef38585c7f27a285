"""Bodies of `az ml` as a stack takes them: what az ml ignores is dropped, what it lower-cases is lower-cased.

Each function changes nothing silently: it adds a sentence to `notes` for whatever it did.
"""

import os
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from settings.base import Section
from settings.deployment import Deployment
from settings.endpoint import Endpoint
from settings.environment import Environment
from settings.migrate.read import load
from settings.models import Model
from settings.tree import items, sections

TEXT_MAPS = ("environment_variables", "tags", "properties")
# az ml turns these into durations and sends nothing for a zero (`to_iso_duration_format`).
DURATIONS = ("initial_delay", "period", "timeout", "request_timeout_ms", "max_queue_wait_ms")


class Cleaner:
    """Cleans the bodies of one folder; paths become relative to the project."""

    def __init__(self, project: Path) -> None:
        self.project = project
        self.notes: list[str] = []

    def name(self, name: str, path: Path) -> str:
        """az ml lower-cases the names of endpoints and deployments."""
        if name != name.lower():
            self.notes.append(f"{path.name}: the name {name} is lower-cased, as az ml does it")
        return name.lower()

    def endpoint(self, body: Mapping[str, Any], path: Path) -> dict[str, Any]:
        out = self._section(body, Endpoint, path.name)
        for key in ("traffic", "mirror_traffic"):
            if isinstance(out.get(key), dict):
                out[key] = {str(name).lower(): share for name, share in out[key].items()}
        return out

    def deployment(self, body: Mapping[str, Any], path: Path) -> dict[str, Any]:
        out = self._section(body, Deployment, path.name)
        environment = out.get("environment")
        if isinstance(environment, str) and environment.startswith("file:"):
            source = path.parent / environment.removeprefix("file:")
            self.notes.append(f"{path.name}: environment is the content of {source.name}")
            out["environment"] = self.environment(load(source), source)
        elif isinstance(environment, dict):
            out["environment"] = self._paths(environment, path)
        if isinstance(out.get("model"), dict):
            out["model"] = self.model(out["model"], path)
        return out

    def environment(self, body: Mapping[str, Any], path: Path) -> dict[str, Any]:
        return self._paths(self._section(body, Environment, path.name), path)

    def model(self, body: Mapping[str, Any], path: Path) -> dict[str, Any]:
        out = self._paths(self._section(body, Model, path.name), path)
        if isinstance(out.get("flavors"), dict):
            out["flavors"] = {
                name: self._texts(values, f"{path.name}: flavors.{name}")
                if isinstance(values, dict)
                else values
                for name, values in out["flavors"].items()
            }
        return out

    def _section(self, body: Mapping[str, Any], section: type[Section], where: str) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key, value in body.items():
            here = f"{where}: {key}"
            if key == "$schema" or value is None:
                continue
            if key in section.read_only:
                self.notes.append(f"{here} is read-only in Azure and was left out")
            elif key in DURATIONS and value == 0:
                self.notes.append(f"{here} is 0, which az ml does not send; left out")
            elif key in TEXT_MAPS and isinstance(value, dict):
                out[key] = self._texts(value, here)
            else:
                out[key] = self._inner(section, key, value, here)
        return out

    def _inner(self, section: type[Section], key: Any, value: Any, where: str) -> Any:
        field = section.model_fields.get(str(key))
        known = sections(field.annotation) if field is not None else []
        if known and isinstance(value, dict):
            return self._section(value, known[0], where)
        inner = sections(items(field.annotation)) if field is not None and items(field.annotation) else []
        if inner and isinstance(value, dict):
            return {
                name: self._section(v, inner[0], where) if isinstance(v, dict) else v
                for name, v in value.items()
            }
        if inner and isinstance(value, list):
            return [self._section(v, inner[0], where) if isinstance(v, dict) else v for v in value]
        return value

    def _texts(self, values: dict[Any, Any], where: str) -> dict[str, Any]:
        out = {}
        for key, value in values.items():
            name = str(key).lower() if isinstance(key, bool) else str(key)  # as JSON has it
            if isinstance(value, bool):
                self.notes.append(
                    f'{where}.{name} is a truth value and became the text "{str(value).lower()}"'
                )
                out[name] = str(value).lower()
            elif value is None:
                self.notes.append(f"{where}.{name} has no value and became empty text")
                out[name] = ""
            elif isinstance(value, date):
                out[name] = value.isoformat()
            else:
                out[name] = value
        return out

    def _paths(self, body: dict[str, Any], path: Path) -> dict[str, Any]:
        """Local paths are relative to their file for az ml, and to the project for a stack."""
        out = dict(body)
        for key in ("path", "conda_file"):
            if isinstance(out.get(key), str):
                out[key] = self._local(out[key], path)
        if isinstance(out.get("build"), dict) and isinstance(out["build"].get("path"), str):
            out["build"] = {**out["build"], "path": self._local(out["build"]["path"], path)}
        return out

    def _local(self, text: str, path: Path) -> str:
        if "://" in text or text.startswith(("azureml:", "/", "~")):
            return text
        return Path(os.path.relpath((path.parent / text).resolve(), self.project.resolve())).as_posix()
