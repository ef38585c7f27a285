"""`vllm serve MODEL`, the other way to start vLLM."""

import sys

from vllm.server import main as serve


def main() -> int:
    if sys.argv[1:2] != ["serve"]:
        print("usage: vllm serve MODEL [arguments]", file=sys.stderr)
        return 2
    rest = sys.argv[2:]
    if rest and not rest[0].startswith("-"):
        rest = ["--model", *rest]
    return serve(rest)


if __name__ == "__main__":
    sys.exit(main())
