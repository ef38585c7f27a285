"""What can be wrong with the facts that sizing starts from.

Every error says what is wrong, why it matters and how to fix it. Nothing here knows where the facts came
from.
"""

from __future__ import annotations


class ServingError(Exception):
    """Base of everything this package raises on purpose."""


class UnknownModelError(ServingError):
    """The configuration cannot be read, or describes something that is not modelled: no number is given."""


class UnknownHardwareError(ServingError):
    """A GPU or an Azure SKU that is in no table of this package."""


class BadArgumentsError(ServingError):
    """vLLM arguments that vLLM, or the place it is started in, would refuse."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(self.problems))


class BadSnapshotError(ServingError):
    """A repository's files that cannot be served or do not add up."""


class LockError(ServingError):
    """The lock file is missing, unreadable, or contradicts what asks it."""
