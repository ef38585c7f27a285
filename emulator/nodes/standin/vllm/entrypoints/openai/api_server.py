"""`python3 -m vllm.entrypoints.openai.api_server`, as images start vLLM."""

import sys

from vllm.server import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
