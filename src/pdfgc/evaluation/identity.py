"""Likeness of the result to the portrait: cosine of SFace embeddings."""

from __future__ import annotations

import numpy as np

from pdfgc.evaluation.result import MetricResult

STRIDE = 5
"""Every how many frames the face is embedded (neighbouring frames are almost the same)."""


def identity(portrait: np.ndarray, output: np.ndarray) -> MetricResult:
    """Mean cosine similarity of the output's embeddings to the portrait's.

    Args:
        portrait: `[128]` embedding of the portrait, any length.
        output: `[N, 128]` embeddings of output frames with a face (rows with NaN are left out).
    """
    settings = {"model": "SFace", "stride": STRIDE}
    output = output[np.isfinite(output).all(-1)]
    norms = np.linalg.norm(output, axis=-1) * np.linalg.norm(portrait)
    if not len(output) or not norms.all():
        return MetricResult("identity", None, "cosine", 0, settings, "no face to compare")
    return MetricResult(
        "identity", float(np.mean(output @ portrait / norms)), "cosine", len(output), settings
    )
