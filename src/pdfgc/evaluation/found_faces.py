"""Share of frames in which the tracker finds a face."""

from __future__ import annotations

import numpy as np

from pdfgc.evaluation.result import MetricResult


def found_faces(found: np.ndarray) -> MetricResult:
    """Share of True in `found` `[T]`; undefined for no frames."""
    if not len(found):
        return MetricResult("found_faces", None, "share", 0, {}, "no frames")
    return MetricResult("found_faces", float(np.mean(found)), "share", len(found))
