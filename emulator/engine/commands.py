"""What the commands do, on top of a project, a backend and a stack."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

from . import checkpoint
from .backend import FileBackend, StackName, open_backend, parse_stack, pulumi_home
from .config import StackConfig, normalise, parse_value
from .errors import EngineError, Unsupported
from .processes import Programs
from .project import Project, find_project
from .secrets import manager_for

Arguments = argparse.Namespace


class StackNotFound(EngineError):
    exit_code = 6


def dispatch(options: Arguments) -> int:
    command = options.command
    if command in ("preview", "up", "refresh", "destroy"):
        workspace = Workspace(options)
        with Programs(workspace.project, command in ("preview", "up") or _run_program(options)) as programs:
            workspace.warm_up()
            from .operations import operate  # beside it the program imports the SDK, which takes longer

            return operate(options, workspace, programs)
    if command == "version":
        print(checkpoint.ENGINE_VERSION)
        return 0
    if command == "about":
        print(f"The embedded engine of this repository; it behaves like Pulumi {checkpoint.ENGINE_VERSION}.")
        return 0
    handlers = {
        "output": output,
        "export": export,
        "import": import_,
        "cancel": cancel,
        "stack": stack,
        "config": config,
    }
    return handlers[command](options)


def _run_program(options: Arguments) -> bool:
    given = options.run_program
    return os.environ.get("PULUMI_RUN_PROGRAM", "").lower() in ("1", "true") if given is None else bool(given)


class Workspace:
    """The project of the current folder, its backend, and the stack a command is about."""

    def __init__(self, options: Arguments) -> None:
        self.options = options
        self.project: Project = find_project(Path.cwd())
        self.backend: FileBackend = open_backend(self.project)

    def stack(self, name: str = "") -> StackName:
        name = (
            name
            or getattr(self.options, "stack", "")
            or os.environ.get("PULUMI_STACK", "")
            or self.selected()
        )
        if not name:
            raise EngineError(
                "no stack selected; name one with --stack, or choose one with `stack select NAME`."
            )
        found = parse_stack(name, self.project.name)
        if found.project != self.project.name:
            raise EngineError(
                f"provided project name {found.project!r} doesn't match Pulumi.yaml ({self.project.name!r})"
            )
        return found

    def existing(self, name: str = "") -> StackName:
        found = self.stack(name)
        if not self.backend.exists(found):
            raise StackNotFound(
                f"no stack named '{found.name}' found in {self.backend.url}; create it with `stack init "
                f"{found.name}`."
            )
        return found

    @cache  # noqa: B019 (one workspace a command)
    def config(self, name: StackName) -> StackConfig:
        file = getattr(self.options, "config_file", "")
        return StackConfig(
            self.project, Path(file).absolute() if file else self.project.stack_file(name.name)
        )

    def warm_up(self) -> None:
        """Begin to derive the stack's key, which takes a while beside everything else that starts. Whether it
        is the right one, and what else is wrong, is said by whoever needs it.
        """
        with contextlib.suppress(EngineError):
            config = self.config(self.stack())
            if config.salt:
                manager_for(config.salt).warm_up()

    @property
    def _settings(self) -> Path:
        digest = hashlib.sha1(str(self.project.file).encode(), usedforsecurity=False).hexdigest()
        return pulumi_home() / "workspaces" / f"{self.project.name}-{digest}-workspace.json"

    def selected(self) -> str:
        try:
            return json.loads(self._settings.read_text()).get("stack") or ""
        except (OSError, json.JSONDecodeError):
            return ""

    def select(self, name: StackName | None) -> None:
        self._settings.parent.mkdir(parents=True, exist_ok=True)
        self._settings.write_text(json.dumps({"stack": name.full} if name else {}))


def output(options: Arguments) -> int:
    workspace = Workspace(options)
    root = workspace.backend.snapshot(workspace.existing()).root()
    outputs = root.outputs if root is not None else {}
    from .events import shown
    from .values import contains_secrets, unwrap

    if options.name:
        if options.name not in outputs:
            raise EngineError(f"current stack does not have output property '{options.name}'")
        value = outputs[options.name]
        if contains_secrets(value) and not options.show_secrets:
            value = shown(value)
        _print_value(unwrap(value), options.json)
        return 0
    values = {key: unwrap(v) if options.show_secrets else shown(v) for key, v in sorted(outputs.items())}
    if options.shell:
        for key, value in values.items():
            text = _text(value).replace("'", "'\\''")
            print(f"{key}='{text}'")
    elif options.json:
        print(checkpoint.encode(_dump(values), indent=2))
    elif not values:
        print("No output values currently in this stack")
    else:
        print(f"Current stack outputs ({len(values)}):")
        width = max(len(key) for key in values)
        for key, value in values.items():
            print(f"    {key:<{width}}  {_text(value)}")
    return 0


def _dump(value: Any) -> Any:
    return checkpoint.dump_value(value, lambda _secret, _plain: {})


def _text(value: Any) -> str:
    return value if isinstance(value, str) else checkpoint.encode(_dump(value))


def _print_value(value: Any, as_json: bool) -> None:
    print(checkpoint.encode(_dump(value), indent=2) if as_json else _text(value))


def export(options: Arguments) -> int:
    if options.version:
        raise Unsupported("`export --version`")
    workspace = Workspace(options)
    name = workspace.existing()
    document = workspace.backend.read_document(name)
    latest = document["checkpoint"].get("latest") or {}
    if options.show_secrets and latest:
        snapshot = checkpoint.load_deployment(latest)
        latest = checkpoint.dump_deployment(snapshot, None, show_secrets=True)
        latest.pop("secrets_providers", None)
    exported = {"version": document["version"]}
    if document.get("features"):
        exported["features"] = document["features"]
    text = checkpoint.encode({**exported, "deployment": latest}, indent=4)
    if options.file:
        Path(options.file).write_text(text + "\n")
    else:
        print(text)
    return 0


def import_(options: Arguments) -> int:
    if options.resource:
        raise Unsupported(
            "Importing single resources (`import TYPE NAME ID`)", "the `import_` option in the program is"
        )
    workspace = Workspace(options)
    name = workspace.existing()
    text = Path(options.file).read_text() if options.file else sys.stdin.read()
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise EngineError(f"the export to import is not valid JSON: {error}") from error
    if "deployment" not in document:
        raise EngineError("the export to import has no `deployment`; make one with `stack export`.")
    snapshot, _ = checkpoint.load_checkpoint(
        {
            "version": document.get("version"),
            "features": document.get("features"),
            "checkpoint": {"latest": document["deployment"]},
        }
    )
    snapshot = snapshot or checkpoint.Snapshot()
    wrong = [
        s.urn for s in snapshot.resources if not s.urn.startswith(f"urn:pulumi:{name.name}::{name.project}::")
    ]
    if wrong and not options.force:
        raise EngineError(
            f"resource '{wrong[0]}' belongs to another stack; pass --force to import it all the same."
        )
    manager = workspace.config(name).manager() or checkpoint.manager_from_state(snapshot.secrets_provider)
    workspace.backend.lock(name)
    try:
        workspace.backend.save(name, snapshot, manager)
    finally:
        workspace.backend.unlock()
    print("Import complete.")
    return 0


def cancel(options: Arguments) -> int:
    workspace = Workspace(options)
    name = workspace.existing(options.name)
    removed = workspace.backend.cancel(name)
    print(f"The currently running update for '{name.name}' has been canceled! ({removed} lock(s) removed)")
    return 0


def stack(options: Arguments) -> int:
    handlers = {
        None: _stack_show,
        "ls": _stack_ls,
        "init": _stack_init,
        "rm": _stack_rm,
        "select": _stack_select,
        "output": output,
        "export": export,
        "import": import_,
        "history": _stack_history,
    }
    return handlers[options.stack_command](options)


def _stack_show(options: Arguments) -> int:
    workspace = Workspace(options)
    name = workspace.existing()
    if options.show_name:
        print(name.name)
        return 0
    resources = workspace.backend.snapshot(name).resources
    print(f"Current stack is {name.name}:\nCurrent stack resources ({len(resources)}):")
    for state in resources:
        label = state.urn if options.show_urns else f"{state.type}  {state.name}"
        print(f"    {label}" + (f"  {state.id}" if options.show_ids and state.id else ""))
    return 0


def _stack_ls(options: Arguments) -> int:
    workspace = Workspace(options)
    current = workspace.selected()
    names = workspace.backend.stacks(None if options.all else options.project or workspace.project.name)
    rows = []
    for name in names:
        latest = workspace.backend.read_document(name)["checkpoint"].get("latest") or {}
        rows.append(
            (
                name,
                name.full == current or name.name == current,
                len(latest.get("resources") or ()),
                (latest.get("manifest") or {}).get("time", ""),
            )
        )
    if options.json:
        entries = [
            {
                "name": name.name,
                "current": is_current,
                "resourceCount": count,
                "lastUpdate": when,
            }
            for name, is_current, count, when in rows
        ]
        print(json.dumps(entries, indent=2))
        return 0
    print("NAME  LAST UPDATE  RESOURCE COUNT")
    for name, is_current, count, when in rows:
        print(f"{name.name}{'*' if is_current else ''}  {when or 'n/a'}  {count or 'n/a'}")
    return 0


def _stack_init(options: Arguments) -> int:
    if options.secrets_provider not in ("default", "passphrase", ""):
        raise Unsupported(f"The secrets provider {options.secrets_provider!r}", "only passphrases are")
    workspace = Workspace(options)
    name = workspace.stack(options.name)
    workspace.backend.create(name)
    config = workspace.config(name)
    config.require_manager()
    if options.copy_config_from:
        _copy_config(workspace, workspace.existing(options.copy_config_from), config)
    if not options.no_select:
        workspace.select(name)
    print(f"Created stack '{name.name}'")
    return 0


def _copy_config(workspace: Workspace, source: StackName, config: StackConfig) -> None:
    from .config import has_secure

    for key, value in workspace.config(source).values.items():
        if has_secure(value):
            raise Unsupported("Copying secret configuration between stacks")
        config.set(key, value)


def _stack_rm(options: Arguments) -> int:
    workspace = Workspace(options)
    name = workspace.existing(options.name)
    resources = workspace.backend.snapshot(name).resources
    if resources and not options.force:
        raise EngineError(
            f"'{name.name}' still has resources; removal rejected. Possible actions:\n- Make sure that "
            f"'{name.name}' is "
            "the stack that you want to destroy\n- Run `destroy` to delete the resources, then remove the "
            "stack\n"
            "- Run `stack rm --force` to override this error; resources in the stack will become orphaned"
        )
    if not options.yes and not sys.stdin.isatty():
        raise EngineError("non-interactive mode requires --yes flag")
    if (
        not options.yes
        and input(f"This will permanently remove the '{name.name}' stack! Type its name to confirm: ")
        != name.name
    ):
        raise EngineError("confirmation declined")
    workspace.backend.remove(name)
    if not options.preserve_config:
        workspace.project.stack_file(name.name).unlink(missing_ok=True)
    if parse_selected(workspace) == name:
        workspace.select(None)
    print(f"Stack '{name.name}' has been removed!")
    return 0


def parse_selected(workspace: Workspace) -> StackName | None:
    current = workspace.selected()
    return parse_stack(current, workspace.project.name) if current else None


def _stack_select(options: Arguments) -> int:
    workspace = Workspace(options)
    name = workspace.stack(options.name)
    if not workspace.backend.exists(name):
        if not options.create:
            raise StackNotFound(f"no stack named '{name.name}' found")
        workspace.backend.create(name)
        workspace.config(name).require_manager()
    workspace.select(name)
    return 0


def _stack_history(options: Arguments) -> int:
    workspace = Workspace(options)
    name = workspace.existing()
    folder = workspace.backend.home / "history" / name.project / name.name
    entries = [json.loads(file.read_text()) for file in sorted(folder.glob("*.history.json"), reverse=True)]
    if options.json:
        print(json.dumps(entries, indent=2))
        return 0
    for entry in entries:
        print(f"{entry['kind']}: {entry['result']}  {entry.get('resourceChanges') or {}}")
    return 0


def config(options: Arguments) -> int:
    workspace = Workspace(options)
    name = workspace.stack()
    stack_config = workspace.config(name)
    command = options.config_command
    if command in (None, "ls"):
        return _config_list(stack_config, options)
    key = (
        normalise(options.key, workspace.project.name)
        if ":" in options.key or not options.path
        else f"{workspace.project.name}:{options.key}"
    )
    if command == "get":
        value, found = stack_config.get(key, bool(options.path))
        if not found:
            raise EngineError(f"configuration key '{options.key}' not found for stack '{name.name}'")
        print(_config_text(stack_config, value, options))
        return 0
    if command == "rm":
        if not stack_config.remove(key, bool(options.path)):
            raise EngineError(f"configuration key '{options.key}' not found for stack '{name.name}'")
        return 0
    return _config_set(stack_config, key, options)


def _config_text(stack_config: StackConfig, value: Any, options: Arguments) -> str:
    from .config import as_text, has_secure

    opened = as_text(stack_config._open(value))
    if not options.json:
        return opened
    return json.dumps({"value": opened, "secret": has_secure(value)}, indent=2)


def _typed(text: str, wanted: str) -> Any:
    if wanted == "bool":
        return text == "true"
    try:
        return {"int": int, "float": float}.get(wanted, str)(text)
    except ValueError as error:
        raise EngineError(f"{text!r} is not of the type {wanted!r}") from error


def _config_set(stack_config: StackConfig, key: str, options: Arguments) -> int:
    text = options.value if options.value is not None else sys.stdin.read().rstrip("\n")
    value: Any = text
    if options.type:
        value = _typed(text, options.type)
    elif options.path and not options.secret:
        value = parse_value(text)
    if options.secret:
        value = {"secure": stack_config.require_manager().encrypt(text)}
    stack_config.set(key, value, bool(options.path))
    return 0


def _config_list(stack_config: StackConfig, options: Arguments) -> int:
    values = stack_config.decrypted() if options.show_secrets else stack_config.blinded()
    prefix = stack_config.project.name + ":"
    if options.json:
        secret = set(stack_config.secret_keys)
        entries = {
            key: {"value": value, "secret": key in secret}
            if options.show_secrets or key not in secret
            else {"secret": True}
            for key, value in sorted(values.items())
        }
        print(json.dumps(entries, indent=2))
        return 0
    print("KEY  VALUE")
    for key, value in sorted(values.items()):
        print(f"{key.removeprefix(prefix)}  {value}")
    return 0
