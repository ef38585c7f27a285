"""Finds the model and becomes vLLM's OpenAI server.

The container is told what to serve by environment variables, as the deployment sets them:

MODEL, MODEL_NAME  a folder under the model mount (`/models/Qwen3-8B`) or a Hugging Face id; MODEL wins
VLLM_ARGS          vLLM's arguments, split as a shell would, quotes included; nothing is expanded

Where Azure ML mounts a model differs between its documentation and what people see, so a folder that is
not where it was expected is looked for under the mount and $AZUREML_MODEL_DIR. Clients may send the short
name of the model, the value of MODEL or the path that was found. In VLLM_ARGS an explicit
--served-model-name, --host or --port wins; --model is refused, because it would contradict MODEL, and
--api-key, because the endpoint already uses the Authorization header.

Only the standard library: this runs in the base image. It execs, so signals reach vLLM and its exit code is
the container's. What is left out: checking the arguments themselves; vLLM does, and says so in the log.
"""

import os
import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

SERVER = ["python3", "-m", "vllm.entrypoints.openai.api_server"]
MARKERS = ("config.json", "params.json")  # of a transformers and of a Mistral folder
AZUREML_MOUNT = "/var/azureml-app/azureml-models"  # Azure ML's mount path when none is set
DEPTH = 4  # mount/NAME/VERSION/FOLDER is the deepest layout that has been reported
SECRETS = ("--hf-token", "--hf_token")
USAGE, NO_MODEL = 64, 78  # EX_USAGE and EX_CONFIG of sysexits.h
REFUSED = {
    "--model": "the model comes from MODEL (or MODEL_NAME); set that instead",
    "--api-key": "the endpoint's own key arrives in the same header; callers use that",
}


class LaunchError(Exception):
    """The container cannot start; one line for the log, and an exit code."""

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        super().__init__(message)


def main(environ: Mapping[str, str]) -> int:
    """Exec the server; returns only if that is impossible."""
    try:
        command = command_line(environ)
    except LaunchError as stop:
        print(f"launcher: {stop}", file=sys.stderr, flush=True)
        return stop.code
    print(f"launcher: {shlex.join(_masked(command))}", flush=True)
    try:
        os.execvp(command[0], command)
    except OSError as problem:
        print(f"launcher: {command[0]} cannot be started: {problem}", file=sys.stderr, flush=True)
        return 127


def command_line(environ: Mapping[str, str]) -> list[str]:
    """The command that serves what `environ` describes."""
    arguments = _arguments(environ.get("VLLM_ARGS", ""))
    wanted = (environ.get("MODEL") or environ.get("MODEL_NAME") or "").strip()
    model = find_model(wanted, environ)
    command = [*SERVER, "--model", model]
    if not _given(arguments, "--served-model-name"):
        command += ["--served-model-name", *served_names(wanted, model)]
    return command + arguments


def find_model(wanted: str, environ: Mapping[str, str]) -> str:
    """The folder to serve, or a Hugging Face id to download; raises LaunchError when there is neither."""
    if not wanted and not environ.get("AZUREML_MODEL_DIR"):
        raise LaunchError(
            NO_MODEL,
            "no model: set MODEL (a folder under model_mount_path) or MODEL_NAME (a Hugging Face id) in the "
            "deployment's environment_variables, or give the deployment a model.",
        )
    if wanted and _is_model(Path(wanted)):
        return wanted
    found = _candidates(_roots(wanted, environ))
    named = [folder for folder in found if folder.name == Path(wanted).name]
    chosen = named if len(named) == 1 else found
    if len(chosen) == 1:
        print(f"launcher: {wanted or 'no MODEL is set'}: using {chosen[0]}", flush=True)
        return str(chosen[0])
    if _is_hub_id(wanted) and not found and not _offline(environ):
        return wanted
    raise LaunchError(NO_MODEL, _not_found(wanted, found, environ))


def served_names(wanted: str, model: str) -> list[str]:
    """Names clients may send: the short one first, which is the one answers carry."""
    name = wanted or model
    return list(dict.fromkeys([Path(name.rstrip("/")).name, name.rstrip("/"), name, model]))


def _arguments(text: str) -> list[str]:
    try:
        arguments = shlex.split(text)
    except ValueError as problem:
        raise LaunchError(
            USAGE, f"VLLM_ARGS cannot be split as a shell would ({problem}): {text!r}"
        ) from None
    for name, reason in REFUSED.items():
        if _given(arguments, name):
            raise LaunchError(USAGE, f"{name} in VLLM_ARGS is refused: {reason}.")
    return arguments


def _given(arguments: list[str], name: str) -> bool:
    """vLLM takes `--a-b` and `--a_b`, with a space or an equals sign."""
    return any(argument.split("=", 1)[0].replace("_", "-") == name for argument in arguments)


def _roots(wanted: str, environ: Mapping[str, str]) -> list[Path]:
    """Where a model may be, the likeliest first: what was named and what it is in, then Azure ML's own
    places."""
    named = [Path(wanted), *Path(wanted).parents] if wanted.startswith("/") else []
    azure = [environ.get("AZUREML_MODEL_DIR", ""), environ.get("AZUREML_MODEL_MOUNT", AZUREML_MOUNT)]
    return [root for root in named if root != Path("/")] + [Path(root) for root in azure if root]


def _candidates(roots: list[Path]) -> list[Path]:
    """The model folders under the first root that has any."""
    for root in roots:
        found = {folder.resolve(): folder for folder in _walk(root, DEPTH)}
        if found:
            return list(found.values())
    return []


def _walk(folder: Path, depth: int) -> Iterator[Path]:
    if _is_model(folder):
        yield folder
        return
    try:
        inner = sorted(entry for entry in folder.iterdir() if entry.is_dir()) if depth else []
    except OSError:
        return
    for entry in inner:
        if not entry.name.startswith("."):
            yield from _walk(entry, depth - 1)


def _is_model(folder: Path) -> bool:
    return any((folder / marker).is_file() for marker in MARKERS)


def _is_hub_id(wanted: str) -> bool:
    return bool(wanted) and not wanted.startswith(("/", ".")) and wanted.count("/") <= 1


def _offline(environ: Mapping[str, str]) -> bool:
    names = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    return any(environ.get(name, "").lower() in ("1", "on", "yes", "true") for name in names)


def _not_found(wanted: str, found: list[Path], environ: Mapping[str, str]) -> str:
    if found:
        names = ", ".join(str(folder) for folder in found)
        return (
            f"no model at {wanted or 'MODEL (not set)'}; several folders hold one, set MODEL to it: {names}."
        )
    searched = ", ".join(str(root) for root in _roots(wanted, environ))
    offline = " Downloading is off (HF_HUB_OFFLINE)." if _is_hub_id(wanted) else ""
    return (
        f"no model: no config.json at {wanted or 'MODEL (not set)'} nor under {searched}.{offline} Check the "
        "deployment's model, model_mount_path and MODEL."
    )


def _masked(command: list[str]) -> list[str]:
    """The command for the log, without the values of tokens."""
    shown: list[str] = []
    for argument in command:
        name, equals, _ = argument.partition("=")
        if shown and shown[-1] in SECRETS:
            shown.append("***")
        else:
            shown.append(f"{name}=***" if equals and name in SECRETS else argument)
    return shown


if __name__ == "__main__":
    sys.exit(main(os.environ))
