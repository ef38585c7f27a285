"""Which repositories the hub has. One real small model; the rest are synthetic and say so in their README
and config.

The synthetic ones stand for models that are far too big for a laptop, so that stacks which name them can be
tried. Their config.json has the architecture facts of the real model, because sizing reads them; their
weights are a few bytes.
"""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emulator.hub.content import Snapshot, read_folder

REAL_MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct"
GATED_MODEL = "embedded-azure/gated"
PICKLE_MODEL = "embedded-azure/pickle-only"
TINY_MODEL = "embedded-azure/tiny"
MARKER = "synthetic: made by the embedded Azure, these are not the real weights"

QWEN3 = {
    # As published with Qwen/Qwen3-8B; unverified here, where the real hub cannot be reached.
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "hidden_size": 4096,
    "intermediate_size": 12288,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "max_position_embeddings": 40960,
    "vocab_size": 151936,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}
LLAMA31 = {
    # As published with Llama 3.1 8B, of which the distilled model has the shape; unverified here.
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "max_position_embeddings": 131072,
    "vocab_size": 128256,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}
TINY = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 8,
    "num_hidden_layers": 1,
}


@dataclass(frozen=True)
class Repository:
    """`revisions` maps branch and tag names to snapshots; commits are found by their id."""

    name: str
    revisions: Mapping[str, Snapshot]
    gated: bool = False
    tags: frozenset[str] = frozenset()
    card: Mapping[str, Any] = field(default_factory=dict)

    def at(self, revision: str) -> Snapshot | None:
        if revision in self.revisions:
            return self.revisions[revision]
        commits = {snapshot.commit: snapshot for snapshot in self.revisions.values()}
        return commits.get(revision)


def load(models: Path, folder: Path) -> dict[str, Repository]:
    """All repositories by lower-case name. `models` is bootstrap's, `folder` takes what is made here."""
    shutil.rmtree(folder / "repositories", ignore_errors=True)
    made = [
        _synthetic(folder, "Qwen/Qwen3-8B", QWEN3, shards=2),
        _synthetic(folder, "deepseek-ai/DeepSeek-R1-Distill-Llama-8B", LLAMA31, shards=2),
        _synthetic(folder, GATED_MODEL, TINY, gated=True),
        _pickle_only(folder),
        _tiny(folder),
        _real(models, folder),
    ]
    return {repository.name.lower(): repository for repository in made}


def _real(models: Path, folder: Path) -> Repository:
    source = models / REAL_MODEL
    if not (source / "config.json").exists():
        # Without bootstrap's model, requests and copies can still be tried.
        return _synthetic(folder, REAL_MODEL, TINY)
    return Repository(REAL_MODEL, {"main": read_folder(source, folder / "hashes.json")})


def _synthetic(
    folder: Path, name: str, config: Mapping[str, Any], *, shards: int = 1, gated: bool = False
) -> Repository:
    files = _texts(name, config)
    names = [f"model-{n + 1:05}-of-{shards:05}.safetensors" for n in range(shards)]
    if shards == 1:
        names = ["model.safetensors"]
    weights = {f"model.layers.{n}.weight": name for n, name in enumerate(names)}
    for tensor, file in weights.items():
        files[file] = safetensors({tensor: bytes(range(256)) * 16})
    if shards > 1:
        index = {"metadata": {"total_size": 4096 * shards}, "weight_map": weights}
        files["model.safetensors.index.json"] = json.dumps(index, indent=2).encode()
    return Repository(name, {"main": _write(folder, name, "main", files)}, gated=gated)


def _pickle_only(folder: Path) -> Repository:
    files = _texts(PICKLE_MODEL, TINY) | {"pytorch_model.bin": b"\x80\x02}q\x00." + b"synthetic" * 64}
    return Repository(PICKLE_MODEL, {"main": _write(folder, PICKLE_MODEL, "main", files)})


def _tiny(folder: Path) -> Repository:
    """Two commits, a branch, a tag, nested folders and an empty file: what copies have to get right."""
    old = _texts(TINY_MODEL, TINY) | {"model.safetensors": safetensors({"weight": b"\x00" * 512})}
    new = old | {
        "model.safetensors": safetensors({"weight": bytes(range(256)) * 64}),
        "original/params.json": b'{"dim": 8}\n',
        "original/notes with space.txt": b"nested\n",
        "empty.txt": b"",
    }
    before = _write(folder, TINY_MODEL, "v1", old)
    after = _write(folder, TINY_MODEL, "main", new)
    return Repository(TINY_MODEL, {"main": after, "v1": before, "old-branch": before}, tags=frozenset({"v1"}))


def _texts(name: str, config: Mapping[str, Any]) -> dict[str, bytes]:
    readme = f"---\nlicense: apache-2.0\n---\n# {name}\n\n{MARKER}.\n"
    return {
        "README.md": readme.encode(),
        ".gitattributes": b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n",
        "config.json": json.dumps({**config, "_embedded_azure": MARKER}, indent=2).encode() + b"\n",
        "generation_config.json": b"{}\n",
        "tokenizer_config.json": json.dumps({"_embedded_azure": MARKER}).encode() + b"\n",
    }


def safetensors(tensors: Mapping[str, bytes]) -> bytes:
    """A valid safetensors file of unsigned bytes (format: github.com/huggingface/safetensors, "Format")."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt", "note": MARKER}}
    at = 0
    for name, data in tensors.items():
        header[name] = {"dtype": "U8", "shape": [len(data)], "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(tensors.values())


def _write(folder: Path, name: str, revision: str, files: Mapping[str, bytes]) -> Snapshot:
    root = folder / "repositories" / name / revision
    for path, content in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return read_folder(root)
