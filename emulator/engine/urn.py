"""Names of resources: URNs and provider references, taken apart and put together.

`urn:pulumi:STACK::PROJECT::PARENT_TYPE$TYPE::NAME`; a provider reference is `URN::ID`. Nothing here validates
names: the engine reports what it cannot parse where it meets it.
"""

from __future__ import annotations

import re

STACK_TYPE = "pulumi:pulumi:Stack"
PROVIDER_PREFIX = "pulumi:providers:"
UNCONFIGURED_ID = "unconfigured"
DENY_DEFAULT = "denydefaultprovider"
DENIED = f"urn:pulumi:denied::denied::{PROVIDER_PREFIX}{DENY_DEFAULT}::{DENY_DEFAULT}"


def make(stack: str, project: str, parent_type: str, type_: str, name: str) -> str:
    qualified = f"{parent_type}${type_}" if parent_type else type_
    return f"urn:pulumi:{stack}::{project}::{qualified}::{name}"


def child(stack: str, project: str, parent: str, type_: str, name: str) -> str:
    """The URN of a resource under `parent` (a URN or empty)."""
    parent_type = ""
    if parent and qualified_type(parent) != STACK_TYPE:
        parent_type = qualified_type(parent)
    return make(stack, project, parent_type, type_, name)


def _parts(urn: str) -> list[str]:
    return urn.split("::", 3)


def stack_of(urn: str) -> str:
    return _parts(urn)[0].removeprefix("urn:pulumi:")


def project_of(urn: str) -> str:
    return _parts(urn)[1]


def qualified_type(urn: str) -> str:
    parts = _parts(urn)
    return parts[2] if len(parts) > 2 else ""


def type_of(urn: str) -> str:
    return qualified_type(urn).rsplit("$", 1)[-1]


def name_of(urn: str) -> str:
    parts = _parts(urn)
    return parts[3] if len(parts) > 3 else ""


def is_valid(urn: str) -> bool:
    return urn.startswith("urn:pulumi:") and len(_parts(urn)) == 4


def root_stack(stack: str, project: str) -> str:
    return make(stack, project, "", STACK_TYPE, f"{project}-{stack}")


def package_of(type_or_token: str) -> str:
    """The package of a type or function token: its first segment, or the provider's package."""
    if is_provider_type(type_or_token):
        return type_or_token[len(PROVIDER_PREFIX) :]
    return type_or_token.split(":", 1)[0]


def is_provider_type(type_: str) -> bool:
    return type_.startswith(PROVIDER_PREFIX)


def is_default_provider(urn: str) -> bool:
    return is_provider_type(type_of(urn)) and (
        name_of(urn) == "default" or name_of(urn).startswith("default_")
    )


def parse_reference(reference: str) -> tuple[str, str]:
    """Split a provider reference into the provider's URN and ID."""
    urn, _, identifier = reference.rpartition("::")
    if not is_valid(urn):
        raise ValueError(f"expected a provider reference of the form URN::ID, got {reference!r}")
    return urn, identifier


def reference_urn(reference: str) -> str:
    return parse_reference(reference)[0]


def into_qname(text: str) -> str:
    """What Pulumi makes of a download URL so that it can be part of a default provider's name."""
    return "/".join(re.sub(r"[^A-Za-z0-9_.\-]", "_", part) for part in text.split("/") if part) or "_"
