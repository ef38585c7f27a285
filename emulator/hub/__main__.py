"""The hub's process: `python -m emulator.hub --listen HOST:PORT [--listen HOST:PORT]`, plain http.

The port after it serves the large files, as the real hub's store is another host.
EMULATOR_HUB_URL_SECONDS is the life of a signed URL (3600), EMULATOR_HUB_PAGE the entries in one answer of
the tree (1000).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal

from aiohttp import web

from emulator.hub.app import Hub, create_app
from emulator.hub.catalogue import load
from emulator.settings import Settings


async def serve(listen: list[str]) -> None:
    settings = Settings.from_env()
    hub = Hub(
        load(settings.cache / "models", settings.home / "hub"),
        url_seconds=float(os.environ.get("EMULATOR_HUB_URL_SECONDS") or 3600),
        page=int(os.environ.get("EMULATOR_HUB_PAGE") or 1000),
        egress=settings.egress_subnet,
    )
    runner = web.AppRunner(create_app(hub), access_log=None, shutdown_timeout=1)
    await runner.setup()
    for address in listen:
        host, _, port = address.rpartition(":")
        for number in (int(port), int(port) + 1):
            await web.TCPSite(runner, host, number).start()
    ended = asyncio.Event()
    for ending in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(ending, ended.set)
    await ended.wait()
    await runner.cleanup()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m emulator.hub")
    parser.add_argument("--listen", action="append", required=True, metavar="HOST:PORT")
    asyncio.run(serve(parser.parse_args().listen))
