"""`python -m emulator.azure`: runs the server process until it is told to end (SIGTERM or SIGINT)."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys

from emulator.azure.cloud import Cloud
from emulator.azure.server import Server
from emulator.nodes.interface import Nodes, NoNodes
from emulator.settings import Settings


def make_nodes(settings: Settings) -> Nodes:
    """Return what runs deployments: containers, or nothing with `--nodes none`."""
    if settings.nodes == "none":
        return NoNodes()
    from emulator.nodes.docker import DockerNodes

    return DockerNodes(settings)


async def serve(settings: Settings) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = Server(Cloud(settings, make_nodes(settings)))
    try:
        await server.start()
    except OSError as error:
        print(f"the embedded Azure cannot start: {error}. Free it, or set EMULATOR_PORT.", file=sys.stderr)
        await server.stop()
        return 1
    await stop.wait()
    await server.stop()
    return 0


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    return asyncio.run(serve(Settings.from_env()))


if __name__ == "__main__":
    sys.exit(main())
