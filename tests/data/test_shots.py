"""Cuts between shots."""

from __future__ import annotations

import numpy as np

from pdfgc.data.shots import ShotDetector


def scene(seed: int) -> np.ndarray:
    """`[64, 64, 3]` blocks of random brightness."""
    blocks = np.random.default_rng(seed).integers(0, 255, (8, 8, 3))
    return np.kron(blocks, np.ones((8, 8, 1))).astype(np.uint8)


def cuts(frames: list[np.ndarray]) -> list[int]:
    detector = ShotDetector()
    return [number for number, frame in enumerate(frames) if detector.is_cut(frame)]


def test_a_cut_is_where_the_picture_changes() -> None:
    assert cuts([scene(0)] * 6 + [scene(1)] * 6 + [scene(2)] * 2) == [6, 12]
    assert cuts([scene(0), scene(1), scene(1)]) == [1]


def test_a_flash_is_cut_out() -> None:
    assert cuts([scene(0)] * 4 + [np.full((64, 64, 3), 255, np.uint8)] + [scene(0)] * 4) == [4, 5]


def test_movement_and_light_are_no_cuts() -> None:
    wide = np.concatenate([scene(seed) for seed in range(4)], 1)
    assert cuts([wide[:, 3 * step : 3 * step + 64] for step in range(50)]) == []
    assert cuts([(scene(0) * (0.3 + step / 60)).astype(np.uint8) for step in range(40)]) == []
