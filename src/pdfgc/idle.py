"""A head that waits: gentle blinks and sway, the driver `idle`.

The movement is made, not recorded, and is the same every time. It is written in codes whose entries mean the same in
every model: radians and crop units for the pose, lids shut for the blink (`training.stage2_eyes.eye_targets`).
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import numpy as np

from pdfgc.motion import FACTORS, MotionTrack

SECONDS = 60
FPS = Fraction(25)

_SEED = 5
_BLINK_EVERY = (2.2, 5.5)  # seconds between blinks, uniformly; people at rest blink 12 to 20 times a minute
_BLINK_SECONDS = 0.3
_SHUT = 0.85
_LIDS = (0, 1)
_SWAY = (
    # amplitude of pitch, yaw, roll (radians), x, y (crop units), log scale; and cycles in SECONDS of its two waves
    (0.012, (7, 17)),
    (0.025, (5, 13)),
    (0.010, (4, 11)),
    (0.006, (5, 9)),
    (0.005, (7, 12)),
    (0.003, (3, 8)),
)


def idle_track(own: Mapping[str, np.ndarray]) -> MotionTrack:
    """A minute of idling about a portrait's own eyes and pose, without a seam when it wraps.

    Args:
        own: the portrait's codes `{factor: [D]}`.

    Returns:
        A track whose eyes and pose move, at 25 frames a second.
    """
    time = np.arange(int(SECONDS * FPS)) / float(FPS)
    eyes = np.repeat(np.asarray(own["eyes"], np.float32)[None], len(time), 0)
    shut = _blinks(time)[:, None]
    lids = list(_LIDS)
    eyes[:, lids] += shut * np.maximum(_SHUT - eyes[:, lids], 0)
    pose = np.repeat(np.asarray(own["pose"], np.float32)[None], len(time), 0)
    random = np.random.default_rng(_SEED)
    for entry in range(FACTORS["pose"]):
        amplitude, cycles = _SWAY[entry]
        for cycle in cycles:
            phase = random.uniform(0, 2 * np.pi)
            wave = np.sin(2 * np.pi * cycle * time / SECONDS + phase) - np.sin(
                phase
            )  # starts at the portrait's own
            pose[:, entry] += amplitude / 2 * wave
    return MotionTrack.from_codes({"eyes": eyes, "pose": pose}, fps=FPS)


def _blinks(time: np.ndarray) -> np.ndarray:
    """How far the lids are shut, 0..1: quick down, slower up."""
    random = np.random.default_rng(_SEED)
    shut = np.zeros(len(time), np.float32)
    start = 1.2
    while start + _BLINK_SECONDS < SECONDS:
        phase = (time - start) / _BLINK_SECONDS
        falling, rising = phase / 0.35, (1 - phase) / 0.65
        shut = np.maximum(shut, np.clip(np.minimum(falling, rising), 0, 1))
        start += random.uniform(*_BLINK_EVERY)
    return shut
