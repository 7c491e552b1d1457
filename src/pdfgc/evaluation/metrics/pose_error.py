"""Head pose error: mean squared difference of the head's angles (paper, Table 2)."""

from __future__ import annotations

import numpy as np

from pdfgc.evaluation.result import MetricResult

AXES = ("pitch", "yaw", "roll")


def pose_error(generated: np.ndarray, truth: np.ndarray) -> MetricResult:
    """Mean over frames and axes of the squared difference.

    Args:
        generated, truth: `[T, 3]` pitch, yaw, roll in radians, NaN in frames without a face.
    """
    settings: dict[str, object] = {"coefficients": "pitch, yaw, roll of the mesh's weak-perspective fit"}
    known = np.isfinite(generated).all(-1) & np.isfinite(truth).all(-1)
    if not known.any():
        return MetricResult("pose_error", None, "rad^2", 0, settings, "no frame with a face in both")
    difference = generated[known].astype(np.float64) - truth[known]
    degrees = np.degrees(np.abs(difference)).mean(0)
    settings["mean_absolute_degrees"] = dict(zip(AXES, degrees.tolist(), strict=True))
    return MetricResult("pose_error", float((difference**2).mean()), "rad^2", int(known.sum()), settings)
