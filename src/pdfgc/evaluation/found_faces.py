"""Shares of frames in which the tracker finds a face, and an eye that is open."""

from __future__ import annotations

import numpy as np

from pdfgc.evaluation.result import MetricResult


def found_faces(found: np.ndarray) -> MetricResult:
    """Share of True in `found` `[T]`; undefined for no frames."""
    if not len(found):
        return MetricResult("found_faces", None, "share", 0, {}, "no frames")
    return MetricResult("found_faces", float(np.mean(found)), "share", len(found))


def open_eyes(found: np.ndarray, gaze: np.ndarray) -> MetricResult:
    """Share of the frames with a face in which the gaze `[T]` is known; undefined for no faces.

    Gaze is unknown where lids are nearly shut (`signals.NEARLY_SHUT`): this is how much of a clip its numbers are
    about.
    """
    faces = int(np.sum(found))
    if not faces:
        return MetricResult("open_eyes", None, "share", 0, {}, "no frame with a face")
    return MetricResult("open_eyes", float(np.isfinite(gaze).sum()) / faces, "share", faces)
