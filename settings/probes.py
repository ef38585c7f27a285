"""Probes and request settings of a deployment: az ml's names, seconds and milliseconds.

az ml leaves out what the file leaves out, and Azure then fills in its own defaults (stated per field).
"""

from pydantic import Field

from settings.base import Count, Int, Section, setting


class Probe(Section):
    """How Azure asks the container whether it is alive or ready."""

    initial_delay: Count | None = setting(
        None,
        "How long to wait after the container started before the first probe.",
        unit="seconds",
        azure="10 when omitted. A liveness probe that starts before vLLM listens restarts the container.",
    )
    period: Count | None = setting(None, "Time between two probes.", unit="seconds", azure="10 when omitted.")
    timeout: Count | None = setting(
        None,
        "Time after which an unanswered probe counts as failed.",
        unit="seconds",
        azure="2 when omitted.",
    )
    success_threshold: Count | None = setting(
        None, "Successes in a row after which the container counts as healthy.", azure="1 when omitted."
    )
    failure_threshold: Count | None = setting(
        None,
        "Failures in a row after which the container is restarted (liveness) or gets no traffic (readiness).",
        azure="30 when omitted.",
    )


class RequestSettings(Section):
    """What Azure's front end allows one request, and one instance at a time."""

    request_timeout_ms: Int | None = setting(
        None,
        "Time after which the front end gives up on a request and answers 408.",
        unit="milliseconds",
        azure="5000 when omitted; 180000 at most, without exception.",
        ge=1,
        le=180_000,
    )
    max_concurrent_requests_per_instance: Int | None = setting(
        None,
        "Requests one instance works on at a time. More than twice this number, times the instances, "
        "answers 429. "
        "vLLM batches up to --max-num-seqs requests: a smaller number here wastes it.",
        azure="1 when omitted.",
        ge=1,
    )
    max_queue_wait_ms: Int | None = setting(
        None,
        "How long a request may wait in the queue of an instance.",
        unit="milliseconds",
        azure="500 when omitted.",
        ge=1,
        le=180_000,
    )


class Route(Section):
    """A path of the container's own server."""

    example = {"port": 8000, "path": "/health"}

    port: Int = Field(description="Port the container listens on.", ge=1, le=65_535, examples=[8000])
    path: str = Field(description="Path, starting with a slash.", examples=["/health"])
