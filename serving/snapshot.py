"""What a repository's file list says about its weights: which files they are, and whether they are whole.

Only names and sizes are looked at (and the shard index, when it is given). Contents and digests are the
transfer's business.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from serving.errors import BadSnapshotError

INDEX = "model.safetensors.index.json"
PICKLES = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.pickle", "*.ckpt")
SHARD = re.compile(r"^(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.safetensors$")
# The authors' own layout of the same weights, beside the one vLLM reads by default.
DUPLICATES = ("original/*", "consolidated*.safetensors", "metal/*")


@dataclass(frozen=True)
class WeightFiles:
    """The safetensors files vLLM would load, and their sum in bytes."""

    paths: tuple[str, ...]
    bytes: int


def weight_files(sizes: Mapping[str, int], index: Mapping[str, Any] | None = None) -> WeightFiles:
    """`sizes`: path to bytes.

    Raises `BadSnapshotError` for weights that are missing, not whole, or pickles.
    """
    found = {
        path: size
        for path, size in sorted(sizes.items())
        if path.endswith(".safetensors") and not _any(path, DUPLICATES) and "adapter" not in path
    }
    if not found:
        raise BadSnapshotError(_no_weights(sizes))
    problems = [*_shards(found, sizes), *_index(found, index)]
    if problems:
        raise BadSnapshotError("; ".join(problems))
    return WeightFiles(tuple(found), sum(found.values()))


def _no_weights(sizes: Mapping[str, int]) -> str:
    pickles = sorted(path for path in sizes if _any(path, PICKLES))
    if pickles:
        return (
            f"the weights are pickles only ({', '.join(pickles[:3])}): loading one runs code from it. Choose"
            " a repository (or a revision) with safetensors, or convert it and keep the result in your own."
        )
    if any(path.endswith(".gguf") for path in sizes):
        return "the weights are GGUF only, which sizing does not cover: choose a repository with safetensors."
    return "there are no safetensors files: this is no repository of weights that vLLM loads."


def _shards(found: Mapping[str, int], sizes: Mapping[str, int]) -> list[str]:
    """Every shard of each set must be there, and a sharded model needs its index."""
    sets: dict[tuple[str, int], set[int]] = {}
    for path in found:
        match = SHARD.match(path)
        if match:
            key = (match["stem"], int(match["count"]))
            sets.setdefault(key, set()).add(int(match["number"]))
    problems = []
    for (stem, count), numbers in sets.items():
        missing = sorted(set(range(1, count + 1)) - numbers)
        if missing:
            names = ", ".join(f"{stem}-{n:05d}-of-{count:05d}.safetensors" for n in missing[:3])
            problems.append(f"{len(missing)} of {count} shards are missing ({names}): the size is unknown")
        if not any(path.endswith(".safetensors.index.json") for path in sizes):
            problems.append(
                f"{INDEX} is missing: without it nobody knows that the {count} shards are the model"
            )
    return problems


def _index(found: Mapping[str, int], index: Mapping[str, Any] | None) -> list[str]:
    """The index names its shards and the bytes of their tensors; headers come on top of those."""
    if index is None:
        return []
    places = index.get("weight_map")
    if not isinstance(places, Mapping) or not places:
        return [f"{INDEX} has no weight_map: download it again"]
    absent = sorted({str(name) for name in places.values()} - set(found))
    if absent:
        return [f"{INDEX} names {', '.join(absent[:3])}, which the repository does not have"]
    metadata = index.get("metadata")
    total = metadata.get("total_size") if isinstance(metadata, Mapping) else None
    stored = sum(found[str(name)] for name in set(places.values()))
    # Headers are kilobytes to a few megabytes; more means another file's size. Tied tensors may be counted
    # twice.
    if isinstance(total, int) and not total * 0.999 <= stored <= total * 1.01 + (64 << 20):
        return [f"{INDEX} says {total} bytes of tensors, the shards have {stored}: the sizes do not add up"]
    return []


def _any(path: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in patterns)
