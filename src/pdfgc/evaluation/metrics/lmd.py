"""LMD and LMD_m: landmark distance of the face and of the mouth (Chen et al., ECCV 2018 and CVPR 2019)."""

from __future__ import annotations

import numpy as np

from pdfgc.evaluation.result import MetricResult

FACE = slice(0, 68)
MOUTH = slice(48, 68)
"""Entries of the 68 landmarks that are lips."""

UNIT = "px of a 256 px head crop"


def normalised(landmarks: np.ndarray, scale: float) -> np.ndarray:
    """Landmarks `[T, K, 2]` with each frame's own mean taken off, times `scale`.

    Taking off the mean is the alignment of the literature. The scale makes videos of any framing comparable.
    """
    return (landmarks - landmarks.mean(-2, keepdims=True)) * scale


def landmark_distance(
    generated: np.ndarray, truth: np.ndarray, generated_scale: float, truth_scale: float, *, mouth: bool
) -> MetricResult:
    """Mean Euclidean distance of matching landmarks over points and frames.

    Args:
        generated, truth: `[T, 68, 2]` pixels, NaN in frames without a face.
        generated_scale, truth_scale: pixels of a 256 px head crop per pixel, one number a video.
        mouth: the lips' 20 points alone, about their own mean (`LMD_m`).
    """
    name, part = ("lmd_m", MOUTH) if mouth else ("lmd", FACE)
    settings = {
        "points": "20 of the lips" if mouth else "68, from MediaPipe's mesh",
        "aligned": "each frame's points about their own mean; no rotation",
        "scale": "each video by its median head size; a 256 px head crop is 1.75 face heights wide",
    }
    known = np.isfinite(generated).all((-1, -2)) & np.isfinite(truth).all((-1, -2))
    if not known.any():
        return MetricResult(name, None, UNIT, 0, settings, "no frame with a face in both")
    ours = normalised(generated[known, part].astype(np.float64), generated_scale)
    theirs = normalised(truth[known, part].astype(np.float64), truth_scale)
    distance = float(np.linalg.norm(ours - theirs, axis=-1).mean())
    return MetricResult(name, distance, UNIT, int(known.sum()), settings)
