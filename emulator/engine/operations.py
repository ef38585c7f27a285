"""preview, up, refresh and destroy: flags to options, preview before the deed, pending creates, exit
codes.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from . import recovery
from .commands import Arguments, StackNotFound, Workspace
from .config import has_secure, normalise, parse_value
from .deployment import Options
from .display import Display, Look
from .errors import BadInvocation, EngineError, NoChangesExpected
from .processes import Programs
from .secrets import manager_for
from .session import Outcome, Session, Target
from .targets import Targets

_KINDS = {"preview": "update", "up": "update", "refresh": "refresh", "destroy": "destroy"}
_NOUNS = {"update": "update", "refresh": "refresh", "destroy": "destroy"}
_TITLES = {"update": "Updating", "refresh": "Refreshing", "destroy": "Destroying"}
_UNCHANGED = {"same", "read", "discard", "read-replacement"}


def operate(arguments: Arguments, workspace: Workspace, programs: Programs) -> int:
    if arguments.template:
        raise EngineError(f"unknown argument {arguments.template[0]!r}: this command takes flags only.")
    kind = _KINDS[arguments.command]
    preview_only = arguments.command == "preview" or bool(getattr(arguments, "preview_only", False))
    skip_preview = bool(getattr(arguments, "skip_preview", False)) and not preview_only
    yes = preview_only or skip_preview or bool(arguments.yes) or _truthy("PULUMI_SKIP_CONFIRMATIONS")
    if not yes and not _interactive(arguments):
        raise BadInvocation(
            "--yes or --skip-preview or --preview-only must be passed in to proceed "
            "when running in non-interactive mode"
        )
    target = _target(arguments, workspace, kind, programs.wanted)
    options = _options(arguments, kind, target, programs.wanted)
    if kind == "refresh" and not preview_only:
        _edit_pending_creates(arguments, target)
    outcome = Outcome()
    if not skip_preview:
        outcome = _run(arguments, target, options, True, programs)
        if outcome.error is not None or preview_only:
            return _conclude(arguments, outcome)
    programs.prepare()  # while somebody reads
    if not yes and not _confirm(kind):
        raise EngineError(f"confirmation declined, not proceeding with the {_NOUNS[kind]}")
    outcome = _run(arguments, target, options, False, programs)
    return _conclude(arguments, outcome)


def _run(
    arguments: Arguments, target: Target, options: Options, preview: bool, programs: Programs
) -> Outcome:
    options.preview = preview
    sink = _sink(arguments, target, options)
    started = []

    def ready() -> None:
        started.append(True)
        sink.start()

    try:
        session = Session(target, options, [sink], arguments.event_log, programs.take(), ready)
        return session.run()
    finally:
        if started:
            sink.finish()


def _sink(arguments: Arguments, target: Target, options: Options) -> Any:
    if arguments.json:
        from .digest import JsonEvents, PreviewDigest

        if options.preview:
            return PreviewDigest(bool(arguments.show_sames), bool(arguments.suppress_outputs))
        return JsonEvents()
    noun = _NOUNS[options.kind]
    title = f"Previewing {noun}" if options.preview else _TITLES[options.kind]
    look = Look(
        diff=bool(arguments.diff),
        show_sames=bool(arguments.show_sames),
        urns=bool(arguments.urns),
        suppress_outputs=bool(arguments.suppress_outputs),
        suppress_progress=bool(arguments.suppress_progress),
        replacement_steps=bool(arguments.show_replacement_steps),
        debug=bool(arguments.debug),
        show_secrets=bool(arguments.show_secrets),
        interactive=not getattr(arguments, "non_interactive", False),
    )
    if arguments.show_config:
        for key, value in sorted(target.config.blinded().items()):
            print(f"    {key}: {value}")
    return Display(f"{title} ({target.stack.name})", options.preview, look)


def _conclude(arguments: Arguments, outcome: Outcome) -> int:
    if outcome.error is not None:
        return outcome.error.exit_code
    changed = {op: count for op, count in outcome.changes.items() if op not in _UNCHANGED and count}
    if arguments.expect_no_changes and changed:
        raise NoChangesExpected(
            "no changes were expected but changes "
            + ("were proposed" if arguments.command == "preview" else "occurred")
        )
    return 0


def _target(arguments: Arguments, workspace: Workspace, kind: str, checks: bool) -> Target:
    name = workspace.stack()
    if not workspace.backend.exists(name):
        raise StackNotFound(
            f"no stack named '{name.name}' found in {workspace.backend.url}; create it with `stack init "
            f"{name.name}`."
        )
    config = workspace.config(name)
    for pair in arguments.config:
        key, separator, value = pair.partition("=")
        if not separator:
            raise EngineError(f"--config {pair}: expected KEY=VALUE")
        full = normalise(key, workspace.project.name) if ":" in key else f"{workspace.project.name}:{key}"
        old, _ = config.get(full, bool(arguments.config_path))
        new: Any = parse_value(value) if arguments.config_path else value
        if has_secure(old):
            new = {"secure": config.require_manager().encrypt(value)}
        config.set(full, new, bool(arguments.config_path))
    if not config.salt and not _has_state_secrets(workspace, name):
        _ensure_salt(config)
    config.apply_project(checks and not arguments.skip_config_validation)
    check = manager_for(config.salt).check if config.salt else lambda: None
    return Target(workspace.project, workspace.backend, name, config, arguments.message, check)


def _has_state_secrets(workspace: Workspace, name: Any) -> bool:
    latest = workspace.backend.read_document(name)["checkpoint"].get("latest") or {}
    return bool(latest.get("secrets_providers"))


def _ensure_salt(config: Any) -> None:
    """As the CLI does: a stack without secrets gets a secrets provider at its first operation."""
    config.require_manager()


def _options(arguments: Arguments, kind: str, target: Target, runs_program: bool) -> Options:
    replace = [*getattr(arguments, "replace", []), *getattr(arguments, "target_replace", [])]
    targets = [*arguments.target, *getattr(arguments, "target_replace", [])]
    if targets and arguments.exclude:
        raise EngineError("--target and --exclude cannot be used together.")
    excludes = list(arguments.exclude)
    if getattr(arguments, "exclude_protected", False):
        excludes += _protected(target)
    return Options(
        kind=kind,
        parallel=_parallel(arguments.parallel),
        refresh=_refreshes(arguments, target),
        run_program=runs_program,
        targets=Targets(targets),
        target_dependents=bool(arguments.target_dependents),
        excludes=Targets(excludes),
        exclude_dependents=bool(arguments.exclude_dependents),
        replace_targets=Targets(replace),
        continue_on_error=bool(getattr(arguments, "continue_on_error", False)),
        ignore_protect=bool(getattr(arguments, "ignore_protect", False)),
        show_secrets=bool(arguments.show_secrets),
    )


def _protected(target: Target) -> list[str]:
    """Protected resources, and what they stand on."""
    from .graph import DependencyGraph

    resources = target.backend.snapshot(target.stack).resources
    graph = DependencyGraph(resources)
    kept: set[str] = set()
    for state in resources:
        if state.protect:
            kept.add(state.urn)
            kept.update(needed.urn for needed in graph.transitive_dependencies_of(state))
    return sorted(kept)


def _refreshes(arguments: Arguments, target: Target) -> bool:
    """--refresh[=BOOL] wins over `options.refresh: always` of the project."""
    given = getattr(arguments, "refresh", None)
    if given is None:
        return target.project.refresh_always and arguments.command != "refresh"
    return bool(given)


def _parallel(given: int) -> int:
    if given:
        return max(given, 1)
    try:
        return int(os.environ.get("PULUMI_PARALLEL", "0")) or 4 * (os.cpu_count() or 1)
    except ValueError as error:
        raise EngineError("PULUMI_PARALLEL must be a number.") from error


def _truthy(name: str) -> bool:
    return os.environ.get(name, "").lower() in ("1", "true")


def _interactive(arguments: Arguments) -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty() and not getattr(arguments, "non_interactive", False)


def _confirm(kind: str) -> bool:
    answer = input(f"Do you want to perform this {_NOUNS[kind]}? [yes/no] ")
    return answer.strip().lower() in ("y", "yes")


def _edit_pending_creates(arguments: Arguments, target: Target) -> None:
    """Creations that were interrupted: forget them, or adopt what they made by its ID (recovery.py)."""
    groups = arguments.import_pending_creates
    clear = bool(arguments.clear_pending_creates)
    if clear and arguments.skip_pending_creates:
        raise EngineError("cannot set both --skip-pending-creates and --clear-pending-creates")
    if not groups and not clear:
        return
    snapshot = target.backend.snapshot(target.stack)
    recovery.edit(snapshot, [part for group in groups for part in group], find=[] in groups, clear=clear)
    target.backend.lock(target.stack)
    try:
        target.backend.save(target.stack, snapshot, target.config.manager())
    finally:
        target.backend.unlock()
