"""What every metric returns: a value with its settings and sample count, or the reason why there is none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class MetricResult:
    """One measured number.

    Attributes:
        name: the metric, e.g. `correlation`.
        value: the number, or None where it is undefined (`reason` says why); never a stand-in such as 0 or 1.
        unit: unit of the value, `""` for a pure number.
        samples: how many samples (frames, or clips for a summary) the value rests on.
        settings: everything that one must know to measure the same number again.
        reason: why the value is undefined.
    """

    name: str
    value: float | None
    unit: str
    samples: int
    settings: dict[str, Any] = field(default_factory=dict)
    reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The result as a JSON object; `reason` only where there is one."""
        fields: dict[str, Any] = {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "samples": self.samples,
            "settings": self.settings,
        }
        return fields | ({"reason": self.reason} if self.reason else {})


def summarise(results: Sequence[MetricResult]) -> MetricResult:
    """Mean over clips of one metric, each clip counting the same.

    Clips where the metric is undefined are left out of the mean and counted, with their reasons, in
    `settings["undefined"]`; the spread over clips is in `settings["per_clip"]`.

    Args:
        results: the same metric on each clip, at least one.
    """
    first = results[0]
    values = np.array([r.value for r in results if r.value is not None], np.float64)
    settings: dict[str, Any] = dict(first.settings) | {"aggregate": "mean over clips"}
    undefined = Counter(r.reason or "unknown" for r in results if r.value is None)
    settings["clips"] = len(results)
    settings["undefined"] = dict(undefined)
    if not len(values):
        reasons = "; ".join(undefined)
        # One reason for all says it; that several are not one clip's must be said.
        reason = reasons if len(undefined) == 1 else f"undefined on every clip: {reasons}"
        return MetricResult(first.name, None, first.unit, 0, settings, reason)
    settings["per_clip"] = {
        "min": float(values.min()),
        "median": float(np.median(values)),
        "max": float(values.max()),
    }
    return MetricResult(first.name, float(values.mean()), first.unit, len(values), settings)
