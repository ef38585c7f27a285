"""OData filters of the lists that take one: `NAME eq 'VALUE'` joined by `and`, and functions (`atScope()`).

A filter that is not understood is refused: a list that ignored it would answer too much.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from emulator.azure.errors import ArmError

_EQUALS = re.compile(r"(\w+)\s+eq\s+'([^']*)'", re.IGNORECASE)


def parse(text: str, known: Iterable[str]) -> dict[str, str]:
    """Return the compared names in lower case, and functions such as `atscope()` with an empty value;
    raises ArmError 400 for what is not among the `known` names.
    """
    names = {name.lower() for name in known}
    found = {}
    for part in re.split(r"\s+and\s+", text.strip(), flags=re.IGNORECASE) if text.strip() else []:
        match = _EQUALS.fullmatch(part)
        name, value = (match[1].lower(), match[2]) if match else (part.lower(), "")
        if name not in names or (match is None and not name.endswith("()")):
            message = f"Invalid $filter '{text}' specified in the query string: '{part}' is not understood."
            raise ArmError(400, "InvalidFilterInQueryString", message)
        found[name] = value
    return found
