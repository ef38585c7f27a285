"""What every dynamic provider of this package does the same way.

They are stateless, so the pickle that goes into the state is a reference to a class and nothing else; they
take the stack's `azure-native:*` configuration when the plugin configures them and credentials when they
are called.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterable
from typing import Any

from pulumi.dynamic import ConfigureRequest, DiffResult, ReadResult, ResourceProvider
from pulumi.output import Unknown

from providers import arm, credentials
from providers.errors import ArmError, ProviderError

ML_API = "2025-12-01"  # what azure-native 3.29 uses for machinelearningservices


class AzureProvider(ResourceProvider):
    """A dynamic provider that talks to Azure as azure-native does."""

    # There is nothing secret in a provider without attributes; the default would encrypt it in every
    # resource.
    serialize_as_secret_always = False

    def configure(self, req: ConfigureRequest) -> None:
        """Take the stack's azure-native settings; nothing is kept in the instance."""
        values = {key: req.config.get(f"azure-native:{key}") for key in credentials.SETTINGS}
        credentials.use_configuration(values)
        say_failures_plainly()


def say_failures_plainly() -> None:
    """Let a failure that is meant for a person be its sentence, not its traceback.

    pulumi.dynamic answers every exception with `traceback.format_exc()`, which is the only place to say
    otherwise. What is not one of our own errors is a fault of the program and keeps its traceback.
    """
    original = traceback.format_exc
    if getattr(original, "plain", False):
        return

    def format_exc(*args: Any, **options: Any) -> str:
        problem = sys.exc_info()[1]
        return str(problem) if _for_people(problem) else original(*args, **options)

    format_exc.plain = True  # type: ignore[attr-defined]
    traceback.format_exc = format_exc


def _for_people(problem: BaseException | None) -> bool:
    copying = sys.modules.get("transfer.errors")  # imported only where something is copied
    return isinstance(problem, (ProviderError, *([copying.TransferError] if copying else [])))


def unknown(value: Any) -> bool:
    """Whether `value` is, or holds, what only `up` will know."""
    if isinstance(value, Unknown):
        return True
    if isinstance(value, dict):
        return any(unknown(item) for item in value.values())
    return isinstance(value, list | tuple) and any(unknown(item) for item in value)


def diff(
    olds: dict[str, Any],
    news: dict[str, Any],
    *,
    identity: Iterable[str],
    generation: Iterable[str] = (),
    settings: Iterable[str] = (),
    delete_before_replace: bool = False,
) -> DiffResult:
    """Compare state and inputs of a resource that stands on another one.

    A change or an unknown in `identity` (ids) replaces. `generation` (when what the id names was created)
    replaces only when it is known and new: an update in place makes it unknown in a preview although it
    stays. `settings` update.
    """
    replaces = [key for key in identity if unknown(news.get(key)) or news.get(key) != olds.get(key)]
    replaces += [key for key in generation if not unknown(news.get(key)) and news.get(key) != olds.get(key)]
    changed = any(unknown(news.get(key)) or news.get(key) != olds.get(key) for key in settings)
    return DiffResult(
        changes=bool(replaces) or changed,
        replaces=replaces,
        delete_before_replace=delete_before_replace and bool(replaces),
    )


def read_live(id_: str, props: dict[str, Any], target: str, api_version: str) -> dict[str, Any] | ReadResult:
    """GET what a resource stands on, for its `read`: the body, or the ReadResult to answer with instead.

    Only an authenticated 404 means gone. A preview has Reader and may not reach everything: then the old
    state is the best that is known, and stderr says that it was not checked.
    """
    try:
        return arm.request("GET", target, api_version)
    except ArmError as problem:
        if problem.status == 404:
            return ReadResult("", {})
        return not_checked(id_, props, problem)
    except ProviderError as problem:
        return not_checked(id_, props, problem)


def not_checked(id_: str, props: dict[str, Any], problem: Exception) -> ReadResult:
    """The old state, with a word on stderr that it could not be compared with Azure."""
    print(f"not checked: {id_}: {problem}", file=sys.stderr)
    return ReadResult(id_, props)
