"""What the blob service's final answers mean, and what to do about them."""

from __future__ import annotations

import re

from transfer.errors import AccessDenied, ContainerGone, DestinationError, DestinationFull

_ROLE = (
    "The identity needs the role Storage Blob Data Contributor on the container (a new assignment takes "
    "minutes to count), and the account's firewall must let this machine in."
)
# https://learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes
_ADVICE = {
    "KeyBasedAuthenticationNotPermitted": "The account takes no key and no SAS signed with one: "
    "use an identity (no SAS in the address, no AZURE_STORAGE_KEY).",
    "AuthenticationFailed": "The account key, SAS or token is not valid here, or not any more.",
}
# Codes that mean "no more room". Which of them a full account answers with is unverified; each is taken as
# final.
_FULL = re.compile(r"Quota|Capacity|InsufficientStorage|LimitExceeded|DiskFull", re.IGNORECASE)


def refusal(what: str, status: int, code: str, message: str) -> DestinationError:
    """The error for an answer that trying again does not change."""
    said = f"{what}: {status} {code}: {message}".rstrip(": .")
    if _FULL.search(code) or status == 507:
        return DestinationFull(
            f"{said}. The storage takes no more bytes; what is staged stays for a week. Make room or raise "
            "the account's quota, then run the copy again: it goes on from there.",
            status=status,
            code=code,
        )
    if status in (401, 403) or code == "InvalidAuthenticationInfo":
        return AccessDenied(f"{said}. {_ADVICE.get(code, _ROLE)}", status=status, code=code)
    if code == "ContainerNotFound":
        return ContainerGone(f"{said}. Make the container, or check its address.", status=status, code=code)
    return DestinationError(f"{said}.", status=status, code=code)
