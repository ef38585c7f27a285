"""Texts that look like secrets, by the shape their issuers give them. Such a text is never shown."""

import re

VALUES = (
    re.compile(r"\bhf_[A-Za-z0-9]{20,}"),
    re.compile(r"\bsk-[A-Za-z0-9_-]{20,}"),
    re.compile(r"\bgh[pousr]_[A-Za-z0-9]{30,}"),
    re.compile(r"AccountKey=[A-Za-z0-9+/]{40,}"),
    re.compile(r"[?&]sig=[A-Za-z0-9%]{20,}"),
    re.compile(r"\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\."),
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
)


def is_token(text: str) -> bool:
    """Whether a secret of a known shape is in the text."""
    return any(pattern.search(text) for pattern in VALUES)
