"""A stand-in for vLLM in tests: the same module names, a small OpenAI-compatible server behind them.

Mounted into containers where the base layer's vLLM would be, so that the product's image runs unmodified.
It runs no model. Standard library only: it is imported by the image's Python.
"""

__version__ = "0.0.0+standin"
