"""PSNR: peak signal-to-noise ratio of frames."""

from __future__ import annotations

import numpy as np

from pdfgc.evaluation.result import MetricResult

PEAK = 255.0

CAP = 100.0
"""Decibels that stand for equal frames, whose ratio is infinite (8-bit frames that differ stay below 97)."""


def frame_psnr(generated: np.ndarray, truth: np.ndarray) -> float:
    """Decibels between two pictures of one shape, 0..255: 10 log10(255^2 / mean squared difference)."""
    error = float(np.mean((generated.astype(np.float64) - truth.astype(np.float64)) ** 2))
    return CAP if error == 0 else min(CAP, 10 * float(np.log10(PEAK**2 / error)))


def psnr(frames: np.ndarray) -> MetricResult:
    """Mean over frames of `frame_psnr`, `[T]`."""
    settings = {"channels": "RGB", "peak": PEAK, "equal_frames": CAP}
    if not len(frames):
        return MetricResult("psnr", None, "dB", 0, settings, "no frames to compare")
    return MetricResult("psnr", float(np.mean(frames)), "dB", len(frames), settings)
