"""Write the table of vLLM's serving arguments from vLLM's own parser.

Run it with an interpreter that has vLLM installed (any build: CPU is enough), not with this project's:

    path/to/vllm-env/bin/python serving/data/generate_vllm_args.py

It writes `serving/data/vllm_args/<version>.json` (`--print`: to the terminal). Defaults are left out: vLLM
computes the ones that matter for sizing later, from the GPU and the model (serving/defaults.py knows those).
Help texts are left out too.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path
from typing import Any

import vllm
from vllm.utils.argparse_utils import FlexibleArgumentParser

# vLLM moved the function between these modules; the newest place first.
PARSER_MODULES = ("vllm.entrypoints.launchers.cli_args", "vllm.entrypoints.openai.cli_args")


def parser() -> argparse.ArgumentParser:
    for name in PARSER_MODULES:
        try:
            return importlib.import_module(name).make_arg_parser(FlexibleArgumentParser())
        except ModuleNotFoundError:
            continue
    raise SystemExit(f"no make_arg_parser in {PARSER_MODULES}: vLLM {vllm.__version__} moved it again")


def kind(action: argparse.Action) -> str:
    """flag | boolean (has --no-) | int | float | json | string."""
    if isinstance(action, argparse.BooleanOptionalAction):
        return "boolean"
    if action.nargs == 0:
        return "flag"
    if isinstance(action.default, bool):
        return "string"
    name = getattr(action.type, "__name__", "")
    # vLLM wraps its types; the wrapped function tells a number from a document.
    if "json" in name or "loads" in name or "parse_dataclass" in name:
        return "json"
    if name in {"int", "human_readable_int", "human_readable_int_or_auto"}:
        return "int"
    return "float" if name == "float" else typed_by_probe(action)


def typed_by_probe(action: argparse.Action) -> str:
    """An optional type is a closure: ask it what it makes of text that only one type accepts."""
    convert: Any = action.type
    if convert is None or convert is str:
        return "string"
    for name, text, expected in (("json", '{"a": 1}', dict), ("int", "7", int), ("float", "0.5", float)):
        try:
            value = convert(text)
        except (ValueError, TypeError, argparse.ArgumentTypeError, KeyError):
            continue
        if type(value) is expected:
            return name
    return "string"


def table() -> dict[str, Any]:
    arguments = {}
    for action in parser()._actions:
        flags = [flag for flag in action.option_strings if not flag.startswith("--no-")]
        if not flags or action.dest == "help":
            continue
        entry: dict[str, Any] = {"flags": sorted(flags, key=lambda flag: (not flag.startswith("--"), flag))}
        entry["kind"] = kind(action)
        if action.nargs not in (None, 0):
            entry["nargs"] = action.nargs
        if action.choices:
            entry["choices"] = sorted(str(choice) for choice in action.choices)
        arguments[action.dest] = entry
    return {
        "version": vllm.__version__,
        "source": f"make_arg_parser() of the installed vllm {vllm.__version__}",
        "arguments": dict(sorted(arguments.items())),
    }


def main() -> None:
    text = json.dumps(table(), indent=1) + "\n"
    if "--print" in sys.argv:
        print(text)
        return
    target = Path(__file__).parent / "vllm_args" / f"{vllm.__version__}.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(text)
    print(f"{target}: written")


if __name__ == "__main__":
    main()
