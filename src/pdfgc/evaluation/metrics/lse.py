"""LSE-C, LSE-D and NLSE-C: lip sync by SyncNet (Chung & Zisserman 2016; Prajwal et al. 2020; paper, eq. 9)."""

from __future__ import annotations

from typing import Any

import numpy as np

from pdfgc.evaluation.result import MetricResult

SHIFT = 15
"""Frames that the sound is moved to both sides in search of the best fit, at 25 a second."""

_FLOOR = 1e-6
"""Added to every difference of two features, as torch's `pairwise_distance` does."""


def mean_distances(lips: np.ndarray, sound: np.ndarray, shift: int = SHIFT) -> np.ndarray:
    """Mean distance of lips to sound at every shift of the sound.

    Args:
        lips, sound: `[T, D]` SyncNet features of the same moments.
        shift: frames searched to both sides; the sound is continued with zeros past its ends.

    Returns:
        `[2 shift + 1]`; entry k compares lips of frame t with the sound of frame t + k - shift.
    """
    padded = np.pad(sound, ((shift, shift), (0, 0)))
    count = len(lips)
    return np.array(
        [np.linalg.norm(lips - padded[k : k + count] + _FLOOR, axis=-1).mean() for k in range(2 * shift + 1)]
    )


def lse(distances: np.ndarray, frames: int, settings: dict[str, Any]) -> dict[str, MetricResult]:
    """Confidence and distance of one video.

    Args:
        distances: of `mean_distances`.
        frames: how many frames they rest on.
        settings: which network and weights.

    Returns:
        `lse_c`: median less least distance (higher is better); `lse_d`: least distance. Both name the offset in
        frames of 1/25 s at which it lies: n means that the lips of a frame fit the sound n frames before it.
    """
    best = int(np.argmin(distances))
    settings = settings | {"shift": (len(distances) - 1) // 2, "rate": 25}
    settings["offset_frames"] = (len(distances) - 1) // 2 - best
    least = float(distances[best])
    confidence = float(_lower_median(distances)) - least
    return {
        "lse_c": MetricResult("lse_c", confidence, "", frames, settings),
        "lse_d": MetricResult("lse_d", least, "", frames, settings),
    }


def _lower_median(values: np.ndarray) -> float:
    """The median as torch takes it: the lower of the two middle values of an even number."""
    return float(np.sort(values)[(len(values) - 1) // 2])


def nlse_c(generated: MetricResult, reference: MetricResult | float) -> MetricResult:
    """|LSE-C of the generated - LSE-C of the training data| / LSE-C of the training data (paper, eq. 9).

    Args:
        generated: mean LSE-C of the generated videos.
        reference: LSE-C of the training data; a result stands for the true videos, where theirs is not known.
    """
    given = not isinstance(reference, MetricResult)
    base = reference.value if isinstance(reference, MetricResult) else reference
    settings: dict[str, Any] = {
        "reference": "LSE-C of the training data, given"
        if given
        else "LSE-C of the truth videos scored here",
        "reference_lse_c": base,
        "generated_lse_c": generated.value,
    }
    if generated.value is None or not base:
        reason = generated.reason or "no reference LSE-C"
        return MetricResult("nlse_c", None, "", 0, settings, reason)
    value = abs(generated.value - base) / abs(base)
    return MetricResult("nlse_c", value, "", generated.samples, settings)
