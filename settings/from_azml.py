"""Write the stack file for a folder of `az ml` YAML.

    python -m settings.from_azml FOLDER --stack NAME [--resource-group RG --workspace WS --location REGION]

Reads endpoint*.yml, deployment*.yml, environment*.yml and model*.yml (or .yaml; any other YAML file by
its keys) and writes Pulumi.NAME.yaml. Bodies go over as they are. What cannot (read-only fields, keys
that az ml reads and never sends) is left out, and everything that was changed is said, in the file and on
the terminal. The result is checked as every stack is.
"""

import argparse
import re
import sys
from pathlib import Path
from typing import Any

from settings.errors import SettingsError
from settings.migrate.convert import Conversion, convert
from settings.migrate.read import FolderError, load, read
from settings.migrate.write import write

STACK = re.compile(r"[A-Za-z0-9_.-]{1,100}")


def main(argv: list[str] | None = None) -> int:
    """The command; 0 when the stack file was written and passes every check."""
    options = _parser().parse_args(argv)
    target = options.project / f"Pulumi.{options.stack}.yaml"
    if target.exists() and not options.force:
        print(f"{target} exists already. Use another --stack, or --force to write over it.", file=sys.stderr)
        return 1
    try:
        _usable(options)
        found = read(options.folder)
        converted = convert(found, options)
        text = write(converted, options.folder, kept(target))
        target.write_text(text)
    except FolderError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        reason = f"cannot be written: {error.strerror}"
        print(f"{target} {reason}. Choose another --project.", file=sys.stderr)
        return 2
    return _report(converted, target)


def _usable(options: argparse.Namespace) -> None:
    if not STACK.fullmatch(options.stack):
        raise FolderError(
            f"`{options.stack}` cannot be a stack's name. "
            "Use letters, digits, hyphens, underscores and periods."
        )


def kept(target: Path) -> dict[str, Any]:
    """What a stack file that is written over must keep: without its salt the stack's secrets are lost."""
    found = load(target) if target.exists() else {}
    return {key: value for key, value in found.items() if key != "config"}


def _report(converted: Conversion, target: Path) -> int:
    from settings import warnings
    from settings.load import load as check

    for note in converted.notes:
        print(f"note: {note}")
    print(f"wrote {target}")
    try:
        stack = check(converted.config, folder=target.parent, source=str(target))
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 1
    for warning in warnings.collect(stack):
        print(f"warning: {warning}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m settings.from_azml", description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="folder with az ml YAML files")
    parser.add_argument("--stack", required=True, help="name of the stack: Pulumi.STACK.yaml is written")
    parser.add_argument(
        "--project", type=Path, default=Path("."), help="folder of Pulumi.yaml (default: here)"
    )
    parser.add_argument("--resource-group", help="resource group (default: rg-STACK, created)")
    parser.add_argument("--workspace", help="workspace (default: mlw-STACK, created)")
    parser.add_argument("--existing", action="store_true", help="resource group and workspace exist already")
    parser.add_argument("--adopt", action="store_true", help="take over an endpoint and deployments that run")
    parser.add_argument("--location", default="westeurope", help="region (default: westeurope)")
    parser.add_argument("--force", action="store_true", help="write over an existing stack file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
