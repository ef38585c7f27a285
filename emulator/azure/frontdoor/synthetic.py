"""Answers for an embedded Azure without containers:

the shape of OpenAI's API, a JSON object on any other scoring route, and text that says no model is behind it.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any

from emulator.azure.frontdoor.relay import Reply, Request

TEXT = "No model is behind this endpoint: the embedded Azure runs without containers (--nodes none)."
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


async def answer(
    request: Request, names: Sequence[str], common: Mapping[str, str], send: Send, *, scoring_path: str = "/"
) -> None:
    names = names or ["model"]
    path = request.path.rstrip("/")
    if path in {"/health", "/ping"}:
        await _json(send, common, b"")
    elif path == "/version":
        await _json(send, common, {"version": "0.0.0+no-containers"})
    elif path == "/v1/models":
        rows = [{"id": name, "object": "model", "created": 0, "owned_by": "embedded-azure"} for name in names]
        await _json(send, common, {"object": "list", "data": rows})
    elif path in {"/v1/chat/completions", "/v1/completions"} and request.method == "POST":
        await _completion(request, names, common, send, chat="chat" in path)
    elif scoring_path != "/" and request.path == scoring_path:
        await _json(send, common, {"message": TEXT})
    else:
        await _error(send, common, 404, "Not Found", {"detail": "Not Found"})


async def _completion(
    request: Request, names: Sequence[str], common: Mapping[str, str], send: Send, *, chat: bool
) -> None:
    try:
        body = json.loads(request.body)
    except ValueError:
        await _error(send, common, 400, "the body is not JSON")
        return
    model = body.get("model") or names[0]
    if model not in names:
        # vLLM's answer to an unknown name is 404, which the front door turns into 424.
        await _error(send, common, 404, f"The model `{model}` does not exist.")
        return
    if body.get("stream"):
        await _stream(model, common, send, chat=chat)
        return
    part = {"message": {"role": "assistant", "content": TEXT}} if chat else {"text": TEXT}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    choice = {"index": 0, **part, "finish_reason": "stop"}
    await _json(
        send,
        common,
        _frame(model, choice, "chat.completion" if chat else "text_completion") | {"usage": usage},
    )


async def _stream(model: str, common: Mapping[str, str], send: Send, *, chat: bool) -> None:
    await Reply(200, {**common, "content-type": "text/event-stream; charset=utf-8"}).send_head(send)
    kind = "chat.completion.chunk" if chat else "text_completion"
    words = TEXT.split(" ")
    for number, word in enumerate(words):
        text = word if number == 0 else f" {word}"
        part = {"delta": {"role": "assistant", "content": text}} if chat else {"text": text}
        reason = "stop" if number == len(words) - 1 else None
        frame = json.dumps(_frame(model, {"index": 0, **part, "finish_reason": reason}, kind))
        await send({"type": "http.response.body", "body": f"data: {frame}\n\n".encode(), "more_body": True})
    await send({"type": "http.response.body", "body": b"data: [DONE]\n\n", "more_body": False})


def _frame(model: str, choice: Mapping[str, Any], kind: str) -> dict[str, Any]:
    return {"id": "cmpl-embedded-azure", "object": kind, "created": 0, "model": model, "choices": [choice]}


async def _json(send: Send, common: Mapping[str, str], content: Any) -> None:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    await Reply(200, {**common, "content-type": "application/json"}, body).send(send)


async def _error(
    send: Send, common: Mapping[str, str], status: int, text: str, content: Mapping[str, Any] | None = None
) -> None:
    """As a container's own error would come through the front door."""
    body = content or {"error": {"message": text, "type": "BadRequestError", "param": None, "code": status}}
    headers = {
        **common,
        "content-type": "application/json",
        "ms-azureml-model-error-reason": "model_error",
        "ms-azureml-model-error-statuscode": str(status),
    }
    await Reply(424, headers, json.dumps(body).encode()).send(send)
