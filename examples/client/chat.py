"""`python -m examples.client.chat [--stack S] [--endpoint E] [--model M] PROMPT`: plain HTTP, streamed to
the terminal."""

from __future__ import annotations

import argparse
import json
import os
import sys

from examples.client.connection import Connection, ConnectionFailed, connect


def ask(
    connection: Connection, prompt: str, model: str | None, max_tokens: int, temperature: float = 0.0
) -> None:
    """One chat completion, printed as it arrives."""
    body = {
        "model": model or connection.model,
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": max_tokens,
        "temperature": temperature,
        "stream": True,
    }
    headers = {"Authorization": f"Bearer {connection.key}"}
    url = f"{connection.base_url}/chat/completions"
    with connection.http.stream("POST", url, json=body, headers=headers) as answer:
        if answer.status_code != 200:
            answer.read()
            raise ConnectionFailed(f"{answer.status_code} from {url}: {answer.text[:500]}")
        for line in answer.iter_lines():
            data = line.removeprefix("data:").strip()
            if not line.startswith("data:") or data == "[DONE]":
                continue
            for choice in json.loads(data)["choices"]:
                print(choice["delta"].get("content") or "", end="", flush=True)
    print()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stack", default=os.environ.get("PULUMI_STACK", "local"))
    parser.add_argument("--endpoint", help="needed when the stack has several")
    parser.add_argument("--model", help="one of served_model_names; the first if omitted")
    parser.add_argument("--max-tokens", type=int, default=256)
    parser.add_argument(
        "--temperature", type=float, default=0.0, help="0, the default, always takes the likeliest word"
    )
    parser.add_argument("prompt", nargs="+")
    options = parser.parse_args(arguments)
    try:
        connection = connect(options.stack, options.endpoint)
        ask(connection, " ".join(options.prompt), options.model, options.max_tokens, options.temperature)
    except ConnectionFailed as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
