"""SSIM: structural similarity (Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 2004)."""

from __future__ import annotations

import numpy as np

from pdfgc.evaluation.result import MetricResult

WINDOW, SIGMA = 11, 1.5
"""Side and deviation of the Gaussian window in pixels (the paper's)."""

K1, K2, PEAK = 0.01, 0.03, 255.0

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the luma that is compared (ITU-R BT.601)."""


def frame_ssim(generated: np.ndarray, truth: np.ndarray) -> float:
    """Mean SSIM of the luma of two `[H, W, 3]` pictures, 0..255, over windows that lie wholly inside.

    Raises:
        ValueError: different shapes, or sides under 11 pixels.
    """
    if generated.shape != truth.shape or min(generated.shape[:2]) < WINDOW:
        raise ValueError(
            f"expected two pictures of one size, {WINDOW} px or more, not {generated.shape} and {truth.shape}"
        )
    x, y = (picture.astype(np.float64) @ LUMA for picture in (generated, truth))
    mean_x, mean_y = _blur(x), _blur(y)
    var_x, var_y = _blur(x * x) - mean_x**2, _blur(y * y) - mean_y**2
    covariance = _blur(x * y) - mean_x * mean_y
    c1, c2 = (K1 * PEAK) ** 2, (K2 * PEAK) ** 2
    similarity = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    similarity /= (mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)
    return float(similarity.mean())


def ssim(frames: np.ndarray) -> MetricResult:
    """Mean over frames of `frame_ssim`, `[T]`."""
    settings = {"channels": "luma", "window": WINDOW, "sigma": SIGMA, "k1": K1, "k2": K2}
    if not len(frames):
        return MetricResult("ssim", None, "", 0, settings, "no frames to compare")
    return MetricResult("ssim", float(np.mean(frames)), "", len(frames), settings)


def _blur(image: np.ndarray) -> np.ndarray:
    import cv2

    border = WINDOW // 2
    blurred = cv2.GaussianBlur(image, (WINDOW, WINDOW), SIGMA)
    return np.asarray(blurred)[border:-border, border:-border]
