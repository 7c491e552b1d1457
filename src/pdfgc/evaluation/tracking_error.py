"""Mean difference between a measure of the driver and the same measure of the result."""

from __future__ import annotations

import numpy as np

from pdfgc.evaluation.result import MetricResult


def tracking_error(
    driver: np.ndarray, output: np.ndarray, unit: str, *, centred: bool = False
) -> MetricResult:
    """Mean absolute difference over the frames where both are known.

    Args:
        driver: `[T]` measure of the driver at the output's times, NaN where unknown.
        output: `[T]` the same measure of the output.
        unit: unit of both.
        centred: take each one's mean over those frames off first. Use it where two people differ at rest (the
            opening of an eye, the height of a brow): it leaves the error of the movement alone.
    """
    name = "centred_error" if centred else "error"
    settings = {"kind": "mean absolute difference", "mean_removed": centred}
    known = np.isfinite(driver) & np.isfinite(output)
    samples = int(known.sum())
    if not samples:
        return MetricResult(name, None, unit, 0, settings, "no frame in which both are known")
    difference = output[known] - driver[known]
    if centred:
        difference = difference - difference.mean()
    return MetricResult(name, float(np.abs(difference).mean()), unit, samples, settings)
