"""Jitter: second differences of the landmarks against the driver's own."""

from __future__ import annotations

import numpy as np

from pdfgc.evaluation.result import MetricResult


def acceleration(landmarks: np.ndarray, scale: float) -> tuple[float | None, int]:
    """Mean length of the landmarks' second differences, and the number of frames that have one.

    Args:
        landmarks: `[T, 68, 2]` pixels, NaN in frames without a face.
        scale: pixels of a 256 px head crop per pixel.
    """
    second = landmarks[2:].astype(np.float64) - 2 * landmarks[1:-1] + landmarks[:-2]
    lengths = np.linalg.norm(second * scale, axis=-1).mean(-1)
    lengths = lengths[np.isfinite(lengths)]
    return (float(lengths.mean()) if len(lengths) else None), len(lengths)


def jitter(
    generated: np.ndarray, truth: np.ndarray, generated_scale: float, truth_scale: float
) -> MetricResult:
    """Ratio of the two mean second differences: 1 = as steady as the driver, 2 = twice as jittery.

    Both videos must run at one rate, for a second difference grows with the square of the frame's length.
    """
    settings: dict[str, object] = {
        "points": "68, not aligned",
        "unit_of_both": "px of a 256 px head crop per frame^2",
    }
    ours, count = acceleration(generated, generated_scale)
    theirs, _ = acceleration(truth, truth_scale)
    if ours is None or not theirs:
        return MetricResult("jitter", None, "ratio", 0, settings, "no three frames with a face in a row")
    settings |= {"generated": ours, "truth": theirs}
    return MetricResult("jitter", ours / theirs, "ratio", count, settings)
