"""The smoke test itself: is the deployment there, what does it serve, does it answer, does it stream.

Every request is bounded by one deadline. What a passing fault may cause is tried again until then; what
will not change (a wrong key, a model that is not served) fails at once, naming the stage.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from providers.errors import SmokeTestError

if TYPE_CHECKING:
    import httpx

    from providers.data_plane import Endpoint

# A container that is still starting, a front end that does not know the deployment yet, a busy instance.
# https://learn.microsoft.com/azure/machine-learning/how-to-troubleshoot-online-endpoints#http-status-codes
PASSING = {404, 408, 424, 429, 500, 502, 503, 504}
MODEL_STATUS = "ms-azureml-model-error-statuscode"


@dataclass(frozen=True)
class Question:
    """What to ask. An empty `model` means the first one served; a `path` replaces the chat completions."""

    prompt: str
    model: str = ""
    path: str = ""
    max_tokens: int = 16
    stream: bool = True
    expect: str = ""


def run(endpoint: Endpoint, question: Question, deadline: float) -> list[str]:
    """Ask `endpoint` until `deadline` (of time.monotonic); return the names it serves or raise
    SmokeTestError."""
    if question.path:
        answer = _patiently(
            endpoint, "ask", "POST", question.path, deadline, json=_chat(question, question.model)
        )
        _expect(question, answer.text, "ask")
        return []
    _patiently(endpoint, "ready", "GET", "/health", deadline)
    served = _served(_patiently(endpoint, "models", "GET", "/v1/models", deadline))
    model = question.model or served[0]
    if model not in served:
        raise SmokeTestError(
            "models",
            f"{model!r} is not served; the deployment serves {', '.join(served)}. Set smoke_test.model to "
            "one of "
            "them, or add the name to vllm.served_model_names.",
        )
    body = _chat(question, model)
    answer = _patiently(endpoint, "chat", "POST", "/v1/chat/completions", deadline, json=body)
    _expect(question, _content(answer), "chat")
    if question.stream:
        _stream(endpoint, {**body, "stream": True}, deadline)
    return served


def _patiently(
    endpoint: Endpoint, stage: str, method: str, path: str, deadline: float, **options: Any
) -> httpx.Response:
    """One request, repeated while its failure may pass."""
    import httpx

    wait, problem = 0.5, "no answer yet"
    while time.monotonic() < deadline:
        left = max(1.0, deadline - time.monotonic())
        try:
            answer = endpoint.request(method, path, timeout=min(left, 180), **options)
            if answer.status_code == 200:
                return answer
            problem = _explain(answer)
            if not _may_pass(answer):
                raise SmokeTestError(stage, f"{method} {path}: {problem}")
        except httpx.TransportError as failed:
            problem = _unreachable(endpoint, failed)
        time.sleep(max(0.0, min(wait, deadline - time.monotonic())))
        wait = min(wait * 1.5, 15)
    raise SmokeTestError(stage, f"{method} {path} gave no good answer in time. Last: {problem}")


def _stream(endpoint: Endpoint, body: dict[str, Any], deadline: float) -> None:
    """Server-sent events must come in several chunks and end with [DONE]."""
    import httpx

    chunks, done = 0, False
    try:
        with endpoint.stream(
            "/v1/chat/completions", json=body, timeout=max(1.0, deadline - time.monotonic())
        ) as answer:
            if answer.status_code != 200:
                answer.read()
                raise SmokeTestError("stream", _explain(answer))
            for event in _events(answer):
                done = done or event == "[DONE]"
                chunks += event != "[DONE]" and bool(json.loads(event).get("choices"))
    except httpx.TransportError as failed:
        raise SmokeTestError("stream", _unreachable(endpoint, failed)) from None
    except ValueError:
        raise SmokeTestError("stream", "an event of the stream is not JSON.") from None
    if not (chunks and done):
        raise SmokeTestError(
            "stream",
            f"{chunks} chunks and {'an' if done else 'no'} end mark came. Something between the container "
            "and here "
            "holds the stream back, or this server does not stream; `smoke_test: {stream: false}` accepts "
            "that.",
        )


def _events(answer: httpx.Response) -> Iterator[str]:
    for line in answer.iter_lines():
        if line.startswith("data:"):
            yield line.removeprefix("data:").strip()


def _chat(question: Question, model: str) -> dict[str, Any]:
    body = {
        "messages": [{"role": "user", "content": question.prompt}],
        "max_tokens": question.max_tokens,
        "temperature": 0,
    }
    return {"model": model, **body} if model else body


def _served(answer: httpx.Response) -> list[str]:
    try:
        names = [str(entry["id"]) for entry in answer.json()["data"]]
    except (ValueError, KeyError, TypeError):
        names = []
    if not names:
        raise SmokeTestError(
            "models", "/v1/models lists no model. Is this an OpenAI server, and is its scoring route `/`?"
        )
    return names


def _content(answer: httpx.Response) -> str:
    try:
        message = answer.json()["choices"][0]["message"]
        return str(message.get("content") or message.get("reasoning_content") or "")
    except (ValueError, KeyError, IndexError, TypeError):
        raise SmokeTestError("chat", "the answer is no chat completion.") from None


def _expect(question: Question, text: str, stage: str) -> None:
    if question.expect and question.expect not in text:
        raise SmokeTestError(stage, f"the answer does not contain smoke_test.expect ({question.expect!r}).")


def _may_pass(answer: httpx.Response) -> bool:
    """424 wraps the container's own status: its 4xx will not pass, but for "too many" and "not there yet"."""
    if answer.status_code == 424:
        inner = answer.headers.get(MODEL_STATUS, "")
        return not (inner.startswith("4") and inner not in ("404", "408", "429"))
    return answer.status_code in PASSING


def _explain(answer: httpx.Response) -> str:
    status = answer.status_code
    hints = {
        401: "the endpoint does not know this key or token.",
        403: "refused. An endpoint with public access disabled answers only inside its network: run this "
        "there, or set VLLM_AZUREML_PRIVATE_ADDRESS to where this machine reaches the private endpoint.",
        404: "no such deployment, or no such path in the container (is the scoring route `/`?).",
        408: "the request took longer than request_settings.request_timeout_ms.",
        429: "too many requests for max_concurrent_requests_per_instance.",
        424: f"the container answered {answer.headers.get(MODEL_STATUS, 'an error')}.",
    }
    return f"{status}: {hints.get(status, '')} {answer.text[:300]}".replace("\n", " ").strip()


def _unreachable(endpoint: Endpoint, failed: Exception) -> str:
    where = endpoint.address or endpoint.origin
    return (
        f"{where} cannot be reached ({failed or type(failed).__name__}). A private endpoint is reached from "
        "inside its "
        "network only; VLLM_AZUREML_PRIVATE_ADDRESS says where, when DNS does not."
    )
