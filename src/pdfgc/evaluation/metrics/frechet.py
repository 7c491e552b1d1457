"""FID and `fid_vgg`: Frechet distance between the features of two sets of frames (Heusel et al. 2017)."""

from __future__ import annotations

from typing import Any

import numpy as np

from pdfgc.evaluation.result import MetricResult

STRIDE = 5
"""Every how many frames pictures enter the statistics (neighbouring frames are almost the same)."""


def frechet_distance(one: np.ndarray, other: np.ndarray) -> float:
    """|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)) of the normal distributions fitted to two sets of rows.

    The trace of the root is taken from the eigenvalues of S1^(1/2) S2 S1^(1/2), which are those of S1 S2 and
    are real and not negative whatever the rounding.

    Args:
        one, other: `[N, D]` and `[M, D]` features, at least two rows each.
    """
    mean_a, mean_b = one.mean(0, dtype=np.float64), other.mean(0, dtype=np.float64)
    cov_a, cov_b = (np.atleast_2d(np.cov(x.astype(np.float64), rowvar=False)) for x in (one, other))
    values, vectors = np.linalg.eigh(cov_a)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    shared = np.sqrt(np.linalg.eigvalsh(root @ cov_b @ root).clip(0)).sum()
    distance = ((mean_a - mean_b) ** 2).sum() + np.trace(cov_a) + np.trace(cov_b) - 2 * shared
    return float(max(distance, 0.0))


def frechet(name: str, one: np.ndarray, other: np.ndarray, settings: dict[str, Any]) -> MetricResult:
    """`frechet_distance` as a result called `name`; it says when the frames are fewer than the features."""
    count = min(len(one), len(other))
    settings = settings | {"stride": STRIDE, "generated": len(one), "truth": len(other)}
    if count < 2:
        return MetricResult(name, None, "", count, settings, "fewer than two frames on a side")
    if count <= one.shape[1]:
        settings["caution"] = f"{count} frames for {one.shape[1]} features: biased upwards"
    return MetricResult(name, frechet_distance(one, other), "", count, settings)
