"""Reads urlencoded forms, which is all that token requests send; repeated fields are kept."""

from __future__ import annotations

from urllib.parse import parse_qsl

from starlette.requests import Request


async def read_form(request: Request) -> list[tuple[str, str]]:
    """Return the fields of a request's body in their order."""
    return parse_qsl((await request.body()).decode("utf-8", errors="replace"), keep_blank_values=True)
