"""vLLM's command line: split like a shell would, named as vLLM names it, checked, and shown in one form.

The names come from tables generated from vLLM's own parser (`data/generate_vllm_args.py`), one a version.
Whether a value makes sense to the model is vLLM's business except where it decides memory or whether the
server can start: parallelism against heads and GPUs, and the arguments that the image's launcher and Azure
ML own.
"""

from __future__ import annotations

import difflib
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from serving.errors import BadArgumentsError
from serving.gpus import DATA
from serving.versions import behaviour

Value = Any  # bool, int, float, str, dict or a list of them, as `kind` in the table says

# Arguments that somebody else owns. Facts about Azure: the scoring route forwards the caller's
# Authorization header.
OWNED = {
    "model": "the launcher sets it from MODEL (or MODEL_NAME); set that environment variable instead",
    "port": "the routes of inference_config name the port and vLLM must stay on it",
    "api_key": "the endpoint's own key arrives in the same Authorization header and vLLM would refuse it;"
    " the endpoint checks keys already",
    "uds": "Azure ML connects over TCP; a Unix socket cannot be reached",
    "ssl_certfile": "Azure ML talks plain HTTP to the container and ends TLS itself",
    "ssl_keyfile": "Azure ML talks plain HTTP to the container and ends TLS itself",
    "headless": "a server without an API cannot answer the probes",
    "hf_token": "it would stand in the deployment's definition for everyone to read; give the environment"
    " variable HF_TOKEN a Key Vault reference",
    "root_path": "the scoring route `/` passes every path through as it is",
}
DOCUMENTS = ("config", "kwargs", "overrides", "params")
TRUE, FALSE = {"true", "1", "yes", "on"}, {"false", "0", "no", "off"}
SUFFIXES = {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


@dataclass(frozen=True)
class Argument:
    """One argument of vLLM's parser."""

    dest: str
    flags: tuple[str, ...]
    kind: str
    nargs: str | None
    choices: tuple[str, ...]


@dataclass(frozen=True)
class VllmArgs:
    """What was asked for: values by vLLM's name, and what was noticed.

    `exact` is False without the version's table.
    """

    values: Mapping[str, Value]
    warnings: tuple[str, ...]
    table_version: str
    exact: bool

    def get(self, name: str, default: Value = None) -> Value:
        return self.values.get(name, default)

    def normalised(self) -> list[str]:
        """The same arguments in one form: long names with dashes, `=`, sorted, JSON without spaces."""
        found = arguments(self.table_version)
        return [
            part for name in sorted(self.values) for part in _shown(found.get(name), name, self.values[name])
        ]

    def command_line(self) -> str:
        return shlex.join(self.normalised())


def table_versions() -> list[str]:
    names = [path.stem for path in (DATA / "vllm_args").glob("*.json")]
    return sorted(names, key=lambda name: behaviour(name).version or (0, 0, 0))


def nearest_table(version: str | None) -> tuple[str, bool]:
    """The table to read for a version.

    Its own, else the nearest older one, else the oldest; and whether it is exact.
    """
    tables = table_versions()
    wanted = behaviour(version).version
    if wanted is None:
        return tables[-1], False
    versions = {name: behaviour(name).version for name in tables}
    for name, found in versions.items():
        if found == wanted:
            return name, True
    older = [name for name, found in versions.items() if found is not None and found < wanted]
    return (older[-1] if older else tables[0]), False


@cache
def arguments(table: str) -> dict[str, Argument]:
    raw = json.loads((DATA / "vllm_args" / f"{table}.json").read_text())["arguments"]
    return {
        dest: Argument(dest, tuple(e["flags"]), e["kind"], e.get("nargs"), tuple(e.get("choices", ())))
        for dest, e in raw.items()
    }


@cache
def quantizations(version: str | None) -> tuple[frozenset[str], frozenset[str]] | None:
    """The methods that a version has and those that it wants to be asked for; None where no list was read.

    A version without a list of its own gets the nearest older one's.
    """
    raw = json.loads((DATA / "vllm_args" / f"{nearest_table(version)[0]}.json").read_text())
    if "quantization_methods" not in raw:
        return None
    return frozenset(raw["quantization_methods"]), frozenset(raw["deprecated_quantization_methods"])


def split(text: str) -> list[str]:
    """Words as a POSIX shell makes them of VLLM_ARGS (the launcher does the same)."""
    try:
        return shlex.split(text)
    except ValueError as error:
        raise BadArgumentsError(
            [f"the vLLM arguments cannot be split ({error}): a quote is not closed"]
        ) from error


def parse(text: str | list[str], *, version: str | None = None, allow_owned: bool = False) -> VllmArgs:
    """Read a command line. Raises `BadArgumentsError` with every problem at once."""
    table, exact = nearest_table(version)
    return _Parser(arguments(table), table, exact, allow_owned).read(
        split(text) if isinstance(text, str) else text
    )


class _Parser:
    """State of one reading: values, problems, warnings."""

    def __init__(self, table: dict[str, Argument], name: str, exact: bool, allow_owned: bool) -> None:
        self.by_flag = {flag: argument for argument in table.values() for flag in argument.flags}
        self.flags = set(self.by_flag) | {
            "--no-" + flag.removeprefix("--")
            for flag, argument in self.by_flag.items()
            if argument.kind == "boolean" and flag.startswith("--")
        }
        self.table, self.exact, self.allow_owned = name, exact, allow_owned
        self.values: dict[str, Value] = {}
        self.problems: list[str] = []
        self.warnings: list[str] = []
        self.words: list[str] = []

    def read(self, words: list[str]) -> VllmArgs:
        self.words = list(words)
        while self.words:
            self._one(self.words.pop(0))
        self.problems.extend(contradictions(self.values))
        if self.problems:
            raise BadArgumentsError(self.problems)
        return VllmArgs(dict(self.values), tuple(self.warnings), self.table, self.exact)

    def _one(self, word: str) -> None:
        if word.startswith("-O") and not word.startswith("-O."):
            # vLLM's own short form: -O3, -O=3, -O 3
            level = word[2:].removeprefix("=")
            self.words.insert(0, level) if level else None
            word = "--optimization-level"
        if not word.startswith("-") or _is_number(word):
            self.problems.append(f"{word!r} belongs to no argument: quote values that contain spaces")
            return
        flag, equals, inline = word.partition("=")
        name, dot, path = self._spelling(flag)
        negated = False
        if name not in self.flags:
            name = self._written_out(name)
        argument = self.by_flag.get(name)
        if argument is None and name.startswith("--no-"):
            argument = self.by_flag.get("--" + name.removeprefix("--no-"))
            negated = argument is not None and argument.kind == "boolean"
            argument = argument if negated else None
        if argument is None:
            self._unknown(name, bool(equals))
            return
        if argument.dest in OWNED and not self.allow_owned:
            self._take(argument, inline if equals else None)
            self.problems.append(f"{name} may not be given: {OWNED[argument.dest]}")
            return
        if dot:
            self._dotted(argument, name, path, inline if equals else None)
        elif negated:
            self._store(argument, name, False, bool(equals))
        else:
            self._plain(argument, name, inline if equals else None)

    @staticmethod
    def _spelling(flag: str) -> tuple[str, str, str]:
        """vLLM takes underscores for dashes; what follows a dot is a key inside a JSON argument and stays."""
        head, dot, path = flag.partition(".")
        return (head.replace("_", "-") if head.startswith("--") else head), dot, path

    def _written_out(self, name: str) -> str:
        """argparse takes the beginning of a long name where only one argument starts like that."""
        found = sorted(flag for flag in self.flags if len(name) > 3 and flag.startswith(name))
        if len(found) != 1 or not name.startswith("--"):
            return name
        self.warnings.append(
            f"{name} is short for {found[0]}: write it out, another version may have more of them"
        )
        return found[0]

    def _unknown(self, name: str, has_value: bool) -> None:
        near = difflib.get_close_matches(name, self.by_flag, n=1, cutoff=0.8)
        if not has_value:
            self._values_that_follow()
        hint = f"; did you mean {near[0]}?" if near else ""
        if self.exact or near:
            self.problems.append(f"{name} is not an argument of vLLM {self.table}{hint}")
        else:
            self.warnings.append(
                f"{name} is not in the table of vLLM {self.table}, and there is none for the version in use:"
                " not checked"
            )

    def _values_that_follow(self) -> list[str]:
        taken = []
        while self.words and (not self.words[0].startswith("-") or _is_number(self.words[0])):
            taken.append(self.words.pop(0))
        return taken

    def _take(self, argument: Argument, inline: str | None) -> list[str] | None:
        """The words that are this argument's values; None when one is missing."""
        if inline is not None:
            return [inline]
        if argument.kind in {"flag", "boolean"}:
            return []
        if argument.nargs in {"+", "*"}:
            return self._values_that_follow() or (None if argument.nargs == "+" else [])
        if not self.words or (self.words[0].startswith("-") and not _is_number(self.words[0])):
            return [] if argument.nargs == "?" else None
        return [self.words.pop(0)]

    def _plain(self, argument: Argument, name: str, inline: str | None) -> None:
        words = self._take(argument, inline)
        if words is None:
            self.problems.append(f"{name} needs a value")
            return
        if argument.kind in {"flag", "boolean"}:
            if inline is not None:
                self.problems.append(f"{name} takes no value: write {name} or --no-{name.removeprefix('--')}")
                return
            self._store(argument, name, True, False)
            return
        try:
            converted = [convert(argument, name, word) for word in words]
        except ValueError as error:
            self.problems.append(str(error))
            return
        value = converted if argument.nargs in {"+", "*"} else (converted[0] if converted else True)
        self._store(argument, name, value, False)

    def _dotted(self, argument: Argument, name: str, path: str, inline: str | None) -> None:
        if argument.kind != "json" and not argument.dest.endswith("_config"):
            self.problems.append(f"{name}.{path}: {name} takes no keys, it is a {argument.kind}")
            return
        append = path.endswith("+")
        words = [inline] if inline is not None else ([self.words.pop(0)] if self.words else None)
        if words is None or words[0] is None:
            self.problems.append(f"{name}.{path} needs a value")
            return
        target = self.values.setdefault(argument.dest, {})
        keys = path.rstrip("+").split(".")
        for key in keys[:-1]:
            target = target.setdefault(key, {}) if isinstance(target, dict) else {}
        if not isinstance(target, dict):
            self.problems.append(f"{name}.{path}: {name} already has a value without keys")
            return
        value = _json_or_text(words[0])
        target[keys[-1]] = [*target.get(keys[-1], []), value] if append else value

    def _store(self, argument: Argument, name: str, value: Value, has_value: bool) -> None:
        if has_value:
            self.problems.append(f"{name} takes no value")
            return
        before = self.values.get(argument.dest)
        if isinstance(before, dict) and isinstance(value, dict):
            value = before | value
        elif before is not None and before != value:
            self.problems.append(f"{name} is given twice, as {before!r} and {value!r}: keep one")
            return
        self.values[argument.dest] = value


def convert(argument: Argument, name: str, word: str) -> Value:
    """One word as the argument's type. Raises ValueError with a sentence."""
    if argument.kind == "int":
        value: Value = _whole_number(name, word)
    elif argument.kind == "float":
        try:
            value = float(word)
        except ValueError:
            raise ValueError(f"{name} needs a number, not {word!r}") from None
    elif argument.kind == "json":
        value = _json(name, word)
    else:
        # Some tables call a document a string; a plain name stays what it is.
        document = word.startswith("{") and any(part in argument.dest for part in DOCUMENTS)
        value = _json_or_text(word) if document else word
    if argument.choices and str(value) not in argument.choices:
        near = difflib.get_close_matches(str(value), argument.choices, n=1, cutoff=0.0)
        hint = f"; nearest: {near[0]}" if near else ""
        raise ValueError(f"{name} cannot be {word!r}{hint}. Choices: {', '.join(argument.choices)}")
    return value


def _whole_number(name: str, word: str) -> int:
    """`32768`, `32k` (decimal), `32K` (binary), `1.5k`.

    -1 or auto where vLLM takes them (human_readable_int).
    """
    if word == "auto":
        return -1
    try:
        if word[-1:] in SUFFIXES:
            if word[-1].isupper():  # powers of 1024 take no decimals (human_readable_int)
                return int(word[:-1]) * SUFFIXES[word[-1]]
            return int(float(word[:-1]) * SUFFIXES[word[-1]])
        return int(word)
    except (ValueError, OverflowError):
        raise ValueError(f"{name} needs a whole number (32768, 32k or 32K), not {word!r}") from None


def _json(name: str, word: str) -> Value:
    try:
        return json.loads(word)
    except ValueError as error:
        raise ValueError(f"{name} needs JSON, and {word!r} is not ({error})") from None


def _json_or_text(word: str) -> Value:
    try:
        return json.loads(word)
    except ValueError:
        return word


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


COUNTS = (
    "tensor_parallel_size",
    "pipeline_parallel_size",
    "data_parallel_size",
    "decode_context_parallel_size",
    "prefill_context_parallel_size",
    "max_num_seqs",
    "max_num_batched_tokens",
    "block_size",
    "kv_cache_memory_bytes",
)


def contradictions(values: Mapping[str, Value]) -> list[str]:
    """Pairs that cannot both hold, and values outside their range."""
    found = []
    for name in COUNTS:
        value = values.get(name)
        if isinstance(value, int) and value < 1:
            found.append(f"{_long(name)} is {value}: it must be at least 1")
    length = values.get("max_model_len")
    if isinstance(length, int) and length < 1 and length != -1:
        found.append(f"--max-model-len is {length}: it must be at least 1, or -1 (auto) for what fits")
    share = values.get("gpu_memory_utilization")
    if isinstance(share, float) and not 0 < share <= 1:
        found.append(
            f"--gpu-memory-utilization is {share:g}: it is a share of the GPU, above 0 and at most 1"
        )
    tokens, seqs = values.get("max_num_batched_tokens"), values.get("max_num_seqs")
    if isinstance(tokens, int) and isinstance(seqs, int) and 0 < tokens < seqs:
        found.append(
            f"--max-num-batched-tokens {tokens} is below --max-num-seqs {seqs}:"
            " every sequence of a step needs a token"
        )
    whole = values.get("enable_chunked_prefill") is False
    if whole and isinstance(length, int) and isinstance(tokens, int) and tokens < length:
        found.append(
            f"without chunked prefill --max-num-batched-tokens {tokens} must hold a whole request"
            f" of {length} tokens"
        )
    if values.get("host") in {"127.0.0.1", "localhost", "::1"}:
        found.append(
            f"--host {values['host']} listens inside the container only: Azure ML could not reach it"
        )
    if values.get("skip_tokenizer_init"):
        found.append("--skip-tokenizer-init leaves the chat API without a tokenizer: remove it")
    if values.get("enable_auto_tool_choice") and not values.get("tool_call_parser"):
        found.append("--enable-auto-tool-choice needs --tool-call-parser (vLLM refuses to start without it)")
    return found


def check_parallelism(
    args: VllmArgs,
    *,
    heads: int | None,
    gpus: int | None,
    kv_heads: int | None = None,
    layers: int | None = None,
) -> list[str]:
    """Sentences about parallelism that the model or the machine cannot do.

    `heads`: attention (query) heads, `kv_heads`: key and value heads.
    """
    tp, pp, dp = (args.get(f"{kind}_parallel_size", 1) for kind in ("tensor", "pipeline", "data"))
    found = []
    if heads and heads % tp:
        possible = [str(n) for n in (1, 2, 4, 8, 16) if heads % n == 0]
        found.append(
            f"--tensor-parallel-size {tp} does not divide the model's {heads} attention heads;"
            f" possible: {', '.join(possible)}"
        )
    elif kv_heads and kv_heads % tp and tp % kv_heads:
        found.append(
            f"--tensor-parallel-size {tp} neither divides the model's {kv_heads} key and value heads nor is a"
            " multiple of them"
        )
    if layers and pp > layers:
        found.append(f"--pipeline-parallel-size {pp} is more stages than the model's {layers} layers")
    need = tp * pp * dp
    if gpus is not None and need > gpus:
        parts = " x ".join(str(n) for n in (tp, pp, dp) if n > 1) or "1"
        found.append(
            f"the parallel sizes ({parts}) need {need} GPUs and the instance has {gpus}:"
            " an endpoint's deployment does not span instances"
        )
    return found


def _long(name: str) -> str:
    return "--" + name.replace("_", "-")


def _shown(argument: Argument | None, name: str, value: Value) -> list[str]:
    flag = _long(name)
    if value is True:
        return [flag]
    if value is False:
        return ["--no-" + flag.removeprefix("--")]
    if isinstance(value, list) and argument is not None and argument.nargs in {"+", "*"}:
        return [flag, *(_text(item) for item in value)]
    return [f"{flag}={_text(value)}"]


def _text(value: Value) -> str:
    if isinstance(value, dict | list):
        return json.dumps(value, sort_keys=True, separators=(",", ":"))
    return str(value)
