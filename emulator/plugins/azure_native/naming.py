"""Names and locations that a program leaves out, as azure-native fills them in.

Only the last path parameter is ever filled: top-level resources get the logical name and eight random
hexadecimal digits, children the logical name, role assignments a UUID; a random name makes replacements
create first. Source: getDefaultName and applyDefaults in provider/pkg/provider/provider.go.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid
from typing import Any

from emulator.plugins.azure_native import shapes
from emulator.plugins.azure_native.table import Row
from emulator.plugins.protocol import provider_pb2
from emulator.plugins.values import Properties

CREATE_FIRST = "__createBeforeDelete"  # azure-native's mark in the inputs for randomly named resources
_MODE = provider_pb2.CheckRequest.AutonamingOptions


def fill_name(row: Row, news: Properties, olds: Properties, request: Any, logical: str) -> None:
    """Set the last path parameter of `news` when it is missing, and the mark when the name is random."""
    parameters = shapes.path_parameters(row)
    if not parameters or news.get(parameters[-1]) is not None or row.autoname == "none":
        return
    key = parameters[-1]
    if key in olds:
        name, is_random = olds[key], olds.get(CREATE_FIRST) is True
    else:
        name, is_random = _new_name(row, request, logical)
    if name is None:
        return
    news[key] = name
    if is_random:
        news[CREATE_FIRST] = True


def _new_name(row: Row, request: Any, logical: str) -> tuple[str | None, bool]:
    if request.HasField("autonaming"):
        mode = request.autonaming.mode
        if mode == _MODE.DISABLE:
            return None, False
        if mode == _MODE.ENFORCE or (mode == _MODE.PROPOSE and row.autoname != "uuid"):
            return request.autonaming.proposed_name, True
    if row.autoname == "random":
        return logical + _hex(request.randomSeed, logical, 8), True
    if row.autoname == "uuid":
        return str(uuid.UUID(_hex(request.randomSeed, logical, 32))), True
    return logical, False


def _hex(seed: bytes, logical: str, digits: int) -> str:
    """Return random digits; with the engine's seed, preview and update agree on them."""
    if not seed:
        return secrets.token_hex(digits // 2)
    return hashlib.sha256(bytes(seed) + logical.encode()).hexdigest()[:digits]
