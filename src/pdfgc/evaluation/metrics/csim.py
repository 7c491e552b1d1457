"""CSIM: likeness of the person, the cosine of face-recognition embeddings (SFace) of matching frames."""

from __future__ import annotations

import numpy as np

from pdfgc.evaluation.identity import STRIDE
from pdfgc.evaluation.result import MetricResult


def csim(generated: np.ndarray, truth: np.ndarray, *, still: bool = False) -> MetricResult:
    """Mean cosine of matching rows of `[N, 128]` embeddings; rows with NaN on either side are left out.

    `still` says that the truth is one picture, the portrait.
    """
    against = "the portrait" if still else "the truth's frame nearest in time"
    settings = {"network": "SFace", "stride": STRIDE, "against": against}
    known = np.isfinite(generated).all(-1) & np.isfinite(truth).all(-1)
    a, b = generated[known].astype(np.float64), truth[known].astype(np.float64)
    norms = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    if not len(a) or not norms.all():
        return MetricResult("csim", None, "cosine", 0, settings, "no face that is recognised on both sides")
    return MetricResult("csim", float(np.mean((a * b).sum(-1) / norms)), "cosine", len(a), settings)
