"""`python -m examples.client.with_openai PROMPT`: the same with the openai package (`pip install openai`)."""

from __future__ import annotations

import os
import sys

from openai import OpenAI

from examples.client.connection import connect


def main(prompt: str) -> None:
    """One streamed chat completion."""
    connection = connect(os.environ.get("PULUMI_STACK", "local"))
    client = OpenAI(base_url=connection.base_url, api_key=connection.key, http_client=connection.http)
    stream = client.chat.completions.create(
        model=connection.model, messages=[{"role": "user", "content": prompt}], max_tokens=256, stream=True
    )
    for chunk in stream:
        if chunk.choices:
            print(chunk.choices[0].delta.content or "", end="", flush=True)
    print()


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]) or "Say hello.")
