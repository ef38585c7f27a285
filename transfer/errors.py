"""Errors of the copy: what is wrong, why it matters, how to fix it. One class for each thing a caller can
act on.
"""

from __future__ import annotations


class TransferError(Exception):
    """Any failure of a copy; the message is meant to be shown as it is."""


class Cancelled(TransferError):
    """The run was asked to stop. What was staged stays staged: the next run goes on from there."""


class Retryable(TransferError):
    """A failure that may pass. `after`: seconds that the other side asked us to wait."""

    def __init__(self, message: str, *, after: float | None = None, busy: bool = False) -> None:
        super().__init__(message)
        self.after = after
        self.busy = busy


class SourceError(TransferError):
    """The source does not give the file: missing, gated, refused, or not readable. `about` says which part
    of the request is to be looked at: repository, revision, token, or "" for none of them.
    """

    def __init__(self, message: str, *, about: str = "") -> None:
        super().__init__(message)
        self.about = about


class SourceChanged(SourceError):
    """The source answers with something else than what was listed when the copy began."""


class DigestMismatch(TransferError):
    """What arrived is not what the source says it has. Nothing is committed under that name."""

    def __init__(self, path: str, kind: str, expected: str, actual: str, where: str) -> None:
        self.path, self.kind, self.expected, self.actual = path, kind, expected, actual
        super().__init__(
            f"{path}: the {kind} of what {where} is {actual}, but the source lists {expected}. The file "
            "was not committed. Run the copy again; if it stays, the source or a proxy in between changes "
            "bytes, or the lock is not of this commit (make lock)."
        )


class DestinationError(TransferError):
    """The blob service refuses: the message names the operation, the service's code and what to do."""

    def __init__(self, message: str, *, status: int = 0, code: str = "") -> None:
        super().__init__(message)
        self.status, self.code = status, code


class DestinationFull(DestinationError):
    """The account or container takes no more bytes."""


class AccessDenied(DestinationError):
    """The credential is not allowed to do this, or is not one."""


class ContainerGone(DestinationError):
    """The service says, to a caller it knows, that there is no such container."""


class NotWhole(TransferError):
    """Files at the destination are missing or differ from the source."""
