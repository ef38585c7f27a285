"""The command line: `python -m emulator.engine COMMAND`, with the Pulumi CLI's commands and flags.

A flag that this engine does not have is refused by name. Flags of the CLI that change nothing here (colours,
log verbosity, links) are taken and said to be without effect in --help.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NoReturn

from .errors import EngineError, Unsupported

BAD_FLAG = 1  # what the CLI exits with
_ALIASES = {"preview": ("pre",), "up": ("update",), "destroy": ("down", "dn"), "output": ("outputs",)}
# Known to the CLI, refused here: (flag, takes a value)
_REFUSED = {
    "--policy-pack": True,
    "--policy-pack-config": True,
    "--save-plan": True,
    "--plan": True,
    "--import-file": True,
    "--remote": False,
    "--attach-debugger": True,
    "--exec-agent": True,
    "--client": True,
    "--config-map": True,
    "--target-replace": True,
    "--neo": False,
    "--copilot": False,
    "--strict": False,
    "--secrets-provider": True,
    "--remove": False,
    "--env": True,
    "--run-config": True,
    "--output": True,
    "--override-env": True,
    "--open": False,
    "--teams": True,
    "--organization": True,
    "--tag": True,
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        for flag in _REFUSED:
            if f"unrecognized arguments: {flag}" in message:
                self.exit(BAD_FLAG, f"error: {Unsupported(f'The flag {flag}')}\n")
        self.exit(
            BAD_FLAG,
            f"error: {message}\nrun `python -m emulator.engine --help` for what there is\n",
        )


def _flag(parser: Any, *names: str, help: str = "", default: Any = False) -> None:
    """A flag that may be written --name, --name=true or --name=false, as Go's are; never `--name true`."""
    first = parser.add_argument(*names, action="store_true", default=default, help=help)
    for name in names:
        for text, value in (("true", True), ("1", True), ("false", False), ("0", False)):
            action = "store_true" if value else "store_false"
            parser.add_argument(
                f"{name}={text}",
                dest=first.dest,
                action=action,
                default=argparse.SUPPRESS,
                help=argparse.SUPPRESS,
            )


