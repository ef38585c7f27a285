"""Write the table of vLLM's serving arguments from vLLM's own parser, and its list of quantisations.

Run it with an interpreter that has vLLM installed (any build: CPU is enough), not with this project's:

    path/to/vllm-env/bin/python serving/data/generate_vllm_args.py

It writes `serving/data/vllm_args/<version>.json`. Defaults are left out: vLLM
computes the ones that matter for sizing later, from the GPU and the model (serving/defaults.py knows those).
Help texts are left out too.
"""

from __future__ import annotations

import argparse
import importlib
import json
from pathlib import Path
from typing import Any

import vllm
from vllm.model_executor.layers import quantization

# vLLM moved both between these modules; the newest place first.
PARSER_MODULES = ("vllm.entrypoints.launchers.cli_args", "vllm.entrypoints.openai.cli_args")
CLASS_MODULES = ("vllm.utils.argparse_utils", "vllm.utils")


def found(modules: tuple[str, ...], name: str) -> Any:
    for module in modules:
        try:
            return getattr(importlib.import_module(module), name)
        except (ModuleNotFoundError, AttributeError):
            continue
    raise SystemExit(f"no {name} in {', '.join(modules)}: vLLM {vllm.__version__} moved it again")


def parser() -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = found(PARSER_MODULES, "make_arg_parser")(
        found(CLASS_MODULES, "FlexibleArgumentParser")()
    )
    return made


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
        "quantization_methods": sorted(quantization.QUANTIZATION_METHODS),
        "deprecated_quantization_methods": sorted(quantization.DEPRECATED_QUANTIZATION_METHODS),
        "arguments": dict(sorted(arguments.items())),
    }


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--out", type=Path, default=Path(__file__).parent / "vllm_args", help="folder")
    folder = options.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{vllm.__version__}.json"
    target.write_text(json.dumps(table(), indent=1) + "\n")
    print(f"{target}: written")


if __name__ == "__main__":
    main()
