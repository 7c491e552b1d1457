"""Mouth opening of the result against the mouth of the person who spoke the audio."""

from __future__ import annotations

import numpy as np

from pdfgc.evaluation.correlation import correlation
from pdfgc.evaluation.result import MetricResult

OFFSETS = (-1, 0, 1)
"""Frames by which the result may lag; only 0 is the headline, the others show how far the sound is off."""


def mouth_correlations(speaker: np.ndarray, output: np.ndarray, min_sd: float) -> dict[int, MetricResult]:
    """Correlation of the two mouth openings at each offset of `OFFSETS`.

    At offset k the output's frame t + k is compared with the speaker's frame t: a positive k means that the
    result is late (or the speaker's own sound leads his picture).

    Args:
        speaker: `[T]` mouth opening of the true speaker at the output's times, NaN where unknown.
        output: `[T]` mouth opening of the result.
        min_sd: see `correlation`.

    Returns:
        offset in frames -> the correlation, computed over the overlap.
    """
    length = min(len(speaker), len(output))
    results = {}
    for offset in OFFSETS:
        start, stop = max(0, -offset), length - max(0, offset)
        result = correlation(speaker[start:stop], output[start + offset : stop + offset], min_sd)
        settings = result.settings | {"offset_frames": offset}
        name = "mouth_correlation"
        results[offset] = MetricResult(name, result.value, "", result.samples, settings, result.reason)
    return results
