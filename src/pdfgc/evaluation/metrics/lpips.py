"""LPIPS v0.1 with AlexNet (Zhang et al., CVPR 2018); the network is `pdfgc.priors.perceptual`."""

from __future__ import annotations

import numpy as np

from pdfgc.evaluation.result import MetricResult

STRIDE = 5
"""Every how many frames pictures are compared (neighbouring frames are almost the same)."""


def lpips(frames: np.ndarray) -> MetricResult:
    """Mean of the distances `[N]` of every `STRIDE`-th frame."""
    settings = {"network": "AlexNet, v0.1", "stride": STRIDE}
    if not len(frames):
        return MetricResult("lpips", None, "", 0, settings, "no frames to compare")
    return MetricResult("lpips", float(np.mean(frames)), "", len(frames), settings)
