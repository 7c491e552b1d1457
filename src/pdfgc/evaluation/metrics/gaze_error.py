"""Gaze angle error: how far apart two pairs of eyes look, relative to their heads."""

from __future__ import annotations

import numpy as np

from pdfgc.evaluation.result import MetricResult

RADIUS = 0.4
"""Radius of the eyeball in widths of the eye's opening: 12 mm over 30 mm, a usual adult's."""


def gaze_directions(offset_x: np.ndarray, offset_y: np.ndarray) -> np.ndarray:
    """Unit vectors `[..., 3]` (right, down, ahead) of iris offsets in eye widths (`face.mesh.gaze`)."""
    x, y = offset_x / RADIUS, offset_y / RADIUS
    length = np.hypot(x, y)
    shrink = np.where(length > 0.99, 0.99 / np.maximum(length, 1e-9), 1.0)
    x, y = x * shrink, y * shrink
    return np.stack([x, y, np.sqrt(1 - x**2 - y**2)], -1)


def gaze_error(generated: np.ndarray, truth: np.ndarray) -> MetricResult:
    """Mean angle between two gaze directions in degrees.

    Args:
        generated, truth: `[T, 2]` horizontal and vertical iris offset in eye widths, NaN where unknown (no face, or
            lids that are nearly shut: `signals.NEARLY_SHUT`).
    """
    settings: dict[str, object] = {
        "from": "iris landmarks, mean of both eyes, where both faces' eyes are open",
        "eyeball_radius_in_eye_widths": RADIUS,
        "frames": len(generated),
    }
    known = np.isfinite(generated).all(-1) & np.isfinite(truth).all(-1)
    if not known.any():
        return MetricResult("gaze_error", None, "degrees", 0, settings, "no frame with open eyes in both")
    ours = gaze_directions(generated[known, 0], generated[known, 1])
    theirs = gaze_directions(truth[known, 0], truth[known, 1])
    angles = np.degrees(np.arctan2(np.linalg.norm(np.cross(ours, theirs), axis=-1), (ours * theirs).sum(-1)))
    return MetricResult("gaze_error", float(angles.mean()), "degrees", int(known.sum()), settings)
