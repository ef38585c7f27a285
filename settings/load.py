"""From plain data or Pulumi's configuration to a StackSettings, or to every problem at once."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path as Folder
from typing import Any

from settings import recover
from settings.checks import check
from settings.errors import NAMESPACE, Path, Problem, SettingsError
from settings.stack import StackSettings


def load(
    raw: Mapping[str, Any], *, folder: Folder | str | None = None, source: str = "The stack configuration"
) -> StackSettings:
    """Check everything that needs no network.

    `raw` has the keys of the stack file with or without their `vllm-azureml:` prefix. With `folder`, the
    project's, local paths are checked too. Raises SettingsError with every problem.
    """
    if not isinstance(raw, Mapping):
        problem = Problem((), "the configuration is not a mapping.", "Write it as `key: value` lines.")
        raise SettingsError([problem], source)
    plain = {_name(key): value for key, value in raw.items()}
    stack, found = recover.read(plain)
    if stack is not None:
        broken = [problem.path for problem in found]
        more = check(stack, folder=Folder(folder) if folder is not None else None)
        found += [problem for problem in more if not _beneath(problem.path, broken)]
    if found or stack is None:
        raise SettingsError(_in_order(found, plain), source)
    return stack


def from_pulumi_config() -> StackSettings:
    """Read the stack that the running Pulumi program belongs to; local paths are relative to the project."""
    import pulumi
    from pulumi.runtime.config import CONFIG, is_config_secret

    raw: dict[str, Any] = {}
    secrets: list[Problem] = []
    for key, text in CONFIG.get().items():
        namespace, _, name = key.partition(":")
        if namespace == NAMESPACE:
            raw[name] = _value(text)
            secrets += _secret(name) if is_config_secret(key) else []
        elif key == "azure-native:location":
            raw["location"] = text
    source = f"Pulumi.{pulumi.get_stack()}.yaml"
    try:
        stack = load(raw, folder=Folder.cwd(), source=source)
    except SettingsError as error:
        raise SettingsError([*secrets, *error.problems, *_no_location(raw)], source) from None
    if found := [*secrets, *_no_location(raw)]:
        raise SettingsError(found, source)
    return stack


def _name(key: Any) -> Any:
    if key == "azure-native:location":
        return "location"
    return key.removeprefix(f"{NAMESPACE}:") if isinstance(key, str) else key


def _value(text: Any) -> Any:
    """Pulumi hands objects over as JSON and text as it is."""
    if not isinstance(text, str) or not text.lstrip().startswith(("{", "[")):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _secret(name: str) -> list[Problem]:
    """Nothing in a stack takes a secret, and one that is decrypted here would end in the state as plain
    text.
    """
    fix = "Put it into a Key Vault and write a reference: ${{keyvault:https://VAULT/secrets/NAME}}."
    return [Problem((name,), "holds an encrypted value, and no key here takes a secret.", fix)]


def _no_location(raw: Mapping[str, Any]) -> list[Problem]:
    if raw.get("location"):
        return []
    fix = "Write the region, for example `azure-native:location: westeurope`."
    return [Problem(("azure-native:location",), "is missing: nothing says where to create things.", fix)]


def _beneath(path: Path, broken: Iterable[Path]) -> bool:
    return any(path[: len(place)] == place for place in broken)


def _in_order(found: Iterable[Problem], plain: Mapping[str, Any]) -> list[Problem]:
    """Problems in the order of the file, each once."""
    return sorted(dict.fromkeys(found), key=lambda problem: _position(problem.path, plain))


def _position(path: Path, plain: Any) -> list[int]:
    """Where a key stands: its place in its mapping, and so on inwards. What is not there comes first."""
    place: list[int] = []
    for part in path:
        keys = list(plain) if isinstance(plain, Mapping) else []
        if isinstance(plain, list) and isinstance(part, int) and part < len(plain):
            place.append(part)
            plain = plain[part]
        elif part in keys:
            place.append(keys.index(part))
            plain = plain[part]
        else:
            place.append(-1)
            plain = None
    return place
