"""ARM resource ids: made from inputs, and read back into path parameters for imports."""

from __future__ import annotations

import re
import urllib.parse

from emulator.plugins.azure_native.table import Row
from emulator.plugins.errors import PluginError
from emulator.plugins.values import Properties

SUB_PATHS = {"scope", "resourceUri"}  # hold slashes and are not encoded


def make(path: str, values: Properties, subscription: str) -> str:
    """Fill a path template; raises PluginError when a parameter is missing or not a string."""

    def fill(match: re.Match[str]) -> str:
        name = match.group(1)
        value = subscription if name == "subscriptionId" and name not in values else values.get(name)
        if not isinstance(value, str) or not value:
            raise PluginError(
                f"the path parameter '{name}' of {path} must be a non-empty string, but is {value!r}"
            )
        return value.strip("/") if name in SUB_PATHS else urllib.parse.quote(value, safe="@:!$&'()*+,;=")

    return re.sub(r"\{(\w+)\}", fill, path)


def parse(row: Row, id_: str) -> Properties:
    """Return the path parameters in an id; names of types compare without case, as ARM's do."""
    pattern = re.escape(row.path)
    for name in re.findall(r"\{(\w+)\}", row.path):
        value = "(.+?)" if name in SUB_PATHS else "([^/]+)"
        pattern = pattern.replace(re.escape("{" + name + "}"), value.replace("(", f"(?P<{name}>", 1))
    match = re.fullmatch(pattern, id_, re.IGNORECASE)
    if not match:
        raise PluginError(f"'{id_}' is not an id of {row.token}: it must look like {row.path}")
    found = {
        name: urllib.parse.unquote(value)
        for name, value in match.groupdict().items()
        if name != "subscriptionId"
    }
    return {name: f"/{value}" if name in SUB_PATHS else value for name, value in found.items()}
