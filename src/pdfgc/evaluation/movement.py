"""Movement of the result relative to the driver's own: wanted on the control matrix's diagonal only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pdfgc.evaluation.result import MetricResult

MIN_FRAMES = 10
"""Fewest frames with a face for a standard deviation."""


def movement(pairs: Sequence[tuple[np.ndarray, np.ndarray]], min_sd: float) -> MetricResult:
    """Relative movement over one or several clips: `sqrt(mean(var_output) / mean(var_driver))`.

    `var` is the variance over time within a clip of one measure, each side over its own frames in which the
    measure is known; both sides cover the same span of time. Pooling the variances before dividing keeps clips whose
    driver hardly moves from dominating. 0 = the output stands still, 1 = it moves as much as the driver does.

    Undefined (None) if no pair has `MIN_FRAMES` faces on both sides, or if the pooled driver moves less than
    `min_sd`.

    Args:
        pairs: (driver `[T]`, output `[T']`) of each clip, NaN where unknown.
        min_sd: smallest pooled standard deviation of the driver, in the measure's unit.
    """
    settings: dict[str, object] = {
        "definition": "sqrt(mean over clips of var(output) / mean over clips of var(driver))",
        "min_frames": MIN_FRAMES,
        "min_driver_sd": min_sd,
    }
    known = [(d[np.isfinite(d)], o[np.isfinite(o)]) for d, o in pairs]
    usable = [(d, o) for d, o in known if min(len(d), len(o)) >= MIN_FRAMES]
    if not usable:
        reason = f"fewer than {MIN_FRAMES} frames in which it is known"
        return MetricResult("movement", None, "", 0, settings, reason)
    driver_sd = float(np.sqrt(np.mean([d.var() for d, _ in usable])))
    output_sd = float(np.sqrt(np.mean([o.var() for _, o in usable])))
    settings |= {"driver_sd": driver_sd, "output_sd": output_sd, "clips": len(usable)}
    samples = sum(len(o) for _, o in usable)
    if driver_sd < min_sd:
        reason = "the driver does not move this measure"
        return MetricResult("movement", None, "", samples, settings, reason)
    return MetricResult("movement", output_sd / driver_sd, "", samples, settings)
