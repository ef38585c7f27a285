"""Azure's error envelope. One exception class; what is refused says so with the code Azure uses, where
known.
"""

from __future__ import annotations

from typing import Any


class ArmError(Exception):
    """An answer that is not a success: HTTP status, Azure's code, and a text for people."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        target: str | None = None,
        details: list[dict[str, Any]] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.target = target
        self.details = details or []
        self.headers = headers or {}

    def body(self) -> dict[str, Any]:
        """Return the inside of the envelope, as it also stands in a failed asynchronous operation."""
        out: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.target:
            out["target"] = self.target
        if self.details:
            out["details"] = self.details
        return out

    def envelope(self) -> dict[str, Any]:
        return {"error": self.body()}


def not_found(resource_id: str) -> ArmError:
    """Return ARM's answer for a resource that is not there."""
    parts = resource_id.split("/providers/")
    group = parts[0].split("/resourceGroups/")[-1] if "/resourceGroups/" in parts[0] else ""
    what = "/".join(parts[1:]) or resource_id
    return ArmError(
        404,
        "ResourceNotFound",
        f"The Resource '{what}' under resource group '{group}' was not found. "
        "For more details please go to https://aka.ms/ARMResourceNotFoundFix",
    )


def bad_request(message: str, *, code: str = "BadRequest", target: str | None = None) -> ArmError:
    return ArmError(400, code, message, target=target)


def user_error(message: str, *, target: str | None = None) -> ArmError:
    """Return a 400 as the Machine Learning provider words it (code UserError, azure-ai-ml's recorded
    answers).
    """
    return ArmError(400, "UserError", message, target=target)


def conflict(message: str, *, code: str = "Conflict") -> ArmError:
    return ArmError(409, code, message)
