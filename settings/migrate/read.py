"""Find out what each YAML file of a folder is, as `az ml` would be told by its command."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

KINDS = ("endpoint", "deployment", "environment", "model")
SCHEMAS = {
    "managedonlineendpoint": "endpoint",
    "kubernetesonlineendpoint": "endpoint",
    "managedonlinedeployment": "deployment",
    "kubernetesonlinedeployment": "deployment",
    "environment": "environment",
    "model": "model",
}
KEYS: tuple[tuple[str, frozenset[str]], ...] = (
    ("deployment", frozenset({"endpoint_name", "instance_type", "instance_count"})),
    ("endpoint", frozenset({"auth_mode", "traffic", "mirror_traffic"})),
    ("environment", frozenset({"image", "build", "inference_config"})),
    ("model", frozenset({"path", "flavors"})),
)


class FolderError(Exception):
    """The folder cannot be made into a stack: what, why, and how to fix it."""


@dataclass(frozen=True)
class File:
    """One YAML file and what it describes."""

    path: Path
    body: dict[str, Any]


@dataclass
class Found:
    """The files of a folder by kind, and those that are something else."""

    files: dict[str, list[File]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    skipped: list[Path] = field(default_factory=list)


def read(folder: Path) -> Found:
    """Every YAML file directly in the folder."""
    if not folder.is_dir():
        raise FolderError(
            f"{folder} is not a folder. Name the folder that holds endpoint.yml and deployment.yml."
        )
    found = Found()
    for path in sorted(p for p in folder.iterdir() if p.suffix in (".yml", ".yaml") and p.is_file()):
        body = load(path)
        kind = _kind(path, body)
        if kind is None:
            found.skipped.append(path)
        else:
            found.files[kind].append(File(path, body))
    if not found.files["endpoint"] and not found.files["deployment"]:
        raise FolderError(
            f"{folder} holds no endpoint and no deployment. az ml's files for them are usually called "
            "endpoint.yml and "
            "deployment.yml; name the folder they are in."
        )
    return found


def load(path: Path) -> dict[str, Any]:
    """One YAML mapping, without its `$schema`."""
    import yaml

    try:
        body = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise FolderError(f"{path} cannot be read as YAML: {error}") from None
    return body if isinstance(body, dict) else {}


def _kind(path: Path, body: dict[str, Any]) -> str | None:
    """By `$schema`, by the file's name, by its keys: whichever says it first."""
    schema = str(body.get("$schema", "")).lower()
    known = SCHEMAS.get(schema.rsplit("/", 1)[-1].split(".")[0])
    if known or "azuremlschemas" in schema:  # a batch endpoint is none of these, whatever the file is called
        return known
    guesses: tuple[Callable[[], str | None], ...] = (
        lambda: next(
            (kind for kind in KINDS if kind in path.stem.lower().replace("_", "-").split("-")), None
        ),
        lambda: next((kind for kind in KINDS if path.stem.lower().startswith(kind)), None),
        lambda: next((kind for kind, keys in KEYS if keys & body.keys()), None),
    )
    return next((kind for guess in guesses if (kind := guess())), None) if body else None
