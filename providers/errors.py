"""Errors of the dynamic providers: what is wrong, why it matters, how to fix it.

One text per cause, no tracebacks: Pulumi prints the message of an exception that a dynamic provider raises.
"""

from __future__ import annotations


class ProviderError(Exception):
    """Something a person can act on; the message is shown by `pulumi` as it is."""


class CredentialError(ProviderError):
    """No way to authenticate, or one that was configured and does not work."""


class ArmError(ProviderError):
    """Azure Resource Manager refused a request, or an operation it accepted failed."""

    def __init__(self, status: int, code: str, message: str, *, request: str, request_id: str = "") -> None:
        """`request` is `METHOD path`; `request_id` is Azure's correlation id, for a support ticket."""
        self.status, self.code, self.reason, self.request, self.request_id = (
            status,
            code,
            message,
            request,
            request_id,
        )
        trailer = f" (request id {request_id})" if request_id else ""
        super().__init__(f"{request}: {status} {code}: {message}{trailer}")


class NotYetAllowed(ProviderError):
    """Refused, but a role assignment that takes effect later may change that."""


class SmokeTestError(ProviderError):
    """A deployment that is up does not serve; `stage` says which step failed."""

    def __init__(self, stage: str, message: str) -> None:
        self.stage = stage
        super().__init__(f"smoke test failed at '{stage}': {message}")
