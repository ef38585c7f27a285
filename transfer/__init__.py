"""Hugging Face to Blob storage in one stream, once, and verified. Usable without Pulumi.

    from transfer import Request, TokenAccess, copy_snapshot
    copy_snapshot(Request(source="Qwen/Qwen3-8B", container_url=URL, access=TokenAccess(credential)))

or `python -m transfer plan|copy|verify REPO[@REV] CONTAINER_URL`. docs/transfer.md says how it works.
"""

from transfer.access import KeyAccess, SasAccess, TokenAccess
from transfer.api import copy_snapshot, plan, remove, state, verify
from transfer.cancel import Cancellation
from transfer.errors import TransferError
from transfer.model import FileEntry, Report, Snapshot, snapshot_of_lock
from transfer.request import BlobFolder, Copied, Plan, Request, Silent, Watcher
from transfer.selection import Selection

__all__ = [
    "BlobFolder",
    "Cancellation",
    "Copied",
    "FileEntry",
    "KeyAccess",
    "Plan",
    "Report",
    "Request",
    "SasAccess",
    "Selection",
    "Silent",
    "Snapshot",
    "TokenAccess",
    "TransferError",
    "Watcher",
    "copy_snapshot",
    "plan",
    "remove",
    "snapshot_of_lock",
    "state",
    "verify",
]
