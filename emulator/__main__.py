"""The command line of the embedded Azure: start, stop, status, env, reset."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time

from emulator.host.alive import running
from emulator.host.environment import exports
from emulator.host.errors import HostError
from emulator.host.started import Started
from emulator.settings import Settings, SettingsError


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        code = options.run(Settings.from_env(), options)
        sys.stdout.flush()
        return code
    except (HostError, SettingsError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever read our output (head, for example) has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        print(f"error: {error.strerror or error}{where}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; what this command had started was stopped again", file=sys.stderr)
        return 130


def start(settings: Settings, options: argparse.Namespace) -> int:
    from emulator.host import control

    began = time.monotonic()
    control.start(settings, options.nodes, options.server, _say)
    started = Started.load(settings)
    assert started is not None
    what = "containers" if started.nodes == "docker" else "no containers (--nodes none)"
    _say(f"the embedded Azure runs at {settings.arm_url} with {what}, after {time.monotonic() - began:.1f} s")
    _say('use it with: eval "$(python -m emulator env)"')
    return 0


def stop(settings: Settings, options: argparse.Namespace) -> int:
    from emulator.host import control

    control.stop(settings, _say)
    return 0


def reset(settings: Settings, options: argparse.Namespace) -> int:
    from emulator.host import control

    control.reset(settings, _say)
    return 0


def status(settings: Settings, options: argparse.Namespace) -> int:
    """0 when everything runs, 3 when nothing or not everything does (as service managers answer)."""
    processes = running(settings)
    complete = all(processes.values())
    if options.quiet:
        return 0 if complete else 3
    from emulator.host import control

    started = Started.load(settings)
    if not any(processes.values()):
        print("not running; start it with: python -m emulator start")
        return 3
    for name, pid in processes.items():
        print(
            f"{name:10} " + (f"pid {pid}" if pid else "NOT RUNNING: python -m emulator start brings it back")
        )
    if started and started.engine:
        print(f"{'engine':10} {started.engine}" + (" (ours)" if started.engine_is_ours else " (not ours)"))
    print(f"{'ARM':10} {settings.arm_url}\n{'hub':10} {settings.hub_url}")
    print(f"{'state':10} {settings.home}\n{'logs':10} {settings.logs}\n{'journal':10} {settings.journal}")
    for name, state in control.containers(settings):
        print(f"{'container':10} {name} ({state})")
    return 0 if complete else 3


def env(settings: Settings, options: argparse.Namespace) -> int:
    """With --running nothing is printed, and 3 returned, unless everything runs."""
    if options.running and not all(running(settings).values()):
        return 3
    started = Started.load(settings)
    if started is None:
        raise HostError("the embedded Azure was never started here. Start it with: python -m emulator start")
    for name, value in exports(settings, started, options.principal).items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m emulator",
        description="The embedded Azure.",
        epilog=SETTINGS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("start", help="start what is not running")
    command.add_argument(
        "--nodes", choices=["docker", "none"], help="run deployments as containers, or not at all"
    )
    command.add_argument("--server", choices=["vllm", "standin"], help="what `vllm` is inside the containers")
    command.set_defaults(run=start)
    commands.add_parser("stop", help="stop everything, keep the state").set_defaults(run=stop)
    command = commands.add_parser("status", help="what runs, and where")
    command.add_argument("--quiet", action="store_true", help="say it with the exit status only")
    command.set_defaults(run=status)
    command = commands.add_parser("env", help="print the exports with which other programs talk to it")
    command.add_argument("--principal", choices=["deployer", "reader"], default="deployer")
    command.add_argument(
        "--running", action="store_true", help="only if everything runs; else the status is 3"
    )
    command.set_defaults(run=env)
    commands.add_parser("reset", help="stop, and forget all state").set_defaults(run=reset)
    return parser


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


SETTINGS = """\
settings are environment variables; the rest is in emulator/settings.py
  EMULATOR_HOME             state, logs, certificates (.emulator)
  EMULATOR_CACHE            what scripts/bootstrap installs (.cache)
  EMULATOR_NETWORK          first two octets of every emulated host (127.66)
  EMULATOR_PORT             the TLS port; the three after it are taken, too (8443)
  EMULATOR_VNET_SUBNET, EMULATOR_NODES_SUBNET, EMULATOR_EGRESS_SUBNET
                            of the docker networks (172.29.66.0/24 and the two after it)
  EMULATOR_NODE_SPEED       how much faster than real time the clocks of probes run (1)
  EMULATOR_NODE_RESTARTS    restarts of a container before its deployment has failed (2)
  EMULATOR_MODEL_LAYOUT     folder or documented: what lies below model_mount_path (folder)
  EMULATOR_HUB_URL_SECONDS  life of the hub's signed URLs (3600)
"""

if __name__ == "__main__":
    sys.exit(main())
