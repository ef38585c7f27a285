"""Stack configuration: Pulumi.STACK.yaml with secrets, defaults of the project, what programs and providers
get.

A value is kept as the file has it; `{secure: CIPHERTEXT}` may stand anywhere in it. What the program gets is
text: scalars as they are, lists and maps as JSON, secrets decrypted, with a list of the keys that hold any.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import paths
from .errors import EngineError, Unsupported
from .project import Project
from .secrets import BLINDED, SecretsManager, manager_for
from .values import Properties, Secret
from .yamlfile import load_yaml, remove_key, set_key, to_json

_DYNAMIC = {"pulumi-python", "pulumi-nodejs"}  # their providers get the configuration of every namespace
_KNOWN = {"config", "encryptionsalt", "encryptedkey", "secretsprovider", "environment"}
_TYPES = {"string": str, "integer": int, "boolean": bool, "array": list, "object": dict}


class StackConfig:
    """One stack's file. Reading is lazy about secrets: nothing is decrypted before it is asked for."""

    def __init__(self, project: Project, file: Path) -> None:
        self.project = project
        self.file = file
        self.values: dict[str, Any] = {}
        self.salt = ""
        if file.exists():
            self._read(load_yaml(file))

    def _read(self, data: Any) -> None:
        if data is None:
            return
        if not isinstance(data, dict):
            raise EngineError(f"{self.file}: the file must be a map with a `config` section.")
        unknown = set(data) - _KNOWN
        if unknown:
            raise EngineError(
                f"{self.file}: unknown key `{sorted(unknown)[0]}`; configuration goes under `config:`."
            )
        if data.get("environment"):
            raise Unsupported(f"`environment` (Pulumi ESC) in {self.file.name}")
        provider = data.get("secretsprovider") or ""
        if data.get("encryptedkey") or provider not in ("", "passphrase", "default"):
            raise Unsupported(
                f"The secrets provider {provider!r} in {self.file.name}", "only passphrases are"
            )
        self.salt = data.get("encryptionsalt") or ""
        for key, value in (data.get("config") or {}).items():
            self.values[normalise(str(key), self.project.name)] = value

    def manager(self) -> SecretsManager | None:
        return manager_for(self.salt) if self.salt else None

    def require_manager(self) -> SecretsManager:
        """The stack's secrets manager. A stack without one gets a salt of its own, written to its file."""
        if not self.salt:
            from .secrets import _managers, passphrase

            created = SecretsManager.new(passphrase())
            self.salt = created.state
            _managers[created.state] = created
            self._edit(lambda text: f"encryptionsalt: {self.salt}\n" + text)
        return manager_for(self.salt)

    @property
    def secret_keys(self) -> list[str]:
        return [key for key, value in self.values.items() if has_secure(value)]

    def decrypted(self) -> dict[str, str]:
        """Every key with its value as text, secrets in the clear."""
        return {key: as_text(self._open(value)) for key, value in self.values.items()}

    def blinded(self) -> dict[str, str]:
        return {key: as_text(_blind(value)) for key, value in self.values.items()}

    def package(self, package: str) -> Properties:
        """What the default provider of a package is configured with."""
        out: Properties = {}
        for key, value in self.values.items():
            namespace, name = key.split(":", 1)
            if package not in _DYNAMIC and namespace != package:
                continue
            text = as_text(self._open(value))
            out[key if package in _DYNAMIC else name] = Secret(text) if has_secure(value) else text
        return out

    def get(self, key: str, path: bool = False) -> tuple[Any, bool]:
        """The value as the file has it (secrets still encrypted), and whether it is there."""
        name, rest = _split(key, path)
        if name not in self.values:
            return None, False
        return paths.lookup(rest, self.values[name])

    def set(self, key: str, value: Any, path: bool = False) -> None:
        name, rest = _split(key, path)
        if rest:
            value = _put(self.values.get(name), rest, value, key)
        self.values[name] = value
        self._edit(lambda text: set_key(text, ("config", self._file_key(name)), value))

    def remove(self, key: str, path: bool = False) -> bool:
        name, rest = _split(key, path)
        if name not in self.values:
            return False
        if rest:
            value, removed = _take(self.values[name], rest)
            if removed:
                self._edit(lambda text: set_key(text, ("config", self._file_key(name)), value))
            return removed
        del self.values[name]
        self._edit(lambda text: remove_key(text, ("config", self._file_key(name))))
        return True

    def _file_key(self, name: str) -> str:
        """The spelling of a key in the file: as it is there already, else with its namespace."""
        short = name.split(":", 1)[1]
        written = (load_yaml(self.file) or {}).get("config") or {} if self.file.exists() else {}
        return short if name not in written and short in written else name

    def _edit(self, change: Any) -> None:
        text = self.file.read_text() if self.file.exists() else ""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.file.with_name(self.file.name + ".new")
        temporary.write_text(change(text))
        temporary.replace(self.file)

    def _open(self, value: Any) -> Any:
        if is_secure(value):
            return manager_for(self._salt_or_fail()).decrypt(value["secure"])
        if isinstance(value, dict):
            return {key: self._open(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._open(item) for item in value]
        return value

    def _salt_or_fail(self) -> str:
        if not self.salt:
            raise EngineError(
                f"{self.file.name} holds secure values but no encryptionsalt; restore it from its history."
            )
        return self.salt

    def apply_project(self, check: bool) -> None:
        """Fill in the project's defaults, and with `check` refuse missing and mistyped values."""
        missing = []
        for raw, declared in sorted(self.project.config.items()):
            key = normalise(str(raw), self.project.name)
            typed = isinstance(declared, dict)
            default = declared.get("default", declared.get("value")) if typed else declared
            if key not in self.values and default is not None:
                self.values[key] = default
            elif key not in self.values and key.startswith(self.project.name + ":"):
                missing.append(str(raw))
            if check and typed and key in self.values:
                self._check_type(str(raw), declared, self.values[key])
        if check and missing:
            names = ", ".join(f"'{name}'" for name in missing)
            raise EngineError(
                f"the stack is missing configuration value(s) {names}; set them with `config set`."
            )

    def _check_type(self, key: str, declared: Mapping[str, Any], value: Any) -> None:
        wanted = declared.get("type")
        if declared.get("secret") and not has_secure(value):
            raise EngineError(
                f"configuration key '{key}' must be encrypted as it's secret; set it with --secret."
            )
        if wanted is None or is_secure(value):
            return
        if wanted not in _TYPES:
            raise EngineError(
                f"{self.project.file.name}: config key '{key}' has the unknown type {wanted!r}."
            )
        text_ok = isinstance(value, str) and wanted in ("integer", "boolean") and _parses(value, wanted)
        if not isinstance(value, _TYPES[wanted]) and not text_ok and wanted != "string":
            raise EngineError(f"configuration key '{key}' must be of type '{wanted}'.")


def _parses(text: str, wanted: str) -> bool:
    return text in ("true", "false") if wanted == "boolean" else text.lstrip("-").isdigit()


def normalise(key: str, project: str) -> str:
    """`name` and the old `ns:config:name` become `ns:name`."""
    parts = key.split(":")
    if len(parts) == 1:
        return f"{project}:{key}"
    if len(parts) == 3 and parts[1] == "config":
        return f"{parts[0]}:{parts[2]}"
    if len(parts) != 2:
        raise EngineError(f"could not parse {key!r} as a configuration key (expected NAMESPACE:NAME).")
    return key


def is_secure(value: Any) -> bool:
    return isinstance(value, dict) and list(value) == ["secure"] and isinstance(value["secure"], str)


def has_secure(value: Any) -> bool:
    if is_secure(value):
        return True
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(has_secure(item) for item in items)


def _blind(value: Any) -> Any:
    if is_secure(value):
        return BLINDED
    if isinstance(value, dict):
        return {key: _blind(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_blind(item) for item in value]
    return value


def as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return to_json(value)


def _split(key: str, path: bool) -> tuple[str, paths.Path]:
    if not path:
        return key, ()
    namespace, _, rest = key.partition(":")
    parsed = paths.parse(rest)
    if not parsed or not isinstance(parsed[0], str):
        raise EngineError(f"{key!r} is not a configuration path; it must begin with the name of a key.")
    return f"{namespace}:{parsed[0]}", parsed[1:]


def _put(container: Any, path: paths.Path, value: Any, key: str) -> Any:
    """`container` with `value` at `path`; lists and maps that are missing are made."""
    part = path[0]
    if isinstance(part, int):
        items = [] if container is None else list(container) if isinstance(container, list) else None
        if items is None or part > len(items):
            raise EngineError(f"cannot set {key!r}: the index {part} is outside of the list.")
        child = items[part] if part < len(items) else None
        items[part : part + 1] = [_put(child, path[1:], value, key) if len(path) > 1 else value]
        return items
    if container is not None and not isinstance(container, dict):
        raise EngineError(f"cannot set {key!r}: what stands there is not a map.")
    mapping = dict(container or {})
    mapping[part] = _put(mapping.get(part), path[1:], value, key) if len(path) > 1 else value
    return mapping


def _take(container: Any, path: paths.Path) -> tuple[Any, bool]:
    parent, found = paths.lookup(path[:-1], container)
    exists = found and paths.lookup(path, container)[1]
    if exists:
        del parent[path[-1]]
    return container, exists


def parse_value(text: str) -> Any:
    """A value given on the command line with --path: true, false and integers become what they look like."""
    if text in ("true", "false"):
        return text == "true"
    if text.isdigit() and (text == "0" or not text.startswith("0")):
        return int(text)
    return text


def parse_json_value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise EngineError(f"the value is not valid JSON: {error}") from error
