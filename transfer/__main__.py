"""`python -m transfer plan|copy|verify SOURCE[@REVISION] CONTAINER_URL`: the library on a command line.

What is left out: what the arguments mean (`arguments`), and every byte of the copy (`api`).
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from transfer import api
from transfer.arguments import parser, request
from transfer.cancel import Cancellation
from transfer.errors import Cancelled, TransferError
from transfer.progress import BarWatcher, LogWatcher, size, summary


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it went well, 1 with one line of explanation, 130 when it was interrupted."""
    options = parser().parse_args(argv)
    # What goes wrong is said once, by the error; azure-identity would log each credential it tries as well.
    logging.getLogger("azure").addHandler(logging.NullHandler())
    cancel = Cancellation()
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: wakes whatever waits
    try:
        _COMMANDS[options.command](options, cancel)
        sys.stdout.flush()
    except (KeyboardInterrupt, Cancelled):
        print("stopped; what is staged stays: the same command goes on from there", file=sys.stderr)
        return 130
    except TransferError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # `| head` has read enough; the exit must not flush into it again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


def _plan(options: argparse.Namespace, cancel: Cancellation) -> None:
    found = api.plan(request(options), watcher=_lines(options), cancel=cancel)
    for entry in found.snapshot.files:
        state = "present" if entry in found.present else "resume" if entry.path in found.resumable else "copy"
        print(f"{state:8} {size(entry.size):>10}  {entry.path}")
    missing = sum(entry.size for entry in found.missing)
    print(f"{found.snapshot.repository}@{found.snapshot.commit} -> {found.prefix}")
    print(f"{len(found.missing)} of {len(found.snapshot.files)} files to copy, {size(missing)}")


def _copy(options: argparse.Namespace, cancel: Cancellation) -> None:
    with _watcher(options) as watcher:
        copied = api.copy_snapshot(request(options), watcher=watcher, cancel=cancel)
    print(summary(copied.report))
    print(f"{copied.snapshot.repository}@{copied.snapshot.commit} is at {copied.prefix}")
    if options.report:
        try:
            Path(options.report).write_text(json.dumps(vars(copied.report)))
        except OSError as problem:
            raise TransferError(
                f"the copy is done, but --report {options.report} cannot be written: {problem.strerror}."
            ) from None


def _verify(options: argparse.Namespace, cancel: Cancellation) -> None:
    with _watcher(options) as watcher:
        report = api.verify(request(options), watcher=watcher, cancel=cancel)
    print(
        f"all {report.files} files are whole: {size(report.bytes_read)} read back in {report.seconds:.1f} s"
    )


_COMMANDS = {"plan": _plan, "copy": _copy, "verify": _verify}


def _watcher(options: argparse.Namespace) -> BarWatcher | LogWatcher:
    return BarWatcher() if sys.stderr.isatty() and not options.plain else _lines(options)


def _lines(options: argparse.Namespace) -> LogWatcher:
    return LogWatcher(options.source, lambda line: print(line, file=sys.stderr, flush=True))


if __name__ == "__main__":
    sys.exit(main())
