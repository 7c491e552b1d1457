"""Jitter: second differences of the landmarks against the driver's own."""

from __future__ import annotations

import numpy as np

from pdfgc.evaluation.result import MetricResult


def accelerations(landmarks: np.ndarray, scale: float) -> np.ndarray:
    """Mean length of the landmarks' second differences at every frame that has one.

    Args:
        landmarks: `[T, 68, 2]` pixels, NaN in frames without a face.
        scale: pixels of a 256 px head crop per pixel.

    Returns:
        `[T - 2]`, NaN where one of the three frames shows no face.
    """
    second = landmarks[2:].astype(np.float64) - 2 * landmarks[1:-1] + landmarks[:-2]
    return np.asarray(np.linalg.norm(second * scale, axis=-1).mean(-1))


def jitter(
    generated: np.ndarray, truth: np.ndarray, generated_scale: float, truth_scale: float
) -> MetricResult:
    """Ratio of the two mean second differences: 1 = as steady as the driver, 2 = twice as jittery.

    Both means are over the same frames. Both videos must run at one rate, for a second difference grows with the
    square of the frame's length.
    """
    settings: dict[str, object] = {
        "points": "68, not aligned",
        "unit_of_both": "px of a 256 px head crop per frame^2",
    }
    ours, theirs = accelerations(generated, generated_scale), accelerations(truth, truth_scale)
    known = np.isfinite(ours) & np.isfinite(theirs)
    if not known.any():
        return MetricResult("jitter", None, "ratio", 0, settings, "no three frames with a face in a row")
    settings |= {"generated": float(ours[known].mean()), "truth": float(theirs[known].mean())}
    if not theirs[known].any():
        return MetricResult("jitter", None, "ratio", int(known.sum()), settings, "the truth stands still")
    value = float(ours[known].mean() / theirs[known].mean())
    return MetricResult("jitter", value, "ratio", int(known.sum()), settings)
