"""Speech as a stream, and smoothing that does not wait."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch

from pdfgc.listening import gaussian_taps, listen, smooth_rows
from pdfgc.networks.speech_mel import MelHearing


def test_three_taps_of_a_gaussian() -> None:
    side = np.exp(-0.5)
    assert gaussian_taps(3, 1.0) == pytest.approx(
        [side / (1 + 2 * side), 1 / (1 + 2 * side), side / (1 + 2 * side)]
    )
    assert gaussian_taps(1, 1.0) == pytest.approx([1.0])
    assert gaussian_taps(3, 0.0) == pytest.approx([0.0, 1.0, 0.0])


def test_rows_are_weighted_and_the_ends_over_what_is_there() -> None:
    rows = np.array([[1.0], [2.0], [4.0], [8.0]], np.float32)
    smoothed = np.concatenate(list(smooth_rows([rows], np.array([0.25, 0.5, 0.25]))))
    assert smoothed[:, 0] == pytest.approx([(0.5 + 0.5) / 0.75, 2.25, 4.5, (1 + 4) / 0.75])


@pytest.mark.parametrize("cuts", [[], [1], [1, 2, 3], [0, 5, 5, 6], [9], [4, 8]])
def test_smoothing_does_not_depend_on_the_blocks(cuts: list[int]) -> None:
    rows = np.random.default_rng(0).normal(size=(10, 3)).astype(np.float32)
    weights = gaussian_taps(5, 1.0)
    whole = np.concatenate(list(smooth_rows([rows], weights)))
    parts = np.concatenate(list(smooth_rows(np.split(rows, cuts), weights)))
    assert whole.shape == rows.shape
    assert np.allclose(parts, whole, atol=1e-6)


def test_nothing_in_nothing_out() -> None:
    assert list(smooth_rows([], gaussian_taps(3, 1.0))) == []


def test_frames_of_a_long_sound_have_the_right_times() -> None:
    torch.manual_seed(0)
    wave = (0.1 * torch.randn(16000 * 20)).numpy()
    fps = Fraction(30000, 1001)
    heard = list(listen(np.array_split(wave, 7), fps, MelHearing(), torch.device("cpu")))
    assert len(heard) == 2
    assert sum(len(part.since) for part in heard) == -(-20 * 30000 // 1001)
    first = len(heard[0].since)
    assert heard[0].since[1].item() == pytest.approx(1001 / 30000)
    assert heard[1].since[0].item() == pytest.approx(
        first * 1001 / 30000 - 14, abs=1e-4
    )  # 2 s of context before 16
