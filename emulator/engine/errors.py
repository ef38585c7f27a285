"""Errors of the embedded engine. Every message says what is wrong, why it matters and what to do."""

from __future__ import annotations


class EngineError(Exception):
    """Something the user can act on; printed as one message, never as a traceback."""

    exit_code = 1


class BadInvocation(EngineError):
    """The flags do not go together, or one is missing."""

    exit_code = 2


class Unsupported(EngineError):
    """A feature of the Pulumi CLI that this engine does not have. It is refused by name, never ignored."""

    def __init__(self, what: str, why: str = "") -> None:
        reason = f" ({why})" if why else ""
        super().__init__(
            f"{what} is not supported by the embedded engine{reason}. "
            "Install the Pulumi CLI and run the same command with it; it reads the same state and "
            "configuration."
        )


class Bail(EngineError):
    """A deployment stopped and the reason has already been reported as a diagnostic."""


class Cancelled(Bail):
    """The user asked for the deployment to stop."""


class NoChangesExpected(EngineError):
    """--expect-no-changes was given and there were changes."""

    exit_code = 7
