"""Pearson correlation between a measure of the driver and the same measure of the result."""

from __future__ import annotations

import numpy as np

from pdfgc.evaluation.result import MetricResult

MIN_FRAMES = 10
"""Fewest frames that are known on both sides for a correlation."""


def correlation(driver: np.ndarray, output: np.ndarray, min_sd: float) -> MetricResult:
    """Pearson's r over the frames where both are known.

    Undefined (value None) with fewer than `MIN_FRAMES` such frames, where the driver moves less than `min_sd`
    (then r would be that of the tracker's noise), or where the output does not move at all.

    Args:
        driver: `[T]` measure of the driver at the output's times, NaN where unknown.
        output: `[T]` the same measure of the output.
        min_sd: smallest standard deviation of the driver that counts as movement, in the measure's unit.
    """
    known = np.isfinite(driver) & np.isfinite(output)
    samples = int(known.sum())
    settings = {"min_frames": MIN_FRAMES, "min_driver_sd": min_sd}
    reason = None
    if samples < MIN_FRAMES:
        reason = f"fewer than {MIN_FRAMES} frames in which both are known"
    elif driver[known].std() < min_sd:
        reason = "the driver does not move this measure"
    elif output[known].std() < 1e-6:
        reason = "the output does not move this measure"
    if reason:
        return MetricResult("correlation", None, "", samples, settings, reason)
    value = float(np.corrcoef(driver[known], output[known])[0, 1])
    return MetricResult("correlation", value, "", samples, settings)
