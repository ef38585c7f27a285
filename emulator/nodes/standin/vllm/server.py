"""The stand-in server: /health, /ping, /version, /metrics, /v1/models, /v1/chat/completions and
/v1/completions with SSE.

What it does wrong on demand, by environment variable:

STANDIN_START_DELAY   seconds before it listens
STANDIN_EXIT          exit code with which it ends instead of listening
STANDIN_EXIT_AFTER    seconds after which it ends with code 1
STANDIN_HEALTH        status of /health, and STANDIN_PING of /ping; default 200
STANDIN_SICK_AFTER    seconds after which /health and /ping answer 503
STANDIN_TOKEN_DELAY   seconds between two words of an answer

and for one request by headers: `x-standin-delay` (seconds before the answer begins), `x-standin-status`
(its status).
`GET /standin` tells what was asked of it so far. The model has to be a folder with a config.json, or a
repository that the hub knows (HF_ENDPOINT, HF_HUB_OFFLINE), or it ends as vLLM does.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import FrameType
from typing import Any

from vllm import __version__

STARTED = time.monotonic()


def main(arguments: list[str]) -> int:
    # First of all: as a container's first process it would not be ended by a signal that it does not handle.
    signal.signal(signal.SIGTERM, _terminate)
    options, rest = _parser().parse_known_args(arguments)
    print(f"stand-in server {__version__}, model {options.model}, other arguments {rest}", flush=True)
    if "STANDIN_EXIT" in os.environ:
        print("ending at once, as STANDIN_EXIT says", flush=True)
        return int(os.environ["STANDIN_EXIT"])
    if problem := _missing(options.model):
        print(f"ValueError: {problem}", file=sys.stderr, flush=True)
        return 1
    time.sleep(_seconds("STANDIN_START_DELAY"))
    if after := _seconds("STANDIN_EXIT_AFTER"):
        threading.Timer(after, lambda: os._exit(1)).start()
    server = Server((options.host or "0.0.0.0", options.port), options.served_model_name or [options.model])
    print(f"Uvicorn running on http://{options.host}:{options.port}", flush=True)
    server.serve_forever()
    return 0


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], names: list[str]) -> None:
        super().__init__(address, Handler)
        self.names = names
        self.lock = threading.Lock()
        self.seen: dict[str, Any] = {"completions": 0, "running": 0, "most": 0, "aborted": 0, "last_path": ""}

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is not worth a traceback."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path in {"/health", "/ping"}:
            self._health(path)
        elif path == "/version":
            self._json({"version": __version__})
        elif path == "/v1/models":
            rows = [{"id": n, "object": "model", "created": 0, "owned_by": "vllm"} for n in self.server.names]
            self._json({"object": "list", "data": rows})
        elif path == "/metrics":
            text = f"vllm:num_requests_running {self.server.seen['running']}\n"
            self._answer(200, text.encode(), "text/plain; version=0.0.4")
        elif path == "/standin":
            self._json({**self.server.seen, "environment": dict(os.environ)})
        else:
            self._json({"detail": "Not Found"}, 404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("?")[0]
        if path == "/ping":
            self._health(path)
        elif path in {"/v1/chat/completions", "/v1/completions"}:
            self._completion(path, body)
        else:
            self._json({"detail": "Not Found"}, 404)

    def log_message(self, format: str, *arguments: Any) -> None:
        print(f'INFO: {self.client_address[0]} - "{format % arguments}"', flush=True)

    def _health(self, path: str) -> None:
        status = int(os.environ.get("STANDIN_HEALTH" if path == "/health" else "STANDIN_PING") or 200)
        sick = _seconds("STANDIN_SICK_AFTER")
        if sick and time.monotonic() - STARTED > sick:
            status = 503
        self._answer(status, b"", "text/plain")

    def _completion(self, path: str, raw: bytes) -> None:
        seen = self.server.seen
        with self.server.lock:
            seen["completions"] += 1
            seen["running"] += 1
            seen["most"] = max(seen["most"], seen["running"])
            seen["last_path"] = self.path
        try:
            self._complete("chat" in path, raw)
        except OSError:
            seen["aborted"] += 1
            self.close_connection = True
        finally:
            with self.server.lock:
                seen["running"] -= 1

    def _complete(self, chat: bool, raw: bytes) -> None:
        try:
            body = json.loads(raw)
        except ValueError:
            self._json(_error("the body is not JSON", 400), 400)
            return
        self._wait(float(self.headers.get("x-standin-delay") or 0))
        status = int(self.headers.get("x-standin-status") or 200)
        if status != 200:
            self._json(_error("as x-standin-status says", status), status)
            return
        model = body.get("model") or self.server.names[0]
        if model not in self.server.names:
            self._json(_error(f"The model `{model}` does not exist.", 404), 404)
            return
        words = ["This", " is", " the", " stand-in", " server."][: int(body.get("max_tokens") or 5)]
        if body.get("stream"):
            self._stream(model, words, chat)
            return
        for _ in words:
            self._wait(_seconds("STANDIN_TOKEN_DELAY"))
        text = "".join(words)
        part = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
        choice = {"index": 0, **part, "finish_reason": "stop"}
        usage = {"prompt_tokens": 1, "completion_tokens": len(words), "total_tokens": 1 + len(words)}
        self._json(
            {**_frame(model, choice, "chat.completion" if chat else "text_completion"), "usage": usage}
        )

    def _stream(self, model: str, words: list[str], chat: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number, word in enumerate(words):
            self._wait(_seconds("STANDIN_TOKEN_DELAY"))
            part = {"delta": {"role": "assistant", "content": word}} if chat else {"text": word}
            reason = "stop" if number == len(words) - 1 else None
            choice = {"index": 0, **part, "finish_reason": reason}
            frame = _frame(model, choice, "chat.completion.chunk" if chat else "text_completion")
            self._chunk(f"data: {json.dumps(frame)}\n\n".encode())
        self._chunk(b"data: [DONE]\n\n")
        self._chunk(b"")

    def _wait(self, seconds: float) -> None:
        """Sleep, but notice a client that has hung up: raises OSError, as a write would."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.connection.settimeout(min(left, 0.05))
            try:
                if self.connection.recv(1) == b"":
                    raise ConnectionResetError("the client hung up")
            except TimeoutError:
                continue
            finally:
                self.connection.settimeout(None)

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _json(self, content: Any, status: int = 200) -> None:
        self._answer(status, json.dumps(content).encode(), "application/json")

    def _answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--model", required=True)
    parser.add_argument("--served-model-name", nargs="+")
    parser.add_argument("--host")
    parser.add_argument("--port", type=int, default=8000)
    return parser


def _missing(model: str) -> str | None:
    """Why the model cannot be served, in words like vLLM's."""
    if model.startswith("/"):
        return (
            None
            if (Path(model) / "config.json").exists()
            else f"Invalid repository ID or local directory: {model}"
        )
    if os.environ.get("HF_HUB_OFFLINE") == "1":
        return f"{model} is not on this machine, and HF_HUB_OFFLINE forbids asking the hub"
    hub = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    try:
        with urllib.request.urlopen(f"{hub}/api/models/{model}", timeout=5):
            return None
    except (urllib.error.URLError, OSError) as error:
        return f"Can't load the configuration of '{model}' from {hub}: {error}"


def _frame(model: str, choice: dict[str, Any], kind: str) -> dict[str, Any]:
    return {
        "id": "cmpl-standin",
        "object": kind,
        "created": int(time.time()),
        "model": model,
        "choices": [choice],
    }


def _error(message: str, status: int) -> dict[str, Any]:
    return {"error": {"message": message, "type": "BadRequestError", "param": None, "code": status}}


def _seconds(name: str) -> float:
    return float(os.environ.get(name) or 0)


def _terminate(number: int, frame: FrameType | None) -> None:
    print("ending, as SIGTERM says", flush=True)
    os._exit(0)
