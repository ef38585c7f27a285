"""Starts a plugin as Pulumi's engine expects: print the port, serve gRPC on loopback, end with the engine."""

from __future__ import annotations

import os
import sys
import threading
import time
from concurrent import futures

from emulator.plugins.protocol import grpc, provider_pb2_grpc
from emulator.plugins.servicer import Plugin

WORKERS = (
    64  # operations wait for Azure, not for this process: one thread each, more than engines run in parallel
)
UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


def serve(plugin: Plugin) -> None:
    """Serve until the engine kills this process or goes away."""
    parent = os.getppid()  # before the engine knows the port: afterwards it may already be gone
    server = grpc.server(futures.ThreadPoolExecutor(WORKERS), options=UNLIMITED)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(plugin, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()
    try:
        server.wait_for_termination()
    except (
        KeyboardInterrupt
    ):  # Ctrl-C reaches the whole process group; the engine sends Cancel and then ends us
        try:
            time.sleep(3600)
        except KeyboardInterrupt:
            os._exit(130)


def _end_with_parent(parent: int) -> None:
    """Exit when the engine is gone: it may have been killed without a chance to end its plugins."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(0)
