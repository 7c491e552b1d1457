"""Likeness of the result to the portrait: cosine of SFace embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pdfgc.evaluation.result import MetricResult

if TYPE_CHECKING:
    from pdfgc.face.tracker import Face

STRIDE = 5
"""Every how many frames the face is embedded (neighbouring frames are almost the same)."""

EMBEDDING = 128
"""Length of an SFace embedding."""


class Unrecognised:
    """Stands in for SFace where its weights cannot be had, and knows why: every embedding is unknown."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def embed(self, image: np.ndarray, face: Face) -> np.ndarray:
        """`[128]` of NaN."""
        return np.full(EMBEDDING, np.nan, np.float32)


def identity(portrait: np.ndarray, output: np.ndarray) -> MetricResult:
    """Mean cosine similarity of the output's embeddings to the portrait's.

    Args:
        portrait: `[128]` embedding of the portrait, any length; NaN where there is no recogniser.
        output: `[N, 128]` embeddings of output frames with a face (rows with NaN are left out).
    """
    settings = {"model": "SFace", "stride": STRIDE}
    if not np.isfinite(portrait).all():  # only `Unrecognised` has no embedding of a face that was found
        return MetricResult("identity", None, "cosine", 0, settings, "SFace could not be had")
    output = output[np.isfinite(output).all(-1)]
    norms = np.linalg.norm(output, axis=-1) * np.linalg.norm(portrait)
    if not len(output) or not norms.all() or not np.isfinite(norms).all():
        return MetricResult("identity", None, "cosine", 0, settings, "no face that is recognised")
    return MetricResult(
        "identity", float(np.mean(output @ portrait / norms)), "cosine", len(output), settings
    )
