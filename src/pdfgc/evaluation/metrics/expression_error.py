"""Expression error: mean squared difference of expression coefficients (paper, Table 2)."""

from __future__ import annotations

import numpy as np

from pdfgc.evaluation.result import MetricResult
from pdfgc.face.mesh import BLENDSHAPES

NOT_EXPRESSION = ("_neutral", "eyeBlink", "eyeLook")
"""Beginnings of the scores that are no expression but gaze and blink (paper, footnote 1), or nothing."""

COEFFICIENTS = tuple(i for i, name in enumerate(BLENDSHAPES) if not name.startswith(NOT_EXPRESSION))


def expression_error(generated: np.ndarray, truth: np.ndarray) -> MetricResult:
    """Mean over frames and coefficients of the squared difference.

    Args:
        generated, truth: `[T, 52]` MediaPipe's scores 0..1, NaN in frames without a face.
    """
    about = f"{len(COEFFICIENTS)} of MediaPipe's 52 blendshape scores: all but gaze and blink"
    return coefficient_error(generated[:, COEFFICIENTS], truth[:, COEFFICIENTS], about)


def coefficient_error(generated: np.ndarray, truth: np.ndarray, about: str) -> MetricResult:
    """The same of any coefficients `[T, K]`, which `about` names in the settings."""
    settings = {"coefficients": about}
    known = np.isfinite(generated).all(-1) & np.isfinite(truth).all(-1)
    if not known.any():
        return MetricResult("expression_error", None, "", 0, settings, "no frame with a face in both")
    difference = generated[known].astype(np.float64) - truth[known]
    return MetricResult("expression_error", float((difference**2).mean()), "", int(known.sum()), settings)
