"""What `serving.fit` answers, as an object and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from serving.advice import Advice
from serving.estimate import Estimate


@dataclass(frozen=True)
class Answer:
    """The estimate and, where it helps, what to do instead."""

    estimate: Estimate
    advice: Advice | None
    gpu: str | None

    def as_json(self) -> dict[str, Any]:
        """The public shape: the documented names first, then everything else that is
        known.
        """
        found = {key: _rounded(value) for key, value in asdict(self.estimate).items()}
        found["why"] = "; ".join(self.estimate.why)
        found["warnings"] = list(self.estimate.warnings)
        found["gpu"] = self.gpu
        advice = self.advice
        found["max_model_len_that_fits"] = advice.max_model_len if advice else None
        found["tensor_parallel_size_that_fits"] = advice.tensor_parallel_size if advice else None
        found["sku_that_fits"] = advice.sku.sku.name if advice and advice.sku else None
        return found


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) > 1000 else round(value, 4)
    return list(value) if isinstance(value, tuple) else value
