"""Pulumi.yaml: where the project is, how its program runs, what it asks of the engine."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .checkpoint import ENGINE_VERSION
from .errors import EngineError, Unsupported
from .yamlfile import load_yaml

_NAMES = ("Pulumi.yaml", "Pulumi.yml", "Pulumi.json")
_IGNORED = {"description", "author", "website", "license", "template", "$schema"}
_KNOWN = {
    "name",
    "runtime",
    "main",
    "backend",
    "options",
    "requiredPulumiVersion",
    "config",
    "stackConfigDir",
}
_REFUSED = {"plugins": "put the plugin on PATH instead", "packages": "", "environment": "", "policies": ""}


@dataclass(frozen=True)
class Project:
    """One Pulumi.yaml. `root` is its folder."""

    name: str
    root: Path
    file: Path
    runtime_options: dict[str, Any] = field(default_factory=dict)
    main: str = ""
    backend_url: str = ""
    refresh_always: bool = False
    config: dict[str, Any] = field(default_factory=dict)
    stack_config_dir: str = ""

    @property
    def program(self) -> Path:
        """The folder or file that holds the program."""
        return (self.root / self.main).resolve() if self.main else self.root

    @property
    def working_directory(self) -> Path:
        program = self.program
        return program if program.is_dir() else program.parent

    def stack_file(self, stack: str) -> Path:
        folder = self.root / self.stack_config_dir if self.stack_config_dir else self.root
        short = stack.rsplit("/", 1)[-1]
        suffix = self.file.suffix if (folder / f"Pulumi.{short}{self.file.suffix}").exists() else ".yaml"
        return folder / f"Pulumi.{short}{suffix}"


def find_project(start: Path) -> Project:
    """The project of `start` or of the nearest folder above it."""
    for folder in (start, *start.parents):
        for name in _NAMES:
            if (folder / name).is_file():
                return load_project(folder / name)
    raise EngineError(
        f"no Pulumi.yaml project file found (searching upwards from {start}). "
        "Run the command in a project, or name its folder with --cwd."
    )


def load_project(file: Path) -> Project:
    data = load_yaml(file)
    if not isinstance(data, dict) or not data.get("name"):
        raise EngineError(f"{file}: the project has no `name`; add one, it is part of every resource's URN.")
    for key in data:
        if key in _REFUSED and data[key]:
            raise Unsupported(f"`{key}` in {file.name}", _REFUSED[key])
        if key not in _KNOWN | _IGNORED | set(_REFUSED):
            raise EngineError(f"{file}: unknown key `{key}`; known keys are {', '.join(sorted(_KNOWN))}.")
    declared: dict[str, Any] = data["config"] if isinstance(data.get("config"), dict) else {}
    options = _runtime_options(file, data.get("runtime"))
    check_version(data.get("requiredPulumiVersion") or "")
    return Project(
        name=str(data["name"]),
        root=file.parent.resolve(),
        file=file.resolve(),
        runtime_options=options,
        main=data.get("main") or "",
        backend_url=(data.get("backend") or {}).get("url") or "",
        refresh_always=_refresh_always(file, data.get("options") or {}),
        config=declared,
        stack_config_dir=data.get("stackConfigDir")
        or (data["config"] if isinstance(data.get("config"), str) else ""),
    )


def _runtime_options(file: Path, runtime: Any) -> dict[str, Any]:
    name, options = (
        (runtime, {})
        if isinstance(runtime, str)
        else ((runtime or {}).get("name"), (runtime or {}).get("options") or {})
    )
    if name != "python":
        raise Unsupported(f"The runtime {name!r} of {file.name}", "it runs programs in Python only")
    toolchain = options.get("toolchain", "pip")
    if toolchain not in ("pip", "uv", "auto"):
        raise Unsupported(f"`toolchain: {toolchain}` in {file.name}", "pip and uv are")
    if options.get("typechecker"):
        raise Unsupported(
            f"`typechecker: {options['typechecker']}` in {file.name}", "run it from make instead"
        )
    return dict(options)


def _refresh_always(file: Path, options: dict[str, Any]) -> bool:
    unknown = set(options) - {"refresh"}
    if unknown:
        raise Unsupported(f"`options: {sorted(unknown)[0]}` in {file.name}")
    refresh = options.get("refresh")
    if refresh not in (None, "always"):
        raise EngineError(f"{file}: `options.refresh` must be `always`, not {refresh!r}.")
    return refresh == "always"


def interpreter(project: Project) -> str:
    """The Python that runs the program and its dynamic providers, chosen as Pulumi's language host does."""
    virtualenv = project.runtime_options.get("virtualenv")
    if not virtualenv and project.runtime_options.get("toolchain") == "uv":
        virtualenv = ".venv"
    if virtualenv:
        path = (project.root / virtualenv).absolute()
        python = path / "bin" / "python"
        if not python.exists():
            raise EngineError(
                f"The 'virtualenv' option in Pulumi.yaml is set to {virtualenv!r}, but {path} is not a "
                "virtual "
                "environment. Create it and install the project's requirements into it."
            )
        return str(python)
    command = os.environ.get("PULUMI_PYTHON_CMD")
    return command or "python3"


_PART = re.compile(
    r"^(>=|<=|>|<|!=|==|=|!|~|\^)?\s*v?(\d+)(?:\.(\d+|x|\*))?(?:\.(\d+|x|\*))?(-[0-9A-Za-z.\-]+)?$"
)


def check_version(wanted: str) -> None:
    """Hold `requiredPulumiVersion` against the version of Pulumi whose behaviour this engine has."""
    if wanted and not version_satisfies(ENGINE_VERSION.lstrip("v"), wanted):
        raise EngineError(
            f"Pulumi CLI version {ENGINE_VERSION.lstrip('v')} does not satisfy the version range {wanted!r} "
            "(the embedded engine behaves like that version). Change requiredPulumiVersion in Pulumi.yaml "
            "or use the CLI."
        )


def version_satisfies(version: str, wanted: str) -> bool:
    have = tuple(int(part) for part in version.split("-")[0].split("."))
    return any(_all_hold(have, alternative) for alternative in wanted.split("||"))


def _all_hold(have: tuple[int, ...], conditions: str) -> bool:
    tokens = re.findall(r"(?:>=|<=|>|<|!=|==|=|!|~|\^)?\s*v?\d[^\s,]*", conditions)
    if not tokens:
        raise EngineError(
            f"requiredPulumiVersion {conditions!r} is not a version range such as '>=3.260.0 <4.0.0'."
        )
    return all(_holds(have, token) for token in tokens)


def _holds(have: tuple[int, ...], token: str) -> bool:
    match = _PART.match(token.strip())
    if not match:
        raise EngineError(f"requiredPulumiVersion: cannot read {token!r} as a version.")
    operator = match.group(1) or "="
    numbers = [None if part in (None, "x", "*") else int(part) for part in match.group(2, 3, 4)]
    want = tuple(number or 0 for number in numbers)
    known = [number for number in numbers if number is not None]
    if operator in ("=", "=="):
        return have[: len(known)] == tuple(known)
    if operator == "~":
        return have >= want and have[:2] == want[:2]
    if operator == "^":
        return have >= want and have[0] == want[0]
    comparisons = {">=": have >= want, "<=": have <= want, ">": have > want, "<": have < want}
    return comparisons.get(operator, have != want)
