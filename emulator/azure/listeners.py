"""TLS and plain listeners of the one server process; they come and go while it runs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator, Sequence
from typing import Any

import uvicorn

from emulator.host.certificates import leaf_files
from emulator.settings import Settings

_log = logging.getLogger(__name__)


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals to the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Listeners:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._running: dict[tuple[str, int], tuple[_Server, asyncio.Task[None]]] = {}

    async def add(
        self, host: str, app: Any, *, hosts: Sequence[str] = (), tls: bool = True, port: int | None = None
    ) -> None:
        """Listen on `host`; `hosts` are the addresses of its certificate. Raises OSError when it is taken."""
        port = port or self._settings.port
        if (host, port) in self._running:
            return
        config = uvicorn.Config(
            app,
            host=host,
            port=port,
            log_config=None,
            lifespan="off",
            access_log=False,
            http="httptools",
            ws="none",
            timeout_keep_alive=75,
            timeout_graceful_shutdown=2,
            server_header=False,
        )
        if tls:
            certificate, key = leaf_files(self._settings, f"leaf-{host}", list(hosts) or [host])
            config.ssl_certfile, config.ssl_keyfile = str(certificate), str(key)
        server = _Server(config)
        task = asyncio.create_task(self._serve(server, host, port), name=f"listener {host}:{port}")
        self._running[(host, port)] = (server, task)
        while not server.started:
            if task.done():
                del self._running[(host, port)]
                raise OSError(
                    f"cannot listen on {host}:{port}: it is taken or not an address of this machine"
                )
            await asyncio.sleep(0.005)

    async def _serve(self, server: _Server, host: str, port: int) -> None:
        try:
            await server.serve()
        except SystemExit:  # uvicorn's way of saying that it could not bind
            _log.error("cannot listen on %s:%s", host, port)

    def renew(self, host: str, hosts: Sequence[str]) -> None:
        """Give a running listener a certificate for other addresses; new connections get it."""
        entry = self._running.get((host, self._settings.port))
        if entry and entry[0].config.ssl is not None:
            certificate, key = leaf_files(self._settings, f"leaf-{host}", list(hosts))
            entry[0].config.ssl.load_cert_chain(str(certificate), str(key))

    async def remove(self, host: str, port: int | None = None) -> None:
        entry = self._running.pop((host, port or self._settings.port), None)
        if entry:
            entry[0].should_exit = True
            await asyncio.wait([entry[1]], timeout=5)

    async def close(self) -> None:
        for host, port in list(self._running):
            entry = self._running[(host, port)]
            entry[0].should_exit = True
        for host, port in list(self._running):
            await self.remove(host, port)
