"""What this product adds to a deployment: how it is replaced, tried out and scaled."""

from typing import Literal

from pydantic import Field

from settings.base import Count, Int, Section, setting

Rollout = Literal["blue_green", "recreate"]
Day = Literal["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


class SmokeTest(Section):
    """Requests to the new deployment, addressed by header, before it gets any traffic."""

    enabled: bool = setting(True, "Ask the deployment before it gets traffic.")
    prompt: str = setting("Say hello.", "What to ask.")
    model: str | None = setting(
        None, "Model name to ask for; the deployment's own answer to /v1/models when omitted."
    )
    path: str | None = setting(
        None, "Path to ask instead of the chat completions, for a container that is not an OpenAI server."
    )
    max_tokens: Count = setting(16, "Length of the answer.", unit="tokens")
    stream: bool = setting(True, "Also ask for a streamed answer.")
    timeout: Count = setting(300, "Time within which an answer must come.", unit="seconds")
    expect: str | None = setting(None, "Text the answer must contain.")


class Threshold(Section):
    """A metric limit and what happens beyond it."""

    example = {"threshold": 70}

    threshold: float = Field(
        description="Utilisation at which to act, percent.",
        ge=0,
        le=100,
        examples=[70],
        json_schema_extra={"x-unit": "percent"},
    )
    change: Count = setting(1, "Instances to add or remove at a time.", unit="instances")
    window: Int = setting(5, "How long the average must hold.", unit="minutes", ge=1, le=720)
    cooldown: Int = setting(5, "How long to wait before the next step.", unit="minutes", ge=1, le=10_080)


class Rules(Section):
    """Utilisation rules; up and down belong together, or the deployment only ever grows."""

    example = {"up": {"threshold": 70}, "down": {"threshold": 25}}

    up: Threshold = Field(description="When to add instances.", examples=[{"threshold": 70}])
    down: Threshold = Field(description="When to remove instances.", examples=[{"threshold": 25}])


class QuietHours(Section):
    """A second profile for the hours in which nobody works."""

    example = {"start": "20:00", "end": "06:00"}

    start: str = Field(description="When the quiet hours start, HH:MM.", examples=["20:00"])
    end: str = Field(description="When they end, HH:MM.", examples=["06:00"])
    days: list[Day] = setting(list, "Days on which quiet hours start; every day when empty.")
    time_zone: str = setting(
        "UTC", "Windows time zone name, as Azure Monitor wants it, for example `W. Europe Standard Time`."
    )
    minimum: Int = setting(1, "Instances at least.", unit="instances", ge=1, le=50)
    maximum: Int = setting(1, "Instances at most.", unit="instances", ge=1, le=50)
    default: Int | None = setting(
        None, "Instances when there is no metric; the minimum when omitted.", unit="instances", ge=1, le=50
    )


class Autoscale(Section):
    """Azure Monitor autoscale of one deployment. A new GPU instance takes 12 to 18 minutes to come up."""

    example = {"minimum": 1, "maximum": 2}

    enabled: bool = setting(True, "Turn the rules off without removing them.")
    minimum: Int = setting(
        1, "Instances at least; a managed deployment cannot scale to zero.", unit="instances", ge=1, le=50
    )
    maximum: Int = Field(
        description="Instances at most; counts against the quota.",
        ge=1,
        le=50,
        examples=[2],
        json_schema_extra={"x-unit": "instances"},
    )
    default: Int | None = setting(
        None, "Instances when there is no metric; the minimum when omitted.", unit="instances", ge=1, le=50
    )
    gpu_utilization: Rules | None = setting(
        None, "Rules on GpuUtilizationPercentage. GPU memory is no signal: vLLM allocates it all at start."
    )
    cpu_utilization: Rules | None = setting(None, "Rules on CpuUtilizationPercentage.")
    quiet_hours: QuietHours | None = setting(None, "A profile with fewer instances for certain hours.")
    notify: list[str] = setting(list, "E-mail addresses told of every scale action.")
