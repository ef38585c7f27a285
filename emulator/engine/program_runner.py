"""Runs a Pulumi program, in the program's own interpreter: imports the SDK, reads instructions, runs.

Started as a script, so that it needs nothing but the program's packages. It does what Pulumi's own
`pulumi-language-python-exec` does; only the instructions come as one line of JSON on standard input.

It is made to start and end fast: what the SDK's import leaves in memory stays there, so nothing is collected
meanwhile, and the process ends without taking all of that apart again.
"""

import asyncio
import atexit
import gc
import json
import logging
import os
import runpy
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor

SHOWN = 32  # exit code: the error has been shown to the user already

# The script's own folder must not be on the path: its neighbours have the names of common modules.
sys.path[:] = [
    entry for entry in sys.path if os.path.abspath(entry or ".") != os.path.dirname(os.path.abspath(__file__))
]

outcome: list[int] = []  # the exit code, once the program has ended in a way that `main` knows


def leave() -> None:
    """End without an interpreter's last step, which takes every module and class apart: a third of a second.

    Threads have ended by now, and the handlers of everybody else have run: they run in the reverse order of
    their registration, and only `logging` comes before this one.
    """
    if outcome:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(outcome[0])


atexit.register(leave)
gc.disable()

try:
    import pulumi
    import pulumi.runtime
except ImportError:
    traceback.print_exc()
    print(
        "\nIt looks like the Pulumi SDK has not been installed. Have you run pip install?\n"
        "If you are running in a virtualenv, you must run pip install -r requirements.txt from inside the "
        "virtualenv.",
        file=sys.stderr,
    )
    sys.exit(1)

gc.freeze()
gc.enable()


def main() -> int:
    line = sys.stdin.readline()
    if not line:
        return 0  # the engine had no use for us
    told = json.loads(line)
    if not told["debug"]:
        # The SDK sends each debug message in a call of its own and waits for the answer, several a resource.
        pulumi.log.debug = lambda *_args, **_options: None
    os.environ["PULUMI_CONFIG"] = json.dumps(told["config"])
    os.environ["PULUMI_CONFIG_SECRET_KEYS"] = json.dumps(told["secret_keys"])
    pulumi.runtime.set_all_config(told["config"], told["secret_keys"])
    pulumi.runtime.configure(
        pulumi.runtime.Settings(
            monitor=told["monitor"],
            engine=told["engine"],
            project=told["project"],
            stack=told["stack"],
            parallel=told["parallel"],
            dry_run=told["dry_run"],
            organization=told["organization"],
            root_directory=told["root"],
        )
    )
    os.chdir(told["folder"])
    sys.argv = [told["program"]]
    sys.stdin = open(os.devnull)  # noqa: SIM115 (open for the life of the process)
    return run(told["program"], told["parallel"])


def run(program: str, parallel: int) -> int:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    executor = ThreadPoolExecutor(max_workers=max(parallel, 1) * 4)
    loop.set_default_executor(executor)
    # A failing program leaves unresolved futures behind on purpose; asyncio would complain about each.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    try:
        loop.run_until_complete(pulumi.runtime.run_in_stack(lambda: execute(program)))
    except pulumi.RunError as error:
        pulumi.log.error(str(error))
        return 1
    except Exception:  # noqa: BLE001 (whatever the program raises is shown)
        pulumi.log.error("Program failed with an unhandled exception:\n" + user_traceback(program))
        return SHOWN
    finally:
        executor.shutdown(wait=True)
        loop.close()
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def execute(program: str) -> None:
    entry = os.path.join(program, "__main__.py") if os.path.isdir(program) else program
    if not os.path.exists(entry):
        pulumi.log.error(f"unable to find main python program `__main__.py` in `{program}`")
        sys.exit(SHOWN)
    runpy.run_path(program, run_name="__main__")


def user_traceback(program: str) -> str:
    """The traceback from the user's own code on."""
    entry = os.path.abspath(os.path.join(program, "__main__.py") if os.path.isdir(program) else program)
    frames = traceback.extract_tb(sys.exc_info()[2])
    for index, frame in enumerate(frames):
        if os.path.abspath(frame.filename) == entry:
            return traceback.format_exc(limit=-(len(frames) - index))
    return traceback.format_exc()


if __name__ == "__main__":
    outcome.append(main())
