"""`sync_small_c` and `sync_small_d`: lip sync by our own small judge, in the manner of LSE-C and LSE-D.

The numbers are of another network than SyncNet's and not comparable with LSE: features have unit length, so
distances lie in 0..2 and sqrt(2), 1.41, is chance.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pdfgc.evaluation.result import MetricResult

SHIFT = 15
"""Frames of 1/25 s that the sound is moved to both sides."""

MIN_FRAMES = 10
"""Fewest frames for a value."""


def frame_distances(mouths: np.ndarray, speech: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """Distance of every mouth to the speech at every shift.

    Unlike SyncNet's search, every shift is judged on the same frames: those from which all shifts stay within the
    sound, so that silence past its end favours none.

    Args:
        mouths: `[T, D]` features of frames 0..T - 1.
        speech: `[T + 2 SHIFT, D]` features of the sound, of frames -SHIFT..T - 1 + SHIFT.
        usable: `[T]` bool, frames that count.

    Returns:
        `[N, 2 SHIFT + 1]` for the N usable frames; entry k is for the sound of frame t + k - SHIFT.
    """
    rows = np.flatnonzero(usable)
    shifts = np.arange(2 * SHIFT + 1)
    return np.linalg.norm(mouths[rows, None] - speech[rows[:, None] + shifts], axis=-1)


def sync_small(distances: np.ndarray, frames: int, settings: dict[str, Any]) -> dict[str, MetricResult]:
    """Confidence and distance of one video.

    Args:
        distances: `[2 SHIFT + 1]` means over the frames of `frame_distances`; not read without frames.
        frames: how many frames they rest on.
        settings: which weights.

    Returns:
        `sync_small_c`: median less least distance (higher is better); `sync_small_d`: least distance. Both name the
        offset at which it lies: n means that the lips of a frame fit the sound n frames before it.
    """
    settings = settings | {"shift": SHIFT, "rate": 25, "min_frames": MIN_FRAMES}
    if frames < MIN_FRAMES:
        reason = f"fewer than {MIN_FRAMES} frames with a face and sound {SHIFT / 25:g} s to both sides"
        return {
            n: MetricResult(n, None, "", frames, settings, reason) for n in ("sync_small_c", "sync_small_d")
        }
    best = int(np.argmin(distances))
    least = float(distances[best])
    settings["offset_frames"] = SHIFT - best
    settings["distance_unshifted"] = float(distances[SHIFT])
    return {
        "sync_small_c": MetricResult(
            "sync_small_c", float(np.median(distances)) - least, "", frames, settings
        ),
        "sync_small_d": MetricResult("sync_small_d", least, "", frames, settings),
    }