def _global(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("everywhere")
    group.add_argument("-C", "--cwd", default=argparse.SUPPRESS, help="run as if started in this folder")
    for names in (
        ("--non-interactive",),
        ("-e", "--emoji"),
        ("-Q", "--fully-qualify-stack-names"),
        ("--logtostderr",),
        ("--logflow",),
        ("--disable-integrity-checking",),
    ):
        _flag(group, *names, default=argparse.SUPPRESS)
    for name in ("--tracing", "--profiling", "--memprofilerate", "--otel-traces"):
        group.add_argument(name, default=argparse.SUPPRESS, help="no effect")
    group.add_argument("--color", default=argparse.SUPPRESS, choices=["always", "never", "raw", "auto"])
    group.add_argument("-v", "--verbose", default=argparse.SUPPRESS, metavar="N", help="no effect")


def _stack(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-s", "--stack", default="", help="the stack; default: the selected one")


def _operation(parser: argparse.ArgumentParser, name: str) -> None:
    _stack(parser)
    parser.add_argument("--config-file", default="")
    parser.add_argument("-c", "--config", action="append", default=[], metavar="KEY=VALUE")
    _flag(parser, "--config-path")
    _flag(parser, "-d", "--debug")
    _flag(parser, "--diff", help="show every changed property")
    _flag(parser, "--expect-no-changes")
    _flag(parser, "-j", "--json")
    parser.add_argument("-m", "--message", default="")
    parser.add_argument(
        "-p", "--parallel", type=int, default=0, help="operations at once; default 4 a processor"
    )
    _flag(parser, "--show-config")
    _flag(parser, "--show-replacement-steps")
    _flag(parser, "--show-sames")
    _flag(parser, "--show-reads")
    _flag(parser, "--show-full-output")
    _flag(parser, "--show-policy-remediations")
    _flag(parser, "--show-secrets")
    _flag(parser, "--urns")
    _flag(parser, "--suppress-outputs")
    _flag(parser, "--suppress-progress")
    _flag(parser, "--skip-plugin-pre-install")
    _flag(parser, "--skip-config-validation")
    parser.add_argument(
        "--suppress-permalink", nargs="?", const="false", default="", help="no effect: there is none"
    )
    parser.add_argument("--event-log", default="", help="write engine events as JSON lines to this file")
    parser.add_argument("--exec-kind", default="", help=argparse.SUPPRESS)
    parser.add_argument("-t", "--target", action="append", default=[], metavar="URN")
    _flag(parser, "--target-dependents")
    parser.add_argument("-x", "--exclude", action="append", default=[], metavar="URN")
    _flag(parser, "--exclude-dependents")
    if name != "preview":
        _flag(parser, "-y", "--yes")
        _flag(parser, "-f", "--skip-preview")
    if name in ("preview", "up"):
        parser.add_argument("--replace", action="append", default=[], metavar="URN")
        parser.add_argument("--target-replace", action="append", default=[], metavar="URN")
    if name in ("preview", "up", "destroy"):
        _flag(parser, "-r", "--refresh", default=None)
    if name in ("up", "destroy"):
        _flag(parser, "--continue-on-error")
    if name != "preview":
        _flag(parser, "--preview-only")
    if name != "refresh":
        _flag(parser, "--ignore-protect")
    if name == "destroy":
        _flag(parser, "--exclude-protected")
    _flag(parser, "--run-program", default=None)
    if name == "refresh":
        _flag(parser, "--clear-pending-creates")
        _flag(parser, "--skip-pending-creates")
        parser.add_argument(
            "--import-pending-creates",
            nargs="*",
            action="append",
            default=[],
            metavar="URN ID",
            help="adopt interrupted creations; bare, those whose ID follows from their inputs",
        )
    parser.add_argument("template", nargs="*", help=argparse.SUPPRESS)


def build_parser(given: Sequence[str] | None = None) -> argparse.ArgumentParser:
    """The parser for these arguments. Commands that they do not name have no flags in it: making those of
    all takes a tenth of a whole command.
    """
    parser = _Parser(prog="python -m emulator.engine", description=__doc__, allow_abbrev=False)
    _global(parser)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (help, fill) in _HELP.items():
        aliases = _ALIASES.get(name, ())
        sub = commands.add_parser(name, help=help, aliases=list(aliases), allow_abbrev=False)
        if given is None or any(word in given for word in (name, *aliases)):
            sub.set_defaults(command=name)
            _global(sub)
            fill(sub)
    return parser


def _cancel_arguments(parser: argparse.ArgumentParser) -> None:
    _stack(parser)
    parser.add_argument("name", nargs="?", default="")
    _flag(parser, "-y", "--yes")


def _output_arguments(parser: argparse.ArgumentParser) -> None:
    _stack(parser)
    parser.add_argument("name", nargs="?", default="")
    _flag(parser, "-j", "--json")
    _flag(parser, "--show-secrets")
    _flag(parser, "--shell")


def _export_arguments(parser: argparse.ArgumentParser) -> None:
    _stack(parser)
    parser.add_argument("--file", default="")
    _flag(parser, "--show-secrets")
    parser.add_argument("--version", default="", help=argparse.SUPPRESS)


def _import_arguments(parser: argparse.ArgumentParser) -> None:
    _stack(parser)
    parser.add_argument("--file", default="")
    _flag(parser, "--force")
    parser.add_argument("resource", nargs="*", help=argparse.SUPPRESS)


def _stack_commands(parser: argparse.ArgumentParser) -> None:
    _stack(parser)
    _flag(parser, "--show-name")
    _flag(parser, "-u", "--show-urns")
    _flag(parser, "-i", "--show-ids")
    _flag(parser, "--show-secrets")
    commands = parser.add_subparsers(dest="stack_command", metavar="COMMAND")

    def add(name: str, help: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=help, allow_abbrev=False)
        _global(sub)
        return sub

    ls = add("ls", "the project's stacks")
    _flag(ls, "-j", "--json")
    _flag(ls, "-a", "--all")
    ls.add_argument("-p", "--project", default="")
    init = add("init", "make a stack")
    init.add_argument("name", nargs="?", default="")
    init.add_argument("-s", "--stack", default=argparse.SUPPRESS)
    init.add_argument("--secrets-provider", default="default")
    _flag(init, "--no-select")
    init.add_argument("--copy-config-from", default="")
    _flag(init, "-y", "--yes")
    rm = add("rm", "remove a stack and its state")
    rm.add_argument("name", nargs="?", default="")
    rm.add_argument("-s", "--stack", default=argparse.SUPPRESS)
    _flag(rm, "-y", "--yes")
    _flag(rm, "-f", "--force")
    _flag(rm, "--preserve-config")
    _flag(rm, "--remove-backups")
    select = add("select", "choose the stack that other commands use")
    select.add_argument("name", nargs="?", default="")
    select.add_argument("-s", "--stack", default=argparse.SUPPRESS)
    _flag(select, "-c", "--create")
    select.add_argument("--secrets-provider", default="default")
    _output_arguments(add("output", "the stack's outputs"))
    _export_arguments(add("export", "the stack's state as JSON"))
    _import_arguments(add("import", "replace the stack's state with an export"))
    history = add("history", "past updates")
    _stack(history)
    _flag(history, "-j", "--json")


def _config_commands(parser: argparse.ArgumentParser) -> None:
    _stack(parser)
    parser.add_argument("--config-file", default="")
    _flag(parser, "--show-secrets")
    _flag(parser, "-j", "--json")
    commands = parser.add_subparsers(dest="config_command", metavar="COMMAND")

    def add(name: str, help: str, aliases: Sequence[str] = ()) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=help, aliases=list(aliases), allow_abbrev=False)
        sub.set_defaults(config_command=name)
        _global(sub)
        sub.add_argument("-s", "--stack", default=argparse.SUPPRESS)
        sub.add_argument("--config-file", default=argparse.SUPPRESS)
        return sub

    get = add("get", "one value")
    get.add_argument("key")
    _flag(get, "--path")
    _flag(get, "-j", "--json")
    put = add("set", "set a value; without VALUE it is read from standard input")
    put.add_argument("key")
    put.add_argument("value", nargs="?")
    _flag(put, "--secret")
    _flag(put, "--plaintext")
    _flag(put, "--raw")
    _flag(put, "--path")
    put.add_argument("--type", default="", choices=["", "string", "int", "bool", "float"])
    rm = add("rm", "remove a value")
    rm.add_argument("key")
    _flag(rm, "--path")
    listed = add("ls", "all values")
    _flag(listed, "--show-secrets")
    _flag(listed, "-j", "--json")


def _nothing(parser: argparse.ArgumentParser) -> None:
    """A command without flags of its own."""


_HELP: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None]]] = {
    "preview": ("show what up would do", partial(_operation, name="preview")),
    "up": (
        "create, update and delete until the stack is what the program says",
        partial(_operation, name="up"),
    ),
    "refresh": ("read what there really is into the state", partial(_operation, name="refresh")),
    "destroy": ("delete every resource of the stack", partial(_operation, name="destroy")),
    "output": ("the stack's outputs", _output_arguments),
    "export": ("the stack's state as JSON", _export_arguments),
    "import": ("replace the stack's state with an export", _import_arguments),
    "cancel": ("remove the locks of a stack whose update was killed", _cancel_arguments),
    "stack": ("list, make, choose and remove stacks", _stack_commands),
    "config": ("the stack's configuration", _config_commands),
    "version": ("the version of Pulumi whose behaviour this engine has", _nothing),
    "about": ("what this is", _nothing),
}


def main(arguments: Sequence[str] | None = None) -> int:
    arguments = sys.argv[1:] if arguments is None else arguments
    options = build_parser(arguments).parse_args(arguments)
    try:
        if getattr(options, "cwd", None):
            _enter(options.cwd)
        from .commands import dispatch

        return dispatch(options)
    except EngineError as error:
        sys.stdout.flush()
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def _enter(folder: str) -> None:
    try:
        os.chdir(folder)
    except OSError as error:
        raise EngineError(f"--cwd {folder}: {error.strerror}") from error
